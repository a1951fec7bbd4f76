// From connection options to a Connection: what each comes to, which contradict, and where the password comes from.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Command } from 'commander';
import type { Connection } from '../../src/app/connection.ts';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { addConnectionOptions, type ConnectionUse, parseConnection } from '../../src/cli/options.ts';
import { type TestContext, testContext } from '../support/context.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function optionsOf(args: string[], use?: ConnectionUse): Record<string, unknown> {
  const command = new Command().exitOverride().configureOutput({ outputError: () => {} });
  addConnectionOptions(command, use);
  return command.parse(args, { from: 'user' }).opts();
}

const connect = (args: string[], context: TestContext = testContext()): Promise<Connection> =>
  parseConnection(optionsOf(args), context);

const refuses = async (args: string[], code: ErrorCode, message: RegExp, context?: TestContext): Promise<void> => {
  await assert.rejects(
    connect(args, context),
    (error) => error instanceof EhloError && error.code === code && message.test(error.message),
  );
};

const passwordOf = async (args: string[], context?: TestContext): Promise<string | undefined> =>
  (await connect(['--user', 'bob', ...args], context)).credentials?.password?.reveal();

const lookup = { exchange: { exchange: () => assert.fail('asked DNS') }, systemServers: () => [] };

describe('connection options', () => {
  test('without any, the defaults are strict', async () => {
    assert.deepEqual(await connect([]), {
      tlsVerify: 'full',
      tlsClient: { minVersion: 'TLSv1.2' },
      allowPlaintextAuth: false,
      deadlines: clientDeadlines,
      overrides: [],
      mxPort: 25,
    } satisfies Connection);
  });

  const cases: { args: string[]; gives: Partial<Connection> }[] = [
    { args: ['--server', 'mx.example:465'], gives: { tls: 'implicit' } },
    { args: ['--server', 'smtp://mx.example:465', '--tls', 'required'], gives: { tls: 'required' } },
    { args: ['--server', 'smtps://mx.example:2465'], gives: { tls: 'implicit' } },
    { args: ['--server', 'smtps://mx.example', '--tls', 'required'], gives: { tls: 'implicit' } },
    { args: ['--tls', 'off'], gives: { tls: 'off' } },
    {
      args: ['--tls-verify', 'ca', '--tls-name', 'x.example', '--tls-min', '1.3'],
      gives: { tlsVerify: 'ca', tlsClient: { minVersion: 'TLSv1.3', name: 'x.example' } },
    },
    {
      args: ['--pin', `sha256:${'AB:'.repeat(31)}AB`],
      gives: { tlsClient: { minVersion: 'TLSv1.2', pin: 'ab'.repeat(32) } },
    },
    { args: ['--auth', 'none'], gives: { mechanisms: 'none' } },
    { args: ['-4'], gives: { family: 4 } },
    { args: ['-6'], gives: { family: 6 } },
    { args: ['--local-address', '127.0.0.2'], gives: { localAddress: '127.0.0.2', family: 4 } },
    { args: ['--dns', '127.0.0.1:5353'], gives: { dns: { host: '127.0.0.1', port: 5353 } } },
    { args: ['--dns', '::1'], gives: { dns: { host: '::1', port: 53 } } },
    {
      args: ['--mx-port', '2525', '--helo', 'me.example', '--max-time', '1m'],
      gives: { mxPort: 2525, helo: 'me.example', maxTimeMs: 60_000 },
    },
    {
      args: ['--resolve', 'mx.example:25:127.0.0.1', '--resolve', 'mx.example:587:[::1],127.0.0.2'],
      gives: {
        overrides: [
          { host: 'mx.example', port: 25, address: '127.0.0.1' },
          { host: 'mx.example', port: 587, address: '::1' },
          { host: 'mx.example', port: 587, address: '127.0.0.2' },
        ],
      },
    },
  ];
  for (const { args, gives } of cases) {
    test(args.join(' '), async () => {
      const connection: Partial<Connection> = await connect(args);
      const found = Object.fromEntries(Object.entries(connection).filter(([name]) => name in gives));
      assert.deepEqual(found, gives);
    });
  }

  test('--timeout rules every reply, but neither the connection nor the last verdict', async () => {
    const { deadlines } = await connect(['--timeout', '2s', '--data-timeout', '1m']);
    assert.deepEqual(deadlines, {
      ...clientDeadlines,
      greeting: 2000,
      reply: 2000,
      tlsHandshake: 2000,
      writeStall: 2000,
      quit: 2000,
      dataVerdict: 60_000,
    });
    assert.equal((await connect(['--connect-timeout', '1s'])).deadlines.connect, 1000);
  });

  test('a resolver by name is looked up', async () => {
    const asked: string[] = [];
    const resolve = {
      ...lookup,
      lookup: async (host: string) => {
        asked.push(host);
        return ['127.0.0.9'];
      },
    };
    const { dns } = await connect(['--dns', 'dns.lab:54'], testContext({ ports: { resolve } }));
    assert.deepEqual(dns, { host: '127.0.0.9', port: 54 });
    assert.deepEqual(asked, ['dns.lab']);
  });

  const contradictions: { args: string[]; message: RegExp }[] = [
    { args: ['--server', 'smtps://mx.example', '--tls', 'off'], message: /--tls off contradicts smtps:/ },
    { args: ['--server', 'pop3s://mx.example', '--tls', 'opportunistic'], message: /contradicts pop3s:/ },
    { args: ['--server', 'smtp://u@h', '--user', 'v'], message: /name different users/ },
    { args: ['-4', '-6'], message: /exclude each other/ },
    { args: ['-6', '--local-address', '127.0.0.1'], message: /not an IPv6 address/ },
    { args: ['--cert', 'x'], message: /--cert and --key belong together/ },
    {
      args: ['--user', 'u', '--password', 'a', '--password-env', 'B'],
      message: /--password-env and --password both give/,
    },
    { args: ['--server', 'smtp://u:p@h', '--password-env', 'B'], message: /and the password in the URL both give/ },
    { args: ['--password-env', 'B'], message: /--password-env is given, but not who logs in/ },
    { args: ['--auth', 'PLAIN'], message: /--auth is given, but not who logs in/ },
    { args: ['--token-command', 'true'], message: /--token-command is given, but not who/ },
    { args: ['--tls', 'yes'], message: /^--tls: "yes" is none of off, / },
    { args: ['--tls-min', '1.4'], message: /^--tls-min: / },
    { args: ['--pin', 'sha256:abcd'], message: /^--pin: / },
    { args: ['--pin', 'a'.repeat(64)], message: /^--pin: / },
    { args: ['--auth', 'PLAIN LOGIN'], message: /not the name of a mechanism/ },
    { args: ['--timeout', '10'], message: /^--timeout: "10" is not a duration/ },
    { args: ['--mx-port', '0'], message: /^--mx-port: / },
    { args: ['--local-address', 'localhost'], message: /^--local-address: / },
    { args: ['--resolve', 'mx.example:127.0.0.1'], message: /^--resolve: / },
    { args: ['--resolve', 'mx.example:25:elsewhere'], message: /^--resolve: / },
    { args: ['--server', 'ftp://h'], message: /^--server: / },
    { args: ['--user', 'u', '--password-env', 'UNSET'], message: /UNSET is not set/ },
  ];
  for (const { args, message } of contradictions) {
    test(`${args.join(' ')} is refused`, () => refuses(args, 'usage', message));
  }
});

describe('the password', () => {
  test('comes from a file, without its line end', async () => {
    assert.equal(await passwordOf(['--password-file', file('one', 'hunter2\n')]), 'hunter2');
    assert.equal(await passwordOf(['--password-file', file('two', 'pass word \r\n')]), 'pass word ');
    assert.equal(await passwordOf(['--password-file', file('three', 'pässwörd')]), 'pässwörd');
  });

  test('comes from standard input, once', async () => {
    const context = testContext({ input: 'hunter2\n' });
    assert.equal(await passwordOf(['--password-file', '-'], context), 'hunter2');
    await assert.rejects(context.ports.files.read('-'), /standard input is asked for twice/);
  });

  test('comes from the environment', async () => {
    assert.equal(await passwordOf(['--password-env', 'P'], testContext({ env: { P: 'hunter2' } })), 'hunter2');
    await refuses(['--user', 'u', '--password-env', 'P'], 'usage', /P is empty/, testContext({ env: { P: '' } }));
  });

  test('comes from a command, which does not see our other secrets', async () => {
    const env = { EHLO_PASSWORD: 'other', KEPT: 'hunter2', PATH: process.env['PATH'] };
    const command = 'printf "%s" "$KEPT$EHLO_PASSWORD"';
    assert.equal(await passwordOf(['--password-command', command], testContext({ env })), 'hunter2');
  });

  test('a command that fails, or says nothing, or too much, is an error that does not quote it', async () => {
    const context = testContext({ env: { PATH: process.env['PATH'] } });
    const command = (line: string): string[] => ['--user', 'u', '--password-command', line];
    await refuses(
      command('echo hunter2; exit 3'),
      'io',
      /^the password or token command failed with exit code 3$/,
      context,
    );
    await refuses(command('kill -9 $$'), 'io', /was ended by SIGKILL/, context);
    await refuses(command('true'), 'config', /gave nothing/, context);
    await refuses(command('echo a; echo b'), 'config', /more than one line/, context);
    await refuses(command('head -c 100000 /dev/zero'), 'io', /more than 65536 bytes/, context);
  });

  test('a file that others can read is refused', async () => {
    const path = file('open', 'hunter2\n', 0o644);
    await assert.rejects(
      connect(['--user', 'u', '--password-file', path]),
      (error) => error instanceof EhloError && error.exit === 'CONFIG' && error.hint === `chmod 600 ${path}`,
    );
    await refuses(['--user', 'u', '--password-file', join(directory, 'none')], 'no-input', /does not exist/);
    await refuses(['--user', 'u', '--password-file', directory], 'io', /is a directory/);
    await refuses(['--user', 'u', '--password-file', file('big', 'x'.repeat(70_000))], 'config', /too large/);
  });

  test('in the URL or as --password it works with a warning, and the scrubber knows it', async () => {
    for (const args of [
      ['--server', 'smtp://bob:hunter2@h'],
      ['--user', 'bob', '--password', 'hunter2'],
    ]) {
      const context = testContext();
      const connection = await connect(args, context);
      assert.equal(connection.credentials?.password?.reveal(), 'hunter2');
      assert.match(context.stderr.text, /^ehlo: warning: .* shows in shell history/);
      assert.equal(context.scrubber.scrub('a hunter2 b'), 'a <secret> b');
      assert.doesNotMatch(JSON.stringify(connection), /hunter2/);
    }
    const quiet = testContext({ verbosity: -1 });
    await connect(['--server', 'smtp://bob:hunter2@h'], quiet);
    assert.equal(quiet.stderr.text, '');
  });

  test('is not looked for with --auth none, nor with EXTERNAL', async () => {
    assert.equal((await connect(['--auth', 'none', '--user', 'u', '--password-env', 'UNSET'])).credentials, undefined);
    assert.deepEqual((await connect(['--auth', 'external'])).credentials, { user: '' });
    assert.deepEqual((await connect(['--auth', 'EXTERNAL', '--user', 'u'])).credentials, { user: 'u' });
  });

  test('a token stands for itself', async () => {
    const context = testContext({ env: { PATH: process.env['PATH'] } });
    const { credentials } = await connect(
      ['--user', 'u', '--auth', 'xoauth2,oauthbearer', '--token-command', 'echo ya29.token'],
      context,
    );
    assert.equal(credentials?.token?.reveal(), 'ya29.token');
    assert.equal(credentials?.password, undefined);
    assert.equal(context.scrubber.scrub('ya29.token'), '<secret>');
  });

  test('with nobody to ask, its absence is a usage error', () => refuses(['--user', 'u'], 'usage', /nobody to ask/));
});

test('a command shows only the options that mean something to it', () => {
  assert.throws(() => optionsOf(['--mx-port', '1'], 'fetch'), /unknown option/);
  assert.throws(() => optionsOf(['--pipe', 'x'], 'fetch'), /unknown option/);
  assert.deepEqual(optionsOf(['--mx-port', '1'], 'relay-test'), { mxPort: '1' });
});

// Where secrets come from besides files and commands (connection.test.ts): descriptors, the keyring, netrc, OAuth2.
import assert from 'node:assert/strict';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Command } from 'commander';
import type { Connection } from '../../src/app/connection.ts';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { keyringQuery } from '../../src/cli/keyring.ts';
import { addConnectionOptions, parseConnection } from '../../src/cli/options.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { runBundled } from '../support/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
  rmSync(directory, { recursive: true, force: true });
});

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function connect(args: string[], context: TestContext = testContext()): Promise<Connection> {
  const command = new Command().exitOverride().configureOutput({ outputError: () => {} });
  addConnectionOptions(command);
  return parseConnection(command.parse(args, { from: 'user' }).opts(), context);
}

async function refusal(args: string[], code: ErrorCode, text: RegExp, context?: TestContext): Promise<EhloError> {
  const thrown = await connect(args, context).then(
    () => assert.fail('it was taken'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof EhloError, String(thrown));
  assert.equal(thrown.code, code, thrown.message);
  assert.match(`${thrown.message}\n${thrown.hint ?? ''}`, text);
  assert.doesNotMatch(`${thrown.message}${thrown.hint ?? ''}`, /hunter2/);
  return thrown;
}

const refuses = async (...given: Parameters<typeof refusal>): Promise<void> => void (await refusal(...given));

const bob = ['--server', 'smtp://bob@mx.test'];
const passwordOf = async (args: string[], context?: TestContext): Promise<string | undefined> =>
  (await connect(args, context)).credentials?.password?.reveal();

describe('--password-env', () => {
  test('of a variable that is not there names it', () =>
    refuses([...bob, '--password-env', 'NO_SUCH'], 'usage', /environment variable NO_SUCH is not set/));

  test('with the password in place of the name does not show it', () =>
    refuses([...bob, '--password-env', 'hunter2'], 'usage', /variable that it names is not set[\s\S]*the name of the/));
});

describe('a command for a secret', () => {
  const tokenOf = async (command: string, env: NodeJS.ProcessEnv) => {
    const context = testContext({ env: { PATH: process.env['PATH'], ...env } });
    const found = await connect([...bob, '--password-env', 'PW', '--token-command', command], context);
    return found.credentials?.token?.reveal();
  };

  test('does not find the secrets of the run in its environment', async () => {
    const env = { PW: 'hunter2', EHLO_PASSWORD: 'hunter2', OTHER: 'kept' };
    assert.equal(await tokenOf('echo "<$PW$EHLO_PASSWORD$OTHER>"', env), '<kept>');
  });

  test('that no argument can hold is told without it', () =>
    refuses([...bob, '--password-command', 'echo hunter2\0'], 'io', /cannot be run: no argument can hold U\+0000/));

  test('that is longer than the system takes is told, too', () =>
    refuses([...bob, '--password-command', `: ${'x'.repeat(4_000_000)}`], 'io', /cannot be run: spawn E2BIG/));

  test('is not waited for once it has printed too much, whatever it left running', () =>
    refuses([...bob, '--password-command', 'sleep 20 & yes'], 'io', /printed more than/));
});

describe('--password-fd', () => {
  test('reads an open descriptor', async () => {
    const fd = openSync(file('fd', 'hunter2\n'), 'r');
    assert.equal(await passwordOf([...bob, '--password-fd', `${fd}`]), 'hunter2');
    assert.throws(() => closeSync(fd), /EBADF/);
  });

  test('0 is standard input', async () => {
    assert.equal(await passwordOf([...bob, '--password-fd', '0'], testContext({ input: 'hunter2\n' })), 'hunter2');
  });

  for (const number of ['1', '2', '-1', '3.5', 'x', '']) {
    test(`"${number}" is no descriptor to read from`, () =>
      refuses([...bob, '--password-fd', number], 'usage', /^--password-fd: .* 0, or 3 and more/));
  }

  test('one that is not open, or not for reading, or no file', async () => {
    await refuses([...bob, '--password-fd', '9999'], 'config', /descriptor 9999 is not open\n.*9999<FILE/);
    const writing = openSync(join(directory, 'writing'), 'w');
    closing.push(() => closeSync(writing));
    await refuses([...bob, '--password-fd', `${writing}`], 'config', /not open for reading/);
    const folder = openSync(directory, 'r');
    closing.push(() => closeSync(folder));
    await refuses([...bob, '--password-fd', `${folder}`], 'config', /neither a file nor a pipe/);
  });

  test('from a shell, as a pipe', async () => {
    const args = '--server 127.0.0.1:1 --user bob --password-fd 7 --from a@x.test --body hi --auth PLAIN b@x.test';
    const ran = await runBundled([], { shell: `$EHLO send --tls off ${args} --json 7< <(echo hunter2)` });
    assert.match(ran.stdout, /connection refused/);
    const none = await runBundled([], { shell: `$EHLO send --tls off ${args.replace('fd 7', 'fd 97')} --json` });
    assert.equal(none.code, 78);
    assert.match(none.stdout, /descriptor 97 is not open/);
  });
});

describe('--keyring', () => {
  /** A program on PATH that stands for the desktop's; it writes down how it was called. */
  const fake = (name: string, script: string): TestContext => {
    const path = mkdtempSync(join(directory, 'bin-'));
    for (const program of ['secret-tool', 'security']) {
      writeFileSync(join(path, program), `#!/bin/sh\nprintf '%s|' "$@" > ${join(directory, name)}\n${script}\n`);
      chmodSync(join(path, program), 0o755);
    }
    return testContext({ env: { PATH: `${path}:${process.env['PATH']}` } });
  };

  test('asks by host, service and user', async () => {
    const context = fake('called', 'echo hunter2');
    assert.equal(await passwordOf(['--server', 'smtps://bob%20b@mx.test', '--keyring'], context), 'hunter2');
    assert.equal(context.scrubber.scrub('hunter2'), '<secret>');
    const { args } = keyringQuery(process.platform, 'smtps', 'mx.test', 'bob b');
    assert.equal(readFileSync(join(directory, 'called'), 'utf8'), args.map((one) => `${one}|`).join(''));
  });

  test('what it has not is an error that says how to store it', async () => {
    const error = await refusal(
      [...bob, '--keyring'],
      'config',
      /gives no password of bob at mx\.test/,
      fake('n', 'exit 1'),
    );
    assert.match(
      error.hint ?? '',
      process.platform === 'darwin' ? /security add-internet-password/ : /secret-tool store/,
    );
  });

  test('without the program it says what is missing', () =>
    refuses([...bob, '--keyring'], 'config', /is not installed\n.*store/, testContext({ env: { PATH: directory } })));

  test('needs a user and a server', async () => {
    await refuses(['--server', 'mx.test', '--keyring'], 'usage', /--keyring is given, but not who logs in/);
    await refuses(['--server', 'mx:', '--user', 'bob', '--keyring'], 'usage', /none is named/);
    await refuses(['--user', 'bob', '--keyring'], 'usage', /none is named/);
  });

  test('the words of each platform', () => {
    assert.deepEqual(keyringQuery('linux', 'smtps', 'mx.test', 'bob'), {
      program: 'secret-tool',
      args: ['lookup', 'host', 'mx.test', 'service', 'smtp', 'user', 'bob'],
      store: 'secret-tool store --label=ehlo host mx.test service smtp user bob',
    });
    assert.deepEqual(keyringQuery('darwin', 'pop3s', 'mx.test', "b'o"), {
      program: 'security',
      args: ['find-internet-password', '-s', 'mx.test', '-r', 'pop3', '-a', "b'o", '-w'],
      store: "security add-internet-password -s mx.test -r pop3 -a 'b'\\''o' -w",
    });
  });
});

describe('--netrc', () => {
  const netrc = file('netrc', 'machine mx.test login bob password hunter2\nmachine b.test password hunter2\n');
  const from = ['--netrc-file', netrc];

  test('gives the password, and the user where none is named', async () => {
    const { credentials } = await connect(['--server', 'mx.test', ...from]);
    assert.equal(credentials?.user, 'bob');
    assert.equal(credentials?.password?.reveal(), 'hunter2');
    assert.equal(await passwordOf([...bob, ...from]), 'hunter2');
    assert.equal(await passwordOf(['--server', 'smtp://zoe@b.test', ...from]), 'hunter2');
  });

  test('is ~/.netrc by itself, and only on request', async () => {
    const home = mkdtempSync(join(directory, 'home-'));
    writeFileSync(join(home, '.netrc'), 'machine mx.test login bob password hunter2', { mode: 0o600 });
    const context = testContext({ env: { HOME: home } });
    assert.equal(await passwordOf(['--server', 'mx.test', '--netrc'], context), 'hunter2');
    assert.equal((await connect(['--server', 'mx.test'], context)).credentials, undefined);
    await refuses(
      ['--server', 'mx.test', '--netrc'],
      'no-input',
      /\.netrc does not exist/,
      testContext({ env: { HOME: directory } }),
    );
  });

  test('what it does not say is an error', async () => {
    await refuses(
      ['--server', 'other.test', ...from],
      'config',
      /no entry for other\.test\n.*machine other\.test login/,
    );
    await refuses(['--server', 'smtp://eve@mx.test', ...from], 'config', /no entry for eve at mx\.test/);
    await refuses(['--server', 'b.test', ...from], 'usage', /not who logs in/);
    await refuses(from, 'usage', /none is named/);
    await refuses([...bob, '--netrc-file', file('nopass', 'machine mx.test login bob')], 'config', /has no password/);
  });

  test('a file that others can read is refused', () =>
    refuses(
      [...bob, '--netrc-file', file('open', 'machine mx.test', 0o640)],
      'config',
      /others may read[\s\S]*chmod 600/,
    ));

  test('with another source it is one too many', () =>
    refuses([...bob, ...from, '--password-env', 'P'], 'usage', /--password-env and --netrc-file both give/));
});

describe('--oauth2', () => {
  interface Asked {
    fields: Record<string, string>;
    type: string | undefined;
  }

  /** A token endpoint; `undefined` never answers. */
  async function endpoint(
    answer: { status?: number; body: string } | undefined,
  ): Promise<{ url: string; asked: Asked[] }> {
    const asked: Asked[] = [];
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        asked.push({ fields: Object.fromEntries(new URLSearchParams(body)), type: request.headers['content-type'] });
        if (answer) response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const address = server.address();
    return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/token`, asked };
  }

  let files = 0;
  const grant = (fields: object): string => file(`oauth2-${files++}.json`, JSON.stringify(fields));
  const basic = { clientId: 'id', refreshToken: 'refresh-hunter2' };
  const withUser = (path: string): string[] => ['--server', 'mx.test', '--user', 'bob@x.test', '--oauth2', path];

  test('gets an access token, and all three secrets are known to the scrubber', async () => {
    const { url, asked } = await endpoint({ body: '{"access_token":"ya29.fresh","expires_in":3600}' });
    const context = testContext();
    const path = grant({ ...basic, clientSecret: 'client-hunter2', tokenUrl: url, user: 'bob@x.test' });
    const { credentials } = await connect(['--server', 'mx.test', '--oauth2', path], context);
    assert.equal(credentials?.user, 'bob@x.test');
    assert.equal(credentials?.token?.reveal(), 'ya29.fresh');
    assert.equal(credentials?.password, undefined);
    assert.deepEqual(asked, [
      {
        fields: {
          client_id: 'id',
          client_secret: 'client-hunter2',
          refresh_token: 'refresh-hunter2',
          grant_type: 'refresh_token',
        },
        type: 'application/x-www-form-urlencoded',
      },
    ]);
    for (const secret of ['ya29.fresh', 'client-hunter2', 'refresh-hunter2']) {
      assert.equal(context.scrubber.scrub(secret), '<secret>');
    }
  });

  test('says that a proxy is not used for it', async () => {
    const { url } = await endpoint({ body: '{"access_token":"ya29.fresh"}' });
    const context = testContext();
    await connect([...withUser(grant({ ...basic, tokenUrl: url })), '--proxy', 'socks5h://127.0.0.1:9'], context);
    assert.match(
      context.stderr.text,
      /^ehlo: warning: 127\.0\.0\.1:\d+ is asked for a token straight, not by --proxy\n$/,
    );
  });

  test('a public client shows no secret, not an empty one', async () => {
    const { url, asked } = await endpoint({ body: '{"access_token":"ya29.fresh"}' });
    await connect(withUser(grant({ ...basic, tokenUrl: url })));
    assert.deepEqual(Object.keys(asked[0]?.fields ?? {}).sort(), ['client_id', 'grant_type', 'refresh_token']);
  });

  const answers: { name: string; answer: { status?: number; body: string }; code: ErrorCode; text: RegExp }[] = [
    {
      name: 'a refusal, with the refresh token in it',
      answer: { status: 400, body: '{"error":"invalid_grant","error_description":"refresh-hunter2 has run out"}' },
      code: 'auth-rejected',
      text: /refused the refresh token: invalid_grant: <secret> has run out/,
    },
    {
      name: 'a server in trouble',
      answer: { status: 503, body: '{"error":"temporarily_unavailable"}' },
      code: 'auth-temporary',
      text: /for now/,
    },
    { name: 'no JSON', answer: { status: 502, body: '<html>' }, code: 'reply-malformed', text: /check tokenUrl/ },
    { name: 'JSON without a token', answer: { body: '{}' }, code: 'reply-malformed', text: /something else/ },
    { name: 'null', answer: { body: 'null' }, code: 'reply-malformed', text: /something else/ },
  ];
  for (const { name, answer, code, text } of answers) {
    test(`${name} is ${code}`, async () => {
      const { url } = await endpoint(answer);
      const error = await refusal(withUser(grant({ ...basic, tokenUrl: url })), code, text);
      assert.equal(error.stage, 'auth');
      assert.match(error.peer ?? '', /^127\.0\.0\.1:\d+$/);
    });
  }

  test('nobody there is TEMP', async () => {
    const error = await refusal(
      withUser(grant({ ...basic, tokenUrl: 'http://127.0.0.1:1/' })),
      'connect-failed',
      /cannot be asked/,
    );
    assert.equal(error.exit, 'TEMP');
  });

  test('a server that never answers ends with the deadline', async () => {
    const { url, asked } = await endpoint(undefined);
    const fire: (() => void)[] = [];
    const clock = {
      now: () => 0,
      date: () => new Date(0),
      after: (_: number, run: () => void) => {
        fire.push(run);
        return () => {};
      },
    };
    const context = testContext({ ports: { clock } });
    const refused = refuses(withUser(grant({ ...basic, tokenUrl: url })), 'timeout', /within 60000 ms/, context);
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const one of fire) one();
    await refused;
  });

  const badFiles: { name: string; text: string; problem: RegExp }[] = [
    { name: 'no JSON', text: '{"refreshToken":"hunter2",', problem: /holds no JSON object/ },
    { name: 'an array', text: '[]', problem: /holds no JSON object/ },
    { name: 'missing fields', text: '{"clientId":"x"}', problem: /lacks refreshToken and tokenUrl/ },
    { name: 'a field of another kind', text: '{"clientId":7}', problem: /"clientId", which is no text/ },
    { name: 'an unknown field', text: '{"client_id":"x"}', problem: /"client_id", which means nothing/ },
    { name: '__proto__', text: '{"__proto__":"x"}', problem: /means nothing/ },
    {
      name: 'http to another machine',
      text: '{"clientId":"x","refreshToken":"hunter2","tokenUrl":"http://x.test/"}',
      problem: /must be https/,
    },
    {
      name: 'a URL that is none',
      text: '{"clientId":"x","refreshToken":"hunter2","tokenUrl":"x.test"}',
      problem: /is no URL/,
    },
    {
      name: 'a user in the URL',
      text: '{"clientId":"x","refreshToken":"hunter2","tokenUrl":"https://a:hunter2@x.test"}',
      problem: /a user in it/,
    },
  ];
  for (const { name, text, problem } of badFiles) {
    test(`a file with ${name} is refused`, () => refuses(withUser(file('bad.json', text)), 'config', problem));
  }

  test('contradictions', async () => {
    const path = grant({ ...basic, tokenUrl: 'https://x.test/', user: 'eve' });
    await refuses(withUser(path), 'usage', /name different users/);
    await refuses([...withUser(path), '--token-command', 'true'], 'usage', /both give a token/);
    const nobody = grant({ ...basic, tokenUrl: 'https://x.test/' });
    await refuses(['--server', 'mx.test', '--oauth2', nobody], 'usage', /--oauth2 is given, but not who logs in/);
    await refuses(withUser(file('open.json', '{}', 0o644)), 'config', /others may read/);
    await refuses(withUser(join(directory, 'none.json')), 'no-input', /does not exist/);
  });
});

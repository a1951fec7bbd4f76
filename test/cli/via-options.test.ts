// --proxy, --pipe, --connect-to and --hosts: what each comes to, what contradicts, and that no password shows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import type { Connection } from '../../src/app/connection.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { addConnectionOptions, type ConnectionUse, parseConnection } from '../../src/cli/options.ts';
import { parseProxyUrl } from '../../src/cli/via-options.ts';
import { type TestContext, testContext } from '../support/context.ts';

const connect = (args: string[], context: TestContext = testContext(), use?: ConnectionUse): Promise<Connection> => {
  const command = new Command().exitOverride().configureOutput({ outputError: () => {} });
  addConnectionOptions(command, use);
  return parseConnection(command.parse(args, { from: 'user' }).opts(), context);
};

const withFile = (name: string, text: string): TestContext => {
  const context = testContext();
  const read = async (path: string) => {
    assert.equal(path, name);
    return { ...bytesSource(Buffer.from(text)), name };
  };
  return { ...context, ports: { ...context.ports, files: { ...context.ports.files, read } } };
};

const refuses = (run: () => Promise<unknown> | unknown, code: ErrorCode, message: RegExp): Promise<void> =>
  assert.rejects(
    async () => run(),
    (error) => {
      assert.ok(error instanceof EhloError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/);
      return true;
    },
  );

describe('--proxy', () => {
  const good: [string, object][] = [
    ['socks5h://127.0.0.1', { kind: 'socks5h', host: '127.0.0.1', port: 1080 }],
    ['SOCKS5://proxy.example:9050/', { kind: 'socks5', host: 'proxy.example', port: 9050 }],
    ['http://[::1]:3128', { kind: 'http', host: '::1', port: 3128 }],
    ['socks5://me@p:1', { kind: 'socks5', host: 'p', port: 1, user: 'me' }],
  ];
  for (const [text, proxy] of good) {
    test(text, () => assert.deepEqual(parseProxyUrl(text), proxy));
  }

  test('user and password are percent-decoded, and a colon may stand in a password', () => {
    const { user, password } = parseProxyUrl('socks5h://a%40b:p:%2Fw@p:1');
    assert.deepEqual([user, password?.reveal()], ['a@b', 'p:/w']);
  });

  const bad: [string, RegExp][] = [
    ['127.0.0.1:1080', /it has no scheme/],
    ['me:hunter2@p:1', /it has no scheme/],
    ['me@x.test:hunter2@p:1', /it has no scheme/],
    ['http://me@x.test:hunter2@p:zz', /"http:\/\/me@x\.test:<secret>@p:zz"/],
    ['http://p/@q:2', /a user holds no slash/],
    ['socks4://p:1', /"socks4" is none of socks5h, socks5, http/],
    ['https://me:hunter2@p:1', /"https" is none of/],
    ['http://p', /names no port/],
    ['http://me:hunter2@p:1/path', /no host:port/],
    ['socks5://', /no host:port/],
    ['socks5://me:hunter2@p:70000', /no host:port/],
    ['socks5://:hunter2@p:1', /the user is empty/],
    ['socks5://me:hunter2%@p:1', /percent-encoding/],
    [`socks5://me:${'hunter2'.repeat(40)}@p:1`, /255/],
    ['http://a%3Ab:hunter2@p:1', /no colon/],
    ['socks5://p\r\n:1', /no host:port|no scheme/],
  ];
  for (const [text, message] of bad) {
    test(`${JSON.stringify(text.slice(0, 40))} is refused`, () => refuses(() => parseProxyUrl(text), 'usage', message));
  }

  test('its password is warned of, and taken out of everything', async () => {
    const context = testContext();
    const { proxy } = await connect(['--proxy', 'http://me:hunter2@p:1'], context);
    assert.equal(proxy?.password?.reveal(), 'hunter2');
    assert.match(context.stderr.text, /warning: a password in --proxy shows/);
    const basic = Buffer.from('me:hunter2').toString('base64');
    assert.doesNotMatch(context.scrubber.scrub(`hunter2 ${basic}`), /hunter2|aHVudGVyM|h1bnRlcj/);
    const quiet = testContext({ verbosity: -1 });
    await connect(['--proxy', 'http://me:hunter2@p:1'], quiet);
    assert.equal(quiet.stderr.text, '');
  });

  test('a family cannot be asked for where the proxy looks names up', async () => {
    await refuses(() => connect(['--proxy', 'socks5h://p', '-4']), 'usage', /--ipv4 cannot be kept/);
    assert.equal((await connect(['--proxy', 'socks5://p', '-6'])).family, 6);
  });

  test('the local address is that of the connection to the proxy, so it says nothing of the family beyond', async () => {
    const connection = await connect(['--proxy', 'socks5h://p', '--local-address', '127.0.0.2']);
    assert.deepEqual([connection.localAddress, connection.family], ['127.0.0.2', undefined]);
  });

  test('it reaches no socket of this machine', () =>
    refuses(() => connect(['--proxy', 'socks5://p', '--server', 'lmtp+unix:/run/lmtp']), 'usage', /\/run\/lmtp/));
});

describe('--pipe', () => {
  test('stands for the server', async () => {
    const { pipe, server } = await connect(['--pipe', 'sendmail -bs']);
    assert.deepEqual([pipe, server], ['sendmail -bs', { scheme: 'smtp', host: 'pipe' }]);
  });

  const clashes: string[][] = [
    ['--server', 'mx:'],
    ['--proxy', 'socks5://p'],
    ['--connect-to', '::a:1'],
    ['--resolve', 'a:1:127.0.0.1'],
    ['--hosts', 'file'],
    ['--dns', '127.0.0.1'],
    ['--mx-port', '1'],
    ['--local-address', '127.0.0.1'],
    ['-4'],
    ['--ipv6'],
  ];
  for (const more of clashes) {
    test(`contradicts ${more[0]}`, () => refuses(() => connect(['--pipe', 'x', ...more]), 'usage', /--pipe speaks to/));
  }

  test('an empty command is refused', () => refuses(() => connect(['--pipe', ' ']), 'usage', /empty/));

  test('is there for send alone', () => {
    for (const use of ['relay-test', 'fetch', 'inspect'] as const) {
      assert.throws(() => connect(['--pipe', 'x'], testContext(), use), /unknown option/);
    }
  });
});

describe('--connect-to', () => {
  const good: [string, object][] = [
    ['a.example:25:[::1]:2525', { host: 'a.example', port: 25, toHost: '::1', toPort: 2525 }],
    ['::127.0.0.1:', { host: null, port: null, toHost: '127.0.0.1', toPort: null }],
    ['[2001:db8::1]:::26', { host: '2001:db8::1', port: null, toHost: null, toPort: 26 }],
    [':::', { host: null, port: null, toHost: null, toPort: null }],
  ];
  for (const [text, row] of good) {
    test(text, async () => assert.deepEqual((await connect(['--connect-to', text])).connectTo, [row]));
  }

  for (const text of ['', 'a', 'a:25', 'a:25:b', 'a:25:b:0', 'a:25:b:c', '::1:25:b:1', 'a:25:b:1:x', 'a b:25:c:1']) {
    test(`"${text}" is refused`, () => refuses(() => connect(['--connect-to', text]), 'usage', /^--connect-to: /));
  }

  test('keeps the order of several', async () => {
    const { connectTo } = await connect(['--connect-to', 'a:1:b:2', '--connect-to', 'c:3:d:4']);
    assert.deepEqual(
      connectTo?.map(({ host }) => host),
      ['a', 'c'],
    );
  });
});

describe('--hosts', () => {
  test('reads the file', async () => {
    const { hosts } = await connect(['--hosts', 'lab'], withFile('lab', '127.0.0.1 a b\n'));
    assert.deepEqual(hosts, [
      { host: 'a', address: '127.0.0.1' },
      { host: 'b', address: '127.0.0.1' },
    ]);
  });

  test('names file and line of a mistake', () =>
    refuses(
      () => connect(['--hosts', 'lab'], withFile('lab', '\nlocalhost 127.0.0.1')),
      'config',
      /^--hosts: lab, line 2: /,
    ));
});

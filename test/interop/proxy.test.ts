// Reaching a server by other ways, against real programs: microsocks (SOCKS5), tinyproxy (HTTP CONNECT), HAProxy (the PROXY
// protocol, read and written anew), and sendmail -bs of Postfix at the end of a pipe.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { listenTcp } from '../../src/net/listen.ts';
import { type ScriptedPeer, scriptedPeer } from '../support/scripted.ts';
import { type Served, startServe } from './serve.ts';
import { ehlo, find, freePort, freshPath, type Ran, startServer, tool } from './support.ts';

const note = 'Subject: note\r\n\r\nhello\r\n';

const send = (args: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  ehlo(['send', '--json', '--from', 'a@x.test', 'b@x.test', '--raw', '-', ...args], { input: note, env });

async function served(t: TestContext): Promise<Served> {
  const server = await startServe();
  t.after(() => server.stop());
  return server;
}

const login = 'me:hunter2';

async function microsocks(t: TestContext, flags: readonly string[] = []): Promise<number> {
  const port = await freePort();
  const server = await startServer('microsocks', ['-i', '127.0.0.1', '-p', `${port}`, ...flags], port);
  t.after(() => server.stop());
  return port;
}

async function tinyproxy(t: TestContext, more: readonly string[] = []): Promise<number> {
  const port = await freePort();
  const file = freshPath('tinyproxy.conf');
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Allow 127.0.0.1', 'LogLevel Critical', ...more];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const server = await startServer('tinyproxy', ['-d', '-c', file], port);
  t.after(() => server.stop());
  return port;
}

const proxies: {
  kind: string;
  start: (t: TestContext) => Promise<number>;
  guarded: (t: TestContext) => Promise<number>;
}[] = [
  { kind: 'socks5h', start: microsocks, guarded: (t) => microsocks(t, ['-u', 'me', '-P', 'hunter2']) },
  { kind: 'socks5', start: microsocks, guarded: (t) => microsocks(t, ['-u', 'me', '-P', 'hunter2']) },
  { kind: 'http', start: tinyproxy, guarded: (t) => tinyproxy(t, ['BasicAuth me hunter2']) },
];

for (const { kind, start, guarded } of proxies) {
  describe(`${kind}://`, () => {
    test('a message goes through', async (t) => {
      const [server, port] = [await served(t), await start(t)];
      const family = kind === 'socks5' ? ['-4'] : [];
      const way = ['--proxy', `${kind}://127.0.0.1:${port}`, '--server', `localhost:${server.smtp}`];
      const ran = await send([...way, ...family]);
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
      const report = JSON.parse(ran.stdout);
      assert.equal(report.server.address, kind === 'socks5' ? '127.0.0.1' : 'localhost');
      await server.messages(1);
    });

    test('with a login; without one, or with a wrong one, nothing goes, and no password shows', async (t) => {
      const [server, port] = [await served(t), await guarded(t)];
      const to = ['--server', `127.0.0.1:${server.smtp}`];
      assert.equal((await send(['--proxy', `${kind}://${login}@127.0.0.1:${port}`, ...to])).code, 0);
      for (const wrong of ['', 'me:hunter3@']) {
        const ran = await send(['--proxy', `${kind}://${wrong}127.0.0.1:${port}`, ...to]);
        assert.equal(ran.code, 75);
        const { error } = JSON.parse(ran.stdout);
        assert.equal(error.code, 'connect-failed');
        assert.equal(error.stage, 'connect');
        assert.match(
          error.message,
          wrong === '' ? /wants a login|unauthorized|401/i : /user and password|unauthorized|401/i,
        );
        assert.doesNotMatch(ran.stdout + ran.stderr, /hunter3/);
      }
    });

    test('a port where nobody listens is said to be so by the proxy', async (t) => {
      const port = await start(t);
      const ran = await send(['--proxy', `${kind}://127.0.0.1:${port}`, '--server', `127.0.0.1:${await freePort()}`]);
      assert.equal(ran.code, 75);
      assert.match(
        JSON.parse(ran.stdout).error.message,
        /proxy 127\.0\.0\.1:\d+ refused to connect to 127\.0\.0\.1:\d+/,
      );
    });
  });
}

test('fetch and inspect go through a proxy too', async (t) => {
  const [server, port] = [await served(t), await microsocks(t)];
  const through = ['--proxy', `socks5h://127.0.0.1:${port}`];
  const inspected = await ehlo(['inspect', '--json', `smtp://localhost:${server.smtp}`, ...through]);
  assert.equal(inspected.code, 0, inspected.stdout + inspected.stderr);
  // Nobody of ours looked the name up, so the way counts as open: the login wants TLS, which is not there.
  const url = `pop3://b@localhost:${server.pop3}`;
  const password = ['--password-env', 'PW'];
  const open = await ehlo(['fetch', '--json', url, 'list', ...through, ...password], { env: { PW: 'x' } });
  assert.equal(open.code, 77, open.stdout + open.stderr);
  const allowed = ['--tls', 'off', '--allow-plaintext-auth'];
  const listed = await ehlo(['fetch', '--json', url, 'list', ...through, ...password, ...allowed], {
    env: { PW: 'x' },
  });
  assert.equal(listed.code, 0, listed.stdout + listed.stderr);
});

/** HAProxy in front of a server of ours that follows a script: it must take our header, and passes on what it read in it. */
async function haproxy(t: TestContext, script: string): Promise<{ port: number; peers: ScriptedPeer[] }> {
  const peers: ScriptedPeer[] = [];
  const listener = await listenTcp({ host: '127.0.0.1', port: 0 }, (channel) => {
    const peer = scriptedPeer(channel, script);
    peer.finished.catch(() => undefined);
    peers.push(peer);
  });
  t.after(() => listener.close());
  const port = await freePort();
  const file = freshPath('haproxy.cfg');
  const lines = [
    'defaults',
    '  mode tcp',
    '  timeout connect 5s',
    '  timeout client 10s',
    '  timeout server 10s',
    'listen lab',
    `  bind 127.0.0.1:${port} accept-proxy`,
    `  server ours 127.0.0.1:${listener.port} send-proxy`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const server = await startServer('haproxy', ['-db', '-f', file], port);
  t.after(() => server.stop());
  return { port, peers };
}

const smtp =
  'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 221 bye\nF';

const headers: { option: string; arrives: RegExp }[] = [
  { option: 'v1:192.0.2.1:1025:198.51.100.2:25', arrives: /^PROXY TCP4 192\.0\.2\.1 198\.51\.100\.2 1025 25\r\n/ },
  { option: 'v2:192.0.2.1:1025:198.51.100.2:25', arrives: /^PROXY TCP4 192\.0\.2\.1 198\.51\.100\.2 1025 25\r\n/ },
  { option: 'v1:[2001:db8::1]:1025:[::1]:25', arrives: /^PROXY TCP6 2001:db8::1 ::1 1025 25\r\n/ },
  { option: 'v2:[2001:db8::1]:1025:[::1]:25', arrives: /^PROXY TCP6 2001:db8::1 ::1 1025 25\r\n/ },
  { option: 'v1', arrives: /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/ },
  { option: 'v2', arrives: /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/ },
  { option: 'v2:local', arrives: /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n/ },
];

for (const { option, arrives } of headers) {
  test(`HAProxy understands --proxy-protocol ${option}`, async (t) => {
    const { port, peers } = await haproxy(t, `C: PROXY\n${smtp}`);
    const ran = await send(['--server', `127.0.0.1:${port}`, '--proxy-protocol', option]);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.match(peers.map((peer) => peer.received()).join(''), arrives);
  });
}

test('a message through --pipe to sendmail -bs of Postfix is in its queue', {
  // postdrop takes a configuration other than the system's only from root.
  skip: process.getuid?.() !== 0,
}, async () => {
  const directory = freshPath('postfix');
  const [queue, data] = [join(directory, 'queue'), join(directory, 'data')];
  for (const path of [directory, queue, data]) mkdirSync(path);
  for (const name of ['public', 'private', 'pid', 'maildrop']) mkdirSync(join(queue, name));
  const settings = [`queue_directory = ${queue}`, `data_directory = ${data}`, 'myhostname = pipe.test'];
  const none = ['mydestination', 'local_recipient_maps', 'alias_maps'].map((name) => `${name} =`);
  writeFileSync(join(directory, 'main.cf'), `${[...settings, ...none, 'compatibility_level = 3.6'].join('\n')}\n`);
  writeFileSync(join(directory, 'master.cf'), '');
  await tool('postconf', ['-c', directory, 'queue_directory']);
  const ran = await send(['--pipe', `${find('sendmail')} -C ${directory} -bs`]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  const report = JSON.parse(ran.stdout);
  const [file = ''] = readdirSync(join(queue, 'maildrop'));
  assert.equal(report.queueId, file);
  assert.match(readFileSync(join(queue, 'maildrop', file)).toString('latin1'), /Subject: note/);
});

// `ehlo serve` as a process: the ready event, the ready file, the command beside it, its end, and its usage errors.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runMain } from '../support/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-serve-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string) => join(directory, name);

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A client in a line of shell-free JavaScript: sends one message to EHLO_SMTP_PORT. */
const sender = `
const s = require('net').connect(process.env.EHLO_SMTP_PORT, process.env.EHLO_SMTP_HOST);
s.end('EHLO c\\r\\nMAIL FROM:<a@x.test>\\r\\nRCPT TO:<b@y.test>\\r\\nDATA\\r\\nSubject: \\x1b[31mred\\r\\n\\r\\nhi\\r\\n.\\r\\nQUIT\\r\\n');
s.resume();
`;

test('--json: ready first, then a line a message, then the end; SIGTERM ends it with 0', async () => {
  const ready = file('ready.json');
  writeFileSync(ready, 'old');
  const ran = await runMain(['serve', '--json', '--ready-file', ready], {
    on: { text: '"ready"', act: (child) => child.kill('SIGTERM') },
  });
  assert.equal(ran.code, 0, ran.stderr);
  const [first, last] = lines(ran.stdout);
  assert.equal(first?.['event'], 'ready');
  assert.match(JSON.stringify(first), /"smtp":\{"host":"127\.0\.0\.1","port":\d+,"url":"smtp:\/\/127\.0\.0\.1:\d+"\}/);
  assert.deepEqual([last?.['event'], last?.['reason'], last?.['messages']], ['end', 'signal', 0]);
  assert.equal(ran.stderr, '');
});

test('a command finds the server, its message is shown harmless, and its exit code is passed on', async () => {
  const script = file('send.cjs');
  writeFileSync(script, `${sender} s.on('close', () => process.exit(7));`);
  const human = await runMain(['serve', '--', process.execPath, script]);
  assert.equal(human.code, 7, human.stderr);
  assert.match(human.stdout, /a@x\.test -> b@y\.test {2}"\\x1b\[31mred"/);
  assert.match(human.stderr, /ehlo serve is ready/);
  const json = await runMain(['serve', '--json', '--exit-after', '1', '--', process.execPath, script]);
  assert.deepEqual(
    lines(json.stdout).map(({ event }) => event),
    ['ready', 'message', 'end'],
  );
});

test('a Maildir store keeps the message over a restart, for POP3', async () => {
  const store = `maildir:${file('mail')}`;
  const send = file('store.cjs');
  writeFileSync(send, sender);
  const first = await runMain(['serve', '-q', '--store', store, '--', process.execPath, send]);
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, '', '']);
  const read = file('read.cjs');
  writeFileSync(
    read,
    `const u = new URL(process.env.EHLO_POP3_URL); const s = require('net').connect(u.port, u.hostname);
    s.end('USER b@y.test\\r\\nPASS x\\r\\nSTAT\\r\\nQUIT\\r\\n'); s.pipe(process.stdout);`,
  );
  const second = await runMain(['serve', '-q', '--store', store, '--', process.execPath, read]);
  assert.match(second.stdout, /\+OK 1 25\r\n/);
});

test('--exit-after that is not reached is exit 1, and says so', async () => {
  const ran = await runMain(['serve', '-q', '--exit-after', '1', '--within', '10ms']);
  assert.equal(ran.code, 1);
  assert.equal(ran.stderr, 'ehlo: 0 of 1 messages came in the time of --within\n');
});

test('SIGTERM ends the command too, and is no success: exit 143, in the JSON as well', async () => {
  const ran = await runMain(
    ['serve', '--json', '--', process.execPath, '-e', 'console.log("at work"); setInterval(() => {}, 1000)'],
    { on: { text: 'at work', act: (child) => child.kill('SIGTERM') } },
  );
  assert.equal(ran.code, 143, ran.stderr);
  const end = lines(ran.stdout).at(-1);
  assert.deepEqual([end?.['event'], end?.['exit'], end?.['child']], ['end', { code: 143, name: 'SIGTERM' }, 143]);
});

const usage: [string, string[], number][] = [
  ['an option that does not exist', ['--nope'], 64],
  ['a listener without a port', ['--smtp', 'localhost'], 64],
  ['a port out of range', ['--smtp', '70000'], 64],
  ['everything off', ['--smtp', 'off', '--pop3', 'off'], 64],
  ['--dns without a zone', ['--dns', '0'], 64],
  ['an unknown store', ['--store', 'sqlite'], 64],
  ['an unknown extension', ['--hide', 'NOPE'], 64],
  ['an account without a password', ['--auth', 'bob'], 64],
  ['--require-tls without a certificate', ['--require-tls'], 64],
  ['a name that is none', ['--helo-name', 'a b'], 64],
  ['no number', ['--exit-after', '0'], 64],
  ['a zone file that is not there', ['--zone', '/nonexistent/zone'], 66],
  ['an address of another machine', ['--smtp', '192.0.2.1:0'], 73],
];

for (const [what, args, code] of usage) {
  test(`${what} is exit ${code}, with one JSON document`, async () => {
    const ran = await runMain(['serve', '--json', ...args]);
    assert.equal(ran.code, code, ran.stderr);
    const [document] = [JSON.parse(ran.stdout)];
    assert.equal(document.exit.code, code);
  });
}

test('a ready file that cannot be written ends the server', async () => {
  const ran = await runMain(['serve', '--ready-file', join(directory, 'nowhere', 'ready')]);
  assert.equal(ran.code, 73);
  assert.ok(!existsSync(join(directory, 'nowhere')));
});

test('a zone is answered under the printed address', async () => {
  const zone = file('lab.zone');
  writeFileSync(zone, '$ORIGIN x.test.\n@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1\n');
  const script = file('ask.cjs');
  writeFileSync(
    script,
    `const { Resolver } = require('dns'); const r = new Resolver(); r.setServers([process.env.EHLO_DNS]);
    r.resolveMx('x.test', (error, mx) => { console.log(error || mx[0].exchange); });`,
  );
  const ran = await runMain(['serve', '-q', '--zone', zone, '--', process.execPath, script]);
  assert.equal(ran.stdout, 'mx.x.test\n');
});

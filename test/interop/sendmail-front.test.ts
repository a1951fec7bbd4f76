// Programs that call /usr/sbin/sendmail, calling ehlo by that name: what they send arrives, and they hear when it does not.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readMessage } from './read-message.ts';
import { type Served, type ServedMessage, startServe } from './serve.ts';
import { find, freshPath, launcher, type Ran, type RunOptions, runPython, tool } from './support.ts';

let server: Served;
let bin: string;
let seen = 0;

before(async () => {
  server = await startServe(['--pop3', 'off', '--domain', 'x.test', '--max-size', '300M']);
  bin = freshPath('sbin');
  mkdirSync(bin);
  for (const name of ['sendmail', 'mailq', 'newaliases']) symlinkSync(launcher(), join(bin, name));
});
after(() => server.stop());

const sendmail = (): string => join(bin, 'sendmail');

/** Where ehlo finds its server, and Node for its first line. */
const route = (): Record<string, string> => ({
  EHLO_SERVER: `127.0.0.1:${server.smtp}`,
  EHLO_FROM: 'me@x.test',
  XDG_CONFIG_HOME: freshPath('config'),
  PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}`,
});

const run = (program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  tool(program, args, { ...options, env: { ...route(), ...options.env } });

/** The messages that came since the last call. */
async function arrived(count = 1): Promise<ServedMessage[]> {
  const all = await server.messages(seen + count);
  const fresh = all.slice(seen);
  seen = all.length;
  assert.equal(fresh.length, count);
  return fresh;
}

/** The newest message of a mailbox, which is then taken away. */
function taken(mailbox: string): Buffer {
  const directory = join(server.maildir, mailbox, 'new');
  const [name = '', ...others] = readdirSync(directory);
  assert.deepEqual(others, []);
  const bytes = readFileSync(join(directory, name));
  rmSync(join(directory, name));
  return bytes;
}

function succeeded(ran: Ran): void {
  assert.deepEqual([ran.code, ran.stderr], [0, ''], ran.stdout);
}

describe('called as sendmail', () => {
  const letter = 'To: bob@x.test\nCc: ann@x.test\nSubject: hi\n\nhello\n.\nworld\n';
  const callers: [caller: string, args: string[], input: string, from: string, to: string[], body: string][] = [
    [
      'cron of Debian',
      ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root@x.test'],
      'From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> job\n\n10%\r50%\rdone\n',
      'me@x.test',
      ['root@x.test'],
      '10%\r\n50%\r\ndone\r\n',
    ],
    [
      'cronie',
      ['-FCronDaemon', '-i', '-odi', '-oem', '-oi', '-t', '-f', 'root'],
      'From: "(Cron Daemon)" <root>\nTo: root\nSubject: job\n\nout\n',
      'root@x.test',
      ['root@x.test'],
      'out\r\n',
    ],
    [
      'Symfony -t',
      ['-t', '-i', '-fa@x.test'],
      letter,
      'a@x.test',
      ['bob@x.test', 'ann@x.test'],
      'hello\r\n.\r\nworld\r\n',
    ],
    ['a script without -i', ['-t'], letter, 'me@x.test', ['bob@x.test', 'ann@x.test'], 'hello\r\n'],
    ['a script with text alone', ['bob@x.test'], 'disk full', 'me@x.test', ['bob@x.test'], 'disk full\r\n'],
    [
      'Perl (MIME::Lite)',
      ['-t', '-oi', '-oem', '-f<>'],
      letter,
      '',
      ['bob@x.test', 'ann@x.test'],
      'hello\r\n.\r\nworld\r\n',
    ],
  ];
  for (const [caller, args, input, from, to, body] of callers) {
    test(`as ${caller} does`, async () => {
      succeeded(await run(sendmail(), args, { input }));
      const [message] = await arrived();
      assert.deepEqual([message?.from, message?.to], [from, to]);
      const bytes = to.map(taken)[0] ?? Buffer.alloc(0);
      const text = bytes.toString();
      assert.equal(text.slice(text.indexOf('\r\n\r\n') + 4), body);
      assert.match(text, /^Date: /m);
      assert.match(text, /^Message-ID: </m);
    });
  }

  test('by its three names', async () => {
    const state = { XDG_STATE_HOME: freshPath('state') };
    assert.match((await run(join(bin, 'mailq'), [], { env: state })).stdout, /empty/);
    const aliases = await run(join(bin, 'newaliases'), []);
    assert.deepEqual([aliases.code, aliases.stdout, aliases.stderr], [0, '', '']);
    const unknown = await run(sendmail(), ['-Z']);
    assert.equal(unknown.code, 64);
    assert.match(unknown.stderr, /^sendmail: [^\n]*\n$/);
  });
});

describe('real programs', () => {
  test('php mail()', async () => {
    const script =
      'exit(mail("bob@x.test", "=?UTF-8?B?R3LDvMOfZQ==?=", "hello\\n.\\nworld\\n", ["X-One" => "1", "Bcc" => "eve@x.test"], "-fweb@x.test") ? 0 : 1);';
    succeeded(await run('php', ['-n', '-d', `sendmail_path=${sendmail()} -t -i`, '-r', script]));
    const [message] = await arrived();
    assert.deepEqual(
      [message?.from, message?.to, message?.subject],
      ['web@x.test', ['bob@x.test', 'eve@x.test'], 'Grüße'],
    );
    const facts = await readMessage(taken('bob@x.test'));
    assert.deepEqual(
      [facts.bcc, facts.from, facts.plain, facts.defects],
      [null, ['web@x.test'], 'hello\r\n.\r\nworld\r\n\r\n', []],
    );
    taken('eve@x.test');
  });

  test('php mail() hears that nobody took it', async () => {
    const path = `sendmail_path=${sendmail()} -t -i`;
    const script = 'exit(mail("bob@elsewhere.test", "s", "b") ? 0 : 1);';
    assert.equal((await run('php', ['-n', '-d', path, '-r', script])).code, 1);
  });

  test('git send-email', async () => {
    const patch = freshPath('0001.patch');
    const head = 'From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001\nFrom: Dev <dev@x.test>\n';
    writeFileSync(patch, `${head}Date: Tue, 1 Sep 2026 10:00:00 +0000\nSubject: [PATCH] x\n\n---\n.\n+line\n`);
    const args = ['--quiet', '--confirm=never', '--from=dev@x.test', '--envelope-sender=dev@x.test', '--to=bob@x.test'];
    const ran = await run('git', ['send-email', `--sendmail-cmd=${sendmail()}`, ...args, patch], {
      env: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', EMAIL: 'dev@x.test' },
    });
    assert.equal(ran.code, 0, ran.stderr);
    const [message] = await arrived();
    // git copies the author too.
    assert.deepEqual([message?.from, message?.to], ['dev@x.test', ['bob@x.test', 'dev@x.test']]);
    taken('dev@x.test');
    assert.match(taken('bob@x.test').toString(), /\r\n\r\n---\r\n\.\r\n\+line\r\n$/);
  });

  test('s-nail, and it hears of a refusal', async () => {
    const nail = (to: string) =>
      run('s-nail', ['-:/', '-S', `mta=${sendmail()}`, '-S', 'from=me@x.test', '-S', 'sendwait', '-s', 'Grüße', to], {
        input: 'hello\n',
        env: { MAILRC: '/dev/null' },
      });
    succeeded(await nail('bob@x.test'));
    const [message] = await arrived();
    assert.deepEqual([message?.to, message?.subject], [['bob@x.test'], 'Grüße']);
    assert.equal((await readMessage(taken('bob@x.test'))).plain, 'hello\r\n');
    assert.notEqual((await nail('bob@elsewhere.test')).code, 0);
  });

  test('mutt, with an attachment and a blind copy', async () => {
    const file = freshPath('data.bin');
    writeFileSync(file, Buffer.from([0, 1, 2, 0xff, 0x0d, 0x0a]));
    const set = [
      'use_envelope_from=yes',
      'from=me@x.test',
      'copy=no',
      `sendmail="${sendmail()} -oem -oi"`,
      'dsn_notify=failure',
    ];
    const args = ['-n', '-F', '/dev/null', ...set.flatMap((one) => ['-e', `set ${one}`])];
    const ran = await run('mutt', [...args, '-s', 'Grüße', '-b', 'eve@x.test', '-a', file, '--', 'bob@x.test'], {
      input: 'hello\n',
    });
    assert.equal(ran.code, 0, ran.stderr);
    const [message] = await arrived();
    assert.deepEqual([message?.from, message?.to], ['me@x.test', ['bob@x.test', 'eve@x.test']]);
    const facts = await readMessage(taken('bob@x.test'));
    assert.deepEqual([facts.subject, facts.bcc, facts.plain], ['Grüße', null, 'hello\r\n']);
    assert.equal(
      facts.parts.find(({ filename }) => filename === '2-data.bin' || filename?.endsWith('data.bin'))?.size,
      6,
    );
    taken('eve@x.test');
  });

  test('a program that speaks SMTP to -bs: two messages, one refusal between them', async () => {
    const ran = await runPython('sendmail-bs.py', [sendmail()], { env: route() });
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(JSON.parse(ran.stdout), { first: 250, refused: 554, second: 250, exit: 0 });
    const messages = await arrived(2);
    assert.deepEqual(
      messages.map(({ to }) => to),
      [['bob@x.test'], ['ann@x.test']],
    );
    assert.match(taken('bob@x.test').toString(), /^Subject: first\r$/m);
    taken('ann@x.test');
  });
});

describe('100 MB', () => {
  const megabyte = 1024 * 1024;
  const line = `${'x'.repeat(99)}\n`;
  const block = line.repeat(10_000);

  for (const [how, args] of [
    ['with -i', ['-i']],
    ['up to a dot', []],
  ] as const) {
    test(`pass ${how} in bounded memory`, async (t) => {
      const path = freshPath('large.txt');
      writeFileSync(path, 'Subject: large\n\n');
      for (let count = 0; count < 100; count++) writeFileSync(path, block, { flag: 'a' });
      if (args.length === 0) writeFileSync(path, '.\nbehind the end\n', { flag: 'a' });
      const peak = freshPath('peak');
      const command = `exec '${find('/usr/bin/python3')}' "$@" < '${path}'`;
      const script = new URL('peers/peak-memory.py', import.meta.url).pathname;
      const words = ['-c', command, 'sh', script, peak, sendmail(), ...args, 'bob@x.test'];
      const ran = await run('/bin/sh', words, { limitMs: 60_000 });
      succeeded(ran);
      rmSync(path);
      await arrived();
      const body = taken('bob@x.test');
      assert.equal(body.length - body.indexOf('\r\n\r\n') - 4, 100 * 10_000 * 101);
      const resident = Number(readFileSync(peak, 'utf8')) / 1024;
      t.diagnostic(`at most ${Math.round(resident)} MB resident`);
      assert.ok(resident > 10 && resident * megabyte < 200 * megabyte, `${resident} MB resident`);
    });
  }
});

// `ehlo sendmail` from the command line to the server: what is sent, the exit codes that callers know, one line on standard
// error, nothing on standard output.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openSpool } from '../../../src/store/spool.ts';
import { type FrontOptions, runFront, serverScript } from './sendmail-lab.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
/** A directory for XDG_CONFIG_HOME with this configuration. */
function configured(text: string): Record<string, string> {
  const home = join(directory, String(++count));
  mkdirSync(join(home, 'ehlo'), { recursive: true });
  writeFileSync(join(home, 'ehlo', 'config.toml'), text, { mode: 0o600 });
  return { XDG_CONFIG_HOME: home };
}

const message = 'To: bob@x.test\nSubject: s\n\nhello\n';

describe('sendmail sends', () => {
  test('along the configured route, and says nothing', async () => {
    const { code, stdout, stderr, told } = await runFront(['-t', '-i'], { input: message, scripts: [serverScript()] });
    assert.deepEqual([code, stdout, stderr, told.length], [0, '', '', 1]);
    assert.match(
      told[0] ?? '',
      /MAIL FROM:<me@here\.example>\r\nRCPT TO:<bob@x\.test>\r\nDATA\r\nDate: .*\r\nFrom: me@here\.example\r\nMessage-ID: <.*@here\.example>\r\nTo: bob@x\.test\r\nSubject: s\r\n\r\nhello\r\n\.\r\n/,
    );
  });

  const rows: [what: string, argv: string[], options: FrontOptions, wanted: RegExp][] = [
    [
      'from the sender of -f, who also writes',
      ['-f', 'web@y.test', 'bob@x.test'],
      {},
      /MAIL FROM:<web@y\.test>[\s\S]*From: web@y\.test\r\n/,
    ],
    ['with the full name of -F', ['-FThe Web', '-fweb@y.test', 'bob@x.test'], {}, /From: The Web <web@y\.test>\r\n/],
    [
      'from nobody for an empty -f, written by the user',
      ['-f', '', 'bob@x.test'],
      {},
      /MAIL FROM:<>\r\n[\s\S]*From: me@here\.example\r\n/,
    ],
    [
      'from the configured sender, whose name and domain count',
      ['root'],
      { env: { EHLO_FROM: 'A B <ab@y.test>' } },
      /MAIL FROM:<ab@y\.test>\r\nRCPT TO:<root@y\.test>[\s\S]*From: A B <ab@y\.test>\r\n/,
    ],
    ['from the configured envelope sender', ['bob@x.test'], { env: { EHLO_MAIL_FROM: '<>' } }, /MAIL FROM:<>/],
    [
      'from -f all the same',
      ['-fweb@y.test', 'bob@x.test'],
      { env: { EHLO_MAIL_FROM: '<>' } },
      /MAIL FROM:<web@y\.test>/,
    ],
    [
      'to everybody of the command line and the header, once',
      ['-t', 'bob@x.test', 'ann@x.test'],
      { scripts: [serverScript({ rcpt: ['250 ok', '250 ok'] })] },
      /RCPT TO:<bob@x\.test>\r\nRCPT TO:<ann@x\.test>\r\nDATA/,
    ],
    ['dots where -i is given', ['-i', 'bob@x.test'], { input: 'a\n.\nb\n' }, /\r\n\r\na\r\n\.\.\r\nb\r\n\.\r\n/],
    ['up to the dot where it is not', ['bob@x.test'], { input: 'a\n.\nb\n' }, /\r\n\r\na\r\n\.\r\n/],
    ['without adding to a message that is passed on', ['-G', 'bob@x.test'], {}, /DATA\r\nTo: bob@x\.test\r\n/],
    [
      'with the wish for notifications',
      ['-N', 'success,failure', '-R', 'hdrs', '-V', 'id 7', 'bob@x.test'],
      { scripts: [serverScript({ hello: 'S: 250-hi\nS: 250 DSN' })] },
      /MAIL FROM:<me@here\.example> RET=HDRS ENVID=id\+207\r\nRCPT TO:<bob@x\.test> NOTIFY=SUCCESS,FAILURE\r\n/,
    ],
    [
      '8-bit text as it is, said so',
      ['bob@x.test'],
      { input: 'Subject: s\n\ngrün\n', scripts: [serverScript({ hello: 'S: 250-hi\nS: 250 8BITMIME' })] },
      /BODY=8BITMIME[\s\S]*\r\n\r\ngr\xc3\xbcn\r\n/,
    ],
  ];
  for (const [what, argv, options, wanted] of rows) {
    test(what, async () => {
      const { code, stdout, stderr, told } = await runFront(argv, {
        input: message,
        scripts: [serverScript()],
        ...options,
      });
      assert.deepEqual([code, stdout, stderr], [0, '', '']);
      assert.match(told[0] ?? '', wanted);
    });
  }

  test('by the profile `sendmail` where there is one, unless EHLO_PROFILE names another', async () => {
    const env = configured(
      'from = "default@y.test"\n[profile.sendmail]\nfrom = "front@y.test"\n[profile.other]\nfrom = "other@y.test"\n',
    );
    const sender = async (more: Record<string, string>): Promise<string | undefined> => {
      const { told } = await runFront(['bob@x.test'], {
        input: message,
        scripts: [serverScript()],
        env: { ...env, ...more },
      });
      return /MAIL FROM:<([^>]*)>/.exec(told[0] ?? '')?.[1];
    };
    assert.equal(await sender({}), 'front@y.test');
    assert.equal(await sender({ EHLO_PROFILE: 'other' }), 'other@y.test');
    assert.equal(await sender({ EHLO_FROM: 'env@y.test' }), 'env@y.test');
  });

  test('a wish that the server cannot keep is told, and the message is sent', async () => {
    const { code, stdout, stderr } = await runFront(['-N', 'success', 'bob@x.test'], {
      input: message,
      scripts: [serverScript()],
    });
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /^sendmail: the server does not offer DSN.*\n$/);
  });

  test('-v shows the conversation on standard error', async () => {
    const { code, stdout, stderr } = await runFront(['-v', 'bob@x.test'], {
      input: message,
      scripts: [serverScript()],
    });
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /-> RCPT TO:<bob@x\.test>\n/);
  });
});

interface Row {
  what: string;
  argv?: string[];
  options?: FrontOptions;
  code: number;
  says: RegExp;
  /** Default 1. */
  connections?: number;
}

const server = (...given: Parameters<typeof serverScript>): FrontOptions => ({ scripts: [serverScript(...given)] });

const failures: Row[] = [
  {
    what: 'an unknown user',
    options: server({ rcpt: ['550 5.1.1 no such user'] }),
    code: 67,
    says: /550 5\.1\.1 no such user/,
  },
  {
    what: 'a refused recipient',
    options: server({ rcpt: ['550 5.7.1 no relaying'] }),
    code: 69,
    says: /no relaying; nothing was delivered/,
  },
  { what: 'a refused sender', options: server({ mail: '550 5.1.8 no such sender' }), code: 69, says: /no such sender/ },
  { what: 'a refused message', options: server({ dot: 'S: 554 5.6.0 spam' }), code: 69, says: /spam/ },
  { what: 'a deferred recipient', options: server({ rcpt: ['450 4.2.0 greylisted'] }), code: 75, says: /greylisted/ },
  { what: 'nobody at the other end', options: {}, code: 75, says: /connection refused/, connections: 0 },
  {
    what: 'a message that arrived in part: a second try would send it twice',
    argv: ['bob@x.test', 'ann@x.test'],
    options: server({ rcpt: ['250 ok', '450 4.2.0 later'] }),
    code: 69,
    says: /1 of 2 recipients accepted; not: ann@x\.test; ann@x\.test: 450 later/,
  },
  {
    what: 'a verdict that was lost: a second try may send it twice',
    options: server({ dot: 'F' }),
    code: 69,
    says: /may have been accepted \(Message-ID <.*@here\.example>\)/,
  },
  { what: 'a server without 8BITMIME', options: { input: 'grün\n', ...server() }, code: 65, says: /8BITMIME/ },
  {
    what: '-B 7BIT and 8-bit text',
    argv: ['-B7BIT', 'bob@x.test'],
    options: { input: 'grün\n' },
    code: 65,
    says: /-B 7BIT/,
    connections: 0,
  },
  { what: 'an empty input', options: { input: '' }, code: 65, says: /input is empty/, connections: 0 },
  {
    what: 'a header that is cut off',
    argv: ['-t'],
    options: { input: 'To: bob@exam' },
    code: 65,
    says: /in the middle of a line/,
    connections: 0,
  },
  {
    what: 'a CR in the header',
    argv: ['-t'],
    options: { input: 'To: bob@x.test\nSubject: a\rBcc: eve@x.test\n\n' },
    code: 65,
    says: /CR without LF/,
    connections: 0,
  },
  { what: 'no recipient', argv: ['-i'], options: {}, code: 64, says: /no recipient was given/, connections: 0 },
  {
    what: 'no recipient in the header',
    argv: ['-t'],
    options: { input: 'Subject: s\n\n' },
    code: 64,
    says: /names no recipient/,
    connections: 0,
  },
  { what: 'an unknown option', argv: ['-Z'], code: 64, says: /no option -Z/, connections: 0 },
  {
    what: 'a sender of two lines',
    argv: ['-f', 'a@x.test>\r\nRCPT TO:<eve@x.test', 'bob@x.test'],
    code: 65,
    says: /U\+000D/,
    connections: 0,
  },
  {
    what: 'a recipient of two lines',
    argv: ['bob@x.test\nRCPT TO:<eve@x.test>'],
    code: 65,
    says: /U\+000A/,
    connections: 0,
  },
  { what: 'a program as recipient', argv: ['--', '|/bin/sh'], code: 65, says: /is not an address/, connections: 0 },
  {
    what: 'no server',
    options: { env: { EHLO_SERVER: '' } },
    code: 78,
    says: /EHLO_SERVER|no mail server/,
    connections: 0,
  },
  {
    what: 'a server that is none',
    options: { env: { EHLO_SERVER: 'x:y:z' } },
    code: 78,
    says: /EHLO_SERVER/,
    connections: 0,
  },
  {
    what: 'a setting for tests',
    options: { env: { EHLO_QUIT_AFTER: 'rcpt' } },
    code: 78,
    says: /quit-after is for tests/,
    connections: 0,
  },
];

describe('sendmail fails with one line and the code that callers know:', () => {
  for (const { what, argv = ['bob@x.test'], options, code, says, connections = 1 } of failures) {
    test(`${what} is ${code}`, async () => {
      const ran = await runFront(argv, { input: message, ...options });
      assert.deepEqual([ran.code, ran.stdout, ran.told.length], [code, '', connections], ran.stderr);
      assert.match(ran.stderr, /^sendmail: [^\n]+\n$/);
      assert.match(ran.stderr, says);
    });
  }

  test('what a server writes reaches the terminal harmless', async () => {
    const script = serverScript({ rcpt: ['550 \x1b]0;x\x07 no'] });
    const { stderr } = await runFront(['bob@x.test'], { input: message, scripts: [script] });
    assert.match(stderr, /\\x1b\]0;x\\x07 no/);
  });

  test('nothing is sent where the wait for standard input is ended', async () => {
    const ending = new AbortController();
    ending.abort('SIGTERM');
    const ran = await runFront(['bob@x.test'], { input: message, scripts: [serverScript()], signal: ending.signal });
    assert.deepEqual([ran.code, ran.told], [143, []]);
    assert.match(ran.stderr, /^sendmail: ended by SIGTERM/);
  });
});

test('a From field with white space before its colon is not taken for the line of an mbox', async () => {
  const input = 'From : a@y.test\nTo: bob@x.test\n\nhi\n';
  const { code, told } = await runFront(['-t', '-i'], { input, scripts: [serverScript()] });
  assert.equal(code, 0);
  assert.match(told[0] ?? '', /\r\nFrom : a@y\.test\r\nTo: bob/);
  assert.doesNotMatch(told[0] ?? '', /From: me@/);
});

describe('sendmail with a queue', () => {
  const env = () =>
    configured(`[profile.sendmail]\nqueue = "on-temp"\nspool = "${join(directory, `spool${count}`)}"\n`);

  test('keeps what was deferred, which is 0, and tries it again with -q', async () => {
    const here = env();
    const deferred = server({ rcpt: ['450 4.2.0 later'] });
    const kept = await runFront(['bob@x.test'], { input: message, ...deferred, env: here });
    assert.deepEqual([kept.code, kept.stdout, kept.stderr], [0, '', '']);
    assert.match((await runFront(['-bp'], { env: here })).stdout, /bob@x\.test/);
    const ran = await runFront(['-q'], { env: here });
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, '', '']);
  });

  test('tells what was refused all the same', async () => {
    const { code } = await runFront(['bob@x.test'], {
      input: message,
      ...server({ rcpt: ['550 5.1.1 no'] }),
      env: env(),
    });
    assert.equal(code, 67);
  });

  test('-q: a message that may have arrived is no reason to call again', async () => {
    const here = env();
    await runFront(['bob@x.test'], { input: message, ...server({ rcpt: ['450 4.2.0 later'] }), env: here });
    const options = { XDG_STATE_HOME: directory, ...here };
    const spool = await openSpool(join(directory, `spool${count - 1}`), { create: false });
    const [item] = await spool.list();
    const claimed = await spool.claim(item?.kind === 'entry' ? item.entry.id : '');
    assert.ok(claimed.kind === 'claimed');
    // The process that tried it was killed.
    const { claim } = claimed;
    await claim.update({ ...claim.entry, trying: { since: claim.entry.created, recipients: ['bob@x.test'] } });
    await claim.release();
    await spool.close();
    assert.equal((await runFront(['-q'], { env: options })).code, 69);
  });

  test('-bs: one recipient who waits keeps nobody else waiting once the message is queued', async () => {
    const here = env();
    const input = [
      'EHLO me',
      'MAIL FROM:<a@y.test>',
      'RCPT TO:<bob@x.test>',
      'RCPT TO:<ann@x.test>',
      'DATA',
      'Subject: s',
      '',
      'hello',
      '.',
      'QUIT',
      '',
    ].join('\r\n');
    const ran = await runFront(['-bs'], {
      input,
      ...server({ rcpt: ['250 ok', '451 4.7.1 later'], more: true }),
      env: here,
    });
    assert.match(ran.stdout, /\r\n354 .*\r\n250 /);
    const spool = await openSpool(join(directory, `spool${count - 1}`), { create: false });
    const [item] = await spool.list();
    await spool.close();
    assert.ok(item?.kind === 'entry');
    assert.deepEqual([item.entry.onReject, item.entry.recipients.length], ['continue', 2]);
  });

  test('-bs: refused for one of two, nobody is queued behind the refusal', async () => {
    const here = env();
    const input =
      'EHLO me\r\nMAIL FROM:<a@y.test>\r\nRCPT TO:<bob@x.test>\r\nRCPT TO:<ann@x.test>\r\nDATA\r\nSubject: s\r\n\r\nx\r\n.\r\nQUIT\r\n';
    const ran = await runFront(['-bs'], {
      input,
      ...server({ rcpt: ['250 ok', '550 5.1.1 no'], more: true }),
      env: here,
    });
    assert.match(ran.stdout, /\r\n554 5\.1\.1 /);
    assert.match((await runFront(['-bp'], { env: here })).stdout, /empty/);
  });

  test('does not keep a password: that is a fault of the configuration', async () => {
    const { code, stderr } = await runFront(['bob@x.test'], {
      input: message,
      env: { ...env(), EHLO_SERVER: 'smtp://me:hunter22@127.0.0.1:2525' },
    });
    assert.equal(code, 78, stderr);
    assert.doesNotMatch(stderr, /hunter22/);
  });
});

describe('sendmail without a message:', () => {
  test('-bi and newaliases succeed and say nothing', async () => {
    assert.deepEqual(await runFront(['-bi']), { code: 0, stdout: '', stderr: '', told: [] });
  });

  test('-bp lists the queue', async () => {
    const { code, stdout } = await runFront(['-bp'], { env: { XDG_STATE_HOME: directory } });
    assert.equal(code, 0);
    assert.match(stdout, /empty/);
  });

  test('-q tries what is due and says nothing', async () => {
    const ran = await runFront(['-q'], { env: { XDG_STATE_HOME: directory } });
    assert.deepEqual(ran, { code: 0, stdout: '', stderr: '', told: [] });
  });

  test('-bv asks the server about each recipient and sends nothing', async () => {
    const rcpt = ['250 2.1.5 ok', '550 5.1.1 no such user'];
    const scripts = [serverScript({ rcpt, more: true })];
    const { code, stdout, told } = await runFront(['-bv', 'bob', 'ann@x.test'], { scripts });
    assert.equal(
      stdout,
      'bob@here.example... deliverable: 250 2.1.5 ok\nann@x.test... undeliverable: 550 5.1.1 no such user\n',
    );
    assert.equal(code, 69);
    assert.doesNotMatch(told[0] ?? '', /DATA/);
  });

  test('--help and --version answer on standard output', async () => {
    assert.match((await runFront(['--help'])).stdout, /^ehlo sendmail: [\s\S]*Examples:/);
    assert.match((await runFront(['--version'])).stdout, /^ehlo \d/);
  });
});

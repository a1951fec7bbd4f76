// `sendmail -bs`: what a program that speaks SMTP to us hears of what became of its message at the server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { simpleSplits } from '../../support/splits.ts';
import { type FrontOptions, runFront, serverScript } from './sendmail-lab.ts';

const session = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;
const one = (...rcpt: string[]): string[] => [
  'MAIL FROM:<a@y.test>',
  ...rcpt.map((address) => `RCPT TO:<${address}>`),
  'DATA',
  'Subject: s',
  'Bcc: hidden@x.test',
  '',
  'hello',
  '..dot',
  '.',
];
const hello = 'EHLO me';

/** Replies without their texts, behind the greeting and the answer to EHLO. */
const codes = (stdout: string): string[] =>
  [...stdout.matchAll(/^(\d{3}) (.*)\r$/gm)].slice(2).map(([, code = '']) => code);

const speak = (lines: string[], options: FrontOptions = {}) =>
  runFront(['-bs'], { input: session(hello, ...lines, 'QUIT'), ...options });

describe('sendmail -bs', () => {
  test('sends each message before its 250, with what a submission adds, without Bcc', async () => {
    const scripts = [serverScript(), serverScript()];
    const { code, stdout, stderr, told } = await speak([...one('bob@x.test'), ...one('ann@x.test')], { scripts });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(codes(stdout), ['250', '250', '354', '250', '250', '250', '354', '250', '221']);
    assert.match(stdout, /250 2\.0\.0 Ok: queued as LAB1\r\n/);
    assert.match(
      told[0] ?? '',
      /MAIL FROM:<a@y\.test>\r\nRCPT TO:<bob@x\.test>\r\nDATA\r\nDate: .*\r\nFrom: a@y\.test\r\nMessage-ID: .*\r\nSubject: s\r\n\r\nhello\r\n\.\.dot\r\n\.\r\n/,
    );
    assert.match(told[1] ?? '', /RCPT TO:<ann@x\.test>/);
  });

  test('hears the same for any split of its input', async () => {
    const input = Buffer.from(session(hello, ...one('bob@x.test'), 'QUIT'));
    const splits = [...simpleSplits(input)];
    for (const chunks of splits.filter((_, at) => at % 9 === 0 || at === splits.length - 1)) {
      const { stdout, told } = await runFront(['-bs'], { input: chunks, scripts: [serverScript()] });
      assert.deepEqual(codes(stdout), ['250', '250', '354', '250', '221']);
      assert.match(told[0] ?? '', /\r\n\r\nhello\r\n\.\.dot\r\n\.\r\n/);
    }
  });

  const rows: [what: string, rcpt: string[], scripts: string[], wanted: RegExp][] = [
    ['refused', ['bob@x.test'], [serverScript({ rcpt: ['550 5.1.1 no such user'] })], /^554 5\.1\.1 .*no such user/m],
    ['deferred', ['bob@x.test'], [serverScript({ rcpt: ['450 4.2.0 later'] })], /^451 4\.2\.0 .*later/m],
    ['refused as a whole', ['bob@x.test'], [serverScript({ dot: 'S: 554 5.6.0 spam' })], /^554 5\.6\.0 .*spam/m],
    ['not connected', ['bob@x.test'], [], /^451 4\.0\.0 .*connection refused/m],
    [
      'refused for one of two: nobody gets it',
      ['bob@x.test', 'ann@x.test'],
      [serverScript({ rcpt: ['250 ok', '550 5.1.1 no such user'], more: true })],
      /^554 5\.1\.1 .*ann@x\.test.*nothing was delivered/m,
    ],
    [
      'perhaps accepted: not to be sent again',
      ['bob@x.test'],
      [serverScript({ dot: 'F' })],
      /^554 5\.0\.0 .*may have been accepted/m,
    ],
  ];
  for (const [what, rcpt, scripts, wanted] of rows) {
    test(`tells a message that was ${what}, and goes on`, async () => {
      const { code, stdout } = await speak([...one(...rcpt), 'NOOP'], { scripts });
      assert.equal(code, 0);
      assert.match(stdout, wanted);
      assert.deepEqual(codes(stdout).slice(-2), ['250', '221']);
    });
  }

  test('one line of reply whatever the server wrote', async () => {
    const script = serverScript({ rcpt: ['550-a\x1b[1m\nS: 550 250 2.0.0 Ok'] });
    const { stdout } = await speak(one('bob@x.test'), { scripts: [script] });
    assert.match(stdout, /^554 5\.0\.0 .*a\\x1b\[1m.*\r$/m);
    assert.deepEqual(codes(stdout), ['250', '250', '354', '554', '221']);
  });

  test('a message that cannot be sent is refused, and nothing is connected to', async () => {
    for (const [lines, says] of [
      [['Subject: a\0b', '', 'x'], /^554 .*NUL/m],
      [['Subject: a\rb', '', 'x'], /^554 5\.6\.11/m],
    ] as const) {
      const { stdout, told } = await speak(['MAIL FROM:<a@y.test>', 'RCPT TO:<b@x.test>', 'DATA', ...lines, '.']);
      assert.match(stdout, says);
      assert.deepEqual(told, []);
    }
  });

  test('offers no notifications, and refuses to pretend', async () => {
    const { stdout } = await speak(['MAIL FROM:<a@y.test> RET=HDRS']);
    assert.doesNotMatch(stdout, /^250[ -]DSN/m);
    assert.match(stdout, /^555 /m);
  });

  test('a client that leaves in the middle of a message has sent nothing', async () => {
    const input = session(hello, ...one('bob@x.test').slice(0, -2));
    const { told } = await runFront(['-bs'], { input, scripts: [serverScript()] });
    assert.deepEqual(told, []);
  });

  test('needs a configured server like everything else', async () => {
    const { code, stdout, stderr } = await speak([], { env: { EHLO_SERVER: 'x:y:z' } });
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(stderr, /^sendmail: EHLO_SERVER/);
  });
});

// What a tester may ask of `send` besides sending: stops, drops, commands, expectations, BDAT, PRDR, XCLIENT, parameters,
// retries. Each row is a server's script, what was asked, the exit, and what must and must not have been said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalControl, type ProtocolControl } from '../../src/app/control.ts';
import { emptyInput, type MessageInput } from '../../src/app/message-input.ts';
import { type SendRequest, send } from '../../src/app/send.ts';
import { createSessionPool } from '../../src/app/session-pool.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { mailLab, takes } from './lab.ts';

const message = 'Subject: hi\r\nMessage-ID: <1@x.test>\r\n\r\n.dot\r\nend\r\n';
const size = message.length;

const hello = (...keywords: string[]): string =>
  [
    'S: 220 hi',
    'C: EHLO',
    ...['hi', ...keywords].map((word, at, all) => `S: 250${at === all.length - 1 ? ' ' : '-'}${word}`),
  ].join('\n');
const bye = 'C: QUIT\nS: 221 bye\nF';
const rcpts = (...replies: string[]): string =>
  ['C: MAIL', 'S: 250 ok', ...replies.flatMap((reply) => ['C: RCPT', `S: ${reply}`])].join('\n');
const sends = 'C: DATA\nS: 354 go\nM\nS: 250 2.0.0 Ok: queued as LAB1';

interface Row {
  name: string;
  script: string | string[];
  control?: Partial<ProtocolControl>;
  input?: Partial<MessageInput>;
  request?: Partial<SendRequest>;
  body?: string;
  exit: string;
  statuses?: string[];
  said?: string[];
  unsaid?: string[];
  notes?: RegExp;
  error?: RegExp;
}

const stopAfter = (after: NonNullable<ProtocolControl['stop']>['after'], how: 'quit' | 'drop' = 'quit') => ({
  stop: { after, how },
});

const rows: Row[] = [
  {
    name: 'quit after the banner says QUIT and nothing else',
    script: `S: 220 hi\n${bye}`,
    control: stopAfter('banner'),
    exit: 'OK',
    statuses: ['deferred'],
    said: ['QUIT'],
    unsaid: ['EHLO'],
  },
  {
    name: 'quit after rcpt takes nothing back and sends nothing',
    script: `${hello()}\n${rcpts('250 ok')}\n${bye}`,
    control: stopAfter('rcpt'),
    exit: 'OK',
    statuses: ['deferred'],
    said: ['RCPT TO:<b@y.test>', 'QUIT'],
    unsaid: ['RSET', 'DATA'],
  },
  {
    name: 'quit after rcpt tells a refusal',
    script: `${hello()}\n${rcpts('550 5.1.1 nobody')}\n${bye}`,
    control: stopAfter('rcpt'),
    exit: 'REJECTED',
    statuses: ['rejected'],
    unsaid: ['DATA'],
  },
  {
    name: 'drop after mail closes without a word',
    script: `${hello()}\nC: MAIL\nS: 250 ok\nW`,
    control: stopAfter('mail', 'drop'),
    exit: 'OK',
    said: ['MAIL FROM:<a@x.test>'],
    unsaid: ['RSET', 'QUIT', 'RCPT'],
  },
  {
    name: 'drop after dot has the verdict, and says no QUIT',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\nW`,
    control: stopAfter('dot', 'drop'),
    exit: 'OK',
    statuses: ['accepted'],
    unsaid: ['QUIT'],
  },
  {
    name: 'quit after data sends no message',
    script: `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nW`,
    control: stopAfter('data'),
    exit: 'OK',
    statuses: ['deferred'],
    unsaid: ['Subject'],
  },
  {
    name: 'a command of the user goes out before MAIL, whatever the reply is',
    script: `${hello()}\nC: VRFY bob\nS: 502 5.5.1 no\nC: NOOP\nS: 250 ok\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { commands: ['VRFY bob', 'NOOP'] },
    exit: 'OK',
    statuses: ['accepted'],
  },
  {
    name: 'an expected refusal is no failure',
    script: `${hello()}\n${rcpts('550 5.1.1 nobody')}\nC: RSET\nS: 250 ok\n${bye}`,
    control: { expect: [{ stage: 'rcpt', codes: '55x' }] },
    exit: 'OK',
    statuses: ['rejected'],
  },
  {
    name: 'another reply than the expected one is exit 1, and nothing is sent',
    script: `${hello('PIPELINING')}\n${rcpts('250 ok')}\n${bye}`,
    control: { expect: [{ stage: 'rcpt', codes: '550,551' }] },
    request: { pipelining: true },
    exit: 'NO',
    statuses: ['deferred'],
    error: /expected 550,551 at rcpt, got 250 ok/,
    unsaid: ['DATA'],
  },
  {
    name: 'another verdict than the expected one is exit 1, and no doubt about the message',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { expect: [{ stage: 'dot', codes: '554' }] },
    exit: 'NO',
    statuses: ['accepted'],
    error: /expected 554 at dot/,
  },
  {
    name: 'HELO may come to the rescue of an expected 250',
    script: `S: 220 hi\nC: EHLO\nS: 502 what\nC: HELO\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { expect: [{ stage: 'ehlo', codes: '250' }] },
    exit: 'OK',
    statuses: ['accepted'],
  },
  {
    name: 'REQUIRETLS without TLS is missing, and nothing is sent',
    script: `${hello('REQUIRETLS')}\n${bye}`,
    control: { require: ['REQUIRETLS'] },
    exit: 'NOPERM',
    unsaid: ['MAIL'],
  },
  {
    name: 'REQUIRETLS that is not offered is missing',
    script: `${hello()}\n${bye}`,
    control: { require: ['REQUIRETLS'] },
    exit: 'REJECTED',
    unsaid: ['MAIL'],
  },
  {
    name: 'an expectation met does not hide another refusal',
    script: `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nS: 554 5.6.0 spam\n${bye}`,
    control: { expect: [{ stage: 'rcpt', codes: '250' }] },
    exit: 'REJECTED',
  },
  {
    name: 'an expectation of what was never said is not met',
    script: `${hello()}\n${bye}`,
    control: { commands: ['VRFY bob'], expect: [{ stage: 'command', codes: '252' }], ...stopAfter('auth') },
    exit: 'NO',
    error: /no reply came at that stage/,
  },
  {
    name: 'nobody there is not an answer of no',
    script: [],
    control: { expect: [{ stage: 'banner', codes: '220' }] },
    exit: 'TEMP',
  },
  {
    name: 'BDAT in one chunk, byte for byte',
    script: `${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT ${size} LAST\nB ${size}\nS: 250 queued\n${bye}`,
    control: { bdat: 'auto' },
    exit: 'OK',
    statuses: ['accepted'],
    said: ['\r\n\r\n.dot\r\nend\r\nQUIT'],
    unsaid: ['DATA\r\n', '..dot'],
  },
  {
    name: 'BDAT in chunks of 20 octets, the last one whatever is left',
    script: `${hello('CHUNKING', 'PIPELINING')}\n${rcpts('250 ok')}\n${[0, 1].map(() => 'C: BDAT 20\nB 20\nS: 250 more').join('\n')}\nC: BDAT ${size - 40} LAST\nB ${size - 40}\nS: 250 queued\n${bye}`,
    control: { bdat: 20 },
    exit: 'OK',
    statuses: ['accepted'],
  },
  {
    name: 'BDAT auto is DATA where it is not offered',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { bdat: 'auto' },
    exit: 'OK',
    unsaid: ['BDAT'],
  },
  {
    name: 'BDAT with a size is asked for: without CHUNKING nothing is sent',
    script: `${hello()}\n${bye}`,
    control: { bdat: 100 },
    exit: 'REJECTED',
    error: /CHUNKING/,
    unsaid: ['MAIL'],
  },
  {
    name: 'a chunk refused is a refusal of the message, and taken back',
    script: `${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT 20\nB 20\nS: 452 4.3.1 full\nC: RSET\nS: 250 ok\n${bye}`,
    control: { bdat: 20 },
    exit: 'TEMP',
    statuses: ['deferred'],
    unsaid: ['LAST'],
  },
  {
    name: 'lost behind the last chunk is unknown',
    script: `${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT ${size} LAST\nB ${size}\nF`,
    control: { bdat: 'auto' },
    exit: 'UNKNOWN',
    statuses: ['unknown'],
  },
  {
    name: 'lost between two chunks is not: nobody can have the message',
    script: `${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT 20\nB 20\nF`,
    control: { bdat: 20 },
    exit: 'TEMP',
    statuses: ['deferred'],
  },
  {
    name: 'BDAT with all recipients refused sends no chunk',
    script: `${hello('CHUNKING', 'PIPELINING')}\n${rcpts('550 no')}\nC: RSET\nS: 250 ok\n${bye}`,
    control: { bdat: 'auto' },
    exit: 'REJECTED',
    unsaid: ['BDAT'],
  },
  {
    name: 'PRDR: each recipient has a verdict of its own',
    script: `${hello('PRDR')}\n${rcpts('250 ok', '250 ok')}\nC: DATA\nS: 354 go\nM\nS: 353 go on\nS: 250 b\nS: 550 5.7.1 c no\nS: 250 taken\n${bye}`,
    control: { prdr: true },
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    exit: 'PARTIAL',
    statuses: ['accepted', 'rejected'],
    said: ['MAIL FROM:<a@x.test> PRDR'],
  },
  {
    name: 'PRDR: the last word may undo every yes before it',
    script: `${hello('PRDR')}\n${rcpts('250 ok', '250 ok')}\nC: DATA\nS: 354 go\nM\nS: 353 go on\nS: 250 b\nS: 250 c\nS: 452 4.3.1 full\n${bye}`,
    control: { prdr: true },
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    exit: 'TEMP',
    statuses: ['deferred', 'deferred'],
  },
  {
    name: 'PRDR: one verdict for all is fine too',
    script: `${hello('PRDR')}\n${rcpts('250 ok', '250 ok')}\n${sends}\n${bye}`,
    control: { prdr: true },
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    exit: 'OK',
    statuses: ['accepted', 'accepted'],
  },
  {
    name: 'PRDR: lost before the last word leaves the yeses unknown and the no a no',
    script: `${hello('PRDR')}\n${rcpts('250 ok', '250 ok')}\nC: DATA\nS: 354 go\nM\nS: 353 go on\nS: 250 b\nS: 550 c no\nF`,
    control: { prdr: true },
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    exit: 'UNKNOWN',
    statuses: ['unknown', 'rejected'],
  },
  {
    name: 'PRDR that is not offered is told',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { prdr: true },
    exit: 'OK',
    notes: /PRDR/,
    unsaid: [' PRDR'],
  },
  {
    name: '353 without PRDR is a broken protocol',
    script: `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nS: 353 what\n${bye}`,
    exit: 'PROTO',
    statuses: ['unknown'],
  },
  {
    name: 'XCLIENT comes behind EHLO, in xtext, and EHLO is said again',
    script: `${hello('XCLIENT NAME ADDR HELO')}\nC: XCLIENT NAME=a+20b ADDR=192.0.2.7\nS: 220 hi again\nC: EHLO\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: {
      xclient: [
        { name: 'NAME', value: 'a b' },
        { name: 'ADDR', value: '192.0.2.7' },
      ],
    },
    exit: 'OK',
  },
  {
    name: 'an XCLIENT attribute that is not offered is not dropped',
    script: `${hello('XCLIENT NAME ADDR')}\n${bye}`,
    control: { xclient: [{ name: 'LOGIN', value: 'bob' }] },
    exit: 'REJECTED',
    error: /LOGIN/,
    unsaid: ['XCLIENT', 'MAIL'],
  },
  {
    name: 'XCLIENT refused sends nothing',
    script: `${hello('XCLIENT ADDR')}\nC: XCLIENT\nS: 550 5.7.0 not you\n${bye}`,
    control: { xclient: [{ name: 'ADDR', value: '192.0.2.7' }] },
    exit: 'REJECTED',
    unsaid: ['MAIL'],
  },
  {
    name: 'XCLIENT by force',
    script: `${hello()}\nC: XCLIENT LOGIN=bob\nS: 220 hi\nC: EHLO\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { xclient: [{ name: 'LOGIN', value: 'bob' }], force: true },
    exit: 'OK',
  },
  {
    name: 'what --require names and the server lacks is 69, and nothing is sent',
    script: `${hello('DSN')}\n${bye}`,
    control: { require: ['DSN', 'SMTPUTF8'] },
    exit: 'REJECTED',
    error: /SMTPUTF8/,
    unsaid: ['MAIL'],
  },
  {
    name: '--require starttls is not content with cleartext',
    script: `${hello()}\n${bye}`,
    control: { require: ['STARTTLS'] },
    exit: 'REJECTED',
    error: /STARTTLS/,
    unsaid: ['MAIL'],
  },
  {
    name: 'what --require names and the server has is sent as ever',
    script: `${hello('DSN')}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { require: ['DSN'] },
    input: { notify: ['SUCCESS'] },
    exit: 'OK',
    said: ['RCPT TO:<b@y.test> NOTIFY=SUCCESS'],
  },
  {
    name: 'a parameter of an extension that is not offered is not sent',
    script: `${hello()}\n${bye}`,
    input: { mailParams: [{ keyword: 'MT-PRIORITY', value: '3' }] },
    exit: 'REJECTED',
    error: /MT-PRIORITY/,
    unsaid: ['MAIL'],
  },
  {
    name: 'unless by force',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    input: { mailParams: [{ keyword: 'MT-PRIORITY', value: '3' }], notify: ['NEVER'] },
    control: { force: true },
    exit: 'OK',
    said: ['MAIL FROM:<a@x.test> MT-PRIORITY=3', 'NOTIFY=NEVER'],
  },
  {
    name: 'a parameter that nobody knows goes out as it is given',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    input: { rcptParams: [{ keyword: 'X-TEST', value: '1' }] },
    exit: 'OK',
    said: ['RCPT TO:<b@y.test> X-TEST=1'],
  },
  {
    name: 'what the user says of SIZE is what counts',
    script: `${hello('SIZE 1000')}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    input: { mailParams: [{ keyword: 'SIZE', value: '7' }] },
    exit: 'OK',
    said: ['MAIL FROM:<a@x.test> SIZE=7\r\n'],
  },
  {
    name: 'malformed bytes go out as they are, and end on a line of their own',
    script: `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    body: 'a\nb\r.c\r\n.d',
    input: { raw: { path: 'bytes', fixEol: false, verbatim: true } },
    exit: 'OK',
    said: ['a\nb\r.c\r\n.d\r\n.\r\nQUIT'],
  },
  {
    name: 'what was deferred is tried again',
    script: [
      `${hello()}\n${rcpts('450 4.2.0 greylisted', '250 ok')}\n${sends}\n${bye}`,
      `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    ],
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    request: { retry: { count: 2, delayMs: 1 } },
    exit: 'OK',
    statuses: ['accepted', 'accepted'],
  },
  {
    name: 'what may have been accepted is never tried again',
    script: [`${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nF`, takes()],
    request: { retry: { count: 3, delayMs: 1 } },
    exit: 'UNKNOWN',
    statuses: ['unknown'],
  },
  {
    name: 'what was refused for good is not tried again',
    script: [`${hello()}\n${rcpts('550 no')}\nC: RSET\nS: 250 ok\n${bye}`, takes()],
    request: { retry: { count: 3, delayMs: 1 } },
    exit: 'REJECTED',
  },
];

const raw = (body: string): MessageInput['raw'] => ({
  path: 'message',
  given: bytesSource(Buffer.from(body)),
  fixEol: false,
});

for (const row of rows) {
  test(row.name, async () => {
    const scripts = typeof row.script === 'string' ? [row.script] : row.script;
    const lab = mailLab('', { '127.0.0.9': scripts });
    const body = raw(row.body ?? message);
    const { report } = await send(
      {
        connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
        input: {
          ...emptyInput,
          mailFrom: 'a@x.test',
          rcpt: ['b@y.test'],
          ...row.input,
          raw: body && { ...body, ...row.input?.raw, given: body.given ?? bytesSource(Buffer.alloc(0)) },
        },
        onReject: 'continue',
        pipelining: false,
        dryRun: false,
        control: { ...normalControl, ...row.control },
        ...row.request,
      },
      lab.ports,
      { scrubber: new Scrubber(), signal: new AbortController().signal },
    );
    for (const { peer } of lab.dialled) await peer?.finished;
    const said = lab.dialled.map(({ peer }) => peer?.received() ?? '').join('');
    assert.equal(report.exit.name, row.exit, report.error?.message);
    if (row.statuses)
      assert.deepEqual(
        report.recipients.map((one) => one.status),
        row.statuses,
      );
    for (const text of row.said ?? []) assert.ok(said.includes(text), `not said: ${text}\n${said}`);
    for (const text of row.unsaid ?? []) assert.ok(!said.includes(text), `said: ${text}\n${said}`);
    if (row.notes) assert.match(report.notes.join('\n'), row.notes);
    if (row.error) assert.match(report.error?.message ?? '', row.error);
    if (row.exit === 'UNKNOWN') assert.equal(lab.dialled.length, 1, 'tried again');
  });
}

test('a pool carries several messages over one session, and a new one where it was closed meanwhile', async () => {
  const one = `${rcpts('250 ok')}\n${sends}`;
  const lab = mailLab('', {
    '127.0.0.9': [`${hello()}\n${one}\n${one}\nF`, `${hello()}\n${one}\n${bye}`],
  });
  const pool = createSessionPool();
  const steps: number[] = [];
  for (let count = 0; count < 3; count++) {
    const { report } = await send(
      {
        connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
        input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test'], raw: raw(message) },
        onReject: 'continue',
        pipelining: false,
        dryRun: false,
      },
      lab.ports,
      { scrubber: new Scrubber(), signal: new AbortController().signal, pool },
    );
    assert.equal(report.exit.name, 'OK', report.error?.message);
    steps.push(report.attempts.at(-1)?.steps.length ?? 0);
  }
  await pool.close();
  for (const { peer } of lab.dialled) await peer?.finished;
  // banner, EHLO, MAIL, RCPT, DATA, dot; the second message tells only its own.
  assert.deepEqual(steps, [6, 4, 6]);
  assert.equal(lab.dialled.length, 2);
  assert.match(lab.dialled[1]?.peer?.received() ?? '', /QUIT\r\n$/);
});

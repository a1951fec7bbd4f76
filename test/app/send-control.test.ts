// What a tester may ask of `send` besides sending: stops, drops, commands, expectations, BDAT, PRDR, XCLIENT, parameters,
// retries. Each row is a server's script, what was asked, the exit, and what must and must not have been said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalControl, type ProtocolControl } from '../../src/app/control.ts';
import { emptyInput, type MessageInput } from '../../src/app/message-input.ts';
import { type SendRequest, send } from '../../src/app/send.ts';
import { createSessionPool, type SessionPool } from '../../src/app/session-pool.ts';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { Scrubber } from '../../src/base/secret.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { type MailLab, mailLab, takes } from './lab.ts';
import { queueLab } from './queue-lab.ts';

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
  scheme?: 'lmtp';
  mayDuplicate?: boolean;
  /** In the document, the transcript included. */
  told?: string[];
  untold?: string[];
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
    name: 'the EHLO behind XCLIENT has the name that XCLIENT tells',
    script: `${hello('XCLIENT HELO')}\nC: XCLIENT HELO=them.test\nS: 220 hi\nC: EHLO them.test\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { xclient: [{ name: 'HELO', value: 'them.test' }] },
    exit: 'OK',
    said: ['EHLO client.test\r\nXCLIENT'],
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
    name: 'HELO only: the session has no extensions',
    script: `S: 220 hi\nC: HELO\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { heloOnly: true },
    exit: 'OK',
    said: ['MAIL FROM:<a@x.test>\r\n'],
    unsaid: ['EHLO'],
  },
  {
    name: 'an IPv6 address has its prefix in XCLIENT',
    script: `${hello('XCLIENT ADDR')}\nC: XCLIENT ADDR=IPV6:2001:db8::1\nS: 220 hi\nC: EHLO\nS: 250 hi\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: { xclient: [{ name: 'ADDR', value: '2001:db8::1' }] },
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
    name: 'all or nobody: whom another refusal held back is not tried again alone',
    script: [`${hello()}\n${rcpts('250 ok', '550 nobody')}\nC: RSET\nS: 250 ok\n${bye}`, takes()],
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    request: { onReject: 'abort', retry: { count: 2, delayMs: 1 } },
    exit: 'REJECTED',
    statuses: ['deferred', 'rejected'],
    unsaid: ['DATA'],
  },
  {
    name: 'all or nobody: after a deferral everybody is tried again',
    script: [
      `${hello()}\n${rcpts('250 ok', '450 later')}\nC: RSET\nS: 250 ok\n${bye}`,
      `${hello()}\n${rcpts('250 ok', '250 ok')}\n${sends}\n${bye}`,
    ],
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    request: { onReject: 'abort', retry: { count: 2, delayMs: 1 } },
    exit: 'OK',
    statuses: ['accepted', 'accepted'],
  },
  {
    name: 'a second reply behind the verdict is no expected one: nobody knows which of them counts',
    script: `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nS! 250 ok\\r\\n250 ok\\r\\n\nW`,
    control: { expect: [{ stage: 'dot', codes: '250' }] },
    exit: 'PROTO',
    statuses: ['unknown'],
    mayDuplicate: true,
  },
  {
    name: 'an expectation that fails does not hide that the message may have been accepted',
    script: `${hello('PRDR')}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nS: 353 go on\nF`,
    control: { prdr: true, expect: [{ stage: 'prdr', codes: '250' }] },
    exit: 'NO',
    statuses: ['unknown'],
    mayDuplicate: true,
  },
  {
    name: 'an expected deferral of one does not excuse the refusal of another',
    script: `${hello()}\n${rcpts('250 ok', '450 later')}\nC: DATA\nS: 354 go\nM\nS: 554 spam\n${bye}`,
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    control: { expect: [{ stage: 'rcpt', codes: '250,450' }] },
    exit: 'TEMP',
    statuses: ['rejected', 'deferred'],
  },
  {
    name: 'PRDR over LMTP: each has a verdict anyway, and PRDR is not said',
    script: `S: 220 hi\nC: LHLO\nS: 250-hi\nS: 250 PRDR\n${rcpts('250 ok', '250 ok')}\nC: DATA\nS: 354 go\nM\nS: 250 b\nS: 550 c no\n${bye}`,
    control: { prdr: true },
    scheme: 'lmtp',
    input: { rcpt: ['b@y.test', 'c@y.test'] },
    exit: 'PARTIAL',
    statuses: ['accepted', 'rejected'],
    unsaid: [' PRDR'],
    notes: /LMTP/,
  },
  {
    name: 'a login as a command of the user keeps its secret to itself, in one line and in the lines after a 334',
    script: `${hello()}\nC: AUTH PLAIN AGJvYgBzM2NyZXQ=\nS: 535 5.7.8 not AGJvYgBzM2NyZXQ=, nor s3cret\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: Ym9i\nS: 334 UGFzc3dvcmQ6\nC: aHVudGVyMg==\nS: 535 hunter2 is wrong\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    control: {
      commands: ['AUTH PLAIN AGJvYgBzM2NyZXQ=', 'AUTH LOGIN', 'Ym9i', 'aHVudGVyMg=='],
    },
    exit: 'OK',
    untold: ['AGJvYgBzM2NyZXQ', 's3cret', 'aHVudGVyMg', 'hunter2'],
  },
  {
    name: 'a chunk that is the last says so in the steps',
    script: `${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT ${size} LAST\nB ${size}\nS: 250 queued\n${bye}`,
    control: { bdat: 'auto' },
    exit: 'OK',
    told: [`"sent":"BDAT ${size} LAST"`],
    untold: ['"sent":"."'],
  },
  {
    name: 'behind 354 there is no QUIT to say, and none is claimed',
    script: `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nW`,
    control: stopAfter('data'),
    exit: 'OK',
    untold: ['"QUIT"'],
    notes: /without QUIT/,
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
        connection: { ...lab.connection, server: { scheme: row.scheme ?? 'smtp', host: '127.0.0.9', port: 25 } },
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
    if (row.mayDuplicate !== undefined) assert.equal(report.error?.mayDuplicate, row.mayDuplicate);
    for (const text of row.told ?? []) assert.ok(JSON.stringify(report).includes(text), `not told: ${text}`);
    for (const text of row.untold ?? []) assert.ok(!JSON.stringify(report).includes(text), `told: ${text}`);
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
  const heard: number[] = [];
  for (let count = 0; count < 3; count++) {
    let events = 0;
    const { report } = await send(
      {
        connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
        input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test'], raw: raw(message) },
        onReject: 'continue',
        pipelining: false,
        dryRun: false,
      },
      lab.ports,
      { scrubber: new Scrubber(), signal: new AbortController().signal, pool, onEvent: () => events++ },
    );
    heard.push(events);
    assert.equal(report.exit.name, 'OK', report.error?.message);
    steps.push(report.attempts.at(-1)?.steps.length ?? 0);
  }
  await pool.close();
  for (const { peer } of lab.dialled) await peer?.finished;
  // banner, EHLO, MAIL, RCPT, DATA, dot; the second message tells only its own.
  assert.deepEqual(steps, [6, 4, 6]);
  assert.ok(
    heard.every((events) => events >= 8),
    `each message hears of its own conversation: ${heard}`,
  );
  assert.equal(lab.dialled.length, 2);
  assert.match(lab.dialled[1]?.peer?.received() ?? '', /QUIT\r\n$/);
});

const overPool = (lab: MailLab, pool: SessionPool, signal: AbortSignal) =>
  send(
    {
      connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
      input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test'], raw: raw(message) },
      onReject: 'continue',
      pipelining: false,
      dryRun: false,
    },
    lab.ports,
    { scrubber: new Scrubber(), signal, pool },
  );

test('a kept session that has carried enough for the server gives way to a new one', async () => {
  const one = `${rcpts('250 ok')}\n${sends}`;
  const lab = mailLab('', {
    '127.0.0.9': [`${hello()}\n${one}\nC: MAIL\nS: 421 4.7.0 too many messages\nF`, `${hello()}\n${one}\n${bye}`],
  });
  const pool = createSessionPool();
  for (let count = 0; count < 2; count++) {
    const { report } = await overPool(lab, pool, new AbortController().signal);
    assert.equal(report.exit.name, 'OK', report.error?.message);
  }
  await pool.close();
  assert.equal(lab.dialled.length, 2);
});

test('421 as the verdict ends the session: the next message has one of its own', async () => {
  const lab = mailLab('', {
    '127.0.0.9': [
      `${hello()}\n${rcpts('250 ok')}\nC: DATA\nS: 354 go\nM\nS: 421 4.3.0 going down\n${bye}`,
      `${hello()}\n${rcpts('250 ok')}\n${sends}\n${bye}`,
    ],
  });
  const pool = createSessionPool();
  const exits: string[] = [];
  for (let count = 0; count < 2; count++) {
    exits.push((await overPool(lab, pool, new AbortController().signal)).report.exit.name);
  }
  await pool.close();
  for (const { peer } of lab.dialled) await peer?.finished;
  assert.deepEqual(exits, ['TEMP', 'OK']);
  assert.match(lab.dialled[0]?.peer?.received() ?? '', /QUIT\r\n$/);
});

test('Ctrl-C ends a message on a kept session as it ends one on a new session', async () => {
  const lab = mailLab('', {
    '127.0.0.9': [`${hello()}\n${rcpts('250 ok')}\n${sends}\nC: MAIL\nW`],
  });
  const pool = createSessionPool();
  assert.equal((await overPool(lab, pool, new AbortController().signal)).report.exit.name, 'OK');
  const ending = new AbortController();
  const second = overPool(lab, pool, ending.signal);
  await lab.dialled[0]?.peer?.finished;
  ending.abort('SIGINT');
  const { report } = await second;
  assert.equal(report.exit.name, 'SIGINT', report.error?.message);
  assert.equal(lab.dialled.length, 1);
});

test('a retry that a signal cuts off is a run that was interrupted, and keeps the last word of the server', async () => {
  const lab = mailLab('', { '127.0.0.9': [takes({ rcpt: '450 4.2.0 later' })] });
  const ending = new AbortController();
  const { report } = await send(
    {
      connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
      input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test'], raw: raw(message) },
      onReject: 'continue',
      pipelining: false,
      dryRun: false,
      retry: { count: 3, delayMs: 1e6 },
    },
    {
      ...lab.ports,
      clock: {
        ...lab.ports.clock,
        now: () => lab.ports.clock.now(),
        date: () => lab.ports.clock.date(),
        after: (ms, run) => {
          if (ms !== 1e6) return lab.ports.clock.after(ms, run);
          queueMicrotask(() => ending.abort('SIGTERM'));
          return () => undefined;
        },
      },
    },
    { scrubber: new Scrubber(), signal: ending.signal },
  );
  assert.equal(report.exit.name, 'SIGTERM');
  assert.deepEqual([report.recipients[0]?.status, report.recipients[0]?.code], ['deferred', 450]);
});

const queued = async (script: string, onReject: 'continue' | 'abort', when: 'on-temp' | 'always' = 'on-temp') => {
  const lab = await queueLab({ '127.0.0.9': [script] });
  const copies: string[] = [];
  try {
    const { report } = await send(
      {
        connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
        input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test', 'c@y.test'], raw: raw(message) },
        onReject,
        pipelining: false,
        dryRun: false,
        queue: { when, spool: lab.spool, route: { options: { server: '127.0.0.9:25' }, pipelining: false } },
      },
      lab.ports,
      {
        scrubber: new Scrubber(),
        signal: new AbortController().signal,
        onSent: async (source) => void copies.push((await readAll(source)).toString()),
      },
    );
    return { report, entries: await lab.entries(), copies };
  } finally {
    await lab.close();
  }
};

test('all or nobody: whom another refusal held back is not queued either', async () => {
  const script = `${hello()}\n${rcpts('250 ok', '550 nobody')}\nC: RSET\nS: 250 ok\n${bye}`;
  const { report, entries } = await queued(script, 'abort');
  assert.equal(report.exit.name, 'REJECTED');
  assert.deepEqual([report.queued, entries.length], [null, 0]);
});

test('all or nobody: after a deferral everybody is queued', async () => {
  const script = `${hello()}\n${rcpts('250 ok', '450 later')}\nC: RSET\nS: 250 ok\n${bye}`;
  const { report, entries } = await queued(script, 'abort');
  assert.equal(report.exit.name, 'OK');
  assert.deepEqual(
    entries.flatMap((entry) => entry.recipients.map((one) => one.address)),
    ['b@y.test', 'c@y.test'],
  );
});

test('what the queue has taken on is kept as what was sent is', async () => {
  const script = `${hello()}\nC: MAIL\nS: 451 later\nC: RSET\nS: 250 ok\n${bye}`;
  for (const when of ['on-temp', 'always'] as const) {
    assert.deepEqual((await queued(script, 'continue', when)).copies, [message]);
  }
});

test('a connection lost in the middle of the last chunk is no doubt: nobody can have taken the message', async () => {
  const body = `Subject: large\r\n\r\n${'x'.repeat(76)}\r\n`.padEnd(400_000, 'y\r\n');
  const lab = mailLab('', {
    '127.0.0.9': [`${hello('CHUNKING')}\n${rcpts('250 ok')}\nC: BDAT ${body.length} LAST\nR`],
  });
  const { report } = await send(
    {
      connection: { ...lab.connection, server: { scheme: 'smtp', host: '127.0.0.9', port: 25 } },
      input: { ...emptyInput, mailFrom: 'a@x.test', rcpt: ['b@y.test'], raw: raw(body) },
      onReject: 'continue',
      pipelining: false,
      dryRun: false,
      control: { ...normalControl, bdat: 'auto' },
    },
    { ...lab.ports, dial: async (target) => stalling(await lab.ports.dial(target), 200_000) },
    { scrubber: new Scrubber(), signal: new AbortController().signal },
  );
  assert.equal(report.exit.name, 'TEMP', report.error?.message);
  assert.equal(report.recipients[0]?.status, 'deferred');
});

/** Takes so many bytes and no more, as a connection whose other end does not read. */
function stalling(channel: Channel, octets: number): Channel {
  let left = octets;
  return {
    peer: channel.peer,
    attach: (sink) => channel.attach(sink),
    write(bytes, done) {
      left -= bytes.length;
      if (left > 0) channel.write(bytes, done);
    },
    pause: () => channel.pause(),
    resume: () => channel.resume(),
    startTls: (options, deadline) => channel.startTls(options, deadline),
    end: () => channel.end(),
    destroy: () => channel.destroy(),
  };
}

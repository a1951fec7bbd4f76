// Delivery status notifications: their form by RFC 3464, what comes back of the message, and that nothing of a server or of an
// envelope breaks out of its field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { composeNotice, type NoticeRecipient, type NoticeRequest } from '../../src/message/dsn.ts';
import { examineRaw } from '../../src/message/raw.ts';

const now = new Date('2024-02-29T12:00:00Z');
const original = Buffer.from('From: a@x.test\r\nSubject: hi\r\n\r\nbody\r\n');

const recipient: NoticeRecipient = {
  address: 'b@y.test',
  enhanced: '5.1.1',
  code: 550,
  text: 'no such user',
  host: 'mx.y.test',
  at: now,
  expired: false,
};

const request = (change: Partial<NoticeRequest> = {}): NoticeRequest => ({
  kind: 'failed',
  hostname: 'here.test',
  to: 'a@x.test',
  id: 'id-n1',
  token: 'f00f',
  now,
  arrival: now,
  until: now,
  recipients: [recipient],
  original: { source: bytesSource(original), eightBit: false, utf8Headers: false },
  full: true,
  ...change,
});

const text = async (change: Partial<NoticeRequest> = {}): Promise<string> =>
  (await readAll((await composeNotice(request(change))).source)).toString('utf8');

test('a notice as it goes out', async () => {
  assert.equal(
    await text({ envid: 'ENV' }),
    `Date: Thu, 29 Feb 2024 12:00:00 +0000
From: Mail Delivery System <MAILER-DAEMON@here.test>
To: <a@x.test>
Subject: Not delivered: your message comes back
Message-ID: <id-n1.f00f@here.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="=_id-n1-f00f"

--=_id-n1-f00f
Content-Type: text/plain; charset=us-ascii

This is the mail system of here.test.

Your message could not be delivered to:

  <b@y.test>
    mx.y.test: 550 5.1.1 no such user

Your message came here on Thu, 29 Feb 2024 12:00:00 +0000.

--=_id-n1-f00f
Content-Type: message/delivery-status

Original-Envelope-Id: ENV
Reporting-MTA: dns; here.test
Arrival-Date: Thu, 29 Feb 2024 12:00:00 +0000

Final-Recipient: rfc822; b@y.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.y.test
Diagnostic-Code: smtp; 550 5.1.1 no such user
Last-Attempt-Date: Thu, 29 Feb 2024 12:00:00 +0000

--=_id-n1-f00f
Content-Type: message/rfc822

From: a@x.test
Subject: hi

body

--=_id-n1-f00f--
`.replaceAll('\n', '\r\n'),
  );
});

const eightBit = Buffer.from('From: a@x.test\r\nSubject: hi\r\n\r\nb\u00f6dy\r\n');
const global = Buffer.from('From: a@x.test\r\nSubject: h\u00ef\r\n\r\nb\u00f6dy\r\n');

const returned: [string, Buffer, { eightBit: boolean; utf8Headers: boolean; full: boolean }, RegExp, boolean][] = [
  [
    'all of a 7-bit message',
    original,
    { eightBit: false, utf8Headers: false, full: true },
    /rfc822\r\n\r\nFrom/,
    false,
  ],
  [
    'all of an 8-bit message',
    eightBit,
    { eightBit: true, utf8Headers: false, full: true },
    /rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFrom[\s\S]*b\u00f6dy/,
    true,
  ],
  [
    'the header of an 8-bit message',
    eightBit,
    { eightBit: true, utf8Headers: false, full: false },
    /text\/rfc822-headers\r\n\r\nFrom: a@x.test\r\nSubject: hi\r\n\r\n--/,
    false,
  ],
  [
    'all of an internationalized message',
    global,
    { eightBit: true, utf8Headers: true, full: true },
    /message\/global\r\nContent-Transfer-Encoding: base64\r\n/,
    false,
  ],
  [
    'the header of an internationalized message',
    global,
    { eightBit: true, utf8Headers: true, full: false },
    /message\/global-headers\r\nContent-Transfer-Encoding: base64\r\n/,
    false,
  ],
];
for (const [name, bytes, { full, ...facts }, expected, needs8bit] of returned) {
  test(`${name} comes back in a form that its route can carry`, async () => {
    const notice = await composeNotice(request({ original: { source: bytesSource(bytes), ...facts }, full }));
    const out = await readAll(notice.source);
    assert.match(out.toString('utf8'), expected);
    assert.equal(notice.eightBit, needs8bit);
    const seen = await examineRaw(bytesSource(out));
    assert.deepEqual([seen.eightBit, seen.utf8Headers], [needs8bit, false], 'what is said of the bytes is so');
    if (facts.utf8Headers) {
      const part = out.toString('latin1').split('base64\r\n\r\n')[1]?.split('\r\n--')[0] ?? '';
      const wanted = full ? bytes : bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 2);
      assert.deepEqual(Buffer.from(part, 'base64'), wanted);
    }
  });
}

test('a large original is not held in memory, and the size of the notice is known', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x\r\n');
  let held = 0;
  const source = {
    size: 100 * chunk.length,
    async *chunks() {
      for (let n = 0; n < 100; n++) {
        held = n;
        yield chunk;
      }
    },
  };
  const notice = await composeNotice(request({ original: { source, eightBit: false, utf8Headers: false } }));
  assert.equal(held, 0, 'nothing is read to compose it');
  let size = 0;
  for await (const piece of notice.source.chunks()) size += piece.length;
  assert.equal(size, notice.source.size);
});

const codes: [Partial<NoticeRecipient>, NoticeRequest['kind'], string][] = [
  [{}, 'failed', '5.1.1'],
  [{ enhanced: null }, 'failed', '5.0.0'],
  [{ enhanced: null, code: 451 }, 'failed', '4.0.0'],
  [{ enhanced: '4.7.1', code: 451, expired: true }, 'failed', '4.7.1'],
  [{ enhanced: null, code: null }, 'failed', '5.0.0'],
  [{ enhanced: null, code: null }, 'delayed', '4.0.0'],
  [{ enhanced: '2.1.5', code: 250 }, 'relayed', '2.1.5'],
  [{ enhanced: null, code: 250 }, 'relayed', '2.0.0'],
];
for (const [change, kind, status] of codes) {
  test(`the status of ${kind} by ${JSON.stringify(change)} is ${status}`, async () => {
    assert.match(
      await text({ kind, recipients: [{ ...recipient, ...change }] }),
      new RegExp(`\r\nStatus: ${status}\r\n`),
    );
  });
}

test('addresses beyond ASCII: A-labels where that will do, the 7-bit form of RFC 6533 in the report', async () => {
  const out = await text({ to: 'a@b\u00fccher.test', recipients: [{ ...recipient, address: 'd\u00f6@y.test' }] });
  assert.match(out, /To: <a@xn--bcher-kva.test>\r\n/);
  assert.match(out, /Final-Recipient: utf-8; d\\x\{f6\}@y.test\r\n/);
  const local = await composeNotice(request({ to: '\u00f6@x.test' }));
  assert.equal(local.utf8Headers, true);
});

test('nothing of a server or an envelope breaks out of its field, and no line is too long', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({
        unit: fc.constantFrom('a', ' ', '\r', '\n', '\u0000', '\u001b', '\u202e', '\u00e9', '--=_id-n1-f00f'),
        maxLength: 400,
      }),
      fc.constantFrom('text', 'orcpt', 'envid', 'host'),
      async (hostile, place) => {
        const of = (name: string) => (place === name ? hostile : undefined);
        const out = await text({
          envid: of('envid'),
          recipients: [{ ...recipient, ...(place === 'envid' ? {} : { [place]: hostile }) }],
        });
        const lines = out.split('\r\n');
        assert.equal(lines.filter((line) => line === '--=_id-n1-f00f').length, 3);
        for (const line of lines) assert.match(line, /^[\x20-\x7e]{0,998}$/);
        const report = out.split('message/delivery-status\r\n\r\n')[1]?.split('\r\n--=_')[0] ?? '';
        for (const line of report.split('\r\n')) {
          assert.match(
            line,
            /^$|^ |^(Original-Envelope-Id|Reporting-MTA|Arrival-Date|Original-Recipient|Final-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date):( |$)/,
          );
        }
      },
    ),
  );
});

test('a host name that is none gives a valid sender', async () => {
  assert.match(await text({ hostname: 'my_host\r\nX: y' }), /From: Mail Delivery System <MAILER-DAEMON@localhost>\r\n/);
});

test('an address, an envelope id and a host are never cut, however long: a program reads them', async () => {
  const address = `${'l'.repeat(64)}@${'d'.repeat(60)}.${'e'.repeat(60)}.test`;
  const envid = 'E'.repeat(100);
  const host = `mx.${'h'.repeat(63)}.${'i'.repeat(63)}.test`;
  const orcpt = `rfc822;${'o'.repeat(64)}@${'d'.repeat(60)}.test`;
  const out = await text({ envid, recipients: [{ ...recipient, address, host, orcpt }] });
  const report = (out.split('message/delivery-status\r\n\r\n')[1] ?? '').replace(/\r\n(?=[ \t])/g, '');
  assert.match(report, new RegExp(`^Original-Envelope-Id: ${envid}\r\n`));
  assert.match(report, new RegExp(`\r\nFinal-Recipient: rfc822; ${address}\r\n`));
  assert.match(report, new RegExp(`\r\nOriginal-Recipient: rfc822; ${'o'.repeat(64)}@`));
  assert.match(report, new RegExp(`\r\nRemote-MTA: dns; ${host}\r\n`));
});

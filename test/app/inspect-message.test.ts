// Messages in test/mail against the report written beside them: what `inspect` says of each, offsets included.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { attachmentParts, findPart, inspectMessage, openMessage, partContent } from '../../src/app/inspect-message.ts';
import { type ByteSource, bytesSource } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { mailFacts } from '../support/mail-facts.ts';

const folder = new URL('../mail/', import.meta.url);
const read = (name: string): Buffer => readFileSync(new URL(name, folder));
const open = (text: string) => openMessage(bytesSource(Buffer.from(text, 'latin1')));

for (const name of readdirSync(folder).filter((file) => file.endsWith('.eml'))) {
  test(`the report on ${name} is the one beside it`, async () => {
    const expected: unknown = JSON.parse(read(name.replace(/\.eml$/, '.json')).toString());
    assert.deepEqual(JSON.parse(JSON.stringify(await mailFacts(read(name)))), expected);
  });
}

test('--fail-on decides the exit code, and nothing else does', async () => {
  const warned = await openMessage(bytesSource(read('missing-close.eml')));
  const broken = await openMessage(bytesSource(read('bad-header.eml')));
  const codes = async (failOn?: 'warn' | 'error'): Promise<number[]> =>
    Promise.all([warned, broken].map(async (one) => (await inspectMessage(one, failOn ? { failOn } : {})).exit.code));
  assert.deepEqual(await codes(), [0, 0]);
  assert.deepEqual(await codes('error'), [0, 1]);
  assert.deepEqual(await codes('warn'), [1, 1]);
});

test('a report has no auth field as long as nothing was evaluated', async () => {
  assert.equal('auth' in (await inspectMessage(await openMessage(bytesSource(read('simple.eml'))))), false);
});

test('parts are found by their number, and the body of a plain message is part 1', async () => {
  const tree = await openMessage(bytesSource(read('tree.eml')));
  const content = (path: string): string | undefined => {
    const part = findPart(tree.root, path);
    return part && partContent(tree, part).toString();
  };
  assert.equal(content('1.1'), 'Grüße \r\nsoft break');
  assert.equal(content('2'), '%PDF-1.4\n');
  for (const path of ['3', '1.3', '1.1.1', '0', '-1', '01', '1.', '.1', 'x', '1e0', '__proto__'])
    assert.equal(content(path), undefined, path);
  const simple = await openMessage(bytesSource(read('simple.eml')));
  assert.equal(findPart(simple.root, '1'), simple.root);
});

test('an attached message is one attachment, whole', async () => {
  const message = await openMessage(bytesSource(read('forwarded.eml')));
  const [only, ...more] = attachmentParts(message.root);
  assert.equal(more.length, 0);
  assert.ok(only && partContent(message, only).toString().startsWith('From: carol@example.net\r\n'));
});

test('a message over the limit is refused, not read on', async () => {
  let given = 0;
  const endless: ByteSource = {
    size: undefined,
    async *chunks() {
      const chunk = Buffer.alloc(32 * 1024 * 1024);
      for (; given < 1000; given++) yield chunk;
    },
  };
  await assert.rejects(
    openMessage(endless),
    (thrown: unknown) => thrown instanceof EhloError && thrown.code === 'limit-reached',
  );
  assert.ok(given < 20);
});

test('loops, wrong clocks and slow hops are found', async () => {
  const hop = (time: string): string => `Received: from a by b; Tue, 01 Sep 2026 ${time} +0000\r\n`;
  const ids = async (header: string): Promise<string[]> => {
    const text = `${header}From: a@x\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nx\r\n`;
    return (await inspectMessage(await open(text))).findings.map(({ id }) => id);
  };
  assert.deepEqual(await ids(hop('10:00:00').repeat(50)), []);
  assert.deepEqual(await ids(hop('10:00:00').repeat(51)), ['MANY-HOPS']);
  assert.deepEqual(await ids(hop('11:00:00') + hop('10:00:00')), ['SLOW-HOP']);
  assert.deepEqual(await ids(hop('10:00:00') + hop('10:02:00')), ['CLOCK-SKEW']);
  assert.deepEqual(await ids(hop('10:00:00') + hop('10:00:30')), []);
});

test('a huge HTML body is reported without being turned into text', async () => {
  const html = `${'<div>'.repeat(200_000)}x${'</div>'.repeat(200_000)}`;
  const { message } = await inspectMessage(await open(`From: a@x\r\nContent-Type: text/html\r\n\r\n${html}`));
  assert.equal(message.text, undefined);
  assert.equal(message.html?.length, html.length);
});

test('law: any bytes have a report that is JSON', async () => {
  const piece = fc.constantFrom(
    'From: a@x\r\n',
    'Content-Type: multipart/mixed; boundary=b\r\n',
    'Content-Type: text/plain; charset=x-none\r\n',
    '\r\n',
    '--b\r\n',
    '--b--\r\n',
    'Received: from a by b; x\r\n',
    'Content-Transfer-Encoding: base64\r\n',
    'From ',
    '\xff',
    '\0',
    'Date: x\r\n',
    '=?utf-8?Q?=FF?=',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 25 }), async (pieces) => {
      const report = await inspectMessage(await open(pieces.join('')));
      assert.deepEqual(JSON.parse(JSON.stringify(report)).message.size, report.message.size);
    }),
    { numRuns: 300 },
  );
});

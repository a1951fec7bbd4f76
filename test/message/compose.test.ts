// Composing: what goes in comes out of our own scanner again, whatever the text; what cannot be sent is refused by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Mailbox, sameDomain } from '../../src/base/address.ts';
import { type ByteSource, bytesSource, readAll } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { parseHeaderAddresses } from '../../src/message/addresses.ts';
import { Base64Lines, base64Size } from '../../src/message/base64.ts';
import { decodePart } from '../../src/message/body.ts';
import { compose, type Draft, type DraftAttachment } from '../../src/message/compose.ts';
import { fieldsNamed, firstField, trimBlank } from '../../src/message/headers.ts';
import { allParts, type MimePart, scanMime } from '../../src/message/mime.ts';
import { examineRaw } from '../../src/message/raw.ts';
import { cut, cutLengths } from '../support/splits.ts';

const box = (local: string, domain = 'x.test', name: string | null = null) => ({ name, mailbox: { local, domain } });

const draft = (more: Partial<Draft> = {}): Draft => ({
  from: box('alice', 'example.com'),
  to: [box('bob', 'example.org')],
  cc: [],
  bcc: [],
  replyTo: [],
  attachments: [],
  headers: [],
  date: new Date('2026-09-01T10:00:00Z'),
  ...more,
});

const composed = async (more: Partial<Draft> = {}): Promise<{ bytes: Buffer; root: MimePart; text: string }> => {
  const { source } = await compose(draft(more));
  const bytes = await readAll(source);
  return { bytes, root: scanMime(bytes), text: bytes.toString('latin1') };
};

const refusal = async (more: Partial<Draft>, word: RegExp): Promise<void> => {
  await assert.rejects(compose(draft(more)), (thrown: unknown) => {
    assert.ok(thrown instanceof EhloError, String(thrown));
    assert.match(thrown.message, word);
    assert.ok(thrown.code === 'bad-message' || thrown.code === 'bad-address', thrown.code);
    return true;
  });
};

const attachment = (
  filename: string,
  content: Buffer | string,
  more: Partial<DraftAttachment> = {},
): DraftAttachment => ({
  filename,
  source: bytesSource(Buffer.from(content)),
  ...more,
});

/** A source that never holds more than a chunk, and whose size may or may not be known. */
const generated = (chunks: number, chunk: Buffer, known: boolean): ByteSource => ({
  size: known ? chunks * chunk.length : undefined,
  async *chunks() {
    for (let n = 0; n < chunks; n++) yield chunk;
  },
});

test('a plain message is what one would write by hand', async () => {
  const { text } = await composed({ subject: 'hello', text: 'Hi\n.dot\n', messageId: '<1@example.com>' });
  assert.equal(
    text,
    [
      'From: alice@example.com',
      'To: bob@example.org',
      'Subject: hello',
      'Message-ID: <1@example.com>',
      'Date: Tue, 01 Sep 2026 10:00:00 +0000',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 7bit',
      '',
      'Hi',
      '.dot',
      '',
    ].join('\r\n'),
  );
});

test('the envelope has everybody once, the header never the Bcc', async () => {
  const result = await compose(
    draft({ to: [box('b'), box('c')], cc: [box('c'), box('d')], bcc: [box('hidden'), box('b')], subject: 'x' }),
  );
  assert.deepEqual(result.envelope, {
    from: 'alice@example.com',
    to: ['b@x.test', 'c@x.test', 'd@x.test', 'hidden@x.test'],
  });
  const text = (await readAll(result.source)).toString('latin1');
  assert.doesNotMatch(text, /hidden|^bcc:/im);
  assert.match(result.messageId, /^<[0-9a-f-]{36}@example\.com>$/);
  assert.ok(text.includes(`\r\nMessage-ID: ${result.messageId}\r\n`));
});

test('fields of the user replace ours and never stand twice; their names stay as they were typed', async () => {
  const { root } = await composed({
    subject: 'ours',
    headers: [
      { name: 'SUBJECT', value: 'theirs' },
      { name: 'From', value: '"Doe, J" <j@y.test>' },
      { name: 'to', value: 'undisclosed-recipients:;' },
      { name: 'Date', value: 'Wed, 02 Sep 2026 10:00:00 +0200' },
      { name: 'Message-ID', value: '<mine@y.test>' },
      { name: 'X-oddCASE', value: '{{not.expanded}}' },
      { name: 'X-oddCASE', value: 'twice is fine' },
      { name: '__proto__', value: 'x' },
    ],
  });
  const one = (name: string): string | undefined => {
    assert.equal(fieldsNamed(root.fields, name).length, 1, name);
    return firstField(root.fields, name)?.value;
  };
  assert.equal(one('Subject'), 'theirs');
  assert.equal(one('From'), '"Doe, J" <j@y.test>');
  assert.equal(one('To'), 'undisclosed-recipients:;');
  assert.equal(one('Date'), 'Wed, 02 Sep 2026 10:00:00 +0200');
  assert.equal(one('Message-ID'), '<mine@y.test>');
  assert.deepEqual(
    fieldsNamed(root.fields, 'x-oddcase').map(({ name, value }) => [name, value]),
    [
      ['X-oddCASE', '{{not.expanded}}'],
      ['X-oddCASE', 'twice is fine'],
    ],
  );
});

test('what no message can carry is refused, with the character named', async () => {
  const header = (name: string, value: string): Partial<Draft> => ({ headers: [{ name, value }] });
  const rows: [Partial<Draft>, RegExp][] = [
    [{ subject: 'a\r\nBcc: x@y' }, /subject holds U\+000D at character 2/],
    [{ subject: 'a\u2028b' }, /U\+2028/],
    [{ subject: 'a\x85' }, /U\+0085/],
    [{ subject: '\ud800' }, /U\+D800/],
    [{ text: 'a\udc00' }, /text holds U\+DC00/],
    [{ from: box('a', 'x.test', 'A\nB') }, /name holds U\+000A/],
    [{ to: [box('a', 'x.test', 'A\0')] }, /U\+0000/],
    [header('X Y', '1'), /not a header name/],
    [header('X:Y', '1'), /not a header name/],
    [header('', '1'), /not a header name/],
    [header('Xä', '1'), /not a header name/],
    [header('X', 'a\nB: c'), /the header X holds U\+000A/],
    [header('Bcc', 'x@y'), /Bcc header would show/],
    [header('Resent-Bcc', 'x@y'), /would show/],
    [header('Content-Type', 'text/html'), /how the body is encoded/],
    [header('mime-version', '2.0'), /how the body is encoded/],
    [header('Date', 'tomorrow'), /not a date/],
    [header('Message-ID', 'x'), /not a message identifier/],
    [header('From', 'a@x b@y'), /white space/],
    [
      {
        headers: [
          { name: 'Subject', value: 'a' },
          { name: 'subject', value: 'b' },
        ],
      },
      /given twice/,
    ],
    [{ messageId: '<a b@x>' }, /not a message identifier/],
    [{ inReplyTo: 'x@y' }, /not a message identifier/],
    [{ attachments: [attachment('', 'x')] }, /empty name/],
    [{ attachments: [attachment('a\nb', 'x')] }, /U\+000A/],
    [{ attachments: [attachment('a', 'x', { type: 'text' })] }, /not a media type/],
    [{ attachments: [attachment('a', 'x', { type: 'text/plain\r\nX: y' })] }, /U\+000D/],
    [{ attachments: [attachment('a', 'x', { type: 'multipart/mixed; boundary=x' })] }, /multipart/],
    [{ attachments: [attachment('a', 'x', { cid: 'a b' })] }, /content identifier/],
    [{ attachments: [attachment('a.eml', 'S: \xff\n\n', { type: 'message/rfc822' })] }, /cannot be attached/],
  ];
  for (const [more, word] of rows) await refusal(more, word);
});

test('a local part beyond ASCII needs SMTPUTF8 and says so; a domain beyond ASCII does not', async () => {
  const jörg = await compose(draft({ to: [box('jörg', 'müller.test')] }));
  assert.equal(jörg.utf8Headers, true);
  assert.match((await readAll(jörg.source)).toString(), /^To: jörg@müller\.test\r$/m);
  const domain = await compose(draft({ to: [box('joerg', 'müller.test')] }));
  assert.equal(domain.utf8Headers, false);
  assert.match((await readAll(domain.source)).toString(), /^To: joerg@xn--mller-kva\.test\r$/m);
  assert.deepEqual(domain.envelope.to, ['joerg@müller.test']);
});

test('attached messages travel as messages when they are 7-bit, else as data', async () => {
  const clean = await composed({ text: 'x', attachments: [attachment('a.eml', 'Subject: y\n\nbody\r')] });
  const part = [...allParts(clean.root)].find(({ type }) => type === 'message');
  assert.equal(
    part && clean.text.slice(part.bodyOffset, part.bodyOffset + part.bodyLength),
    'Subject: y\r\n\r\nbody\r\n',
  );
  const data = await composed({ text: 'x', attachments: [attachment('a.eml', 'Subject: \xff\n\nbody\n')] });
  const leaf = [...allParts(data.root)].find(({ filename }) => filename === 'a.eml');
  assert.deepEqual([leaf?.type, leaf?.subtype, leaf?.encoding], ['application', 'octet-stream', 'base64']);
});

test('HTML, text, an inline picture and a file have the usual tree', async () => {
  const { root } = await composed({
    text: 'x',
    html: '<img src="cid:logo">',
    attachments: [attachment('logo.png', 'p', { cid: 'logo', inline: true }), attachment('r.csv', 'a,b')],
  });
  const tree = [...allParts(root)].map(
    (part) => `${part.path} ${part.type}/${part.subtype} ${part.disposition} ${part.contentId}`,
  );
  assert.deepEqual(tree, [
    ' multipart/mixed null null',
    '1 multipart/alternative null null',
    '1.1 text/plain null null',
    '1.2 multipart/related null null',
    '1.2.1 text/html null null',
    '1.2.2 image/png inline logo',
    '2 text/csv attachment null',
  ]);
});

test('a large attachment is never held: it passes in chunks, twice the same, with the size known before', async () => {
  const chunk = Buffer.alloc(65_536, 'attachment');
  const { source } = await compose(
    draft({ text: 'x', attachments: [{ filename: 'big.bin', source: generated(320, chunk, true) }] }),
  );
  assert.equal(source.bytes, undefined);
  const lengths: number[] = [];
  for (const _ of [1, 2]) {
    let size = 0;
    for await (const piece of source.chunks()) {
      assert.ok(piece.length < 200_000);
      size += piece.length;
    }
    lengths.push(size);
  }
  assert.deepEqual(lengths, [source.size, source.size]);
  const facts = await examineRaw(source);
  assert.deepEqual([facts.eightBit, facts.bareCr, facts.bareLf, facts.longestLine], [false, undefined, undefined, 76]);
});

test('an attachment of unknown size gives a message of unknown size; one that changes is an error', async () => {
  const unknown = await compose(
    draft({ attachments: [{ filename: 'a', source: generated(2, Buffer.from('abc'), false) }] }),
  );
  assert.equal(unknown.source.size, undefined);
  const bytes = await readAll(unknown.source);
  const [leaf] = [...allParts(scanMime(bytes))].filter(({ filename }) => filename === 'a');
  assert.equal(leaf && decodePart(bytes, leaf).bytes.toString(), 'abcabc');
  const liar: ByteSource = { size: 2_000_000, chunks: generated(1, Buffer.from('short'), false).chunks };
  const { source } = await compose(draft({ attachments: [{ filename: 'a', source: liar }] }));
  await assert.rejects(readAll(source), (thrown: unknown) => thrown instanceof EhloError && thrown.code === 'io');
});

test('law: base64 lines are the same for any split, of the size foretold', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), cutLengths, (octets, lengths) => {
      const bytes = Buffer.from(octets);
      const lines = new Base64Lines();
      const out = Buffer.concat([...cut(bytes, lengths).map((chunk) => lines.feed(chunk)), lines.end()]).toString();
      assert.equal(out.length, base64Size(bytes.length));
      assert.deepEqual(Buffer.from(out, 'base64'), bytes);
      for (const line of out.split('\r\n').slice(0, -1)) assert.equal(line.length, 76);
    }),
  );
});

const unsendable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;
const lineText = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 100 }),
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[ =?_"\\a,;:<>()@]{0,80}$/),
  )
  .filter((text) => !unsendable.test(text));
const bodyText = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc
      .array(
        fc.constantFrom(
          '\n',
          '\r\n',
          '\r',
          ' ',
          '\t',
          '.',
          '=',
          'word',
          'ü',
          '--',
          'From ',
          '\0',
          '\x1b',
          'x'.repeat(1200),
        ),
        { maxLength: 30 },
      )
      .map((parts) => parts.join('')),
  )
  .filter((text) => !/\p{Cs}/u.test(text));
const mailbox: fc.Arbitrary<Mailbox> = fc.record({
  local: fc.constantFrom('a', 'a.b', 'a b', 'a"b', 'a@b', '', 'x'.repeat(60)),
  domain: fc.constantFrom('x.test', 'müller.test', '[192.0.2.1]', '[IPv6:2001:db8::1]'),
});
const named = fc.record({ name: fc.option(lineText.filter((text) => text.trim() !== '')), mailbox });

/** Line ends of text are CRLF in a message, and a last line has one. */
const canonical = (text: string): string => text.replace(/\r?\n/g, '\r\n');
const body = (bytes: Buffer, part: MimePart | undefined): string =>
  part ? decodePart(bytes, part).bytes.toString() : '<none>';

test('law: subject, names, addresses, bodies, filenames and attachments come out of our scanner as they went in', async () => {
  const files = fc.array(
    fc.record({ filename: lineText.filter((text) => text.trim() !== ''), content: fc.uint8Array({ maxLength: 200 }) }),
    { maxLength: 3 },
  );
  await fc.assert(
    fc.asyncProperty(
      lineText,
      named,
      fc.array(named, { minLength: 1, maxLength: 5 }),
      bodyText,
      fc.option(bodyText),
      files,
      lineText,
      async (subject, from, to, text, html, given, extra) => {
        const { bytes, root } = await composed({
          subject,
          from,
          to,
          text,
          html: html ?? undefined,
          attachments: given.map(({ filename, content }) =>
            attachment(filename, Buffer.from(content), { type: 'application/octet-stream' }),
          ),
          headers: [{ name: 'X-Extra', value: extra }],
        });
        const facts = await examineRaw(bytesSource(bytes));
        assert.deepEqual([facts.eightBit, facts.bareCr, facts.bareLf], [false, undefined, undefined]);
        assert.ok(facts.longestLine <= 998);
        for (const part of allParts(root)) {
          assert.deepEqual(part.defects, []);
          if (part.parts.length === 0) assert.deepEqual(decodePart(bytes, part).defects, []);
        }
        assert.equal(firstField(root.fields, 'Subject')?.value, subject);
        assert.equal(firstField(root.fields, 'X-Extra')?.value, extra);
        for (const [field, list] of [
          ['From', [from]],
          ['To', to],
        ] as const) {
          const read = parseHeaderAddresses(firstField(root.fields, field)?.rawValue ?? '');
          assert.equal(read.length, list.length, field);
          for (const [at, one] of list.entries()) {
            // White space around a name is not shown.
            assert.equal(read[at]?.name, one.name === null ? null : trimBlank(one.name));
            const address = read[at]?.address ?? '';
            assert.ok(sameDomain(address.slice(address.lastIndexOf('@') + 1), one.mailbox.domain), address);
          }
        }
        const leaves = [...allParts(root)].filter((part) => part.parts.length === 0);
        const found = leaves.filter((part) => part.disposition === 'attachment');
        assert.deepEqual(
          found.map((part) => [part.filename, body(bytes, part)]),
          given.map(({ filename, content }) => [filename, Buffer.from(content).toString()]),
        );
        const plain = leaves.find(
          (part) => part.type === 'text' && part.subtype === 'plain' && part.disposition === null,
        );
        const rich = leaves.find((part) => part.subtype === 'html');
        const end = (wanted: string, part: MimePart | undefined): string =>
          // The message itself ends in a line end, which 7-bit and quoted-printable bodies then have.
          part?.path === '' && part.encoding !== 'base64' && !wanted.endsWith('\r\n') ? `${wanted}\r\n` : wanted;
        if (text !== '') assert.equal(body(bytes, plain), end(canonical(text), plain));
        if (html) assert.equal(body(bytes, rich), end(canonical(html), rich));
      },
    ),
    { numRuns: 150 },
  );
});

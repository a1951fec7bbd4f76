// Messages made to hurt a parser: each is read with work that grows with its size only, and limits are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseHeaderAddresses } from '../../src/message/addresses.ts';
import { decodePart } from '../../src/message/body.ts';
import { decodeWords } from '../../src/message/encoded-words.ts';
import { messageFindings } from '../../src/message/findings.ts';
import { parseHeaders } from '../../src/message/headers.ts';
import { allParts, type MimePart, scanMime } from '../../src/message/mime.ts';
import { parseParams } from '../../src/message/params.ts';
import { hops, parseReceived } from '../../src/message/received.ts';
import { assertLinear } from '../support/work.ts';

const multipart = (boundary: string): string => `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n`;

const nested = (depth: number): Buffer => {
  const open = Array.from({ length: depth }, (_, n) => `${multipart(`b${n}`)}--b${n}\r\n`);
  const close = Array.from({ length: depth }, (_, n) => `\r\n--b${depth - 1 - n}--`);
  return Buffer.from(`${open.join('')}\r\ninnermost${close.join('')}\r\n`);
};

/** Reads everything that a report would. */
const readAll = (bytes: Buffer): MimePart => {
  const root = scanMime(bytes);
  for (const part of allParts(root)) if (part.parts.length === 0) decodePart(bytes, part);
  messageFindings(bytes, root, hops(root.fields, 1000), []);
  return root;
};

const ids = (root: MimePart): Set<string> =>
  new Set([...allParts(root)].flatMap((part) => part.defects.map(({ id }) => id)));

const messages: [about: string, make: (size: number) => Buffer, size: number, defect: string | null][] = [
  ['multiparts nested in each other', nested, 1000, 'mime-too-deep'],
  [
    'messages in messages',
    (n) => Buffer.from(`${'Content-Type: message/rfc822\r\n\r\n'.repeat(n)}x`),
    2500,
    'mime-too-deep',
  ],
  [
    'siblings',
    (n) => Buffer.from(`${multipart('b')}${'--b\r\n\r\nx\r\n'.repeat(n)}--b--`),
    25_000,
    'mime-too-many-parts',
  ],
  [
    'parts without blank lines',
    (n) => Buffer.from(`${multipart('b')}${'--b\r\nA: 1\r\n'.repeat(n)}`),
    9000,
    'mime-part-header',
  ],
  ['dashes that are no boundary', (n) => Buffer.from(multipart('b') + '--c\r\n'.repeat(n)), 50_000, 'mime-no-parts'],
  [
    'boundaries with long padding',
    (n) => Buffer.from(multipart('b') + `--b${' '.repeat(900)}x\r\n`.repeat(n)),
    1000,
    'mime-no-parts',
  ],
  [
    'prefixes of the boundary',
    (n) => Buffer.from(multipart('bbbb') + '--b\r\n--bb\r\n--bbb\r\n'.repeat(n)),
    15_000,
    'mime-no-parts',
  ],
  [
    'epilogue bomb',
    (n) => Buffer.from(`${multipart('b')}--b\r\n\r\nx\r\n--b--\r\n${'--b\r\n\r\ny\r\n'.repeat(n)}`),
    25_000,
    null,
  ],
  [
    'one part opened and closed within many levels',
    (n) => Buffer.from(`${nested(90)}${'--b0\r\n\r\n'.repeat(n)}`),
    25_000,
    null,
  ],
  ['a boundary of a megabyte', (n) => Buffer.from(`${multipart('b'.repeat(n))}--b`), 200_000, 'mime-no-boundary'],
  ['a boundary of spaces', (n) => Buffer.from(multipart(`${' '.repeat(n)}x${' '.repeat(n)}`)), 50_000, 'mime-no-parts'],
  ['an empty boundary', () => Buffer.from(`${multipart('')}--\r\n\r\nx\r\n----\r\n`), 1, 'mime-no-boundary'],
  ['header fields', (n) => Buffer.from(`${'A: 1\r\n'.repeat(n)}\r\n`), 40_000, null],
  ['a header line without end', (n) => Buffer.from(`A: ${'x'.repeat(n)}`), 200_000, 'header-cut'],
  ['folds', (n) => Buffer.from(`Subject: x\r\n${' y\r\n'.repeat(n)}\r\n`), 50_000, null],
  ['bare CRs', (n) => Buffer.from(`A: ${'\r'.repeat(n)}\r\n\r\n${'\r'.repeat(n)}`), 100_000, 'bare-cr'],
  ['bare LFs', (n) => Buffer.from(`A: 1\r\n\r\n${'\n'.repeat(n)}`), 200_000, null],
  ['Received fields', (n) => Buffer.from(`${'Received: from a by b; x\r\n'.repeat(n)}\r\n`), 10_000, null],
  ['broken base64', (n) => Buffer.from(`Content-Transfer-Encoding: base64\r\n\r\n${'=a*'.repeat(n)}`), 100_000, null],
  ['padding only', (n) => Buffer.from(`Content-Transfer-Encoding: base64\r\n\r\n${'= '.repeat(n)}`), 100_000, null],
  [
    'broken quoted-printable',
    (n) => Buffer.from(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${'=zz '.repeat(n)}`),
    100_000,
    null,
  ],
  [
    'quoted-printable of spaces',
    (n) => Buffer.from(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${' '.repeat(n)}x\r\n`),
    200_000,
    null,
  ],
  [
    'an encoding of parentheses',
    (n) => Buffer.from(`Content-Transfer-Encoding: ${'('.repeat(n)}\r\n\r\n`),
    200_000,
    'mime-bad-encoding',
  ],
];

for (const [about, make, size, defect] of messages) {
  test(`work stays linear: ${about}`, () => {
    assertLinear(about, make, size, readAll);
    const root = readAll(make(size * 4));
    if (defect) assert.ok(ids(root).has(defect), `${defect} is not among ${[...ids(root)].join(', ')}`);
  });
}

const values: [about: string, piece: string, read: (text: string) => unknown][] = [
  ['open comments in To', '(', parseHeaderAddresses],
  ['escapes in To', '"\\', parseHeaderAddresses],
  ['groups in To', 'a:', parseHeaderAddresses],
  ['angles in To', '<', parseHeaderAddresses],
  ['addresses in To', 'a@b, ', parseHeaderAddresses],
  ['encoded words', '=?utf-8?Q?=C3=BC?= ', decodeWords],
  ['cut encoded words', '=?utf-8?Q?', decodeWords],
  ['charsets', '=?iso-2022-jp?B?GyRC?= ', decodeWords],
  ['open comments in Content-Type', '(', parseParams],
  ['parameters', '; a=b', parseParams],
  ['quotes in Content-Type', ';a="\\', parseParams],
  ['words in Received', ' by', parseReceived],
  ['open comments in Received', '(', parseReceived],
];
for (const [about, piece, read] of values) {
  test(`work stays linear: ${about}`, () => {
    assertLinear(about, (size) => piece.repeat(size), Math.ceil(100_000 / piece.length), read);
  });
}

test('work stays linear: continuations of RFC 2231, with gaps and mixed forms', () => {
  const make = (size: number): string =>
    `a${Array.from({ length: size }, (_, n) => `; f*${n}${n % 3 ? '' : '*'}=%41`).join('')}`;
  assertLinear('continuations', make, 10_000, parseParams);
  assert.equal(parseParams(make(30_000)).params.get('f')?.length, 10_000 + 20_000 * 3);
});

test('limits are kept: depth, parts and header', () => {
  const deep = scanMime(nested(500));
  assert.equal(Math.max(...[...allParts(deep)].map((part) => part.path.split('.').length)), 100);
  const wide = scanMime(Buffer.from(`${multipart('b')}${'--b\r\n\r\nx\r\n'.repeat(20_000)}--b--`));
  assert.equal([...allParts(wide)].length, 10_000);
  assert.ok(parseHeaders(Buffer.alloc(3_000_000, 'A: 1\r\n')).fields.length < 200_000);
});

test('law: any bytes have a structure whose parts lie inside of their parents and do not overlap', () => {
  const piece = fc.constantFrom(
    multipart('a'),
    multipart('b'),
    '--a\r\n',
    '--b\r\n',
    '--a--\r\n',
    '--b--',
    '\r\n',
    '\n',
    'text',
    ' ',
    '\0',
    '\xff',
    'Content-Type: message/rfc822\r\n\r\n',
    'Content-Transfer-Encoding: base64\r\n',
    'A: 1\r\n',
    '--',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const bytes = Buffer.from(pieces.join(''), 'latin1');
      const root = readAll(bytes);
      assert.equal(root.offset + root.headerLength + root.bodyLength, bytes.length);
      for (const part of allParts(root)) {
        const end = part.bodyOffset + part.bodyLength;
        assert.equal(part.bodyOffset, part.offset + part.headerLength);
        let last = part.bodyOffset;
        for (const child of part.parts) {
          assert.ok(child.offset >= last, 'parts overlap');
          // A part that ends within its header ends where its boundary begins: one line end later.
          assert.ok(child.bodyOffset + child.bodyLength <= end + 2, 'a part leaves its parent');
          last = child.bodyOffset + child.bodyLength;
        }
      }
    }),
    { numRuns: 1000 },
  );
});

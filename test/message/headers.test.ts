// The header scanner: fields byte for byte, defects with their offsets, the same meaning however hostile the bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldsNamed, firstField, parseHeaders } from '../../src/message/headers.ts';

const scan = (text: string) => parseHeaders(Buffer.from(text, 'latin1'));
const defectsOf = (text: string): string[] => scan(text).defects.map(({ id, offset }) => `${id}@${offset}`);

test('fields keep their order, bytes and offsets, and the body begins behind the blank line', () => {
  const text = 'A: 1\r\nb:two\r\n words\r\nA:  \r\n\r\nbody: no\r\n';
  const { fields, bodyOffset, terminated, defects } = scan(text);
  assert.deepEqual(
    fields.map(({ name, rawValue, offset, length }) => [name, rawValue, offset, length]),
    [
      ['A', '1', 0, 6],
      ['b', 'two words', 6, 15],
      ['A', '', 21, 6],
    ],
  );
  assert.equal(text.slice(bodyOffset), 'body: no\r\n');
  assert.deepEqual([terminated, defects], [true, []]);
  assert.equal(firstField(fields, 'a')?.rawValue, '1');
  assert.equal(fieldsNamed(fields, 'a').length, 2);
});

test('each thing that is wrong with a header has a name and a place', () => {
  const cases: [text: string, defects: string[]][] = [
    ['A: 1\n\nb', ['bare-lf@4', 'bare-lf@5']],
    ['A: 1\r\nno colon\r\n\r\n', ['header-no-colon@6']],
    [' first line is folded\r\nA: 1\r\n\r\n', ['header-no-colon@0']],
    [': no name\r\n\r\n', ['header-no-colon@0']],
    ['A : 1\r\n\r\n', ['header-space-before-colon@0']],
    ['A B: 1\r\n\r\n', ['header-bad-name@0']],
    ['A: 1\r\n \t\r\n 2\r\n\r\n', ['header-blank-fold@6']],
    ['A: x\ry\r\n\r\n', ['bare-cr@4']],
    ['A: x\0y\r\n\r\n', ['nul@4']],
    ['A: \xe9\r\n\r\n', ['header-not-utf8@0']],
    ['A: \xc3\xa9\r\n\r\n', ['header-eight-bit@0']],
    [`A: ${'x'.repeat(995)}\r\n\r\n`, []],
    [`A: ${'x'.repeat(996)}\r\n\r\n`, ['long-line@0']],
    ['A: 1', ['header-cut@0']],
    ['From a@x Tue Sep  1 10:00:00 2026\r\nA: 1\r\n\r\n', ['mbox-from@0']],
    ['A: 1\r\n', []],
    ['', []],
  ];
  for (const [text, expected] of cases) {
    // Two bare LFs are one entry with a count.
    const found = scan(text).defects.flatMap(({ id, offset, count }) =>
      count === 1 ? [`${id}@${offset}`] : [`${id}@${offset}`, `${id}@${offset + 1}`],
    );
    assert.deepEqual(found, expected, JSON.stringify(text));
  }
});

test('a header over the limit is named, its end is still found, and nothing of the rest is kept', () => {
  const text = `${'A: 1\r\n'.repeat(1000)}\r\nbody`;
  const header = parseHeaders(Buffer.from(text), { headerBytes: 600 });
  assert.equal(header.fields.length, 100);
  assert.deepEqual(
    header.defects.map(({ id }) => id),
    ['header-too-large'],
  );
  assert.equal(text.slice(header.bodyOffset), 'body');
  const endless = parseHeaders(Buffer.from('A: 1\r\n'.repeat(1000)), { headerBytes: 600 });
  assert.deepEqual([endless.terminated, endless.bodyOffset], [false, 6000]);
});

test('names such as __proto__ are only names', () => {
  const { fields } = scan('__proto__: polluted\r\nconstructor: x\r\n\r\n');
  assert.deepEqual(
    fields.map(({ name }) => name),
    ['__proto__', 'constructor'],
  );
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
});

test('a hundred thousand defects of one kind are one entry', () => {
  const { defects, fields } = parseHeaders(Buffer.from('no colon\r\n'.repeat(100_000)));
  assert.deepEqual([fields.length, defects.length], [0, 1]);
  assert.ok((defects[0]?.count ?? 0) >= 99_000);
  const names = parseHeaders(Buffer.from(Array.from({ length: 5000 }, (_, n) => `H${n}: \xff\r\n`).join(''), 'latin1'));
  assert.ok(names.defects.length <= 11);
});

test('law: the raw fields, the lines that are no fields and the blank line together are the header, byte for byte', () => {
  const line = fc.constantFrom(
    'A: 1\r\n',
    'b:\r\n',
    ' fold\r\n',
    '\tx\n',
    'no colon\r\n',
    'C: \xff\0\r\n',
    'D: a\rb\n',
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.constantFrom('\r\n', '\n', ''), (lines, end) => {
      const bytes = Buffer.from(`${lines.join('')}${end}`, 'latin1');
      const header = parseHeaders(Buffer.concat([bytes, Buffer.from(end ? 'body' : '')]));
      assert.equal(header.bodyOffset, bytes.length);
      let last = 0;
      for (const field of header.fields) {
        assert.ok(field.offset >= last);
        assert.deepEqual(field.raw, bytes.subarray(field.offset, field.offset + field.length));
        last = field.offset + field.length;
      }
      assert.equal(header.fields.length, lines.filter((text) => /^[A-Db]:/.test(text)).length);
    }),
  );
});

test('law: any bytes give a header, never an exception, and offsets stay inside', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      const bytes = Buffer.from(octets);
      const header = parseHeaders(bytes);
      assert.ok(header.bodyOffset <= bytes.length);
      for (const field of header.fields) assert.equal(typeof field.value, 'string');
      for (const { offset } of header.defects) assert.ok(offset <= bytes.length);
    }),
    { numRuns: 500 },
  );
});

test('defectsOf names places from the start of the scanned bytes, also inside of a message', () => {
  assert.deepEqual(defectsOf('A: 1\r\nbad\r\n\r\n'), ['header-no-colon@6']);
  const inside = parseHeaders(Buffer.from('skipped\r\n\r\nbad\r\nA: 1\r\n\r\nrest'), { headerBytes: 1000, start: 11 });
  assert.deepEqual(
    inside.defects.map(({ offset }) => offset),
    [11],
  );
  assert.deepEqual(
    inside.fields.map(({ offset }) => offset),
    [16],
  );
});

// The small writers of a message: quoted-printable bodies, parameters and header fields come back from our readers as they
// went in, in lines that every mail system carries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodePart } from '../../src/message/body.ts';
import { parseCalendar } from '../../src/message/calendar.ts';
import { printAddressField, printField } from '../../src/message/fields.ts';
import { firstField, parseHeaders } from '../../src/message/headers.ts';
import { parseParams } from '../../src/message/params.ts';
import { printParamField } from '../../src/message/print-params.ts';
import { encodeQuotedPrintable } from '../../src/message/quoted-printable.ts';

const decodeQp = (bytes: Buffer): { bytes: Buffer; defects: unknown[] } =>
  decodePart(bytes, { bodyOffset: 0, bodyLength: bytes.length, encoding: 'quoted-printable' });

const octets = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r\n', ' ', '\t', '.', '=', 'From ', 'ü', '𝄞', '日', '\r', '\0', 'x'.repeat(74), 'word '),
      fc.string({ unit: 'grapheme', maxLength: 60 }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.from(parts.join('').replace(/(?<!\r)\n/g, '')));

test('law: quoted-printable comes back as it was, in lines of at most 76 that need no care', () => {
  fc.assert(
    fc.property(octets, (bytes) => {
      const encoded = encodeQuotedPrintable(bytes);
      const { bytes: decoded, defects } = decodeQp(encoded);
      assert.deepEqual(defects, []);
      assert.ok(decoded.equals(bytes));
      const lines = encoded.toString('latin1').split('\r\n');
      for (const line of lines) {
        assert.ok(line.length <= 76, line);
        assert.match(line, /^[\t -~]*$/);
        assert.doesNotMatch(line, /[ \t]$|^From |^\./);
      }
    }),
    { numRuns: 500 },
  );
});

test('quoted-printable never cuts a character', () => {
  for (let width = 60; width < 76; width++) {
    const encoded = encodeQuotedPrintable(Buffer.from(`${'x'.repeat(width)}ü𝄞日ü${'é'.repeat(40)}`)).toString();
    for (const line of encoded.split('=\r\n')) {
      assert.ok(!decodeQp(Buffer.from(line)).bytes.toString().includes('\ufffd'), line);
    }
  }
});

const line = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 120 }),
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[ =?_"\\';%*]{0,60}$/),
  )
  .filter((text) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(text));

test('law: parameters come back whole, and old readers find a name', () => {
  fc.assert(
    fc.property(line, line, (filename, other) => {
      const text = printParamField(
        'Content-Type',
        'a/b',
        [
          ['filename', filename],
          ['x', other],
        ],
        filename,
      );
      for (const row of text.split('\r\n')) assert.ok(row.length <= 78, row);
      const field = firstField(parseHeaders(Buffer.from(text)).fields, 'Content-Type');
      const { params, defects } = parseParams(field?.rawValue ?? '');
      assert.equal(params.get('filename'), filename);
      assert.equal(params.get('x'), other);
      assert.equal(params.get('name'), filename);
      assert.deepEqual(
        defects.filter(({ id }) => id !== 'mime-encoded-word-parameter'),
        [],
      );
    }),
    { numRuns: 500 },
  );
});

const words = fc
  .array(fc.constantFrom('a', 'word', ' ', '  ', 'ü', '=?', '?=', '日本', '<x@y>', 'x'.repeat(70), 'y'.repeat(1200)), {
    maxLength: 30,
  })
  .map((parts) => parts.join(' '));

test('law: fields come back whole, no line is blank or over the limit, and lines are short where the words are', () => {
  fc.assert(
    fc.property(fc.oneof(line, words), (value) => {
      const text = printField('X-Field', value);
      const rows = text.split('\r\n').slice(0, -1);
      for (const row of rows) {
        assert.ok(row.length <= 998);
        assert.ok(row.length <= 78 || /^(?:X-Field:)? *[^ ]+$/.test(row), row);
        if (value !== '' && row !== 'X-Field:') assert.match(row, /[^ ]$/);
        assert.ok(!row.includes('=?utf-8?') || row.length <= 76, row);
      }
      assert.equal(firstField(parseHeaders(Buffer.from(text)).fields, 'X-Field')?.value, value);
    }),
    { numRuns: 500 },
  );
});

test('law: no line of an address field with encoded names is over 76', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (names) => {
      const list = names.map((name) => ({ name: `${name}ü`, mailbox: { local: 'a', domain: 'x.test' } }));
      for (const row of printAddressField('Reply-To', list).split('\r\n')) assert.ok(row.length <= 76, row);
    }),
  );
});

test('the method of a calendar is the property of the calendar, folded or not', () => {
  const calendar = (lines: string) => `BEGIN:VCALENDAR\n${lines}\nEND:VCALENDAR\n`;
  const rows: [text: string, method: string | null][] = [
    [calendar('METHOD:REQUEST'), 'REQUEST'],
    [calendar('method:cancel'), 'CANCEL'],
    [calendar('METHOD;X-A=b:REPLY'), 'REPLY'],
    [calendar('METH\n OD:REQ\n\tUEST'), 'REQUEST'],
    [calendar('VERSION:2.0'), null],
    [calendar('BEGIN:VEVENT\nMETHOD:REQUEST\nEND:VEVENT'), null],
    [calendar('METHOD:REQUEST').replaceAll('\n', '\r\n'), 'REQUEST'],
    [`\n${calendar('METHOD:PUBLISH')}\n`, 'PUBLISH'],
  ];
  for (const [text, method] of rows) assert.deepEqual(parseCalendar(text, 'x.ics'), { content: text, method });
  for (const [text, word] of [
    ['', /x\.ics is not a calendar/],
    ['BEGIN:VCARD\nEND:VCARD\n', /not a calendar/],
    ['BEGIN:VCALENDAR\nMETHOD:REQUEST\n', /not a whole calendar/],
    [calendar('METHOD:REQUEST\nMETHOD:CANCEL'), /more than one METHOD/],
    [calendar('METHOD:a; b=c'), /no word/],
  ] as const) {
    assert.throws(() => parseCalendar(text, 'x.ics'), word);
  }
});

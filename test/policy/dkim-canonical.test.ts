// The canonical forms of DKIM: the examples of RFC 6376 3.4.5, a second reading of the rules written with plain regular
// expressions, and every split of the input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CanonicalBody, type Canonicalization, canonicalField } from '../../src/policy/dkim-canonical.ts';
import { cut, cutLengths, simpleSplits } from '../support/splits.ts';

function body(chunks: readonly Buffer[], form: Canonicalization): string {
  const out: Buffer[] = [];
  const canonical = new CanonicalBody(form, (bytes) => void out.push(Buffer.from(bytes)));
  for (const chunk of chunks) canonical.feed(chunk);
  canonical.end();
  return Buffer.concat(out).toString('latin1');
}

test('header fields: RFC 6376 3.4.5 and what writers do to them', () => {
  const rows: [written: string, relaxed: string][] = [
    ['A: X\r\n', 'a:X\r\n'],
    ['B : Y\t\r\n\tZ  \r\n', 'b:Y Z\r\n'],
    ['Subject:\r\n', 'subject:\r\n'],
    ['Subject: \r\n \r\n', 'subject:\r\n'],
    ['SUBJECT:a:b\r\n  c\r\n', 'subject:a:b c\r\n'],
    ['X: \xe9\xa0\r\n', 'x:\xe9\xa0\r\n'],
  ];
  for (const [written, relaxed] of rows) {
    const raw = Buffer.from(written, 'latin1');
    assert.equal(canonicalField(raw, 'relaxed').toString('latin1'), relaxed);
    assert.equal(canonicalField(raw, 'simple').toString('latin1'), written);
  }
});

test('bodies: RFC 6376 3.4.5, empty ones, and lines of nothing', () => {
  const rows: [written: string, simple: string, relaxed: string][] = [
    [' C \r\nD \t E\r\n\r\n\r\n', ' C \r\nD \t E\r\n', ' C\r\nD E\r\n'],
    ['', '\r\n', ''],
    ['\r\n', '\r\n', ''],
    ['\r\n\r\n\r\n', '\r\n', ''],
    [' \t\r\n\r\n', ' \t\r\n', ''],
    ['a', 'a\r\n', 'a\r\n'],
    ['a\r\n\r\nb', 'a\r\n\r\nb\r\n', 'a\r\n\r\nb\r\n'],
    ['a\r\n \r\n', 'a\r\n \r\n', 'a\r\n'],
    ['a \r', 'a \r\r\n', 'a \r\r\n'],
    ['a \r\r\n', 'a \r\r\n', 'a \r\r\n'],
    ['a\n\n', 'a\n\n\r\n', 'a\n\n\r\n'],
  ];
  for (const [written, simple, relaxed] of rows) {
    for (const chunks of simpleSplits(Buffer.from(written))) {
      assert.equal(body(chunks, 'simple'), simple, JSON.stringify(written));
      assert.equal(body(chunks, 'relaxed'), relaxed, JSON.stringify(written));
    }
  }
});

const pieces = fc
  .array(
    fc.constantFrom('\r\n', '\r\n\r\n', '\r', '\n', ' ', '\t', '  ', 'a', 'word', '\0', '\xff', ' \r\n', '\r\r\n'),
    {
      maxLength: 40,
    },
  )
  .map((parts) => parts.join(''));

/** RFC 6376 3.4.3 and 3.4.4 word for word, for a message that ends in a line end. */
const plainly = {
  simple: (text: string): string => `${text.replace(/(?:\r\n)+$/, '')}\r\n`,
  relaxed: (text: string): string => {
    const reduced = text.replace(/[ \t]+(?=\r\n)/g, '').replace(/[ \t]+/g, ' ');
    const trimmed = reduced.replace(/(?:\r\n)+$/, '');
    return trimmed === '' ? '' : `${trimmed}\r\n`;
  },
};

test('law: any split gives what the rules say', () => {
  fc.assert(
    fc.property(pieces, cutLengths, fc.constantFrom('simple' as const, 'relaxed' as const), (text, lengths, form) => {
      const whole = `${text}\r\n`;
      assert.equal(body(cut(Buffer.from(whole, 'latin1'), lengths), form), plainly[form](whole));
    }),
    { numRuns: 2000 },
  );
});

test('a million empty lines are counted, not kept, and come out when something follows', () => {
  const empty = Buffer.alloc(200_000, '\r\n');
  const chunks = Array.from({ length: 10 }, () => empty);
  for (const form of ['simple', 'relaxed'] as const) {
    assert.equal(body([Buffer.from('a\r\n'), ...chunks], form), 'a\r\n');
    let size = 0;
    const canonical = new CanonicalBody(form, (bytes) => {
      assert.ok(bytes.length <= 8192);
      size += bytes.length;
    });
    for (const chunk of [...chunks, Buffer.from('x')]) canonical.feed(chunk);
    canonical.end();
    assert.equal(size, 2_000_003);
  }
});

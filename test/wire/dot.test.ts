// Dot-stuffing laws: any split gives the same, what is written is read back, and only CRLF.CRLF ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { DotReader, type DotReport, DotWriter } from '../../src/wire/dot.ts';
import { cut, cutLengths, lineBytes, simpleSplits } from '../support/splits.ts';

interface Reading {
  content: string;
  /** What the reader left for whoever comes next. */
  rest: string;
  done: boolean;
  report: DotReport;
}

function read(chunks: readonly Buffer[]): Reading {
  const parts: Buffer[] = [];
  const rest: Buffer[] = [];
  const reader = new DotReader((content) => parts.push(Buffer.from(content)));
  for (const chunk of chunks) {
    if (reader.done) rest.push(chunk);
    else rest.push(chunk.subarray(reader.feed(chunk)));
  }
  return {
    content: Buffer.concat(parts).toString('latin1'),
    rest: Buffer.concat(rest).toString('latin1'),
    done: reader.done,
    report: { ...reader.report },
  };
}

/** The slow and obvious reading of RFC 5321 4.5.2: cut at CRLF, take a leading dot off, end at a line of one dot. */
function readSlowly(bytes: Buffer): Reading {
  const text = bytes.toString('latin1');
  const end = text.startsWith('.\r\n') ? 0 : text.indexOf('\r\n.\r\n') + 2;
  const done = end !== 1;
  const block = done ? text.slice(0, end) : text;
  // Before the end a lone CR behind a leading dot may still turn out to be part of the end.
  const held = done ? '' : (/(?:^|\r\n)(\.\r)$/.exec(block)?.[1] ?? '');
  const lines = block.slice(0, block.length - held.length).split('\r\n');
  const content = lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\r\n');
  const report: DotReport = { bytes: content.length };
  const bareCr = content.search(held || done ? /\r(?!\n)/ : /\r(?!\n|$)/);
  const bareLf = content.search(/(?<!\r)\n/);
  if (bareCr !== -1) report.bareCr = bareCr;
  if (bareLf !== -1) report.bareLf = bareLf;
  return { content, rest: done ? text.slice(end + 3) : '', done, report };
}

const cases: { name: string; bytes: string; content?: string; rest?: string; bareCr?: number; bareLf?: number }[] = [
  { name: 'an empty block', bytes: '.\r\n', content: '' },
  { name: 'one line', bytes: 'a\r\n.\r\n', content: 'a\r\n' },
  { name: 'a line of one stuffed dot', bytes: '..\r\n.\r\n', content: '.\r\n' },
  { name: 'a stuffed dot in the middle', bytes: 'a\r\n..b\r\n.\r\n', content: 'a\r\n.b\r\n' },
  { name: 'one dot in front of text, which a sender should have doubled', bytes: '.a\r\n.\r\n', content: 'a\r\n' },
  { name: 'a dot inside a line', bytes: 'a.b\r\n.\r\n', content: 'a.b\r\n' },
  { name: 'what follows the end stays', bytes: 'a\r\n.\r\nQUIT\r\n', content: 'a\r\n', rest: 'QUIT\r\n' },
  { name: 'LF.LF does not end', bytes: 'a\n.\nb\r\n.\r\n', content: 'a\n.\nb\r\n', bareLf: 1 },
  { name: 'LF.CRLF does not end', bytes: 'a\n.\r\nb\r\n.\r\n', content: 'a\n.\r\nb\r\n', bareLf: 1 },
  { name: 'CR.CR does not end', bytes: 'a\r.\rb\r\n.\r\n', content: 'a\r.\rb\r\n', bareCr: 1 },
  { name: 'CRLF.LF does not end', bytes: 'a\r\n.\nb\r\n.\r\n', content: 'a\r\n\nb\r\n', bareLf: 3 },
  { name: 'CRLF.CR without LF does not end', bytes: 'a\r\n.\rb\r\n.\r\n', content: 'a\r\n\rb\r\n', bareCr: 3 },
  { name: 'CRCRLF.CRLF', bytes: 'a\r\r\n.\r\n', content: 'a\r\r\n', bareCr: 1 },
  { name: 'a lone dot, CR, CR, LF', bytes: '.\r\r\n.\r\n', content: '\r\r\n', bareCr: 0 },
  { name: 'NUL and 8-bit bytes', bytes: '\0\xff\r\n.\r\n', content: '\0\xff\r\n' },
];

describe('DotReader', () => {
  for (const { name, bytes, content, rest = '', bareCr, bareLf } of cases) {
    test(`${name}, at every split`, () => {
      for (const chunks of simpleSplits(Buffer.from(bytes, 'latin1'))) {
        const reading = read(chunks);
        assert.equal(reading.content, content);
        assert.equal(reading.rest, rest);
        assert.equal(reading.done, true);
        assert.equal(reading.report.bytes, content?.length);
        assert.equal(reading.report.bareCr, bareCr);
        assert.equal(reading.report.bareLf, bareLf);
      }
    });
  }

  test('any bytes in any split read as the slow reading says', () => {
    fc.assert(
      fc.property(lineBytes, cutLengths, (bytes, lengths) => {
        assert.deepEqual(read(cut(bytes, lengths)), readSlowly(bytes));
      }),
      { numRuns: 3000 },
    );
  });
});

function write(chunks: readonly Buffer[]): string {
  const writer = new DotWriter();
  const out = chunks.flatMap((chunk) => writer.write(chunk));
  return Buffer.concat([...out, writer.end()]).toString('latin1');
}

const crlfText = fc
  .array(fc.constantFrom('\r\n', '.', '..', 'a', 'text', '\0', '\xff', '\r\n.'), { maxLength: 40 })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

describe('DotWriter', () => {
  const written: { text: string; out: string }[] = [
    { text: '', out: '.\r\n' },
    { text: '.', out: '..\r\n.\r\n' },
    { text: 'a', out: 'a\r\n.\r\n' },
    { text: 'a\r\n', out: 'a\r\n.\r\n' },
    { text: '.\r\n.\r\n', out: '..\r\n..\r\n.\r\n' },
    { text: 'a\r\n.b\r\n..\r\n', out: 'a\r\n..b\r\n...\r\n.\r\n' },
    { text: '\r\n', out: '\r\n.\r\n' },
  ];
  for (const { text, out } of written) {
    test(`${JSON.stringify(text)} goes out as ${JSON.stringify(out)}, at every split`, () => {
      for (const chunks of simpleSplits(Buffer.from(text))) assert.equal(write(chunks), out);
      assert.equal(write([Buffer.alloc(0), Buffer.from(text), Buffer.alloc(0)]), out);
    });
  }

  test('what is written in any split is read back in any split, with a last CRLF where it was missing', () => {
    fc.assert(
      fc.property(crlfText, cutLengths, cutLengths, (text, out, back) => {
        const whole =
          text.length === 0 || text.toString('latin1').endsWith('\r\n')
            ? text
            : Buffer.concat([text, Buffer.from('\r\n')]);
        const reading = read(cut(Buffer.from(write(cut(text, out)), 'latin1'), back));
        assert.deepEqual(reading, {
          content: whole.toString('latin1'),
          rest: '',
          done: true,
          report: { bytes: whole.length },
        });
      }),
      { numRuns: 2000 },
    );
  });

  const bare: { text: string; what: RegExp }[] = [
    { text: 'a\nb', what: /bare LF at byte 1;/ },
    { text: 'a\rb', what: /bare CR at byte 1;/ },
    { text: '\n', what: /bare LF at byte 0;/ },
    { text: 'a\r\n\n', what: /bare LF at byte 3;/ },
    { text: 'a\r\r\n', what: /bare CR at byte 1;/ },
    { text: 'a\r\nb\r', what: /bare CR at byte 4;/ },
    { text: '.\r.\r\n', what: /bare CR at byte 1;/ },
  ];
  for (const { text, what } of bare) {
    test(`${JSON.stringify(text)} is refused with its offset, at every split`, () => {
      for (const chunks of simpleSplits(Buffer.from(text))) {
        assert.throws(
          () => write(chunks),
          (error) => error instanceof EhloError && error.code === 'bare-line-end' && what.test(error.message),
        );
      }
    });
  }

  test('any bytes are either written so that they read back, or refused at their first bare line end', () => {
    fc.assert(
      fc.property(lineBytes, cutLengths, (bytes, lengths) => {
        const first = bytes.toString('latin1').search(/\r(?!\n)|(?<!\r)\n/);
        if (first === -1) {
          assert.ok(
            read([Buffer.from(write(cut(bytes, lengths)), 'latin1')]).content.startsWith(bytes.toString('latin1')),
          );
        } else assert.throws(() => write(cut(bytes, lengths)), new RegExp(`at byte ${first};`));
      }),
      { numRuns: 2000 },
    );
  });
});

test('a writer that keeps bare line ends gives back any bytes, at any split', () => {
  fc.assert(
    fc.property(lineBytes, cutLengths, cutLengths, (bytes, out, back) => {
      const writer = new DotWriter({ bare: 'keep' });
      const sent = Buffer.concat([...cut(bytes, out).flatMap((chunk) => writer.write(chunk)), writer.end()]);
      const text = bytes.toString('latin1');
      const reading = read(cut(sent, back));
      assert.equal(reading.content, text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`);
      assert.equal(reading.rest, '');
      assert.equal(reading.done, true);
    }),
    { numRuns: 2000 },
  );
});

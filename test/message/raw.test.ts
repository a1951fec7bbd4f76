// Messages of others on their way through: facts, line ends, Bcc. Every split of the bytes gives the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteSource, bytesSource, readAll } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { examineRaw, fixEol, stripBcc } from '../../src/message/raw.ts';
import { cut, cutLengths, lineBytes, simpleSplits } from '../support/splits.ts';

const chunked = (chunks: readonly Buffer[]): ByteSource => ({
  size: undefined,
  async *chunks() {
    yield* chunks;
  },
});
const textOf = async (source: ByteSource): Promise<string> => (await readAll(source)).toString('latin1');
const of = (text: string): ByteSource => bytesSource(Buffer.from(text, 'latin1'));

test('what a sender must know is found in one pass, whatever the chunks', async () => {
  const text =
    'Message-ID: <1@x>\r\nTo: a@x,\r\n b@y\r\nFrom: c@z\r\nBcc: d@w\r\nto: e@v\r\n\r\nTo: body\r\nlong line\n\rx\xff\r\n';
  const bytes = Buffer.from(text, 'latin1');
  for (const chunks of simpleSplits(bytes)) {
    assert.deepEqual(await examineRaw(chunked(chunks)), {
      messageId: '<1@x>',
      from: ['c@z'],
      to: ['a@x, b@y', 'e@v'],
      cc: [],
      bcc: ['d@w'],
      eightBit: true,
      utf8Headers: false,
      longestLine: 17,
      bareCr: text.indexOf('\rx'),
      bareLf: text.indexOf('\n\rx'),
      size: bytes.length,
      empty: false,
      headerTruncated: false,
    });
  }
});

test('an empty input, a cut header and a header without body are told apart', async () => {
  const facts = async (text: string): Promise<[boolean, boolean]> => {
    const { empty, headerTruncated } = await examineRaw(of(text));
    return [empty, headerTruncated];
  };
  assert.deepEqual(await facts(''), [true, false]);
  assert.deepEqual(await facts('From: a@x\r\nSubj'), [false, true]);
  assert.deepEqual(await facts('From: a@x\r\n'), [false, false]);
  assert.deepEqual(await facts('From: a@x\r\n\r\nno newline at the end'), [false, false]);
});

test('8-bit octets in the header are told apart from those in the body', async () => {
  assert.equal((await examineRaw(of('A: \xc3\xa9\r\n\r\nx'))).utf8Headers, true);
  assert.equal((await examineRaw(of('A: x\r\n\r\n\xc3\xa9'))).utf8Headers, false);
});

test('a header that never ends is refused at the limit instead of being kept', async () => {
  let given = 0;
  const endless: ByteSource = {
    size: undefined,
    async *chunks() {
      for (; given < 1000; given++) yield Buffer.alloc(65_536, 'A: 1\r\n');
    },
  };
  for (const run of [() => examineRaw(endless), () => readAll(stripBcc(endless))]) {
    given = 0;
    await assert.rejects(run(), (thrown: unknown) => thrown instanceof EhloError && thrown.code === 'limit-reached');
    assert.ok(given < 20);
  }
});

test('every line end becomes CRLF', async () => {
  const cases: [text: string, fixed: string][] = [
    ['a\nb\rc\r\nd', 'a\r\nb\r\nc\r\nd'],
    ['\n\n', '\r\n\r\n'],
    ['\r\r\n', '\r\n\r\n'],
    ['\n\r', '\r\n\r\n'],
    ['a\r', 'a\r\n'],
    ['', ''],
  ];
  for (const [text, fixed] of cases) {
    assert.equal(await textOf(fixEol(of(text))), fixed, JSON.stringify(text));
    for (const chunks of simpleSplits(Buffer.from(text))) {
      assert.equal(await textOf(fixEol(chunked(chunks))), fixed, JSON.stringify(chunks.map(String)));
    }
  }
});

test('law: line ends come out right for any split, and putting them right twice changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(lineBytes, cutLengths, async (bytes, lengths) => {
      const whole = await readAll(fixEol(bytesSource(bytes)));
      assert.equal(whole.toString('latin1'), bytes.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n'));
      assert.deepEqual(await readAll(fixEol(chunked(cut(bytes, lengths)))), whole);
      assert.deepEqual(await readAll(fixEol(bytesSource(whole))), whole);
      const { bareCr, bareLf } = await examineRaw(chunked(cut(bytes, lengths)));
      const once = await examineRaw(bytesSource(bytes));
      assert.deepEqual([bareCr, bareLf], [once.bareCr, once.bareLf]);
      assert.equal(bareCr === undefined && bareLf === undefined, whole.equals(bytes));
    }),
  );
});

test('Bcc goes out of the header with its folds; every other byte stays', async () => {
  const cases: [text: string, stripped: string][] = [
    ['From: a\r\nBcc: b\r\nTo: c\r\n\r\nBcc: body\r\n', 'From: a\r\nTo: c\r\n\r\nBcc: body\r\n'],
    ['BCC: b,\r\n c,\r\n\td\r\nTo: e\r\n\r\n', 'To: e\r\n\r\n'],
    ['To: e\nbcc : b\n c\n\nbody', 'To: e\n\nbody'],
    ['Resent-Bcc: b\r\nTo: e\r\n\r\n', 'To: e\r\n\r\n'],
    ['X-Bcc: b\r\nBccx: c\r\n\r\n', 'X-Bcc: b\r\nBccx: c\r\n\r\n'],
    ['bad line\r\nBcc: b\r\n', 'bad line\r\n'],
    ['Bcc: b', ''],
    ['', ''],
  ];
  for (const [text, stripped] of cases) {
    assert.equal(await textOf(stripBcc(of(text))), stripped, JSON.stringify(text));
    for (const chunks of simpleSplits(Buffer.from(text)))
      assert.equal(await textOf(stripBcc(chunked(chunks))), stripped);
  }
});

test('law: taking Bcc out is the same for any split', async () => {
  const piece = fc.constantFrom('Bcc: a\r\n', 'To: b\r\n', ' fold\r\n', '\r\n', '\n', '\r', 'x', 'bcc:\n', '\r\r\n');
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), cutLengths, async (pieces, lengths) => {
      const bytes = Buffer.from(pieces.join(''));
      assert.deepEqual(
        await readAll(stripBcc(chunked(cut(bytes, lengths)))),
        await readAll(stripBcc(bytesSource(bytes))),
      );
    }),
  );
});

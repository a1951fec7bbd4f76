// Where a message ends and where its header ends, for any split of the input; what is added and what is taken out.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EhloError } from '../../../src/base/errors.ts';
import { wholeMessage } from '../../../src/cli/front/sendmail-draft.ts';
import { printHeader } from '../../../src/cli/front/sendmail-fields.ts';
import { splitText, untilDot } from '../../../src/cli/front/sendmail-text.ts';
import { parseHeaders } from '../../../src/message/headers.ts';
import { simpleSplits } from '../../support/splits.ts';

async function* from(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function text(chunks: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).toString('latin1');
}

describe('a line of a single dot', () => {
  const rows: [what: string, input: string, output: string][] = [
    ['ends the message', 'a\n.\nb\n', 'a\n'],
    ['ends it with CRLF too', 'a\r\n.\r\nb\r\n', 'a\r\n'],
    ['ends it at once', '.\nb\n', ''],
    ['ends it without a line end', 'a\n.', 'a\n'],
    ['is only that: dots before text stay', 'a\n..\n.b\n. \n', 'a\n..\n.b\n. \n'],
    ['is only that: a CR and more stay', 'a\n.\rb\n', 'a\n.\rb\n'],
    ['needs a line of its own', 'a.\nb\n', 'a.\nb\n'],
    ['may not be there', 'a\nb', 'a\nb'],
    ['comes second behind another dot line', '.a\n.\n.\n', '.a\n'],
  ];
  for (const [what, input, output] of rows) {
    test(what, async () => {
      for (const chunks of simpleSplits(Buffer.from(input))) assert.equal(await text(untilDot(from(chunks))), output);
    });
  }
});

const author = {
  name: null,
  mailbox: { local: 'me', domain: 'x.test' },
  date: new Date('2026-09-01T10:00:00Z'),
};

async function whole(chunks: readonly Buffer[], by: typeof author | null): Promise<string> {
  const split = await splitText(from(chunks));
  return text(wholeMessage(parseHeaders(split.header).fields, split, by));
}

describe('the message as it goes out', () => {
  const rows: [what: string, input: string, output: string][] = [
    ['has CRLF for LF', 'To: a@x\nSubject: s\n\nb\nc\n', 'To: a@x\r\nSubject: s\r\n\r\nb\r\nc\r\n'],
    [
      'has CRLF for a mixture, as PHP writes it',
      'To: a@x\r\nSubject: s\r\n\r\nb\nc',
      'To: a@x\r\nSubject: s\r\n\r\nb\r\nc',
    ],
    ['has a line end for a CR in the body', 'To: a@x\n\n10%\r20%\r\n\r\n', 'To: a@x\r\n\r\n10%\r\n20%\r\n\r\n'],
    ['gets an empty header where text comes at once', 'hello world\nTo: b@x\n', '\r\nhello world\r\nTo: b@x\r\n'],
    ['gets an empty header for text without line end', 'hello', '\r\nhello'],
    ['gets an empty header for text in UTF-8', 'é: ü\n', '\r\n\xc3\xa9: \xc3\xbc\r\n'],
    ['gets a blank line in front of the first line that is no field', 'To: a@x\nhello\n', 'To: a@x\r\n\r\nhello\r\n'],
    ['gets a blank line behind a header alone', 'To: a@x\n', 'To: a@x\r\n\r\n'],
    ['begins with its body where a blank line comes first', '\nTo: a@x\n', '\r\nTo: a@x\r\n'],
    ['keeps folds', 'To: a@x,\n b@x\n\tc@x\n\nb\n', 'To: a@x,\r\n b@x\r\n\tc@x\r\n\r\nb\r\n'],
    ['takes a fold without a field for text', ' hello\n\nb\n', '\r\n hello\r\n\r\nb\r\n'],
    ['loses the line of an mbox', 'From me Mon Jan  1 10:00:00 2026\nTo: a@x\n\nb\n', 'To: a@x\r\n\r\nb\r\n'],
    [
      'loses Bcc with its folds, and Resent-Bcc',
      'Bcc: h@x,\n i@x\nTo: a@x\nresent-bcc: j@x\nBCC : k@x\n\nb\n',
      'To: a@x\r\n\r\nb\r\n',
    ],
    ['keeps Bcc in the body', 'To: a@x\n\nBcc: h@x\n', 'To: a@x\r\n\r\nBcc: h@x\r\n'],
    ['keeps 8-bit and NUL of the body', 'To: a@x\n\n\x00\xff\n', 'To: a@x\r\n\r\n\x00\xff\r\n'],
  ];
  for (const [what, input, output] of rows) {
    test(what, async () => {
      const bytes = what.includes('UTF-8') ? Buffer.from(input) : Buffer.from(input, 'latin1');
      for (const chunks of simpleSplits(bytes)) assert.equal(await whole(chunks, null), output);
    });
  }

  test('has From, Date and Message-ID in front where they are missing', async () => {
    const sent = await whole([Buffer.from('To: a@x\n\nb\n')], { ...author });
    assert.match(
      sent,
      /^Date: Tue, 01 Sep 2026 10:00:00 \+0000\r\nFrom: me@x\.test\r\nMessage-ID: <[0-9a-f-]{36}@x\.test>\r\nTo: a@x\r\n\r\nb\r\n$/,
    );
  });

  test('keeps those that are there, whatever their case', async () => {
    const given = 'date: then\r\nFROM: you\r\nMessage-Id: <1@x>\r\n\r\nb\r\n';
    assert.equal(await whole([Buffer.from(given)], { ...author }), given);
  });

  test('has the full name in encoded words, and refuses a line end in it', () => {
    assert.match(
      printHeader([], { ...author, name: 'Grüße' }).toString(),
      /\r\nFrom: =\?utf-8\?.*\?= <me@x\.test>\r\n/i,
    );
    assert.throws(() => printHeader([], { ...author, name: 'x\r\nBcc: c@x.test' }), isError('bad-message', /U\+000D/));
  });
});

const isError = (code: string, says: RegExp) => (thrown: unknown) =>
  thrown instanceof EhloError && thrown.code === code && says.test(thrown.message);

describe('a message is refused that', () => {
  const rows: [what: string, input: string, says: RegExp][] = [
    ['is empty', '', /input is empty/],
    ['ends in the middle of a header line', 'Subject: s\nTo: bob@exam', /ends in the middle of a line/],
    ['ends in the middle of a fold', 'To: a@x,\n b@exam', /ends in the middle of a line/],
    ['has a CR in the header', 'Subject: a\rBcc: c@x\nTo: a@x\n\nb\n', /line 1 of the header holds a CR without LF/],
    ['has two CR at the end of a header line', 'To: a@x\nSubject: a\r\r\n\nb\n', /line 2 of the header holds a CR/],
    ['has a NUL in the header', 'Subject: a\0b\n\nb\n', /line 1 of the header holds a NUL/],
  ];
  for (const [what, input, says] of rows) {
    test(what, async () => {
      for (const chunks of simpleSplits(Buffer.from(input))) {
        await assert.rejects(splitText(from(chunks)), isError('bad-message', says));
      }
    });
  }

  test('has a header that never ends', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.from(`X-More: ${'x'.repeat(60_000)}\n`);
    }
    await assert.rejects(splitText(endless()), isError('limit-reached', /header is larger/));
    async function* oneLine(): AsyncGenerator<Buffer> {
      yield Buffer.from('To: ');
      for (;;) yield Buffer.from('x'.repeat(60_000));
    }
    await assert.rejects(splitText(oneLine()), isError('limit-reached', /header is larger/));
  });

  test('but not one whose text is one endless line', async () => {
    async function* line(): AsyncGenerator<Buffer> {
      for (let n = 0; n < 100; n++) yield Buffer.from('no field '.repeat(4000));
    }
    const split = await splitText(line());
    assert.equal(split.header.length, 0);
    assert.equal((await text(split.body)).length, 100 * 36_000);
  });
});

// CSV as a mail merge takes it: what is read, and what is refused with which line.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ByteSource } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { type CsvRow, openCsv } from '../../src/store/csv.ts';

/** The same bytes in pieces of `size`. */
const source = (text: string | Buffer, size = 65_536): ByteSource & { name: string } => {
  const bytes = Buffer.from(text);
  return {
    name: 'list.csv',
    size: bytes.length,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    },
  };
};

async function read(text: string | Buffer, options: { delimiter?: string; size?: number } = {}) {
  const table = await openCsv(source(text, options.size), options.delimiter);
  const rows: CsvRow[] = [];
  for await (const row of table.rows()) rows.push(row);
  return {
    columns: table.columns,
    delimiter: table.delimiter,
    rows: rows.map(({ line, values }) => [line, ...values]),
  };
}

const refusal = async (text: string | Buffer, delimiter?: string): Promise<string> => {
  const thrown = await read(text, delimiter === undefined ? {} : { delimiter }).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof EhloError, 'it is refused');
  assert.equal(thrown.exit, 'DATA');
  assert.match(thrown.hint ?? '', /nothing was sent/);
  return thrown.message;
};

describe('rows of a CSV file', () => {
  const taken: [what: string, text: string, rows: unknown[]][] = [
    [
      'plain rows',
      'a,b\n1,2\n3,4\n',
      [
        [2, '1', '2'],
        [3, '3', '4'],
      ],
    ],
    [
      'CRLF, and no line end at the end',
      'a,b\r\n1,2\r\n3,4',
      [
        [2, '1', '2'],
        [3, '3', '4'],
      ],
    ],
    ['a byte order mark', '\ufeffa,b\n1,2\n', [[2, '1', '2']]],
    ['quotes, a comma and a quote in them', 'a,b\n"x, y","say ""hi"""\n', [[2, 'x, y', 'say "hi"']]],
    [
      'line ends in quotes',
      'a,b\n"x\r\ny\nz",1\n2,3\n',
      [
        [2, 'x\r\ny\nz', '1'],
        [5, '2', '3'],
      ],
    ],
    [
      'empty lines',
      'a,b\n\n\r\n1,2\n\n\n3,4\n\n',
      [
        [4, '1', '2'],
        [7, '3', '4'],
      ],
    ],
    [
      'empty fields',
      'a,b\n,\n"",\n',
      [
        [2, '', ''],
        [3, '', ''],
      ],
    ],
    ['spaces stay', 'a,b\n 1 ,2 \n', [[2, ' 1 ', '2 ']]],
    ['letters of any script', 'naïve,名\nжук,🙂\n', [[2, 'жук', '🙂']]],
    ['a lone CR is data', 'a,b\n1\r,2\n', [[2, '1\r', '2']]],
    ['no row', 'a,b\n', []],
  ];
  for (const [what, text, rows] of taken) {
    for (const size of [1, 3, 65_536]) {
      test(`${what}, in pieces of ${size}`, async () => {
        assert.deepEqual((await read(text, { size })).rows, rows);
      });
    }
  }

  const found: [text: string, delimiter: string][] = [
    ['a,b;c\n', ','],
    ['a;b\n', ';'],
    ['a\tb\n', '\t'],
    ['a\n', ','],
    ['"x;y",b\n', ','],
    ['"x,y";b\n', ';'],
  ];
  for (const [text, delimiter] of found) {
    test(`${JSON.stringify(text)} is parted by ${JSON.stringify(delimiter)}`, async () => {
      assert.equal((await read(text)).delimiter, delimiter);
    });
  }

  const refused: [what: string, text: string | Buffer, message: RegExp][] = [
    ['an empty file', '', /line 1: the file is empty/],
    [
      'a row with too few fields',
      'a,b\n1,2\n\n3\n',
      /list\.csv, line 4: the row has 1 field, the header row 2 columns/,
    ],
    ['a row with too many', 'a,b\n"\n\n",2\n1,2,3\n', /line 5: the row has 3 fields/],
    ['two columns of one name', 'a,b,a\n', /line 1: two columns are called "a"/],
    ['a column without a name', 'a,,b\n', /column 2 has no name/],
    ['a blank around a name', 'a, b\n', /column 2 begins or ends with a blank/],
    ['a brace in a name', 'a,{{b}}\n', /column 2 holds/],
    ['a quote that is never closed', 'a,b\n1,2\n"x,2\n3,4\n', /line 3: .*never closed/],
    ['text behind a closing quote', 'a,b\n1,2\n"\n\n",2\n"x"y,2\n', /line 6: .*follows a closing quote/],
    ['a quote in the middle', 'a,b\n1,2\nx"y,2\n', /line 3: .*does not begin with one/],
    ['Latin-1', Buffer.from('a,b\n1,2\ncaf\xe9,2\n', 'latin1'), /line 3: the line is not valid UTF-8/],
    ['UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), /line 1: the line is not valid UTF-8/],
    ['a row without end', `a,b\n1,2\n"${'x\n'.repeat(600_000)}`, /line 3: .*more than 1048576 octets/],
    ['a line without end', `a,b\n${'x'.repeat(1_200_000)}`, /line 2: .*more than 1048576 octets/],
    ['semicolons or tabs', 'a;b\tc\n', /semicolons or by tabs/],
  ];
  for (const [what, text, message] of refused) {
    test(`refused with its line: ${what}`, async () => assert.match(await refusal(text), message));
  }

  test('law: what is written with every field in quotes is read back, with the line of each row', async () => {
    const cell = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => !/\p{Cs}/u.test(text));
    const rows = fc.array(fc.tuple(cell, cell), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 40 }), async (values, size) => {
        let line = 2;
        const expected: unknown[] = [];
        let text = 'a,b\n';
        for (const row of values) {
          expected.push([line, ...row]);
          const written = `${row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')}\n`;
          text += written;
          line += written.split('\n').length - 1;
        }
        assert.deepEqual((await read(text, { size, delimiter: ',' })).rows, expected);
      }),
      { numRuns: 150 },
    );
  });

  test('a table can be read again, and a reader that stops early leaves nothing open', async () => {
    let open = 0;
    const bytes = source('a\n1\n2\n3\n', 2);
    const table = await openCsv({
      ...bytes,
      async *chunks() {
        open++;
        try {
          yield* bytes.chunks();
        } finally {
          open--;
        }
      },
    });
    for (let turn = 0; turn < 2; turn++) {
      for await (const { values } of table.rows()) {
        assert.deepEqual(values, ['1']);
        break;
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(open, 0);
  });
});

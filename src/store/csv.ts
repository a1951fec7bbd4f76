// Rows of a CSV file (RFC 4180) as they are needed: UTF-8, a header row that names the columns, every mistake with its line.
// csv-parse does quotes and delimiters; the lines are counted here, as it counts a CRLF inside of quotes twice.
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';

export interface CsvRow {
  /** 1 is the first below the header. */
  row: number;
  /** Where it begins; a quoted field may take several lines. */
  line: number;
  values: string[];
}

export interface CsvTable {
  columns: string[];
  delimiter: string;
  /** Reads from the beginning each time. */
  rows(): AsyncIterable<CsvRow>;
}

interface Place {
  name: string;
}

/** `delimiter` undefined: a comma, or what the header row has in place of it. Throws 'bad-message', 'io'. */
export async function openCsv(source: ByteSource & Place, delimiter?: string): Promise<CsvTable> {
  const used = delimiter ?? (await detectDelimiter(source));
  for await (const { values, line } of records(source, used)) {
    checkColumns(values, source.name, line);
    return { columns: values, delimiter: used, rows: () => rowsBelow(source, used, values.length) };
  }
  throw refuse(source.name, 1, 'the file is empty; its first line names the columns');
}

async function* rowsBelow(source: ByteSource & Place, delimiter: string, width: number): AsyncGenerator<CsvRow> {
  let row = 0;
  for await (const { values, line } of records(source, delimiter)) {
    if (row > 0) {
      if (values.length !== width) {
        const says = `the row has ${count(values.length, 'field')}, the header row ${count(width, 'column')}`;
        throw refuse(source.name, line, says, 'a field that holds the delimiter goes into double quotes');
      }
      yield { row, line, values };
    }
    row++;
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

function checkColumns(columns: readonly string[], name: string, line: number): void {
  const seen = new Set<string>();
  if (columns.length > mergeLimits.columns) throw refuse(name, line, `more than ${mergeLimits.columns} columns`);
  for (const [at, column] of columns.entries()) {
    const called = `column ${at + 1}`;
    if (column.trim() === '') throw refuse(name, line, `${called} has no name`);
    if (column !== column.trim()) throw refuse(name, line, `the name of ${called} begins or ends with a blank`);
    if (/[\p{Cc}{}]/u.test(column))
      throw refuse(name, line, `the name of ${called} holds a control character or brace`);
    if (seen.has(column)) throw refuse(name, line, `two columns are called "${column}"`);
    seen.add(column);
  }
}

const delimiters = [',', ';', '\t'];

/** By the first line: a comma where there is one, else a semicolon or a tab. */
async function detectDelimiter(source: ByteSource & Place): Promise<string> {
  let head = '';
  for await (const chunk of source.chunks()) {
    head += chunk.toString('utf8');
    if (/[\r\n]/.test(head) || head.length > mergeLimits.rowBytes) break;
  }
  const line = (/^[^\r\n]*/.exec(head)?.[0] ?? '').replace(/"[^"]*"?/g, '');
  const [first, second] = delimiters.filter((one) => line.includes(one));
  if (first === undefined || first === ',') return ',';
  if (second === undefined) return first;
  throw refuse(source.name, 1, 'columns may be parted by semicolons or by tabs here', 'say which with --csv-delimiter');
}

/** Every record with the line where it begins; empty lines are none. */
async function* records(
  source: ByteSource & Place,
  delimiter: string,
): AsyncGenerator<{ line: number; values: string[] }> {
  const { parse } = await import('csv-parse');
  const lines = new LineCount();
  /** Of the records that are parsed and not yet taken. */
  const began: number[] = [];
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: mergeLimits.rowBytes,
    on_record: (values, context) => {
      began.push(lines.next(context.bytes, context.empty_lines));
      return values;
    },
  });
  const feeding = pipeline(Readable.from(checkedLines(source, lines)), parser);
  // Its failure is thrown where the rows are read.
  feeding.catch(() => undefined);
  try {
    // Without `columns` every record is a list of texts.
    for await (const values of parser as AsyncIterable<string[]>) yield { line: began.shift() ?? 0, values };
  } catch (thrown) {
    if (thrown instanceof EhloError) throw thrown;
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
    const line = lines.next(Number.MAX_SAFE_INTEGER, parser.info.empty_lines);
    const [why, hint] = faults[code] ?? [`it cannot be read: ${thrown instanceof Error ? thrown.message : ''}`];
    throw refuse(source.name, line, `in the row that begins here ${why}`, hint);
  } finally {
    parser.destroy();
  }
}

const faults: Record<string, [why: string, hint?: string]> = {
  CSV_QUOTE_NOT_CLOSED: ['a double quote is never closed', 'a quote inside of a quoted field is written twice'],
  CSV_INVALID_CLOSING_QUOTE: ['something follows a closing quote', 'a quote inside of a quoted field is written twice'],
  INVALID_OPENING_QUOTE: [
    'a double quote stands in a field that does not begin with one',
    'put the whole field into quotes and write the quote twice',
  ],
  CSV_MAX_RECORD_SIZE: [`are more than ${mergeLimits.rowBytes} octets`, 'is a closing quote missing?'],
};

/** Whole lines of valid UTF-8, without the byte order mark. */
async function* checkedLines(source: ByteSource & Place, lines: LineCount): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let first = true;
  const check = (bytes: Buffer): Buffer => {
    const out = first && bytes.subarray(0, 3).toString('latin1') === '\xef\xbb\xbf' ? bytes.subarray(3) : bytes;
    first = false;
    if (!isUtf8(out)) {
      const bad = out
        .toString('latin1')
        .split('\n')
        .findIndex((one) => !isUtf8(Buffer.from(one, 'latin1')));
      const hint = 'convert it: iconv -f LATIN1 -t UTF-8, or save it as "CSV UTF-8"';
      throw refuse(source.name, line + Math.max(bad, 0), 'the line is not valid UTF-8', hint);
    }
    line += lines.feed(out);
    return out;
  };
  for await (const chunk of source.chunks()) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const end = bytes.lastIndexOf(0x0a) + 1;
    rest = bytes.subarray(end);
    if (end > 0) yield check(bytes.subarray(0, end));
    if (rest.length > mergeLimits.rowBytes) {
      throw refuse(source.name, line, `the line has more than ${mergeLimits.rowBytes} octets`);
    }
  }
  if (rest.length > 0) yield check(rest);
}

/** From offsets, which the parser tells rightly, to lines. Holds the line ends that are read and not yet passed. */
class LineCount {
  #ends: number[] = [];
  #passed = 0;
  #line = 1;
  #empty = 0;
  #fed = 0;

  /** Returns how many lines end in it. */
  feed(bytes: Buffer): number {
    const before = this.#ends.length;
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) this.#ends.push(this.#fed + at);
    this.#fed += bytes.length;
    return this.#ends.length - before;
  }

  /** The line where the record begins that ends at this offset. */
  next(end: number, emptyLines: number): number {
    const began = this.#line + (emptyLines - this.#empty);
    this.#empty = emptyLines;
    while ((this.#ends[this.#passed] ?? end) < end) {
      this.#passed++;
      this.#line++;
    }
    if (this.#passed > 4096) {
      this.#ends = this.#ends.slice(this.#passed);
      this.#passed = 0;
    }
    return began;
  }
}

const refuse = (name: string, line: number, why: string, hint?: string): EhloError =>
  new EhloError('bad-message', `${name === '-' ? 'standard input' : name}, line ${line}: ${why}`, {
    hint: `nothing was sent; ${hint ?? 'correct the file'}`,
  });

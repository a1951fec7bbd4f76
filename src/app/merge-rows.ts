// The rows of a merge as jobs to do: each with its values, its name in the report, and the message that it makes.
import { createHash } from 'node:crypto';
import { DigestTable, digestBytes } from '../base/digest-table.ts';
import { EhloError } from '../base/errors.ts';
import type { Values } from '../message/template-expand.ts';
import type { InputTemplate } from './merge-input.ts';
import type { MessageInput } from './message-input.ts';

/** store/csv.ts has one. */
export interface MergeTable {
  columns: string[];
  rows(): AsyncIterable<{ row: number; line: number; values: string[] }>;
}

export interface MergeRow {
  /** 1 is the first below the header. */
  row: number;
  line: number;
  /** Of the key column, where one is named. */
  key: string | null;
  /** The same row in another run has the same: by its key, else by its values and how many equal rows stand above it. */
  id: Buffer;
  values: Values;
}

/** How rows are told apart; `none` costs no memory a row. */
export type RowNaming = { by: 'none' } | { by: 'values' } | { by: 'key'; column: string };

/** `data`: names for every row. Throws 'bad-message' where a name would mean two things, 'usage' for an unknown key column. */
export function mergeRows(table: MergeTable, data: Values, naming: RowNaming): () => AsyncGenerator<MergeRow> {
  const clash = table.columns.find((column) => Object.hasOwn(data, column));
  if (clash !== undefined) {
    throw new EhloError('bad-message', `"${clash}" is a column of the CSV file and a name in --data too`, {
      hint: 'nothing was sent; rename one of them',
    });
  }
  const keyAt = naming.by === 'key' ? table.columns.indexOf(naming.column) : -1;
  if (naming.by === 'key' && keyAt === -1) {
    throw new EhloError('usage', `--csv-key: there is no column "${naming.column}"`, {
      hint: `nothing was sent; the columns are ${table.columns.slice(0, 20).join(', ')}`,
    });
  }
  return async function* rows() {
    const seen = new DigestTable();
    for await (const { row, line, values } of table.rows()) {
      const key = keyAt === -1 ? null : (values[keyAt] ?? '');
      const made = { row, line, key, values: valuesOf(table.columns, values, data) };
      if (naming.by === 'none') {
        yield { ...made, id: nameless };
        continue;
      }
      const name = digest(key === null ? values : [key]);
      const before = seen.get(name) ?? 0;
      if (key !== null && (key === '' || before > 0)) {
        throw new EhloError(
          'bad-message',
          `line ${line}: the key of the row is ${key === '' ? 'empty' : 'given twice'}`,
          {
            hint: 'nothing was sent; every row needs a key of its own',
          },
        );
      }
      seen.set(name, before + 1);
      const id = before === 0 ? name : digest([name.toString('hex'), String(before)]);
      yield { ...made, id };
    }
  };
}

const nameless = Buffer.alloc(digestBytes);

/** Of all that shapes the messages of a job. */
export const jobShape = (template: InputTemplate, data: Values): string =>
  createHash('sha256')
    .update(JSON.stringify([template.shape, data]))
    .digest('hex');

/** Without a prototype: a column may be called anything. */
const valuesOf = (columns: readonly string[], values: readonly string[], data: Values): Values => {
  const all: Record<string, Values[string]> = Object.assign(Object.create(null), data);
  for (const [at, column] of columns.entries()) all[column] = values[at] ?? '';
  return all;
};

const digest = (texts: readonly string[]): Buffer =>
  createHash('sha256').update(JSON.stringify(texts)).digest().subarray(0, digestBytes);

/** The message of a row; what is wrong with it is told with the row. */
export async function expandRow(row: MergeRow, template: InputTemplate): Promise<MessageInput> {
  try {
    return await template.expand(row.values);
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    const { code, message, hint, stage, cause } = thrown;
    throw new EhloError(code, `row ${row.row} (line ${row.line}): ${message}`, { hint, stage, cause });
  }
}

/** Goes through all rows before anything is sent, and counts them. Throws for the first row that cannot be sent. */
export async function checkRows(
  rows: AsyncIterable<MergeRow>,
  template: InputTemplate,
  signal: AbortSignal,
  ending: () => EhloError,
): Promise<number> {
  let count = 0;
  for await (const row of rows) {
    await expandRow(row, template);
    count++;
    // Nothing here waits for anything: the news of a signal would not get through.
    if (count % 512 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) throw ending();
  }
  return count;
}

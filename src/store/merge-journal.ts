// The report of a mail merge that a later run goes on with: NDJSON, appended and synced, so that a row that was begun is known
// to have been begun whatever happens to the process. One run holds it at a time: the order of the `open` records in the file
// decides who, which needs no lock file that could be left behind.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DigestTable } from '../base/digest-table.ts';
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import { ioError } from './disk.ts';
import { isOwner, ownerOf, ownerState } from './process-owner.ts';

/** What a journal belongs to; another job is refused. */
export interface JournalJob {
  /** Of all that shapes the messages. */
  shape: string;
  /** The column that names a row, or null: all of its values do. */
  key: string | null;
  columns: string[];
}

/** What earlier runs know of a row. `begun`: nothing is known of its end. */
export type RowFate = 'new' | 'begun' | 'accepted' | 'partial' | 'rejected' | 'deferred' | 'failed' | 'unknown';
/** In the order of the numbers in the table. */
const fates: readonly RowFate[] = ['new', 'begun', 'accepted', 'partial', 'rejected', 'deferred', 'failed', 'unknown'];

type JournalRecord = { event: string } & Record<string, unknown>;

export class MergeJournal {
  /** Fields that differ from the job of earlier runs, where rows are known by a key and that is allowed. */
  changed: string[] = [];
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #rows: DigestTable;
  readonly #run: string;
  #waiting: string[] = [];
  #next: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, rows: DigestTable, run: string) {
    this.#path = path;
    this.#file = file;
    this.#rows = rows;
    this.#run = run;
  }

  /** Throws 'usage' for a report of another job or one that is in use, 'cannot-create', 'io'. */
  static async open(path: string, job: JournalJob): Promise<MergeJournal> {
    const file = await openJournal(path);
    try {
      const run = randomBytes(8).toString('hex');
      const journal = new MergeJournal(path, file, new DigestTable(), run);
      await journal.#enter(job);
      return journal;
    } catch (thrown) {
      await file.close().catch(() => undefined);
      throw thrown;
    }
  }

  /** `id`: the first octets of a digest. */
  fate(id: Buffer): RowFate {
    return fates[this.#rows.get(id) ?? 0] ?? 'new';
  }

  /** Resolves once it is on the disk: only then may the row be sent. */
  begin(id: Buffer, facts: Record<string, unknown>): Promise<void> {
    this.#rows.set(id, fates.indexOf('begun'));
    return this.#append({ event: 'begin', id: idText(id), ...facts });
  }

  end(id: Buffer, status: RowFate, facts: Record<string, unknown>): Promise<void> {
    this.#rows.set(id, fates.indexOf(status));
    return this.#append({ event: 'end', id: idText(id), status, ...facts });
  }

  /** Lets the next run in. */
  async close(): Promise<void> {
    try {
      await this.#append({ event: 'close', run: this.#run });
    } finally {
      await this.#file.close();
    }
  }

  async #enter(job: JournalJob): Promise<void> {
    const { size } = await this.#file.stat();
    const isNew = size === 0;
    // A line that a killed run left torn ends here.
    const torn = size > 0 && (await this.#file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== 0x0a;
    const head = isNew ? [{ event: 'job', version: 1, ...job }] : [];
    if (!isNew) await this.#check(job, 'job');
    const opened = { event: 'open', run: this.#run, owner: ownerOf(process.pid), at: new Date().toISOString() };
    if (torn) this.#waiting.push('\n');
    await this.#append(...head, opened);
    if (isNew) await syncDirectory(dirname(this.#path));
    try {
      await this.#check(job, 'all');
    } catch (thrown) {
      await this.#append({ event: 'close', run: this.#run });
      throw thrown;
    }
  }

  /** `job`: the first line alone, before anything is written into what may be somebody else's file. */
  async #check(job: JournalJob, what: 'job' | 'all'): Promise<void> {
    /** Runs that have not ended, in the order in which they came. */
    const open = new Map<string, string>();
    let damaged: number | undefined;
    let number = 0;
    for await (const line of linesOf(this.#file)) {
      number++;
      if (line.length > longestRecord) throw this.#refuse(`line ${number} is too long for one of a report`);
      const record = parseRecord(line);
      if (number === 1) {
        this.#compare(record, job);
        if (what === 'job') return;
      }
      // Only the last line of a run that was killed may be cut off: then a new run begins behind it.
      if (damaged !== undefined && record?.event !== 'open') throw this.#refuse(`line ${damaged} is damaged`);
      damaged = record || line === '' ? undefined : number;
      if (!record) continue;
      if (record.event === 'open') open.set(String(record['run']), String(record['owner']));
      else if (record.event === 'close') open.delete(String(record['run']));
      else if (record.event === 'begin' || record.event === 'end') this.#learn(record, number);
    }
    if (number === 0) throw this.#refuse('it is empty');
    for (const [run, owner] of open) {
      if (run === this.#run) return;
      if (isOwner(owner) && ownerState(owner) === 'gone') continue;
      const elsewhere = isOwner(owner) && ownerState(owner) === 'elsewhere';
      throw new EhloError('usage', `the report ${this.#path} is in use by another run`, {
        hint: elsewhere
          ? `it runs on another machine or in another container; if it is gone: echo '{"event":"close","run":"${run}"}' >> the report`
          : 'nothing was sent; wait until it has ended',
      });
    }
    throw this.#refuse('what was written to it is not there');
  }

  #learn(record: JournalRecord, line: number): void {
    const { id, status } = record;
    const fate = fates.findIndex((one) => one === (record.event === 'begin' ? 'begun' : status));
    if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id) || fate < 1) {
      throw this.#refuse(`line ${line} is damaged`);
    }
    this.#rows.set(Buffer.from(id, 'hex'), fate);
  }

  #compare(record: JournalRecord | undefined, job: JournalJob): void {
    if (record?.event !== 'job') throw this.#refuse('it is no report of a mail merge');
    if (record['version'] !== 1) throw this.#refuse('another version of ehlo wrote it');
    const same = (name: keyof JournalJob): boolean => JSON.stringify(record[name]) === JSON.stringify(job[name]);
    if (!same('key')) throw this.#refuse('it is of a job with another --csv-key, so its rows cannot be told');
    this.changed = [...(same('columns') ? [] : ['the columns']), ...(same('shape') ? [] : ['the template or options'])];
    if (job.key !== null || this.changed.length === 0) return;
    throw this.#refuse(
      `it is of another job: ${this.changed.join(' and ')} changed`,
      'give a new --report; with --csv-key COLUMN from the start, rows are known by that column alone',
    );
  }

  #refuse(why: string, hint = 'nothing was sent; give another file to --report'): EhloError {
    return new EhloError('usage', `the report ${this.#path} cannot be used: ${why}`, { hint });
  }

  /** One write and one sync for all who come while one runs. */
  #append(...records: JournalRecord[]): Promise<void> {
    this.#waiting.push(...records.map(printRecord));
    this.#next ??= this.#turn();
    return this.#next;
  }

  async #turn(): Promise<void> {
    const before = this.#writing;
    // The first to fail fails all behind it: an order of records with a hole in it proves nothing.
    await before;
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#writing = this.#next ?? before;
    this.#next = undefined;
    try {
      await this.#file.appendFile(bytes);
      await this.#file.datasync();
    } catch (cause) {
      throw cause instanceof Error ? ioError('write', this.#path, cause) : cause;
    }
  }
}

const idText = (id: Buffer): string => id.toString('hex', 0, 16);

/** ASCII, so that nothing of a peer acts on whoever reads the file. */
const printRecord = (record: JournalRecord): string =>
  `${JSON.stringify(record).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`;

function parseRecord(line: string): JournalRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord = typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';
    return isRecord ? (value as JournalRecord) : undefined;
  } catch {
    return undefined;
  }
}

async function openJournal(path: string): Promise<FileHandle> {
  const failed = (cause: Error): never => {
    throw new EhloError('cannot-create', `the report ${path} cannot be opened: ${cause.message}`, { cause });
  };
  const file = await open(path, 'a+', 0o600).catch(failed);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new EhloError('cannot-create', `the report ${path} is no file that can be read again`);
}

/** A row with its key, its recipients and a reply, every unit of them escaped. */
const longestRecord = 32 * mergeLimits.rowBytes;

/** A line that is too long comes cut, as the last. */
async function* linesOf(file: FileHandle): AsyncGenerator<string> {
  const buffer = Buffer.alloc(256 * 1024);
  let rest = '';
  let position = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    const lines = buffer.toString('latin1', 0, bytesRead).split('\n');
    lines[0] = rest + (lines[0] ?? '');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > longestRecord) break;
  }
  if (rest !== '') yield rest;
}

/** The name of a new file is kept by its directory. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

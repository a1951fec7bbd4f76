// Mail merge: one send() a row, on lanes that each keep their sessions. What has begun is in the journal before it can be
// accepted; when the run is ended from outside no new row begins, and whatever is past its end of data gets its verdict.
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.ts';
import { asEhloError, EhloError, type ErrorCode } from '../base/errors.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import { type InputTemplate, recipientsOf, senderDomain } from './merge-input.ts';
import {
  type MergeCounts,
  type Merged,
  MergeTally,
  type RowDone,
  type RowStatus,
  rowResult,
  untried,
} from './merge-report.ts';
import { expandRow, type MergeRow } from './merge-rows.ts';
import { watchEnding } from './merge-watch.ts';
import type { MessageInput } from './message-input.ts';
import type { Pace } from './pace.ts';
import type { SendResult } from './send.ts';
import { endingError } from './time-limit.ts';

/** What earlier runs know of a row. `begun`: that it began, and nothing of its end. */
export type RowFate = 'new' | 'begun' | 'accepted' | 'partial' | 'rejected' | 'deferred' | 'failed' | 'unknown';

/** store/merge-journal.ts is one. */
export interface Journal {
  fate(id: Buffer): RowFate;
  /** Resolves once it and all records before it are on the disk. */
  begin(id: Buffer, facts: Record<string, unknown>): Promise<void>;
  end(id: Buffer, status: RowFate, facts: Record<string, unknown>): Promise<void>;
}

/** A line of work: one message at a time, over sessions of its own. */
export interface Lane {
  send(
    input: MessageInput,
    hooks: { signal: AbortSignal; onEvent: (event: TranscriptEvent) => void },
  ): Promise<SendResult>;
  close(): Promise<void>;
}

export interface MergeRequest {
  rows: AsyncIterable<MergeRow>;
  /** How many there are. */
  count: number;
  template: InputTemplate;
  /** With LMTP each recipient has one (RFC 2033 4.2). */
  verdicts: 'one' | 'each';
  jobs: number;
  pace: Pace;
  /** Failures after which no new row begins. */
  stopAfter?: number | undefined;
  journal?: Journal | undefined;
  resend: { unknown: boolean; rejected: boolean };
  dryRun: boolean;
  notes: string[];
}

export interface MergeHooks {
  openLane(): Lane;
  /** The reason is the name of a signal, or one of our errors. */
  signal: AbortSignal;
  /** In the order in which rows end. */
  onRow(done: RowDone, counts: MergeCounts): void | Promise<void>;
}

/** Does not throw for what becomes of a row: that is in the report, and told to `onRow`. */
export async function merge(request: MergeRequest, clock: Clock, hooks: MergeHooks): Promise<Merged> {
  return new MergeRun(request, clock, hooks).report();
}

/** `written`: the last record of this lane. */
interface Worker {
  lane: Lane;
  written: Promise<void>;
}

class MergeRun {
  readonly #request: MergeRequest;
  readonly #clock: Clock;
  readonly #hooks: MergeHooks;
  readonly #tally: MergeTally;
  readonly #rows: AsyncIterator<MergeRow>;
  /** No new row begins. */
  readonly #stop = new AbortController();
  #stopped: EhloError | null = null;
  #failures = 0;

  constructor(request: MergeRequest, clock: Clock, hooks: MergeHooks) {
    this.#request = request;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#tally = new MergeTally(request.count, request.journal !== undefined);
    this.#rows = request.rows[Symbol.asyncIterator]();
    // Every lane listens to both: Node takes more than ten for a leak, and says so on standard error.
    setMaxListeners(0, hooks.signal, this.#stop.signal);
  }

  async report(): Promise<Merged> {
    const began = this.#clock.now();
    const { signal } = this.#hooks;
    const ended = (): void => this.#end(endingError(signal));
    if (signal.aborted) ended();
    else signal.addEventListener('abort', ended, { once: true });
    try {
      const lanes = Math.min(this.#request.jobs, Math.max(this.#request.count, 1));
      await Promise.all(Array.from({ length: lanes }, () => this.#work()));
    } finally {
      signal.removeEventListener('abort', ended);
      await this.#rows.return?.();
    }
    this.#tally.counts.ms = Math.round(this.#clock.now() - began);
    return this.#tally.report(this.#stopped, this.#request.notes, this.#request.dryRun);
  }

  #end(why: EhloError): void {
    this.#stopped ??= why;
    this.#stop.abort(why);
  }

  async #work(): Promise<void> {
    const worker: Worker = { lane: this.#hooks.openLane(), written: Promise.resolve() };
    try {
      while (!this.#stop.signal.aborted) {
        const next = await this.#rows.next();
        if (next.done) break;
        if (await this.#knownBefore(next.value)) continue;
        if (!this.#request.dryRun && !(await this.#request.pace.turn(this.#stop.signal))) break;
        await this.#take(next.value, worker);
      }
    } catch (thrown) {
      this.#end(asEhloError(thrown));
    }
    await worker.written.catch((thrown: unknown) => this.#end(asEhloError(thrown)));
    await worker.lane.close().catch(() => undefined);
  }

  /** True where the journal says that it must not be sent again. */
  async #knownBefore(row: MergeRow): Promise<boolean> {
    const { journal, resend, template } = this.#request;
    const fate = journal?.fate(row.id) ?? 'new';
    const known = earlier[fate];
    if (!known || (known.status === 'unknown' && resend.unknown) || (fate === 'rejected' && resend.rejected))
      return false;
    const to = await expandRow(row, template).then(recipientsOf, () => []);
    const { status, text, code } = known;
    const error = code === undefined ? null : new EhloError(code, `row ${row.row} (line ${row.line}): ${text}`);
    await this.#done({ result: untried(row, to, status, text), report: null, error });
    return true;
  }

  async #take(row: MergeRow, worker: Worker): Promise<void> {
    const { template, dryRun } = this.#request;
    const journal = dryRun ? undefined : this.#request.journal;
    const began = this.#clock.now();
    const input = await expandRow(row, template).then(withMessageId, asEhloError);
    if (!(input instanceof EhloError)) {
      const messageId = input.headers.find(isMessageId)?.value ?? null;
      const facts = { row: row.row, line: row.line, key: row.key, to: recipientsOf(input), messageId };
      // Not before this may anything be accepted: whoever is killed behind it leaves a row that is known to have begun.
      await Promise.all([worker.written, journal?.begin(row.id, facts)]);
    }
    const done =
      input instanceof EhloError ? this.#unsent(row, [], input) : await this.#send(row, input, worker, began);
    const { status, code, enhanced, text, queueId, messageId } = done.result;
    if (journal && status !== 'skipped' && status !== 'planned') {
      worker.written = journal.end(row.id, status, { row: row.row, messageId, code, enhanced, text, queueId });
      // It is waited for with the next record, or at the end.
      worker.written.catch(() => undefined);
    }
    await this.#done(done);
    this.#judge(done);
  }

  async #send(row: MergeRow, input: MessageInput, { lane }: Worker, began: number): Promise<RowDone> {
    const watch = watchEnding(this.#hooks.signal, this.#request.verdicts);
    try {
      const sent = await lane.send(input, watch);
      const result = rowResult(row, sent, Math.round((this.#clock.now() - began) * 10) / 10);
      const status: RowStatus = this.#request.dryRun ? 'planned' : result.status;
      return { result: { ...result, status }, report: sent.report, error: sent.error };
    } catch (thrown) {
      // Thrown before anything was connected to.
      return this.#unsent(row, recipientsOf(input), asEhloError(thrown));
    } finally {
      watch.release();
    }
  }

  #unsent(row: MergeRow, to: string[], error: EhloError): RowDone {
    const status = error.retryable ? 'deferred' : 'failed';
    return { result: untried(row, to, status, error.message), report: null, error };
  }

  async #done(done: RowDone): Promise<void> {
    this.#tally.add(done);
    await this.#hooks.onRow(done, this.#tally.counts);
  }

  /** Whether to go on after this row. */
  #judge({ result: { status }, error }: RowDone): void {
    if (status === 'planned' || !error) return;
    // A login that is refused a thousand times locks an account.
    if (hopeless.has(error.kind)) this.#end(error);
    if (++this.#failures < (this.#request.stopAfter ?? Number.POSITIVE_INFINITY)) return;
    const { code, message, reply, hint } = error;
    this.#end(
      new EhloError(
        code,
        `stopped after ${this.#failures === 1 ? 'a failure' : `${this.#failures} failures, the last`}: ${message}`,
        { reply, hint },
      ),
    );
  }
}

const hopeless: ReadonlySet<EhloError['kind']> = new Set(['auth', 'config', 'usage', 'internal']);

/** Rows that no run sends again by itself. */
const earlier: Partial<Record<RowFate, { status: RowStatus; text: string; code?: ErrorCode }>> = {
  accepted: { status: 'skipped', text: 'accepted in an earlier run' },
  partial: {
    status: 'partial',
    text: 'accepted for some of its recipients in an earlier run, so it is not sent again',
    code: 'partial',
  },
  rejected: { status: 'rejected', text: 'refused in an earlier run; --resend-rejected tries again', code: 'rejected' },
  begun: {
    status: 'unknown',
    text: 'begun in an earlier run that did not see its end; it may have been accepted',
    code: 'outcome-unknown',
  },
  unknown: {
    status: 'unknown',
    text: 'sent in an earlier run that read no verdict; it may have been accepted',
    code: 'outcome-unknown',
  },
};

const isMessageId = ({ name }: { name: string }): boolean => name.toLowerCase() === 'message-id';

/** Known before it is sent, so that the journal names what may have arrived. */
const withMessageId = (input: MessageInput): MessageInput =>
  input.headers.some(isMessageId)
    ? input
    : {
        ...input,
        headers: [...input.headers, { name: 'Message-ID', value: `<${randomUUID()}@${senderDomain(input)}>` }],
      };

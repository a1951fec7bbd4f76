// What a merge tells: one result a row, the counts, and the one error with the exit code that they come to.
import { EhloError } from '../base/errors.ts';
import type { MergeRow } from './merge-rows.ts';
import { type ReportHead, reportHead } from './report.ts';
import type { SendReport, SendResult } from './send.ts';

/**
 * partial: of several recipients some were accepted. failed: our own side could not send it (a file, a login, TLS).
 * skipped: accepted in an earlier run. unknown: it may have been accepted. planned: with --dry-run.
 */
export type RowStatus = 'accepted' | 'partial' | 'rejected' | 'deferred' | 'unknown' | 'failed' | 'skipped' | 'planned';

export interface RowResult {
  row: number;
  line: number;
  key: string | null;
  /** The recipients of the envelope. */
  to: string[];
  status: RowStatus;
  messageId: string | null;
  code: number | null;
  enhanced: string | null;
  text: string | null;
  queueId: string | null;
  /** Connections that were tried. */
  attempts: number;
  ms: number;
}

/** A row and what stands behind its result, where it was tried in this run. */
export interface RowDone {
  result: RowResult;
  report: SendReport | null;
  error: EhloError | null;
}

export interface MergeCounts {
  rows: number;
  accepted: number;
  partial: number;
  rejected: number;
  deferred: number;
  unknown: number;
  failed: number;
  skipped: number;
  /** Not begun: the run was ended before their turn. */
  notSent: number;
  ms: number;
}

export interface MergeReport extends ReportHead<'send'> {
  merge: MergeCounts;
  dryRun: boolean;
  notes: string[];
}

export interface Merged {
  report: MergeReport;
  error: EhloError | null;
}

/** For a row that no server was asked about. */
export const untried = (row: MergeRow, to: string[], status: RowStatus, text: string | null): RowResult => ({
  row: row.row,
  line: row.line,
  key: row.key,
  to,
  status,
  messageId: null,
  code: null,
  enhanced: null,
  text,
  queueId: null,
  attempts: 0,
  ms: 0,
});

export function rowResult(row: MergeRow, { report, error }: SendResult, ms: number): RowResult {
  const status = statusOf(report);
  // Who was accepted tells nothing of why the others were not.
  const telling = report.recipients.find((one) => one.status !== 'accepted') ?? report.recipients[0];
  return {
    row: row.row,
    line: row.line,
    key: row.key,
    to: report.envelope.to,
    status,
    messageId: report.messageId,
    code: telling?.code ?? null,
    enhanced: telling?.enhanced ?? null,
    text:
      (status === 'accepted' && error?.message) ||
      (telling?.text ?? (report.queued ? `in the queue as ${report.queued.id}` : (error?.message ?? null))),
    queueId: report.queueId,
    attempts: report.attempts.length,
    ms,
  };
}

function statusOf({ recipients, queued, ok }: SendReport): RowStatus {
  const has = (status: string): boolean => recipients.some((one) => one.status === status);
  // What the queue has taken on is its to deliver; sending it again would be twice.
  if (ok && queued) return 'accepted';
  // Also where the reply was not the expected one: what was accepted is never sent again.
  if (recipients.length > 0 && recipients.every((one) => one.status === 'accepted')) return 'accepted';
  if (has('unknown')) return 'unknown';
  if (has('accepted') || queued) return 'partial';
  if (has('deferred')) return 'deferred';
  return recipients.some((one) => one.code !== null && one.code >= 500) ? 'rejected' : 'failed';
}

/** Adds up rows as they end, and keeps the one error that says most of those that were not accepted. */
export class MergeTally {
  readonly counts: MergeCounts;
  readonly #hasReport: boolean;
  #worst: EhloError | null = null;

  /** `hasReport`: a later run knows what became of the rows. */
  constructor(rows: number, hasReport: boolean) {
    this.#hasReport = hasReport;
    this.counts = {
      rows,
      accepted: 0,
      partial: 0,
      rejected: 0,
      deferred: 0,
      unknown: 0,
      failed: 0,
      skipped: 0,
      notSent: rows,
      ms: 0,
    };
  }

  add({ result: { status }, error }: RowDone): void {
    if (status === 'planned') return;
    this.counts[status]++;
    this.counts.notSent--;
    if (error && rank(error) > (this.#worst ? rank(this.#worst) : -1)) this.#worst = error;
  }

  /** `stopped`: why rows were left. */
  report(stopped: EhloError | null, notes: string[], dryRun: boolean): Merged {
    const error = dryRun ? stopped : this.#error(stopped);
    return { report: { ...reportHead('send', error ?? 'OK'), merge: this.counts, dryRun, notes }, error };
  }

  #error(stopped: EhloError | null): EhloError | null {
    const { rows, accepted, skipped, unknown, partial, notSent } = this.counts;
    const good = accepted + skipped;
    const worst = this.#worst;
    // A refusal that was expected (--expect) is no error of its row.
    if (!stopped && !worst && notSent === 0) return null;
    const because = stopped ?? worst;
    // Accepted, but not with the reply that was expected.
    if (good === rows && !stopped) return worst;
    const facts = {
      hint: stopped?.hint ?? (this.#hasReport ? hints.goOn : hints.again),
      ...(because?.reply ? { reply: because.reply } : {}),
      ...(because?.cause ? { cause: because.cause } : {}),
    };
    const left = notSent > 0 ? `, ${notSent} not sent` : '';
    const why = stopped ? `: ${stopped.message}` : '';
    if (unknown > 0) {
      return new EhloError('outcome-unknown', `${unknown} of ${rows} messages may have been accepted${left}${why}`, {
        ...facts,
        hint: this.#hasReport ? hints.unknown : hints.unknownAgain,
      });
    }
    if (good + partial > 0) {
      return new EhloError('partial', `${good} of ${rows} messages accepted${left}${why}`, {
        ...facts,
        side: 'remote',
      });
    }
    return because ?? new EhloError('deferred', `none of ${rows} messages was accepted`, facts);
  }
}

const hints = {
  goOn: 'the same command with the same --report goes on with what is left',
  again: 'the same command would send every row again: leave those out that were accepted; --report FILE keeps count',
  unknown: 'look for their Message-IDs at the recipient; --resend-unknown sends them again, and they may arrive twice',
  unknownAgain: 'look for their Message-IDs at the recipient before you send any row again; --report FILE keeps count',
};

/** A refusal says more than "later", a fault of ours more than a refusal. */
const rank = (error: EhloError): number =>
  error.mayDuplicate ? 3 : error.retryable ? 0 : error.kind === 'refused' ? 1 : 2;

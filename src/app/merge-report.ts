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
    text: telling?.text ?? (report.queued ? `in the queue as ${report.queued.id}` : (error?.message ?? null)),
    queueId: report.queueId,
    attempts: report.attempts.length,
    ms,
  };
}

function statusOf({ recipients, queued, ok }: SendReport): RowStatus {
  const has = (status: string): boolean => recipients.some((one) => one.status === status);
  // What the queue has taken on is its to deliver; sending it again would be twice.
  if (ok && queued) return 'accepted';
  if (recipients.length > 0 && recipients.every((one) => one.status === 'accepted')) return ok ? 'accepted' : 'failed';
  if (has('unknown')) return 'unknown';
  if (has('accepted') || queued) return 'partial';
  if (has('deferred')) return 'deferred';
  return recipients.some((one) => one.code !== null && one.code >= 500) ? 'rejected' : 'failed';
}

/** Adds up rows as they end, and keeps the one error that says most of those that were not accepted. */
export class MergeTally {
  readonly counts: MergeCounts;
  #worst: EhloError | null = null;

  constructor(rows: number) {
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

  /** Rows of this run and earlier ones that were tried and not accepted. */
  get failures(): number {
    const { partial, rejected, deferred, unknown, failed } = this.counts;
    return partial + rejected + deferred + unknown + failed;
  }

  /** `stopped`: why rows were left. */
  report(stopped: EhloError | null, notes: string[], dryRun: boolean): Merged {
    const error = dryRun ? stopped : this.#error(stopped);
    return { report: { ...reportHead('send', error ?? 'OK'), merge: this.counts, dryRun, notes }, error };
  }

  #error(stopped: EhloError | null): EhloError | null {
    const { rows, accepted, skipped, unknown, partial, notSent } = this.counts;
    const good = accepted + skipped;
    if (good === rows && !stopped) return null;
    const worst = this.#worst;
    const because = stopped ?? worst;
    const facts = {
      hint: stopped?.hint ?? 'the same command with the same --report goes on with what is left',
      ...(because?.reply ? { reply: because.reply } : {}),
      ...(because?.cause ? { cause: because.cause } : {}),
    };
    const left = notSent > 0 ? `, ${notSent} not sent` : '';
    const why = stopped ? `: ${stopped.message}` : '';
    if (unknown > 0) {
      return new EhloError('outcome-unknown', `${unknown} of ${rows} messages may have been accepted${left}${why}`, {
        ...facts,
        hint: 'look for their Message-IDs at the recipient; --resend-unknown sends them again, and they may arrive twice',
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

/** A refusal says more than "later", a fault of ours more than a refusal. */
const rank = (error: EhloError): number =>
  error.mayDuplicate ? 3 : error.retryable ? 0 : error.kind === 'refused' ? 1 : 2;

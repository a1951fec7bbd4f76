// What a mail merge shows a person: a bar while it runs, a line for each row that was not accepted, and the sum.
import type { MergeCounts, MergeReport, RowResult, RowStatus } from '../app/merge-report.ts';
import { type ProgressOptions, showsProgress, startProgress } from './progress.ts';
import { clip, safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { printDuration } from './units.ts';

const roles: Record<RowStatus, Role> = {
  accepted: 'good',
  skipped: 'dim',
  planned: 'dim',
  partial: 'warn',
  deferred: 'warn',
  unknown: 'warn',
  rejected: 'bad',
  failed: 'bad',
};

/** `deferred  row 7 (line 8)  bob@example.org  451 4.7.1 try later` */
export function renderRow(row: RowResult, style: Style): string {
  const [first = '-', ...others] = row.to;
  const to = others.length > 0 ? `${first} and ${others.length} more` : first;
  const key = row.key === null ? '' : ` ${clip(row.key, 60)}`;
  const why = [row.code, row.enhanced, row.text].filter((part) => part !== null).join(' ');
  const id = row.status === 'unknown' && row.messageId ? `  ${row.messageId}` : '';
  const status = style(roles[row.status], row.status.padEnd(8));
  return `${status}  ${safe(`row ${row.row} (line ${row.line})${key}  ${clip(to, 100)}  ${clip(why, 500)}${id}`)}\n`;
}

const words: [name: keyof MergeCounts, says: string, role: Role][] = [
  ['accepted', 'accepted', 'good'],
  ['skipped', 'accepted before', 'dim'],
  ['partial', 'partly accepted', 'warn'],
  ['rejected', 'rejected', 'bad'],
  ['deferred', 'deferred', 'warn'],
  ['unknown', 'unknown', 'warn'],
  ['failed', 'failed', 'bad'],
  ['notSent', 'not sent', 'warn'],
];

/** `10 rows: 8 accepted, 1 rejected, 1 deferred  in 2.1 s` */
export function renderMerge({ merge, dryRun }: MergeReport, style: Style): string {
  const rows = `${merge.rows} ${merge.rows === 1 ? 'row' : 'rows'}`;
  if (dryRun) return `${rows} would be sent; nothing was\n`;
  const parts = words.flatMap(([name, says, role]) => (merge[name] > 0 ? [style(role, `${merge[name]} ${says}`)] : []));
  return `${rows}: ${parts.join(', ') || 'nothing to send'}  in ${printDuration(merge.ms)}\n`;
}

/** `[#####.....]  512/1024  50%  34/s  15 s left  3 not accepted`, in at most `width` columns. */
export function renderBar(counts: MergeCounts, width: number, elapsedMs: number): string {
  const ended = counts.rows - counts.notSent;
  const tried = ended - counts.skipped;
  const failures = tried - counts.accepted;
  const share = counts.rows === 0 ? 1 : ended / counts.rows;
  // The first moments tell nothing of the speed.
  const perMs = elapsedMs >= 500 ? tried / elapsedMs : 0;
  const left = perMs > 0 && counts.notSent > 0 ? `${printDuration(counts.notSent / perMs)} left` : '';
  const facts = [
    `${ended}/${counts.rows}`,
    `${Math.floor(share * 100)}%`,
    perMs > 0 ? printRate(perMs) : '',
    left,
    failures > 0 ? `${failures} not accepted` : '',
  ].filter((part) => part !== '');
  // What has no room goes, the last first.
  while (facts.length > 1 && facts.join('  ').length > width) facts.pop();
  const text = facts.join('  ');
  const cells = Math.min(24, width - text.length - 4);
  if (cells < 6) return text;
  const full = Math.round(cells * share);
  return `[${'#'.repeat(full)}${'.'.repeat(cells - full)}]  ${text}`;
}

const printRate = (perMs: number): string => {
  const perSecond = perMs * 1000;
  return perSecond >= 1 ? `${perSecond.toFixed(perSecond < 10 ? 1 : 0)}/s` : `${(perSecond * 60).toFixed(1)}/min`;
};

export interface MergeProgress {
  update(counts: MergeCounts): void;
  /** Lets `write` write while the bar is away. */
  aside(write: () => void): Promise<void>;
  stop(): void;
}

/** `now`: milliseconds; `width`: columns of the terminal. */
export async function startMergeProgress(
  options: ProgressOptions & { width: number; now: () => number },
): Promise<MergeProgress> {
  if (!showsProgress(options)) return { update() {}, aside: async (write) => write(), stop() {} };
  /** When the first row ended: checking them all took its own time. */
  let began: number | undefined;
  // The spinner and a blank stand in front.
  const width = Math.min(options.width - 3, 70);
  let text = 'checking rows';
  let shownAt = Number.NEGATIVE_INFINITY;
  let bar = await startProgress(text, options);
  let stopped = false;
  /** One after the other: rows end on several lanes. */
  let turn = Promise.resolve();
  return {
    update(counts) {
      const now = options.now();
      if (now - shownAt < 100) return;
      shownAt = now;
      began ??= now;
      text = renderBar(counts, width, now - began);
      bar.update(text);
    },
    aside(write) {
      turn = turn.then(async () => {
        bar.stop();
        write();
        if (!stopped) bar = await startProgress(text, options);
      });
      return turn;
    },
    stop() {
      stopped = true;
      bar.stop();
    },
  };
}

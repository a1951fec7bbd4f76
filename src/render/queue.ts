// What `queue` tells a person: a block an entry for the list, everything of one, a line an entry for a run.

import type { Managed } from '../app/queue.ts';
import type { ListedEntry, QueueListReport, QueueShowReport } from '../app/queue-list.ts';
import type { EntryRun } from '../app/queue-try.ts';
import { clip, safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { type Cell, renderTable } from './table.ts';
import { printDuration, printSize } from './units.ts';

const textMax = 200;

const stateRoles: Record<ListedEntry['state'], Role> = {
  waiting: 'accent',
  held: 'dim',
  trying: 'good',
  elsewhere: 'warn',
  unknown: 'bad',
};

const statusRoles: Record<ListedEntry['recipients'][number]['status'], Role> = {
  waiting: 'accent',
  accepted: 'good',
  rejected: 'bad',
  expired: 'bad',
  unknown: 'warn',
};

const resultRoles: Record<EntryRun['result'], Role> = {
  delivered: 'good',
  waiting: 'warn',
  bounced: 'bad',
  unknown: 'bad',
  skipped: 'dim',
  failed: 'bad',
};

export function renderQueue(report: QueueListReport, now: Date, style: Style): string {
  const entries = report.entries.map((entry) => renderListed(entry, now, style)).join('');
  const broken = report.broken
    .map(
      ({ id, problem }) => `${style('strong', safe(id))}  ${style('bad', 'broken')}  ${safe(clip(problem, textMax))}\n`,
    )
    .join('');
  const count = report.entries.length + report.broken.length;
  const size = report.entries.reduce((sum, entry) => sum + entry.size, 0);
  const total = count === 0 ? 'the queue is empty' : `${counted(count)}, ${printSize(size)}`;
  return `${entries}${broken}${total} (${safe(report.spool)})\n`;
}

function renderListed(entry: ListedEntry, now: Date, style: Style): string {
  const head = [
    style('strong', safe(entry.id)),
    style(stateRoles[entry.state], entry.state),
    printDuration(Math.max(0, entry.age)),
    printSize(entry.size),
    `from ${safe(from(entry.from))}`,
    ...(entry.next === null ? [] : [`next ${until(entry.next, now)}`]),
  ].join('  ');
  return `${head}\n${renderRecipients(entry.recipients, style)}`;
}

export function renderShown({ entry, headers }: QueueShowReport, now: Date, style: Style): string {
  const facts: Cell[][] = [
    ['created', entry.created],
    ['expires', entry.expires],
    ['message id', entry.messageId ?? '-'],
    ...(entry.envid === null ? [] : [['envelope id', entry.envid]]),
    ...(entry.ret === null ? [] : [['returned', entry.ret]]),
    ['route', printOptions(entry.route)],
  ];
  const attempts = entry.attempts.map((one): Cell[] => [
    { text: one.at, role: 'dim' },
    `${one.host} (${one.address}:${one.port})`,
    clip(one.text ?? '', textMax),
  ]);
  const fields = headers.map(
    ({ name, value }) => `  ${style('accent', safe(name))}: ${safe(clip(value.trim(), textMax))}\n`,
  );
  return [
    renderListed(entry, now, style),
    renderTable(facts, style, { indent: '  ' }),
    ...(attempts.length > 0 ? ['attempts\n', renderTable(attempts, style, { indent: '  ' })] : []),
    ...(fields.length > 0 ? ['header\n', ...fields] : []),
  ].join('');
}

/** One line an entry, then a line each for whoever is not simply there. */
export function renderEntryRun(run: EntryRun, now: Date, style: Style): string {
  const accepted = run.recipients.filter((one) => one.status === 'accepted').length;
  const count = run.recipients.length > 1 ? `  ${accepted} of ${run.recipients.length} recipients accepted` : '';
  const next = run.next === null || run.result === 'delivered' ? '' : `  next try ${until(run.next, now)}`;
  const told = run.notices.length === 0 ? '' : `  notice ${run.notices.map(safe).join(', ')}`;
  const head = `${style('strong', safe(run.id))}  ${style(resultRoles[run.result], run.result)}${count}${next}${told}\n`;
  const open = run.recipients.filter((one) => one.status !== 'accepted' || run.recipients.length === 1);
  const notes = [...run.notes, ...(run.error ? [run.error.message] : [])];
  return head + renderRecipients(open, style) + notes.map((note) => `  ${safe(clip(note, textMax))}\n`).join('');
}

export const renderManaged = (entries: readonly Managed[], style: Style): string =>
  entries
    .filter((one) => one.done)
    .map(({ id, note }) => `${style('strong', safe(id))}  ${safe(note)}\n`)
    .join('');

const renderRecipients = (recipients: ListedEntry['recipients'], style: Style): string =>
  renderTable(
    recipients.map((one): Cell[] => [
      one.address,
      { text: one.status, role: statusRoles[one.status] },
      clip(
        [one.host, one.code, one.enhanced, one.text].filter((part) => part !== null && part !== '').join(' '),
        textMax,
      ),
    ]),
    style,
    { indent: '  ' },
  );

const from = (address: string): string => (address === '' ? '<>' : address);

const until = (time: string, now: Date): string => {
  const ms = Date.parse(time) - now.getTime();
  return ms <= 0 ? 'now' : `in ${printDuration(ms)}`;
};

const counted = (count: number): string => (count === 1 ? '1 message' : `${count} messages`);

const printOptions = (options: QueueShowReport['entry']['route']): string =>
  Object.entries(options)
    .map(([name, value]) => (value === true ? `--${name}` : `--${name} ${String(value)}`))
    .join(' ');

// What `fetch` tells a person: a table for a list, a line a message for what was fetched, and the sums.
import type { FetchedMessage, FetchReport } from '../app/fetch.ts';
import { clip, safe } from './safe.ts';
import type { Style } from './style.ts';
import { type Cell, renderTable } from './table.ts';
import { printSize } from './units.ts';

const fromMax = 36;
const subjectMax = 60;

/** For stdout: number, size, date, sender, subject. */
export function renderMailbox(report: FetchReport, style: Style): string {
  const rows = report.messages.map((message): Cell[] => [
    { text: String(message.number), role: 'accent' },
    printSize(message.size),
    { text: shortDate(message), role: 'dim' },
    clipped(message.from, fromMax),
    clipped(message.subject, subjectMax),
  ]);
  return renderTable(rows, style, { right: [0, 1] }) + renderTotals(report);
}

export function renderTotals({ mailbox }: FetchReport): string {
  return mailbox ? `${counted(mailbox.count)}, ${printSize(mailbox.size)}\n` : '';
}

/** For stdout where messages went into files, for stderr where they went to stdout. */
export function renderFetched(report: FetchReport, target: string | null, style: Style): string {
  const stored = report.messages.filter((message) => message.stored);
  const rows = stored.map((message): Cell[] => [
    { text: String(message.number), role: 'accent' },
    printSize(message.size),
    clipped(message.from, fromMax),
    clipped(message.subject, subjectMax),
  ]);
  const sum = stored.reduce((total, message) => total + message.size, 0);
  const where = target === null ? '' : ` in ${safe(target)}`;
  const left = report.messages.length - stored.length;
  const kept = left > 0 ? `, ${counted(left)} not` : '';
  return `${renderTable(rows, style, { right: [0, 1] })}stored ${counted(stored.length)} (${printSize(sum)})${where}${kept}${deletions(report)}\n`;
}

export const renderDeleted = (report: FetchReport): string =>
  `${deletions(report).replace(/^; /, '') || 'deleted nothing'}\n`;

function deletions({ messages }: FetchReport): string {
  const done = messages.filter((message) => message.deleted === true).length;
  const unknown = messages.filter((message) => message.deleted === null).length;
  return [
    done > 0 ? `; deleted ${counted(done)} on the server` : '',
    unknown > 0 ? `; whether ${counted(unknown)} were deleted is not known` : '',
  ].join('');
}

const counted = (count: number): string => (count === 1 ? '1 message' : `${count} messages`);

const clipped = (text: string | null, max: number): string => {
  const shown = safe(text ?? '-');
  return shown.length <= max ? shown : `${shown.slice(0, max - 1)}…`;
};

const shortDate = ({ date }: FetchedMessage): string =>
  date === null ? '-' : `${date.slice(0, 16).replace('T', ' ')}Z`;

/** For stderr. */
export const renderFetchNotes = (notes: readonly string[], style: Style): string =>
  notes.map((note) => `${style('warn', 'note:')} ${safe(clip(note, 1000))}\n`).join('');

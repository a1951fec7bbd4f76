// What the queue holds, as reports: all of it in short, or one entry with everything that is known.
import { EhloError } from '../base/errors.ts';
import { headerOf } from '../message/dsn.ts';
import { parseHeaders } from '../message/headers.ts';
import { nextTry } from './backoff.ts';
import { noEntry } from './queue.ts';
import { type ReportHead, reportHead } from './report.ts';
import type { ClaimState, QueueAttempt, QueuedStatus, QueueEntry, Route, Spool, SpoolItem } from './spool.ts';

export interface ListedEntry {
  id: string;
  /** What it does: waits for its time, is held, is tried right now, or may have been accepted and waits for a person. */
  state: 'waiting' | 'held' | 'trying' | 'elsewhere' | 'unknown';
  created: string;
  age: number;
  expires: string;
  size: number;
  messageId: string | null;
  from: string;
  recipients: {
    address: string;
    status: QueuedStatus;
    code: number | null;
    enhanced: string | null;
    text: string | null;
    host: string | null;
  }[];
  next: string | null;
  lastReply: string | null;
}

export interface QueueListReport extends ReportHead<'queue'> {
  action: 'list';
  spool: string;
  entries: ListedEntry[];
  broken: { id: string; problem: string }[];
}

/** `spool`: null where there is none yet. */
export async function listQueue(spool: Spool | null, name: string, now: Date): Promise<QueueListReport> {
  const items = spool ? await spool.list() : [];
  return {
    ...reportHead('queue', 'OK'),
    action: 'list',
    spool: name,
    entries: items.flatMap((item) => (item.kind === 'entry' ? listed(item.entry, item.claim, now) : [])),
    broken: items.flatMap((item) => (item.kind === 'broken' ? { id: item.id, problem: item.problem } : [])),
  };
}

export interface QueueShowReport extends ReportHead<'queue'> {
  action: 'show';
  spool: string;
  entry: ListedEntry & { envid: string | null; ret: string | null; route: Route['options']; attempts: QueueAttempt[] };
  /** As they stand in the message, unfolded. */
  headers: { name: string; value: string }[];
}

export async function showEntry(spool: Spool, id: string, now: Date): Promise<QueueShowReport> {
  const item = await readable(spool, id);
  const { fields } = parseHeaders(await headerOf(await spool.message(item.entry)));
  const { entry } = item;
  return {
    ...reportHead('queue', 'OK'),
    action: 'show',
    spool: spool.name,
    entry: {
      ...listed(entry, item.claim, now),
      envid: entry.envelope.envid ?? null,
      ret: entry.envelope.ret ?? null,
      route: entry.route.options,
      attempts: entry.attempts,
    },
    headers: fields.map((field) => ({ name: field.name, value: field.rawValue })),
  };
}

/** Throws 'no-input' and, for a broken entry, 'io'. */
export async function readable(spool: Spool, id: string): Promise<Extract<SpoolItem, { kind: 'entry' }>> {
  const item = await spool.find(id);
  if (!item) throw noEntry(id);
  if (item.kind === 'entry') return item;
  throw new EhloError('io', `${id} cannot be read: ${item.problem}`);
}

function listed(entry: QueueEntry, claim: ClaimState, now: Date): ListedEntry {
  const heard = entry.recipients.flatMap((one) => (one.last ? [one.last] : []));
  const latest = heard.sort((a, b) => (a.at < b.at ? 1 : -1))[0];
  return {
    id: entry.id,
    state: stateOf(entry, claim),
    created: entry.created,
    age: now.getTime() - Date.parse(entry.created),
    expires: entry.expires,
    size: entry.size,
    messageId: entry.messageId,
    from: entry.envelope.from,
    recipients: entry.recipients.map((one) => ({
      address: one.address,
      status: one.status,
      code: one.last?.code ?? null,
      enhanced: one.last?.enhanced ?? null,
      text: one.last?.text ?? null,
      host: one.last?.host ?? null,
    })),
    next: entry.held ? null : nextTry(entry),
    lastReply: latest
      ? [latest.code, latest.enhanced, latest.text].filter((part) => part !== null && part !== '').join(' ')
      : null,
  };
}

function stateOf(entry: QueueEntry, claim: ClaimState): ListedEntry['state'] {
  if (claim === 'elsewhere') return 'elsewhere';
  if (claim === 'claimed') return 'trying';
  if (entry.trying || entry.recipients.some((one) => one.status === 'unknown')) return 'unknown';
  return entry.held ? 'held' : 'waiting';
}

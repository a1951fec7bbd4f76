// Into the queue, and what a user does with an entry by hand: hold, release, drop. Trying is queue-run.ts.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import type { Envelope, OutgoingMessage, Recipient } from '../smtp/envelope.ts';
import { afterDeferral, domainOf, giveUpAfter } from './backoff.ts';
import { type DeliveredRecipient, notAll } from './delivery-outcome.ts';
import { lastWord } from './queue-outcome.ts';
import { alongMx, checkRoute } from './route.ts';
import type { Claim, LastWord, QueuedRecipient, QueueEntry, Route, Spool } from './spool.ts';

export interface EnqueueRequest {
  envelope: Envelope;
  message: OutgoingMessage;
  messageId: string | null;
  route: Route;
  onReject: 'continue' | 'abort';
  /** Of the tries of the queue, where that is another thing than of the one just made. */
  laterOnReject?: 'continue' | 'abort';
  /** Milliseconds until what waits still is given up. Default: five days. */
  expiresMs?: number;
  /** The outcome of a try that was just made: only those whom it deferred are queued, and their next try is a minute away. */
  tried?: readonly DeliveredRecipient[];
  /** Takes secrets out of what servers said in that try: one may repeat what it was told. */
  scrub?: (text: string) => string;
  /** Default: made up. With an id that is there already nothing is queued. */
  id?: string;
}

/** Resolves when the message is safe; null where nobody is left to wait for. Throws 'usage' for a route with a secret, 'io'. */
export async function enqueue(spool: Spool, request: EnqueueRequest, clock: Clock): Promise<QueueEntry | null> {
  checkRoute(request.route);
  const now = clock.date();
  const { to, ...envelope } = request.envelope;
  const onReject = request.laterOnReject ?? request.onReject;
  if (onReject === 'abort' && alongMx(request.route) && domainsOf(to).length > 1) {
    throw new EhloError('usage', 'all or nobody cannot be kept for recipients in several domains', {
      hint: 'nothing was queued; --on-reject abort needs one --server, or recipients of one domain',
    });
  }
  if (request.tried && isDecided(request.tried, request.onReject)) return null;
  const firstWord = (before: DeliveredRecipient): LastWord => {
    const last = lastWord(before, now);
    return { ...last, text: request.scrub?.(last.text) ?? last.text };
  };
  const recipients = to.flatMap((one): QueuedRecipient[] => {
    const before = request.tried?.find(({ address }) => address === one.address);
    if (request.tried && before?.status !== 'deferred') return [];
    return [{ ...one, status: 'waiting', last: before ? firstWord(before) : null, told: 'nothing' }];
  });
  if (recipients.length === 0) return null;
  const entry: Omit<QueueEntry, 'size'> = {
    version: 1,
    id: request.id ?? newId(now),
    created: now.toISOString(),
    expires: new Date(now.getTime() + (request.expiresMs ?? giveUpAfter)).toISOString(),
    messageId: request.messageId,
    eightBit: request.message.eightBit,
    utf8Headers: request.message.utf8Headers,
    envelope,
    recipients,
    domains: domainsOf(recipients).map((domain) => ({ domain, tries: 0, next: now.toISOString() })),
    onReject,
    route: request.route,
    held: false,
    trying: null,
    attempts: [],
    notices: 0,
  };
  if (request.tried) {
    entry.domains = afterDeferral(
      { ...entry, size: 0 },
      recipients.map((one) => one.address),
      now,
    );
  }
  return spool.add(entry, request.message.source);
}

/**
 * Nothing is left to be sent later: all or nobody has come to nobody, or whoever sends ended the run, was told that it was
 * not sent, and may send it again.
 */
const isDecided = (tried: readonly DeliveredRecipient[], onReject: 'continue' | 'abort'): boolean =>
  notAll(onReject, tried) || tried.some((one) => one.error?.kind === 'interrupted');

const domainsOf = (recipients: readonly Recipient[]): string[] => [
  ...new Set(recipients.map((one) => domainOf(one.address))),
];

/** Sorts by time. */
const newId = (now: Date): string => `${now.getTime().toString(36).padStart(9, '0')}-${randomBytes(5).toString('hex')}`;

export type ManageAction = 'hold' | 'release' | 'drop';

export interface Managed {
  id: string;
  done: boolean;
  note: string;
}

/** One entry each; what cannot be done says why, and the others go on. */
export async function manage(
  spool: Spool,
  action: ManageAction,
  ids: readonly string[],
  options: { force: boolean },
  clock: Clock,
): Promise<{ entries: Managed[]; error: EhloError | null }> {
  const entries: Managed[] = [];
  let error: EhloError | null = null;
  for (const id of ids) {
    const outcome = await manageOne(spool, action, id, options.force, clock);
    if (outcome instanceof EhloError) error ??= outcome;
    entries.push({
      id,
      done: !(outcome instanceof EhloError),
      note: outcome instanceof EhloError ? outcome.message : outcome,
    });
  }
  return { entries, error };
}

async function manageOne(
  spool: Spool,
  action: ManageAction,
  id: string,
  force: boolean,
  clock: Clock,
): Promise<string | EhloError> {
  const claimed = await spool.claim(id, { elsewhere: force });
  switch (claimed.kind) {
    case 'gone':
      return noEntry(id);
    case 'busy':
      return busy(id, claimed.where);
    case 'broken':
      if (action !== 'drop' || !force) return broken(id, claimed.problem);
      return (await spool.discard(id)) ? 'dropped, though it could not be read' : noEntry(id);
    case 'claimed':
      try {
        return await actions[action](claimed.claim, force, clock);
      } finally {
        await claimed.claim.release();
      }
  }
}

const actions: Record<ManageAction, (claim: Claim, force: boolean, clock: Clock) => Promise<string | EhloError>> = {
  async hold(claim) {
    await claim.update({ ...claim.entry, held: true });
    return 'held: it is not tried until it is released';
  },
  async drop(claim) {
    await claim.remove();
    return 'dropped: nobody is told';
  },
  async release(claim, force, clock) {
    const entry = settleDoubt(claim.entry, clock.date());
    const doubtful = entry.recipients.filter((one) => one.status === 'unknown');
    if (doubtful.length > 0 && !force) {
      if (!entry.recipients.some((one) => one.status === 'waiting')) return inDoubt(entry.id, doubtful);
    }
    const again = force ? doubtful.map((one) => one.address) : [];
    const now = clock.date().toISOString();
    await claim.update({
      ...entry,
      held: false,
      recipients: entry.recipients.map((one) => (again.includes(one.address) ? { ...one, status: 'waiting' } : one)),
      domains: entry.domains.map((one) => ({ ...one, next: now })),
    });
    return again.length > 0
      ? `released: sent again to ${again.join(', ')}, who may have it already`
      : 'released: it is tried at the next run';
  },
};

/** A try that began and has no recorded end: the message may have been accepted (the process died, or the machine). */
export function settleDoubt(entry: QueueEntry, now: Date): QueueEntry {
  const { trying } = entry;
  if (!trying) return entry;
  const text = `a try that began at ${trying.since} was cut off; the message may have been accepted`;
  const last: LastWord = { at: now.toISOString(), host: null, code: null, enhanced: null, text, dsn: false };
  return {
    ...entry,
    trying: null,
    recipients: entry.recipients.map((one) =>
      one.status === 'waiting' && trying.recipients.includes(one.address) ? { ...one, status: 'unknown', last } : one,
    ),
  };
}

export const noEntry = (id: string): EhloError =>
  new EhloError('no-input', `there is no entry ${id} in the queue`, { hint: 'ehlo queue list shows what is there' });

const inDoubt = (id: string, doubtful: readonly QueuedRecipient[]): EhloError =>
  new EhloError(
    'outcome-unknown',
    `${id} may have been accepted already for ${doubtful.map((one) => one.address).join(', ')}`,
    {
      hint: `look at the recipient or the server log; then ehlo queue drop ${id}, or ehlo queue release --force ${id} to send again`,
    },
  );

export const busy = (id: string, where: 'claimed' | 'elsewhere'): EhloError =>
  where === 'claimed'
    ? new EhloError('in-use', `${id} is being worked on by another process`, { hint: 'try again when it is done' })
    : new EhloError('in-use', `${id} is held by a process on another machine or in another container`, {
        hint: `if that process is gone: ehlo queue release --force ${id}`,
      });

export const broken = (id: string, problem: string): EhloError =>
  new EhloError('io', `${id} cannot be read: ${problem}`, {
    hint: `nothing was changed; ehlo queue drop --force ${id} takes it away`,
  });

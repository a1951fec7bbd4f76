// Which notices a queued message owes its sender (RFC 3461 5.2, 6; RFC 5321 6.1), made and queued like any message, from the
// null sender along the same route. A notice never causes another one.
import { randomBytes } from 'node:crypto';
import { composeNotice, type NoticeKind } from '../message/dsn.ts';
import { delayAfter } from './backoff.ts';
import type { Ports } from './ports.ts';
import { enqueue } from './queue.ts';
import type { Claim, QueuedRecipient, QueueEntry, Route, Spool } from './spool.ts';

/** A longer message comes back as its header, unless the sender asked for all of it. */
const fullMax = 50 * 1024;

interface Owed {
  kind: NoticeKind;
  recipients: QueuedRecipient[];
}

const asksFor = ({ notify }: QueuedRecipient, what: 'SUCCESS' | 'FAILURE' | 'DELAY'): boolean =>
  // RFC 3461 4.1: without NOTIFY, of failures.
  notify === undefined ? what === 'FAILURE' : notify.includes(what);

/** What the sender should hear and has not heard. */
function owedNotices(entry: QueueEntry, now: Date): Owed[] {
  // RFC 2033 4.2: what LMTP accepted is delivered; SMTP only passes it on.
  const { options } = entry.route;
  const success = options['lmtp'] === true || /^lmtp/i.test(String(options['server'])) ? 'delivered' : 'relayed';
  const kindOf = (one: QueuedRecipient): NoticeKind | null => {
    switch (one.status) {
      case 'rejected':
      case 'expired':
        return one.told !== 'end' && asksFor(one, 'FAILURE') ? 'failed' : null;
      case 'waiting': {
        const late = now.getTime() - Date.parse(entry.created) >= delayAfter && one.last !== null;
        return one.told === 'nothing' && late && asksFor(one, 'DELAY') ? 'delayed' : null;
      }
      case 'accepted':
        return one.told !== 'end' && asksFor(one, 'SUCCESS') && !one.last?.dsn ? success : null;
      case 'unknown':
        return null;
    }
  };
  const kinds: NoticeKind[] = ['failed', 'delayed', success];
  return kinds
    .map((kind) => ({ kind, recipients: entry.recipients.filter((one) => kindOf(one) === kind) }))
    .filter(({ recipients }) => recipients.length > 0);
}

/** Whether somebody's end has not been looked at yet, told or not. */
export const owesNotice = (entry: QueueEntry, now: Date): boolean =>
  owedNotices(entry, now).length > 0 ||
  entry.recipients.some((one) => one.told !== 'end' && (one.status === 'rejected' || one.status === 'expired'));

export interface Told {
  /** Ids of the notices that were queued. */
  queued: string[];
  notes: string[];
}

/**
 * Queues what is owed and records it. The id of a notice follows from the entry's, so that a crash in between makes no second
 * one.
 */
export async function giveNotice(claim: Claim, spool: Spool, ports: Ports): Promise<Told> {
  const told: Told = { queued: [], notes: [] };
  const now = ports.clock.date();
  const bounced = claim.entry.envelope.from === '';
  if (bounced) {
    const lost = claim.entry.recipients.filter(
      (one) => one.told !== 'end' && (one.status === 'rejected' || one.status === 'expired'),
    );
    if (lost.length > 0) {
      told.notes.push(`nobody is told: ${claim.entry.id} is from the null sender, whose mail is never bounced`);
    }
  } else {
    for (const owed of owedNotices(claim.entry, now)) await queueNotice(claim, owed, spool, ports, now, told);
  }
  const ends: readonly string[] = ['rejected', 'expired', 'accepted'];
  const silent = claim.entry.recipients.some((one) => ends.includes(one.status) && one.told !== 'end');
  if (silent) await claim.update(withTold(claim.entry, (one) => ends.includes(one.status), 'end'));
  return told;
}

async function queueNotice(
  claim: Claim,
  { kind, recipients }: Owed,
  spool: Spool,
  ports: Ports,
  now: Date,
  told: Told,
): Promise<void> {
  const { entry } = claim;
  const { from, envid, ret } = entry.envelope;
  const id = `${entry.id}-n${entry.notices + 1}`;
  const notice = await composeNotice({
    kind,
    hostname: ports.hostname(),
    to: from,
    id,
    token: randomBytes(12).toString('hex'),
    now,
    arrival: new Date(entry.created),
    until: new Date(entry.expires),
    envid,
    recipients: recipients.map((one) => ({
      address: one.address,
      ...(one.orcpt === undefined ? {} : { orcpt: one.orcpt }),
      // RFC 3463 3.5: the code of the actual problem where there is one, else "delivery time expired".
      enhanced: one.last?.enhanced ?? (one.status === 'expired' && !one.last?.code ? '4.4.7' : null),
      code: one.last?.code ?? null,
      text: one.last?.text ?? 'it was never tried',
      expired: one.status === 'expired',
      host: one.last?.host ?? null,
      at: new Date(one.last?.at ?? entry.created),
    })),
    original: { source: await spool.message(entry), eightBit: entry.eightBit, utf8Headers: entry.utf8Headers },
    // RFC 3461 4.3: RET says how much of a failed message comes back; other notices bring the header.
    full:
      kind === 'failed' &&
      (ret === 'FULL' || (ret === undefined && entry.size <= fullMax)) &&
      isCarried(entry, recipients),
  });
  await enqueue(
    spool,
    {
      // RFC 3461 6.1: a notice of a notice is never wanted.
      envelope: { from: '', to: [{ address: from, notify: ['NEVER'] }] },
      message: notice,
      messageId: notice.messageId,
      route: noticeRoute(entry.route),
      onReject: 'continue',
      id,
    },
    ports.clock,
  );
  told.queued.push(id);
  const names = new Set(recipients.map((one) => one.address));
  const next = withTold(entry, (one) => names.has(one.address), kind === 'delayed' ? 'delay' : 'end');
  await claim.update({ ...next, notices: entry.notices + 1 });
}

/** Where no server said a word of it, what kept an 8-bit message (no 8BITMIME) would keep a notice that holds it. */
const isCarried = (entry: QueueEntry, recipients: readonly QueuedRecipient[]): boolean =>
  !entry.eightBit || entry.utf8Headers || recipients.some((one) => one.last?.code);

/** About who reads it on the way (RFC 8689 5); what else a message requires, its notice does not need. */
const requiredOfNotices: readonly string[] = ['STARTTLS', 'REQUIRETLS'];

const noticeRoute = ({ control, ...route }: Route): Route => ({
  ...route,
  ...(control && {
    control: { ...control, require: control.require.filter((one) => requiredOfNotices.includes(one)) },
  }),
});

const withTold = (
  entry: QueueEntry,
  whom: (one: QueuedRecipient) => boolean,
  told: QueuedRecipient['told'],
): QueueEntry => ({
  ...entry,
  recipients: entry.recipients.map((one) => (whom(one) ? { ...one, told } : one)),
});

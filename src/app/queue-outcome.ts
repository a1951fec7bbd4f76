// What a try changes in a queued message: who is done, who waits on, who is lost. Pure: states in, states out.
import type { EhloError } from '../base/errors.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { RecipientOutcome } from '../smtp/transaction.ts';
import type { Attempt } from './attempt.ts';
import { afterDeferral } from './backoff.ts';
import type { Delivered } from './deliver.ts';
import type { DeliveredRecipient } from './delivery-outcome.ts';
import type { LastWord, QueueAttempt, QueuedRecipient, QueuedStatus, QueueEntry } from './spool.ts';

/** Attempts that an entry keeps. */
const attemptsMax = 50;

type Scrub = (text: string) => string;

/** `scrub` takes out secrets: a server may repeat what it was told. */
export function withOutcome(before: QueueEntry, delivered: Delivered, now: Date, scrub: Scrub): QueueEntry {
  const outcomes = new Map(delivered.recipients.map((one) => [one.address, one]));
  const refused = before.onReject === 'abort' && delivered.recipients.some((one) => one.status === 'rejected');
  const recipients = before.recipients.map((one): QueuedRecipient => {
    const outcome = outcomes.get(one.address);
    if (!outcome) return one;
    const last = lastWord(outcome, now, offersDsn(delivered.attempts, outcome.host));
    const heldBack = refused && !outcome.reply && !outcome.error;
    const text = heldBack ? 'not sent, since others were refused and all or nobody was asked for' : scrub(last.text);
    return { ...one, status: heldBack ? 'rejected' : fateOf(outcome), last: { ...last, text } };
  });
  // Nothing was learnt of whom a signal cut off: they are as due as before.
  const deferred = recipients.filter((one) => {
    const outcome = outcomes.get(one.address);
    return one.status === 'waiting' && outcome !== undefined && outcome.error?.kind !== 'interrupted';
  });
  const attempts = delivered.attempts.map((attempt) => printed(attempt, now, scrub));
  return {
    ...before,
    trying: null,
    recipients,
    domains: afterDeferral(
      before,
      deferred.map((one) => one.address),
      now,
    ),
    attempts: [...before.attempts, ...attempts].slice(-attemptsMax),
  };
}

/** A try that is not over yet: those whom a server has taken on are out of doubt, whatever happens next. */
export function withAccepted(
  during: QueueEntry,
  outcomes: readonly RecipientOutcome[],
  host: string,
  now: Date,
  scrub: Scrub,
): QueueEntry {
  const accepted = new Map(outcomes.filter((one) => one.status === 'accepted').map((one) => [one.address, one]));
  return {
    ...during,
    trying: during.trying && {
      ...during.trying,
      recipients: during.trying.recipients.filter((address) => !accepted.has(address)),
    },
    recipients: during.recipients.map((one): QueuedRecipient => {
      const outcome = accepted.get(one.address);
      if (!outcome) return one;
      const last = lastWord({ ...outcome, host, error: null }, now);
      return { ...one, status: 'accepted', last: { ...last, text: scrub(last.text) } };
    }),
  };
}

/** Nothing was sent, for a reason on this side. */
export function withLocalProblem(
  before: QueueEntry,
  addresses: readonly string[],
  text: string,
  now: Date,
): QueueEntry {
  const last: LastWord = { at: now.toISOString(), host: null, code: null, enhanced: null, text, dsn: false };
  return {
    ...before,
    trying: null,
    recipients: before.recipients.map((one) => (addresses.includes(one.address) ? { ...one, last } : one)),
    domains: afterDeferral(before, addresses, now),
  };
}

export function lastWord(one: DeliveredRecipient, now: Date, dsn = false): LastWord {
  const facts = one.reply && replyFacts(one.reply);
  return {
    at: now.toISOString(),
    host: one.host,
    code: facts?.code ?? null,
    enhanced: facts?.enhanced ?? null,
    text: facts?.text ?? one.error?.message ?? 'no verdict',
    dsn,
  };
}

const offersDsn = (attempts: readonly Attempt[], host: string | null): boolean =>
  attempts.some((attempt) => attempt.host === host && attempt.extensions.some((name) => /^DSN\b/i.test(name)));

/**
 * What the peer, the DNS or the message itself decides is final; what our side or the road can mend (a login, a certificate,
 * an unreadable file, a broken conversation) waits, as it does in every mail system.
 */
const finalKinds: ReadonlySet<EhloError['kind']> = new Set(['refused', 'dns', 'input', 'policy']);

function fateOf({ status, reply, error }: DeliveredRecipient): QueuedStatus {
  if (status === 'accepted' || status === 'unknown') return status;
  if (status === 'deferred') return 'waiting';
  return reply || (error && finalKinds.has(error.kind)) ? 'rejected' : 'waiting';
}

const printed = (attempt: Attempt, now: Date, scrub: Scrub): QueueAttempt => ({
  at: now.toISOString(),
  host: attempt.host,
  address: attempt.address,
  port: attempt.port,
  recipients: attempt.recipients,
  text: attempt.final ? scrub(replyLine(attempt.final)) : attempt.error ? scrub(attempt.error.message) : null,
});

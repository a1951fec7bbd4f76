// What became of each recipient, and what that comes to for the whole delivery: an error with its exit code, or none.
import { EhloError } from '../base/errors.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { RecipientOutcome } from '../smtp/transaction.ts';

export interface DeliveredRecipient extends RecipientOutcome {
  /** Who decided; null where nobody was reached. */
  host: string | null;
  /** What broke, where no reply decided. */
  error: EhloError | null;
}

/** For a recipient whom no reply decided. */
export const undecided = (address: string, error: EhloError, host: string | null = null): DeliveredRecipient => ({
  address,
  status: statusOf(error),
  reply: null,
  stage: 'rcpt',
  host,
  error,
});

/** Nothing was accepted; whether trying again can help is the error's to say. Who was left for --expect was refused by nobody. */
export const statusOf = (error: EhloError): RecipientOutcome['status'] =>
  error.exit === 'UNKNOWN' ? 'unknown' : error.retryable || error.kind === 'answer' ? 'deferred' : 'rejected';

/** All or nobody, and somebody was refused: then nobody gets it, neither now nor later. */
export const notAll = (onReject: 'continue' | 'abort', recipients: readonly DeliveredRecipient[]): boolean =>
  onReject === 'abort' && recipients.some((one) => one.status === 'rejected');

/** What the recipients' fates together come to: null when everybody was accepted. */
export function deliveryError(recipients: readonly DeliveredRecipient[]): EhloError | null {
  const open = recipients.filter((one) => one.status !== 'accepted');
  if (open.length === 0) return null;
  const unknown = open.find((one) => one.status === 'unknown');
  if (unknown) return unknown.error ?? recipientError(unknown);
  // The best hope first: trying again helps as long as anybody was only deferred.
  // Who was only held back because of another (--on-reject abort) has no verdict to tell.
  const decided = open.filter((one) => one.reply !== null || one.error !== null);
  const first = decided.find((one) => one.status === 'deferred') ?? decided[0] ?? open[0];
  if (!first) return null;
  const error = recipientError(first);
  if (open.length === recipients.length) return error;
  return new EhloError(
    'partial',
    `${recipients.length - open.length} of ${recipients.length} recipients accepted; not: ${open.map((one) => one.address).join(', ')}`,
    {
      stage: error.stage,
      peer: error.peer,
      reply: error.reply,
      side: 'remote',
      hint: error.hint,
      retryable: error.retryable,
    },
  );
}

function recipientError(one: DeliveredRecipient): EhloError {
  if (!one.reply) return one.error ?? new EhloError('internal', `no outcome for ${one.address}`);
  const later = one.status === 'deferred';
  return new EhloError(
    later ? 'deferred' : 'rejected',
    `${one.host ?? 'the server'} ${later ? 'deferred' : 'refused'} ${one.address} at ${one.stage}: ${replyLine(one.reply)}`,
    {
      stage: one.stage,
      peer: one.host ?? undefined,
      side: 'remote',
      reply: replyFacts(one.reply),
      hint: later ? 'nothing was accepted for this recipient; try again later' : undefined,
    },
  );
}

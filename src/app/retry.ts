// --retry: delivers again what was only deferred. Whatever may have been accepted is never among it.
import { sleep } from '../base/clock.ts';
import { type Delivered, type DeliverHooks, type DeliverRequest, deliver } from './deliver.ts';
import { type DeliveredRecipient, notAll } from './delivery-outcome.ts';
import type { Ports } from './ports.ts';
import { unlessAborted } from './time-limit.ts';

export interface Retry {
  /** How many times after the first. */
  count: number;
  /** Before the first retry; doubled each time, up to a minute. */
  delayMs: number;
}

const longestDelay = 60_000;

export async function deliverWithRetry(
  request: DeliverRequest,
  retry: Retry | undefined,
  ports: Ports,
  hooks: DeliverHooks,
): Promise<Delivered> {
  const delivered = await deliver(request, ports, hooks);
  let delayMs = retry?.delayMs ?? 0;
  for (let tries = 0; tries < (retry?.count ?? 0); tries++) {
    const open = delivered.recipients.filter(mayRetry);
    if (open.length === 0 || hooks.signal?.aborted || notAll(request.onReject, delivered.recipients)) break;
    try {
      await unlessAborted(sleep(ports.clock, delayMs), hooks.signal);
    } catch {
      // Ended while it waited: what is known stays.
      break;
    }
    delayMs = Math.min(delayMs * 2, longestDelay);
    const to = request.envelope.to.filter(({ address }) => open.some((one) => one.address === address));
    const again = await deliver({ ...request, envelope: { ...request.envelope, to } }, ports, hooks);
    delivered.recipients = delivered.recipients.map(
      (one) => again.recipients.find(({ address }) => address === one.address) ?? one,
    );
    delivered.attempts.push(...again.attempts);
    delivered.walks.push(...again.walks);
    delivered.dnsMs += again.dnsMs;
  }
  return delivered;
}

const mayRetry = ({ status, error }: DeliveredRecipient): boolean =>
  status === 'deferred' && (error === null || (error.retryable && !error.mayDuplicate));

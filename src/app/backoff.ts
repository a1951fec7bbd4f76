// When the recipients of a domain are tried again (RFC 5321 4.5.4.1): soon at first, for greylisting, then hourly.
import { parseMailbox } from '../base/address.ts';
import { domainToAscii } from '../base/domain.ts';
import type { DomainSchedule, QueueEntry } from './spool.ts';

const minute = 60_000;
const waits = [1, 2, 5, 10, 20, 30, 60].map((minutes) => minutes * minute);
const hourly = 60 * minute;

/** RFC 5321 4.5.4.1: "at least 4-5 days". */
export const giveUpAfter = 5 * 24 * 60 * minute;
/** A sender who asked for it hears of a delay. */
export const delayAfter = 4 * 60 * minute;

/** Milliseconds from the nth try to the next one. */
export const waitAfter = (tries: number): number => waits[tries - 1] ?? hourly;

const longest = Math.max(...waits, hourly);

/** As the schedule names it: A-labels in lower case. */
export const domainOf = (address: string): string => {
  const { domain } = parseMailbox(address);
  return domain.startsWith('[') ? domain.toLowerCase() : domainToAscii(domain).toLowerCase();
};

const scheduleOf = (entry: QueueEntry, address: string): DomainSchedule | undefined => {
  const domain = domainOf(address);
  return entry.domains.find((one) => one.domain === domain);
};

/** Milliseconds since the epoch. */
const nextOf = (entry: QueueEntry, address: string): number => Date.parse(scheduleOf(entry, address)?.next ?? '') || 0;

/** Its time is over: a last try, and who still waits then is given up. */
export const isOver = (entry: QueueEntry, now: Date): boolean => Date.parse(entry.expires) <= now.getTime();

/** What lies further ahead than any wait was written before the clock was set back. */
const isDue = (next: number, now: number): boolean => next <= now || next > now + longest;

/** Who is to be tried now. `anyway`: whoever waits, however long still. */
export function dueRecipients(entry: QueueEntry, now: Date, anyway: boolean): string[] {
  const all = anyway || isOver(entry, now);
  return entry.recipients
    .filter((one) => one.status === 'waiting' && (all || isDue(nextOf(entry, one.address), now.getTime())))
    .map((one) => one.address);
}

/** The next point at which somebody is due, by schedule or for the last try; null where nobody waits. */
export function nextTry(entry: QueueEntry): string | null {
  const waiting = entry.recipients.filter((one) => one.status === 'waiting');
  if (waiting.length === 0) return null;
  return new Date(
    Math.min(Date.parse(entry.expires), ...waiting.map((one) => nextOf(entry, one.address))),
  ).toISOString();
}

/** The schedule once these were deferred at `now`; domains of others stay as they are. */
export function afterDeferral(entry: QueueEntry, deferred: readonly string[], now: Date): DomainSchedule[] {
  const domains = new Set(deferred.map(domainOf));
  const kept = entry.domains.filter((one) => !domains.has(one.domain));
  const next = [...domains].map((domain) => {
    const tries = (entry.domains.find((one) => one.domain === domain)?.tries ?? 0) + 1;
    return { domain, tries, next: new Date(now.getTime() + waitAfter(tries)).toISOString() };
  });
  return [...kept, ...next];
}

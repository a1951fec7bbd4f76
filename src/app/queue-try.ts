// One queued message, tried once: claimed, sent to whom it is due, every outcome recorded before anything else happens. What
// is recorded as accepted is never sent again; what began and has no recorded end is unknown, and waits for a person.
import { asEhloError, type EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import { domainOf, dueRecipients, isOver, nextTry } from './backoff.ts';
import type { Connection } from './connection.ts';
import { normalControl } from './control.ts';
import { type Delivered, deliver } from './deliver.ts';
import type { Ports } from './ports.ts';
import { broken, busy, noEntry, settleDoubt } from './queue.ts';
import { giveNotice, owesNotice } from './queue-notice.ts';
import { withAccepted, withLocalProblem, withOutcome } from './queue-outcome.ts';
import { alongMx } from './route.ts';
import type { Claim, QueuedStatus, QueueEntry, Route, Spool } from './spool.ts';

export interface QueuePorts {
  spool: Spool;
  ports: Ports;
  /** From plain options to a connection, secrets fetched anew; never asks anybody. */
  connectionOf(route: Route): Promise<Connection>;
}

export interface QueueHooks {
  scrubber: Scrubber;
  signal?: AbortSignal | undefined;
  onEvent?: ((event: TranscriptEvent) => void) | undefined;
}

/** `skipped`: nothing was due, it is held, or another process has it; `failed`: it could not be read or recorded. */
export type EntryResult = 'delivered' | 'waiting' | 'bounced' | 'unknown' | 'skipped' | 'failed';

export interface TriedRecipient {
  address: string;
  status: QueuedStatus;
  code: number | null;
  enhanced: string | null;
  text: string | null;
  host: string | null;
}

export interface EntryRun {
  id: string;
  result: EntryResult;
  from: string | null;
  /** Those of this try. */
  recipients: TriedRecipient[];
  next: string | null;
  /** Notices that were queued for the sender. */
  notices: string[];
  notes: string[];
  error: EhloError | null;
}

/** Whether a run has anything to do with it. `anyway`: asked for by name, or --all. */
export function hasWork(entry: QueueEntry, now: Date, anyway: boolean): boolean {
  if (entry.trying !== null) return true;
  if (entry.held) return false;
  const over = entry.recipients.every((one) => one.status !== 'waiting' && one.status !== 'unknown');
  return over || dueRecipients(entry, now, anyway).length > 0 || owesNotice(entry, now);
}

/** Never rejects for what is wrong with one entry. */
export async function tryEntry(id: string, anyway: boolean, door: QueuePorts, hooks: QueueHooks): Promise<EntryRun> {
  const run: EntryRun = {
    id,
    result: 'skipped',
    from: null,
    recipients: [],
    next: null,
    notices: [],
    notes: [],
    error: null,
  };
  try {
    const claimed = await door.spool.claim(id);
    if (claimed.kind === 'gone') return anyway ? { ...run, error: noEntry(id) } : run;
    if (claimed.kind === 'busy') {
      const error = busy(id, claimed.where);
      return { ...run, notes: [error.message], error: anyway || claimed.where === 'elsewhere' ? error : null };
    }
    if (claimed.kind === 'broken') return { ...run, result: 'failed', error: broken(id, claimed.problem) };
    try {
      return await new EntryTry(run, claimed.claim, anyway, door, hooks).go();
    } finally {
      await claimed.claim.release();
    }
  } catch (thrown) {
    return { ...run, result: 'failed', error: asEhloError(thrown) };
  }
}

class EntryTry {
  readonly #run: EntryRun;
  readonly #claim: Claim;
  readonly #anyway: boolean;
  readonly #door: QueuePorts;
  readonly #hooks: QueueHooks;
  readonly #touched = new Set<string>();

  constructor(run: EntryRun, claim: Claim, anyway: boolean, door: QueuePorts, hooks: QueueHooks) {
    this.#run = run;
    this.#claim = claim;
    this.#anyway = anyway;
    this.#door = door;
    this.#hooks = hooks;
  }

  async go(): Promise<EntryRun> {
    const { clock } = this.#door.ports;
    const claim = this.#claim;
    this.#run.from = claim.entry.envelope.from;
    if (claim.entry.trying) {
      for (const address of claim.entry.trying.recipients) this.#touched.add(address);
      await claim.update(settleDoubt(claim.entry, clock.date()));
    }
    if (claim.entry.held) return this.#end('it is held');
    for (const addresses of this.#groups(dueRecipients(claim.entry, clock.date(), this.#anyway))) {
      if (this.#hooks.signal?.aborted) break;
      if (!(await this.#send(addresses))) break;
    }
    if (!this.#hooks.signal?.aborted) await this.#expire();
    const { queued, notes } = await giveNotice(claim, this.#door.spool, this.#door.ports);
    this.#run.notices.push(...queued);
    this.#run.notes.push(...notes);
    return this.#end();
  }

  /** One delivery each: with a server everybody together, along MX records one domain after the other, each recorded by itself. */
  #groups(due: readonly string[]): string[][] {
    const { route, onReject } = this.#claim.entry;
    const oneRoute = onReject === 'abort' || !alongMx(route);
    if (oneRoute) return due.length === 0 ? [] : [[...due]];
    const domains = new Map<string, string[]>();
    for (const address of due) domains.set(domainOf(address), [...(domains.get(domainOf(address)) ?? []), address]);
    return [...domains.values()];
  }

  /** False where the others would meet the same local problem. */
  async #send(addresses: string[]): Promise<boolean> {
    const { spool, ports, connectionOf } = this.#door;
    const { scrubber, onEvent, signal } = this.#hooks;
    const claim = this.#claim;
    const before = claim.entry;
    let delivered: Delivered;
    let begun = false;
    try {
      const connection = await connectionOf(before.route);
      const source = await spool.message(before);
      const to = before.recipients.filter((one) => addresses.includes(one.address));
      // From here on a crash leaves a doubt, and a doubt is never sent again.
      await claim.update({ ...before, trying: { since: ports.clock.date().toISOString(), recipients: addresses } });
      for (const address of addresses) this.#touched.add(address);
      begun = true;
      delivered = await deliver(
        {
          connection,
          envelope: { ...before.envelope, to: to.map(({ status, last, told, ...recipient }) => recipient) },
          message: { source, eightBit: before.eightBit, utf8Headers: before.utf8Headers },
          onReject: before.onReject,
          pipelining: before.route.pipelining,
          ...(before.route.control ? { control: { ...normalControl, ...before.route.control } } : {}),
        },
        ports,
        {
          resolver: async () => (await import('./mx.ts')).resolverFor(connection, ports),
          scrubber,
          onEvent,
          signal,
          // A run that is killed while it says QUIT leaves no doubt of what was accepted before.
          onOutcome: (outcome, host) =>
            claim.update(
              withAccepted(claim.entry, outcome.recipients, host, ports.clock.date(), (text) => scrubber.scrub(text)),
            ),
        },
      );
    } catch (thrown) {
      const error = asEhloError(thrown);
      this.#run.error = error;
      for (const address of addresses) this.#touched.add(address);
      const now = ports.clock.date();
      // deliver() throws for a wrong request, before it connects; anything else out of it is a bug, and nobody can tell.
      if (begun && error.kind !== 'usage') {
        await claim.update(settleDoubt(claim.entry, now));
        return false;
      }
      // The connection options, the message file: nothing was sent.
      await claim.update(withLocalProblem(before, addresses, scrubber.scrub(error.message), now));
      return false;
    }
    await claim.update(withOutcome(before, delivered, ports.clock.date(), (text) => scrubber.scrub(text)));
    this.#run.notes.push(...delivered.attempts.flatMap((attempt) => attempt.notes));
    return true;
  }

  /** Given up only after a last try, so that a machine that slept for a week has one. */
  async #expire(): Promise<void> {
    const { entry } = this.#claim;
    if (!isOver(entry, this.#door.ports.clock.date())) return;
    if (!entry.recipients.some((one) => one.status === 'waiting')) return;
    for (const one of entry.recipients) if (one.status === 'waiting') this.#touched.add(one.address);
    await this.#claim.update({
      ...entry,
      recipients: entry.recipients.map((one) => (one.status === 'waiting' ? { ...one, status: 'expired' } : one)),
    });
  }

  async #end(note?: string): Promise<EntryRun> {
    const { entry } = this.#claim;
    if (note) this.#run.notes.push(note);
    const statuses = new Set(entry.recipients.map((one) => one.status));
    // A held one may still owe a notice.
    if (!entry.held && !statuses.has('waiting') && !statuses.has('unknown')) await this.#claim.remove();
    const tried = entry.recipients.filter((one) => this.#touched.has(one.address));
    return {
      ...this.#run,
      result: resultOf(tried),
      recipients: tried.map((one) => ({
        address: one.address,
        status: one.status,
        code: one.last?.code ?? null,
        enhanced: one.last?.enhanced ?? null,
        text: one.last?.text ?? null,
        host: one.last?.host ?? null,
      })),
      next: entry.held ? null : nextTry(entry),
    };
  }
}

/** The worst to have to know comes first. */
function resultOf(tried: readonly { status: QueuedStatus }[]): EntryResult {
  const any = (...statuses: QueuedStatus[]): boolean => tried.some((one) => statuses.includes(one.status));
  if (any('unknown')) return 'unknown';
  if (any('waiting')) return 'waiting';
  if (any('rejected', 'expired')) return 'bounced';
  return tried.length > 0 ? 'delivered' : 'skipped';
}

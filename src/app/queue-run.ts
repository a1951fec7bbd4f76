// `queue run`: what is due is tried, once or again and again. One entry is queue-try.ts's business.
import { EhloError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { type EntryRun, hasWork, type QueueHooks, type QueuePorts, tryEntry } from './queue-try.ts';
import { type ReportHead, reportHead } from './report.ts';
import type { Route } from './spool.ts';

export interface RunRequest {
  /** Only these, whenever they are due. */
  ids: readonly string[];
  /** Whoever waits, also those whose time has not come. */
  all: boolean;
  /** Entries that are tried at the same time. */
  jobs: number;
}

export interface RunHooks extends QueueHooks {
  /** As each entry ends. Entries with nothing to do are not told, unless named. */
  onEntry?: (run: EntryRun) => void;
}

export interface QueueRunReport extends ReportHead<'queue'> {
  action: 'run';
  spool: string;
  entries: (Omit<EntryRun, 'error'> & { error: { code: string; message: string; hint: string | null } | null })[];
}

/** One pass. Notices that it makes are tried in it too. */
export async function runQueue(
  request: RunRequest,
  door: QueuePorts,
  hooks: RunHooks,
): Promise<{ report: QueueRunReport; error: EhloError | null }> {
  const { spool, ports } = door;
  await spool.sweep();
  const anyway = request.all || request.ids.length > 0;
  const now = ports.clock.date();
  const ids = [...request.ids];
  if (ids.length === 0) {
    for (const item of await spool.list()) {
      // A broken one is tried too, to say what is wrong with it.
      if (item.kind === 'broken' || hasWork(item.entry, now, anyway))
        ids.push(item.kind === 'broken' ? item.id : item.entry.id);
    }
  }
  const runs: EntryRun[] = [];
  const once = onceEachRoute(door);
  const next = async (): Promise<void> => {
    for (let id = ids.shift(); id !== undefined && !hooks.signal?.aborted; id = ids.shift()) {
      const run = await tryEntry(id, anyway, once, hooks);
      // Busy, or done by another process since the list was made: not ours to tell.
      const silent = run.result === 'skipped' && !run.error && run.notices.length === 0;
      if (silent && request.ids.length === 0) continue;
      runs.push(run);
      hooks.onEntry?.(run);
      ids.push(...run.notices);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, request.jobs) }, next));
  const error = runError(runs);
  const entries = runs.map((run) => ({
    ...run,
    error: run.error && { code: run.error.code, message: run.error.message, hint: run.error.hint ?? null },
  }));
  return { report: { ...reportHead('queue', error ?? 'OK'), action: 'run', spool: spool.name, entries }, error };
}

/** A password command runs once a pass, not once an entry. */
function onceEachRoute(door: QueuePorts): QueuePorts {
  const known = new Map<string, Promise<Connection>>();
  return {
    ...door,
    connectionOf(route: Route) {
      const key = JSON.stringify(route);
      const connection = known.get(key) ?? door.connectionOf(route);
      known.set(key, connection);
      return connection;
    },
  };
}

/** What a run comes to. In doubt first, then what could not be tried at all, then who waits, then who is lost. */
function runError(runs: readonly EntryRun[]): EhloError | null {
  const told = (of: readonly EntryRun[], what: string): string =>
    `${of.length === 1 ? of[0]?.id : `${of.length} messages`} ${what}`;
  const unknown = runs.filter((run) => run.result === 'unknown');
  if (unknown.length > 0) {
    return new EhloError(
      'outcome-unknown',
      told(unknown, 'may have been accepted, and will not be sent again by itself'),
      {
        hint: 'look at the recipient or the server log; then ehlo queue drop ID, or ehlo queue release --force ID to send again',
      },
    );
  }
  const failed = runs.find((run) => run.error !== null);
  if (failed?.error) return failed.error;
  const waiting = runs.filter((run) => run.result === 'waiting');
  if (waiting.length > 0) {
    const next = waiting.map((run) => run.next ?? '').sort()[0];
    return new EhloError('deferred', told(waiting, 'could not be delivered yet'), {
      hint: `${next ? `the next try is due at ${next}` : 'nothing is due'}; ehlo queue run tries what is due`,
    });
  }
  const bounced = runs.filter((run) => run.result === 'bounced');
  if (bounced.length === 0) return null;
  return new EhloError('rejected', told(bounced, 'could not be delivered for good'), {
    hint: bounced.some((run) => run.notices.length > 0) ? 'the sender was sent a notice' : undefined,
  });
}

export interface WatchRequest extends RunRequest {
  /** Milliseconds between two passes. */
  intervalMs: number;
}

/** Passes until the signal. What goes wrong with entries is told as it happens and stops nothing. */
export async function watchQueue(
  request: WatchRequest,
  door: QueuePorts,
  hooks: RunHooks & { signal: AbortSignal },
): Promise<void> {
  while (!hooks.signal.aborted) {
    await runQueue(request, door, hooks);
    if (hooks.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        hooks.signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = door.ports.clock.after(request.intervalMs, done);
      hooks.signal.addEventListener('abort', done);
    });
  }
}

// What ends a run from outside: --max-time, or a signal to the process. Both break the work off, and both say why.
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';

/** Aborted by `outer` or when the time is up; the reason is then always one of our errors. */
export function withTimeLimit(outer: AbortSignal, ms: number | undefined, clock: Clock) {
  const inner = new AbortController();
  const pass = () => inner.abort(endingError(outer));
  if (outer.aborted) pass();
  else outer.addEventListener('abort', pass, { once: true });
  const expire = () => inner.abort(new EhloError('timeout', `not finished within --max-time (${ms} ms)`));
  const cancelTimer = ms === undefined ? () => undefined : clock.after(ms, expire);
  return {
    signal: inner.signal,
    cancel: () => {
      cancelTimer();
      outer.removeEventListener('abort', pass);
    },
  };
}

/** Why an aborted signal was: its reason is one of our errors, or the name of the signal that the process got. */
export function endingError({ reason }: AbortSignal): EhloError {
  if (reason instanceof EhloError) return reason;
  return reason === 'SIGTERM'
    ? new EhloError('terminated', 'ended by SIGTERM before the work was done')
    : new EhloError('interrupted', `interrupted by ${String(reason)} before the work was done`);
}

/** The result of `work`, unless the signal comes first. `late` lets go of a result that nobody waits for any more. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  late: (result: T) => void = () => undefined,
): Promise<T> {
  if (!signal) return work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      work.then(late, () => undefined);
      reject(endingError(signal));
    };
  });
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

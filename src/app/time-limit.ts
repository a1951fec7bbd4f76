// --max-time: one limit for everything together. When it runs out the work is broken off like on Ctrl-C, but says why.
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';

export function withTimeLimit(outer: AbortSignal, ms: number | undefined, clock: Clock) {
  const inner = new AbortController();
  const pass = () => inner.abort(outer.reason);
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

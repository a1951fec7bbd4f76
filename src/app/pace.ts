// At most so many a time, for all who ask together: each gets the next free moment on one line of evenly spaced ones.
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';

/** `10/s`, `100/m`, `5000/h`: the milliseconds between two. */
export function parseRate(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)\/([smh])$/.exec(text) ?? [];
  const each = { s: 1000, m: 60_000, h: 3_600_000 }[unit];
  if (each === undefined || Number(number) === 0) {
    throw new EhloError('usage', `"${text}" is not a rate such as 10/s, 100/m or 5000/h`);
  }
  return each / Number(number);
}

export class Pace {
  readonly #clock: Clock;
  readonly #spacing: number;
  #next: number;

  /** `spacing`: milliseconds; 0 does not wait. */
  constructor(clock: Clock, spacing: number) {
    this.#clock = clock;
    this.#spacing = spacing;
    this.#next = clock.now();
  }

  /** Resolves when it is the caller's turn: true, or false where the signal came first. */
  turn(signal: AbortSignal): Promise<boolean> {
    if (this.#spacing === 0 || signal.aborted) return Promise.resolve(!signal.aborted);
    const now = this.#clock.now();
    // What was not used is gone: no burst follows a pause.
    const at = Math.max(now, this.#next);
    this.#next = at + this.#spacing;
    if (at <= now) return Promise.resolve(true);
    return new Promise((resolve) => {
      const stop = (): void => {
        cancel();
        resolve(false);
      };
      const cancel = this.#clock.after(at - now, () => {
        signal.removeEventListener('abort', stop);
        resolve(true);
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

// A clock that stands still until a test moves it.
import type { Clock } from '../../src/base/clock.ts';

export interface FakeClock extends Clock {
  /** Runs what falls due within `ms`, in order, and lets what it woke run on. */
  advance(ms: number): Promise<void>;
}

export function fakeClock(start = Date.parse('2024-02-29T12:00:00Z')): FakeClock {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  return {
    now: () => now,
    date: () => new Date(start + now),
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    async advance(ms) {
      const end = now + ms;
      await settled();
      for (;;) {
        const due = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!due) break;
        timers = timers.filter((one) => one !== due);
        now = Math.max(now, due.at);
        due.run();
        await settled();
      }
      now = end;
      await settled();
    },
  };
}

/** Everything that needs no time has happened: memory channels deliver one item a turn of the event loop. */
export async function settled(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

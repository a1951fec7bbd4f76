// Time as a port: milliseconds that only go forward, the wall clock, and one kind of timer.

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. Deadlines are points on this line. */
  now(): number;
  /** The wall clock, for Date headers and reports. */
  date(): Date;
  /** Calls `run` once after `ms`; returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  // Not performance.now(): node:perf_hooks takes a millisecond or two of every start.
  now: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  date: () => new Date(),
  after(ms, run) {
    // setTimeout fires at once for more than 2^31-1 ms.
    const timer = setTimeout(run, Math.min(ms, 0x7fffffff));
    return () => clearTimeout(timer);
  },
};

export const sleep = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

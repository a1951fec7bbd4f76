// Growth of work, not time: the CPU of this process for an input and for a four times larger one, generously compared.
import assert from 'node:assert/strict';

const cpuMs = (run: () => unknown): number => {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

/** Quadratic work gives a ratio of 16, linear one of 4; noise and small sizes are forgiven. */
export function assertLinear(
  about: string,
  make: (size: number) => Buffer | string,
  size: number,
  run: (input: never) => unknown,
): void {
  const [small, large] = [make(size), make(size * 4)];
  const least = (input: Buffer | string): number => Math.min(...[1, 2, 3].map(() => cpuMs(() => run(input as never))));
  const [one, four] = [least(small), least(large)];
  assert.ok(
    four <= one * 10 + 60,
    `${about}: ${one.toFixed(1)} ms of CPU for one, ${four.toFixed(1)} ms for four times as much`,
  );
}

// What a peer needs of the machine, as a reason to skip; and waiting for what a peer does by itself, such as a delivery.
import { setTimeout as pause } from 'node:timers/promises';
import { find } from './support.ts';

/** Why tests with these programs cannot run here, or false. */
export function unable(programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return `${programs.join(', ')} must be started by root`;
  for (const program of programs) {
    try {
      find(program);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
  return false;
}

const limitMs = 10_000;

/** The first value that is not null; a failure names what was waited for, and shows what the peer printed. */
export async function until<T>(look: () => T | null, what: string, printed: () => string): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`not seen: ${what}\n${printed()}`);
    await pause(10);
  }
}

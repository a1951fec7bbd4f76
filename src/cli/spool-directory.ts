// Where the spool is: --spool, else under the user's state directory (XDG base directories).
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Spool } from '../app/spool.ts';
import type { Context } from './command.ts';

export function spoolDirectory(given: string | undefined, env: NodeJS.ProcessEnv): string {
  if (given !== undefined) return resolve(given);
  const state = env['XDG_STATE_HOME'];
  // "All paths must be absolute. If an implementation encounters a relative path [...] it should [...] ignore it."
  const base = state && isAbsolute(state) ? state : join(env['HOME'] || homedir(), '.local', 'state');
  return join(base, 'ehlo', 'spool');
}

/** Made where it is not there: for whoever puts something in. */
export async function openSpoolFor(given: string | undefined, context: Context): Promise<Spool> {
  const { openSpool } = await import('../store/spool.ts');
  return openSpool(spoolDirectory(given, context.env), { create: true });
}

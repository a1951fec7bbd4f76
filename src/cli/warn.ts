// One warning to the person at the terminal, on stderr; -q silences it.
import { safe } from '../render/safe.ts';
import type { Context } from './command.ts';

export function warn(text: string, { verbosity, stderr }: Pick<Context, 'verbosity' | 'stderr'>): void {
  if (verbosity >= 0) stderr.write(`${stderr.style('warn', 'ehlo: warning:')} ${safe(text)}\n`);
}

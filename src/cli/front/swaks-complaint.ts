// An error in swaks's gutter on standard error: what happened, and what to do next.
import type { EhloError } from '../../base/errors.ts';
import { safe } from '../../render/safe.ts';
import type { Context } from '../command.ts';
import type { SwaksPrinter } from './swaks-printer.ts';

/** Without a printer nothing hides it: the options are not known yet. */
export function complain(error: EhloError, printer: SwaksPrinter | undefined, context: Context): void {
  const texts = [error.message, ...(error.hint !== undefined && isOfSwaks(error, error.hint) ? [error.hint] : [])];
  for (const text of texts) {
    const line = { kind: 'error', text: context.scrubber.scrub(text) } as const;
    if (printer) printer.line(line);
    else context.stderr.write(`*** ${safe(line.text)}\n`);
  }
}

/** Advice to use an option of `ehlo send` would be wrong here; that of usage errors is of this front. */
const isOfSwaks = ({ kind }: EhloError, hint: string): boolean => kind === 'usage' || !/(?<![\w-])--?[a-z]/.test(hint);

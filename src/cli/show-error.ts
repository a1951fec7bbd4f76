// How a command shows the error of a report that it prints itself; what is thrown is shown at the one door (exit.ts).
import type { EhloError } from '../base/errors.ts';
import type { Context } from './command.ts';

/** `below` stands under the error. Nothing is said where the reader has left (`| head -1`): that is no failure of the work. */
export async function showError(error: EhloError, context: Context, below = ''): Promise<void> {
  if (context.signal.reason === 'SIGPIPE') return;
  const { renderError } = await import('../render/error.ts');
  context.stderr.write(context.scrubber.scrub(renderError(error, context.stderr.style) + below));
}

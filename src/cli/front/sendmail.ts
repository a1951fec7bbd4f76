// `ehlo sendmail`: what programs call as /usr/sbin/sendmail, mailq and newaliases. Arguments to a mode, and every failure to
// one line on standard error and an exit code of sysexits(3); standard output stays empty, since cron mails what is there.
import { endingError } from '../../app/time-limit.ts';
import { asEhloError, EhloError } from '../../base/errors.ts';
import { version } from '../../base/version.ts';
import type { Context } from '../command.ts';
import { parseSendmailArguments, type SendmailMode, type SendmailRequest } from './sendmail-arguments.ts';
import { callersCode, complain, errorText, fateText, sendCode } from './sendmail-exit.ts';

/** Each mode loads only what it needs. */
const modes: Record<SendmailMode, (request: SendmailRequest, context: Context) => Promise<number>> = {
  deliver,
  smtp: async (request, context) => (await import('./sendmail-smtp.ts')).speakSmtp(request, context),
  verify: async (request, context) => (await import('./sendmail-verify.ts')).verify(request, context),
  'list-queue': async (request, context) => (await import('./sendmail-queue.ts')).listQueue(request, context),
  'run-queue': async (request, context) => (await import('./sendmail-queue.ts')).runQueue(request, context),
  // There are no aliases, so their table is always up to date.
  aliases: async () => 0,
  async help(_request, context) {
    context.stdout.write((await import('./sendmail-help.ts')).sendmailHelp);
    return 0;
  },
  async version(_request, context) {
    context.stdout.write(`ehlo ${version}\n`);
    return 0;
  },
};

export async function sendmail(argv: readonly string[], context: Context): Promise<number> {
  try {
    const request = parseSendmailArguments(argv);
    return await modes[request.mode](request, context);
  } catch (thrown) {
    const error = asEhloError(thrown);
    complain(errorText(error), context);
    return callersCode(error.exit);
  }
}

async function deliver(request: SendmailRequest, context: Context): Promise<number> {
  const [{ readDraft, readEnvelope }, { sendmailRoute }, { submit }] = await Promise.all([
    import('./sendmail-draft.ts'),
    import('./sendmail-route.ts'),
    import('./sendmail-submit.ts'),
  ]);
  const route = await sendmailRoute(context);
  readEnvelope(request, route);
  const { files, clock } = context.ports;
  const draft = await readDraft(standardInput(context), request, route, { files, now: clock.date() });
  const { report, error } = await submit({ ...request, ...draft, onReject: route.onReject }, route, context);
  for (const note of report.notes) complain(note, context);
  if (error) complain(fateText(report, error), context);
  return sendCode(report, error);
}

/** A stream and not a file: without -i a dot ends the message, and whoever types it waits for that. */
async function* standardInput({ stdin, signal }: Context): AsyncGenerator<Buffer> {
  const stop = (): void => void stdin.destroy(endingError(signal));
  if (signal.aborted) throw endingError(signal);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  } catch (cause) {
    throw cause instanceof EhloError ? cause : new EhloError('io', 'standard input cannot be read', { cause });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

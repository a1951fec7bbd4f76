// Exit codes and error texts as callers of sendmail know them: sysexits(3) and one line on standard error.
import type { SendReport } from '../../app/send.ts';
import type { EhloError } from '../../base/errors.ts';
import { type ExitName, exitCodes } from '../../base/exit.ts';
import { clip, safe } from '../../render/safe.ts';
import type { Context } from '../command.ts';

const EX_NOUSER = 67;

/**
 * Ours are sysexits but for three. A caller tries again after 75 (EX_TEMPFAIL) and after nothing else: where a part has
 * arrived, or all of it may have, that would send it twice, so both are 69 (EX_UNAVAILABLE) and the text says what happened.
 */
const notSysexits: Partial<Record<ExitName, number>> = {
  NO: exitCodes.REJECTED,
  PARTIAL: exitCodes.REJECTED,
  UNKNOWN: exitCodes.REJECTED,
};

export const callersCode = (name: ExitName): number => notSysexits[name] ?? exitCodes[name];

/** Of a command of ours that was run instead. */
export function callersNumber(code: number): number {
  const names: readonly ExitName[] = ['NO', 'PARTIAL', 'UNKNOWN'];
  const name = names.find((one) => exitCodes[one] === code);
  return name === undefined ? code : callersCode(name);
}

/** RFC 3463 3.2: the mailbox is bad, not its host, nor the sender. */
const noSuchMailbox = /^5\.1\.[0136]$/;

/** The one case of a refusal that has a code of its own: nobody of that name. */
export function sendCode(report: SendReport, error: EhloError | null): number {
  if (!error) return exitCodes.OK;
  const nobody = report.recipients.every(
    ({ status, stage, enhanced }) => status === 'rejected' && stage === 'rcpt' && noSuchMailbox.test(enhanced ?? ''),
  );
  return nobody && error.exit === 'REJECTED' ? EX_NOUSER : callersCode(error.exit);
}

/** Longer texts are cut, and say by how much. */
const textMax = 1000;

/** What became of the message, in a sentence. */
export function fateText(report: SendReport, error: EhloError): string {
  const of = (status: string) => report.recipients.filter((one) => one.status === status);
  const parts = [error.message];
  if (error.code === 'partial') {
    for (const one of report.recipients) {
      if (one.status !== 'accepted' && one.code !== null) parts.push(`${one.address}: ${one.code} ${one.text ?? ''}`);
    }
  }
  if (of('unknown').length > 0) {
    const id = report.messageId ?? '(none)';
    parts.push(`it may have been accepted (Message-ID ${id}); sending it again may deliver a second copy`);
  } else if (of('accepted').length === 0) parts.push('nothing was delivered');
  return parts.join('; ');
}

/** One line whatever it holds. */
export function complain(text: string, context: Context): void {
  if (context.signal.reason === 'SIGPIPE') return;
  context.stderr.write(`sendmail: ${safe(clip(context.scrubber.scrub(text), textMax))}\n`);
}

export const errorText = ({ message, hint }: EhloError): string => (hint ? `${message}; ${hint}` : message);

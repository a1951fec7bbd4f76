// The human form of an error: what happened, where, what the other end said, what became of the message, what to do next.
import type { EhloError } from '../base/errors.ts';
import { clip, safe } from './safe.ts';
import type { Style } from './style.ts';

/** Longer texts of a peer are cut, and say by how much. */
const shown = 1000;

export function renderError(error: EhloError, style: Style): string {
  const lines = [`${style('bad', 'ehlo:')} ${text(error.message)}`];
  const where = [error.stage && `stage ${error.stage}`, error.peer && `peer ${error.peer}`].filter(Boolean).join(', ');
  if (where) lines.push(`  at: ${text(where)}`);
  if (error.reply) lines.push(`  last reply: ${text(replyText(error.reply))}`);
  if (error.mayDuplicate) {
    lines.push('  the message may have been accepted; sending it again may deliver a second copy');
  }
  if (error.hint) lines.push(`${style('accent', 'hint:')} ${text(error.hint)}`);
  return `${lines.join('\n')}\n`;
}

const text = (untrusted: string): string => safe(clip(untrusted, shown));

/** Replies carry their enhanced code apart; the wire had it between code and text. */
const replyText = ({ code, enhanced, text }: NonNullable<EhloError['reply']>): string =>
  [code, enhanced, text].filter((part) => part !== null && part !== '').join(' ');

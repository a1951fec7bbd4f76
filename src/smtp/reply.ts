// SMTP replies (RFC 5321 4.2, RFC 2034): strict parse and print. A reply is a value; 4xx and 5xx are values too.

import { peerText } from '../base/bytes.ts';
import { EhloError, type ReplyFacts } from '../base/errors.ts';
import { replyLimits } from '../base/limits.ts';
import { type Protocol, protocolOf } from '../wire/strangers.ts';
import type { Line } from '../wire/wire.ts';

export interface Reply {
  code: number;
  /** RFC 3463 `class.subject.detail`, taken off the lines that carry it; null when absent. */
  enhanced: string | null;
  /** Texts without code and enhanced code; at least one, which may be empty. Untrusted. */
  lines: string[];
}

/** Deviations that are taken, and named where they are shown. */
export type ReplyQuirk = 'bare-lf' | 'control-character';

export const reply = (code: number, enhanced: string | null, ...lines: string[]): Reply => ({
  code,
  enhanced,
  lines: lines.length > 0 ? lines : [''],
});

export const replyText = (value: Reply): string => value.lines.join(' ').trim();

export const replyFacts = (value: Reply): ReplyFacts => ({
  code: value.code,
  enhanced: value.enhanced,
  text: replyText(value),
});

/** `250 2.1.0 Ok`, as one line for people; still untrusted. */
export const replyLine = (value: Reply): string =>
  [value.code, value.enhanced, replyText(value)].filter((part) => part !== null && part !== '').join(' ');

export function printReply(value: Reply): Buffer {
  const last = value.lines.length - 1;
  const prefix = value.enhanced === null ? '' : `${value.enhanced} `;
  let out = '';
  value.lines.forEach((line, index) => {
    out += `${value.code}${index === last ? ' ' : '-'}${prefix}${line}\r\n`;
  });
  return Buffer.from(out);
}

/** RFC 3463 2: the class agrees with the reply's first digit. */
const enhancedCode = /^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)/;
/** Everything of C0 and DEL but the tab. */
const control = /[^\P{Cc}\t\u0080-\u009f]/u;

/** Puts lines together to one reply. Every line must carry the same code: `250-` then `550` is no success (nor anything). */
export class ReplyParser {
  readonly quirks = new Set<ReplyQuirk>();
  readonly #maxLines: number;
  #code: number | undefined;
  #texts: string[] = [];
  #bytes = 0;

  constructor(maxLines: number = replyLimits.lines) {
    this.#maxLines = maxLines;
  }

  /** The reply, once its last line has come. Throws 'reply-malformed' or 'reply-too-long'. */
  push(line: Line): Reply | undefined {
    const text = peerText(line.bytes);
    const match = /^([2-5]\d\d)(?:([ -])([\s\S]*))?$/.exec(text);
    if (!match) throw malformed(text);
    const code = Number(match[1]);
    if (this.#code !== undefined && code !== this.#code) {
      throw new EhloError('reply-malformed', `one reply has two codes, ${this.#code} and ${code}`, { side: 'remote' });
    }
    this.#code = code;
    this.#bytes += line.bytes.length + 2;
    this.#texts.push(match[3] ?? '');
    if (this.#texts.length > this.#maxLines || this.#bytes > replyLimits.bytes) {
      const message = `a reply goes on for more than ${this.#maxLines} lines or ${replyLimits.bytes} bytes`;
      throw new EhloError('reply-too-long', message, { side: 'remote' });
    }
    if (line.ending === 'lf') this.quirks.add('bare-lf');
    if (control.test(text)) this.quirks.add('control-character');
    return match[2] === '-' ? undefined : this.#finish(code);
  }

  #finish(code: number): Reply {
    const found = enhancedCode.exec(this.#texts[0] ?? '');
    const enhanced = found && found[1] === String(code)[0] ? found[0].trimEnd() : null;
    const strip = (text: string) =>
      enhanced !== null && (text === enhanced || text.startsWith(`${enhanced} `))
        ? text.slice(enhanced.length + 1)
        : text;
    return { code, enhanced, lines: this.#texts.map(strip) };
  }
}

const hints: Partial<Record<Protocol, string>> = {
  POP3: 'check the port; "ehlo fetch" speaks POP3',
  TLS: 'the server wants TLS from the first byte: use --tls implicit, or an smtps:// URL',
};

/** The error for a peer whose first bytes are those of another protocol; undefined for anything else. */
export function strangerError(text: string): EhloError | undefined {
  const name = protocolOf(text);
  if (name === undefined || name === 'SMTP') return undefined;
  return new EhloError('reply-malformed', `this looks like ${name}, not SMTP`, {
    side: 'remote',
    hint: hints[name] ?? 'check the port',
  });
}

function malformed(text: string): EhloError {
  const stranger = strangerError(text);
  if (stranger) return stranger;
  const shown = text === '' ? 'an empty line' : JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
  return new EhloError('reply-malformed', `not an SMTP reply: ${shown}`, { side: 'remote' });
}

// A message that somebody else wrote, passed through: what one must know before sending it, line ends put right on
// request, Bcc taken out. Each is one streaming pass in bounded memory; the bytes are otherwise never touched.
import { isAscii } from 'node:buffer';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { mimeLimits } from '../base/limits.ts';
import { fieldsNamed, firstField, parseHeaders } from './headers.ts';
import { LineScan } from './lines.ts';

const LF = 0x0a;
const CR = 0x0d;
const NEWLINE = Buffer.from('\r\n');

export interface RawFacts {
  /** With its angle brackets, as written; null when the header has none. */
  messageId: string | null;
  /** Unfolded values, one for each field of that name, in order; untrusted, not parsed. */
  from: string[];
  to: string[];
  cc: string[];
  bcc: string[];
  /** Octets above 0x7f anywhere. */
  eightBit: boolean;
  /** Octets above 0x7f in the header: needs SMTPUTF8 (RFC 6531 1.2). */
  utf8Headers: boolean;
  /** Octets of the longest line without its line end. */
  longestLine: number;
  /** Offset of the first CR without LF, of the first LF without CR. */
  bareCr: number | undefined;
  bareLf: number | undefined;
  size: number;
  empty: boolean;
  /** The input ends in the middle of a header line: what wrote it was cut off. */
  headerTruncated: boolean;
}

/** Reads it once. A header over the limit is 'limit-reached'. */
export async function examineRaw(source: ByteSource): Promise<RawFacts> {
  const lines = new LineScan();
  const split = new HeaderSplit();
  let eightBit = false;
  for await (const chunk of source.chunks()) {
    lines.feed(chunk);
    eightBit ||= !isAscii(chunk);
    split.feed(chunk);
  }
  lines.end();
  const block = split.header();
  const header = parseHeaders(block);
  const values = (name: string): string[] => fieldsNamed(header.fields, name).map((field) => field.rawValue);
  return {
    messageId: firstField(header.fields, 'Message-ID')?.rawValue ?? null,
    from: values('From'),
    to: values('To'),
    cc: values('Cc'),
    bcc: values('Bcc'),
    eightBit,
    utf8Headers: !isAscii(block),
    longestLine: lines.longest,
    bareCr: lines.bareCr,
    bareLf: lines.bareLf,
    size: lines.size,
    empty: lines.size === 0,
    headerTruncated: !split.found && lines.size > 0 && !lines.endsInNewline,
  };
}

/** Collects a header until its blank line; what follows is the body. */
export class HeaderSplit {
  found = false;
  #parts: Buffer[] = [];
  #size = 0;
  /** Octets of the current line seen so far; a CR at the end of a chunk waits for what follows it. */
  #lineOctets = 0;
  #lastCr = false;

  /** Returns how many bytes of the chunk belong to the header, its blank line included. */
  feed(chunk: Buffer): number {
    if (this.found || chunk.length === 0) return 0;
    if (this.#lastCr && chunk[0] !== LF) this.#lineOctets++;
    let at = 0;
    for (;;) {
      const lf = chunk.indexOf(LF, at);
      const end = lf === -1 ? chunk.length : lf;
      const cr = end > at && chunk[end - 1] === CR;
      this.#lineOctets += end - at - (cr ? 1 : 0);
      if (lf === -1) {
        this.#lastCr = cr;
        this.#keep(chunk);
        return chunk.length;
      }
      this.#lastCr = false;
      at = lf + 1;
      if (this.#lineOctets === 0) {
        this.found = true;
        this.#keep(chunk.subarray(0, at));
        return at;
      }
      this.#lineOctets = 0;
    }
  }

  #keep(bytes: Buffer): void {
    this.#size += bytes.length;
    if (this.#size > mimeLimits.headerBytes) {
      throw new EhloError('limit-reached', `the header is larger than ${mimeLimits.headerBytes} bytes`, {
        stage: 'message',
        hint: 'nothing was sent; check that a blank line ends the header',
      });
    }
    this.#parts.push(bytes);
  }

  header(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Every CRLF, lone CR and lone LF becomes one CRLF. */
export function fixEol(source: ByteSource): ByteSource {
  if (source.bytes) {
    const fixer = new EolFixer();
    return bytesSource(Buffer.concat([...fixer.feed(source.bytes), ...fixer.end()]));
  }
  return {
    size: undefined,
    async *chunks() {
      const fixer = new EolFixer();
      for await (const chunk of source.chunks()) {
        const pieces = fixer.feed(chunk);
        if (pieces.length > 0) yield pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
      }
      yield* fixer.end();
    },
  };
}

class EolFixer {
  /** The last chunk ended in a CR whose LF may come. */
  #cr = false;

  feed(chunk: Buffer): Buffer[] {
    const out: Buffer[] = [];
    let from = 0;
    if (this.#cr && chunk.length > 0) {
      out.push(NEWLINE);
      if (chunk[0] === LF) from = 1;
      this.#cr = false;
    }
    let at = from;
    for (;;) {
      const lf = indexOf(chunk, LF, at);
      const cr = indexOf(chunk, CR, at);
      const next = Math.min(lf, cr);
      if (next === chunk.length) break;
      if (cr + 1 === lf && lf < chunk.length) {
        at = lf + 1;
        continue;
      }
      if (next > from) out.push(chunk.subarray(from, next));
      from = next + 1;
      at = from;
      if (next === cr && cr === chunk.length - 1) this.#cr = true;
      else out.push(NEWLINE);
    }
    if (from < chunk.length) out.push(chunk.subarray(from));
    return out;
  }

  end(): Buffer[] {
    return this.#cr ? [NEWLINE] : [];
  }
}

const indexOf = (chunk: Buffer, octet: number, from: number): number => {
  const at = chunk.indexOf(octet, from);
  return at === -1 ? chunk.length : at;
};

const blind = new Set(['bcc', 'resent-bcc']);

/** Takes the Bcc and Resent-Bcc fields out of the header (RFC 5322 3.6.3, 3.6.6); all other bytes stay as they are. */
export function stripBcc(source: ByteSource): ByteSource {
  if (source.bytes) {
    const split = new HeaderSplit();
    const end = split.feed(source.bytes);
    return bytesSource(Buffer.concat([...withoutBlind(split.header()), source.bytes.subarray(end)]));
  }
  return {
    size: undefined,
    async *chunks() {
      const split = new HeaderSplit();
      for await (const chunk of source.chunks()) {
        if (split.found) {
          yield chunk;
          continue;
        }
        const end = split.feed(chunk);
        if (!split.found) continue;
        yield Buffer.concat(withoutBlind(split.header()));
        if (end < chunk.length) yield chunk.subarray(end);
      }
      if (!split.found) yield Buffer.concat(withoutBlind(split.header()));
    },
  };
}

/** The pieces of a header block around what is left out. */
function withoutBlind(block: Buffer): Buffer[] {
  const out: Buffer[] = [];
  let from = 0;
  for (const field of parseHeaders(block).fields) {
    if (!blind.has(field.name.toLowerCase())) continue;
    out.push(block.subarray(from, field.offset));
    from = field.offset + field.length;
  }
  return [...out, block.subarray(from)];
}

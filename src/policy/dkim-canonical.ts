// The canonical forms of DKIM (RFC 6376 3.4), for signing and for verifying: header fields as values, the body as a stream
// that is the same for any split and holds no more than a chunk. Which fields are signed is dkim-sign.ts.
import { trimBlank } from '../message/headers.ts';

export type Canonicalization = 'simple' | 'relaxed';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const NEWLINE = Buffer.from('\r\n');
/** Empty lines that were held back come out in blocks of this many. */
const block = 4096;
const newlines = Buffer.alloc(NEWLINE.length * block, NEWLINE);

/** One field with its CRLF (RFC 6376 3.4.1 and 3.4.2). Octets, as latin1 text, so that nothing is decoded. */
export function canonicalField(raw: Buffer, form: Canonicalization): Buffer {
  if (form === 'simple') return raw;
  const text = raw.toString('latin1');
  const colon = text.indexOf(':');
  const name = trimBlank(text.slice(0, colon)).toLowerCase();
  const value = text
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '');
  return Buffer.from(`${name}:${value}\r\n`, 'latin1');
}

/** A body in canonical form, handed on piece by piece (RFC 6376 3.4.3 and 3.4.4). */
export class CanonicalBody {
  readonly #form: Canonicalization;
  readonly #emit: (bytes: Buffer) => void;
  readonly #spaces: SpaceReducer | undefined;
  /** Line ends that count only if something follows. */
  #held = 0;
  /** The input so far ends in a CR whose LF may come. */
  #cr = false;
  #anything = false;

  constructor(form: Canonicalization, emit: (bytes: Buffer) => void) {
    this.#form = form;
    this.#emit = emit;
    this.#spaces = form === 'relaxed' ? new SpaceReducer() : undefined;
  }

  feed(chunk: Buffer): void {
    this.#lines(this.#spaces ? this.#spaces.feed(chunk) : chunk);
  }

  end(): void {
    if (this.#spaces) this.#lines(this.#spaces.end());
    if (this.#cr) this.#release(Buffer.from([CR]));
    // Exactly one line end behind the last line; an empty body is one in the simple form, nothing in the relaxed.
    if (this.#anything || this.#form === 'simple') this.#emit(NEWLINE);
  }

  /** Holds back the line ends at the end. */
  #lines(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const input = this.#cr ? Buffer.concat([Buffer.from([CR]), chunk]) : chunk;
    let end = input.length;
    this.#cr = input[end - 1] === CR;
    if (this.#cr) end--;
    let count = 0;
    while (end >= 2 && input[end - 1] === LF && input[end - 2] === CR) {
      end -= 2;
      count++;
    }
    if (end > 0) this.#release(input.subarray(0, end));
    this.#held += count;
  }

  #release(bytes: Buffer): void {
    for (; this.#held > 0; this.#held -= Math.min(this.#held, block)) {
      this.#emit(newlines.subarray(0, Math.min(this.#held, block) * NEWLINE.length));
    }
    this.#anything = true;
    this.#emit(bytes);
  }
}

/** Runs of white space become one space, those before a CRLF go (RFC 6376 3.4.4). */
class SpaceReducer {
  /** White space that has not come out, since a line end may follow. */
  #space = false;
  /** A CR that has not come out, since it follows white space and an LF may follow. */
  #cr = false;

  feed(chunk: Buffer): Buffer {
    if (!this.#space && isReduced(chunk)) return chunk;
    const out = Buffer.allocUnsafe(chunk.length + 2);
    let size = 0;
    for (let at = 0; at < chunk.length; at++) {
      const octet = chunk[at] ?? 0;
      if (this.#cr) {
        // A CR that no LF follows is an octet like others, and so the white space before it stays.
        if (octet !== LF) out[size++] = SPACE;
        out[size++] = CR;
        this.#cr = false;
        this.#space = false;
      }
      if (octet === SPACE || octet === TAB) this.#space = true;
      else if (octet === CR && this.#space) this.#cr = true;
      else {
        if (this.#space) out[size++] = SPACE;
        this.#space = false;
        out[size++] = octet;
      }
    }
    return out.subarray(0, size);
  }

  /** White space at the end of the input stands before the CRLF that the message gets when it is sent. */
  end(): Buffer {
    return this.#cr ? Buffer.from([SPACE, CR]) : Buffer.alloc(0);
  }
}

/** Most text and all base64 is in the relaxed form already: three native searches are faster than a loop. */
const isReduced = (chunk: Buffer): boolean =>
  chunk[chunk.length - 1] !== SPACE &&
  !chunk.includes(TAB) &&
  !chunk.includes('  ', 0, 'latin1') &&
  !chunk.includes(' \r', 0, 'latin1');

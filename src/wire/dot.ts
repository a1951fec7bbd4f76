// Dot-stuffing in both directions (RFC 5321 4.5.2, RFC 1939 3), streaming, the same for any split of the bytes.
// The reader ends only at CRLF.CRLF and reads to that true end before anyone complains: ending at LF.LF or CR.CR is how
// a second message is smuggled past a stricter server. It reports bare CR and LF; it never repairs them.
import { EhloError } from '../base/errors.ts';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

const CRLF = Buffer.from('\r\n');
const DOT_BYTE = Buffer.from('.');
const END_AFTER_LINE = Buffer.from('.\r\n');
const END_AFTER_TEXT = Buffer.from('\r\n.\r\n');

export interface DotReport {
  /** Bytes of content, after un-stuffing, without the terminator. */
  bytes: number;
  /** Offset in the content of the first CR without LF, or LF without CR; undefined when there is none. */
  bareCr?: number;
  bareLf?: number;
}

/** Where the reader stands between two bytes. */
type ReadState = 'line-start' | 'text' | 'cr' | 'dot' | 'dot-cr';

/** Feed it chunks until it has seen the end; content goes to `emit` as views of the chunks. */
export class DotReader {
  readonly report: DotReport = { bytes: 0 };
  done = false;
  readonly #emit: (content: Buffer) => void;
  #state: ReadState = 'line-start';

  constructor(emit: (content: Buffer) => void) {
    this.#emit = emit;
  }

  /** Takes what belongs to the block and returns how many bytes that were: less than the chunk's length only at the end. */
  feed(chunk: Buffer): number {
    // `from` is where content begins that was seen but not emitted yet.
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'line-start':
          if (chunk[at] === DOT) {
            this.#flush(chunk, from, at);
            at++;
            from = at;
            this.#state = 'dot';
          } else this.#state = 'text';
          break;
        case 'dot':
          if (chunk[at] === CR) {
            at++;
            this.#state = 'dot-cr';
          } else this.#state = 'text';
          break;
        case 'dot-cr':
          if (chunk[at] === LF) {
            this.done = true;
            return at + 1;
          }
          // A lone dot, then CR and no LF: the dot was stuffing, the CR is content.
          if (at === 0) this.#content(CRLF.subarray(0, 1));
          this.#bareCr(at === 0 ? this.report.bytes - 1 : this.report.bytes + (at - 1 - from));
          this.#state = 'text';
          break;
        case 'cr':
          if (chunk[at] === LF) {
            at++;
            this.#state = 'line-start';
          } else {
            this.#bareCr(this.report.bytes + (at - 1 - from));
            this.#state = 'text';
          }
          break;
        case 'text':
          at = this.#text(chunk, at, from);
          break;
      }
    }
    // A CR behind a lone dot may still be part of the end: hold it back.
    this.#flush(chunk, from, this.#state === 'dot-cr' ? chunk.length - 1 : chunk.length);
    return chunk.length;
  }

  /** From `at`, over whole lines while nothing special comes; returns where the state machine goes on. */
  #text(chunk: Buffer, at: number, from: number): number {
    const end = chunk.length;
    let lf = find(chunk, LF, at);
    let cr = find(chunk, CR, at);
    while (lf < end || cr < end) {
      if (cr + 1 === lf && lf < end) {
        at = lf + 1;
        if (at === end || chunk[at] === DOT) {
          this.#state = 'line-start';
          return at;
        }
        lf = find(chunk, LF, at);
        cr = find(chunk, CR, at);
      } else if (cr < lf) {
        if (cr + 1 === end) {
          this.#state = 'cr';
          return end;
        }
        this.#bareCr(this.report.bytes + (cr - from));
        cr = find(chunk, CR, cr + 1);
      } else {
        this.report.bareLf ??= this.report.bytes + (lf - from);
        lf = find(chunk, LF, lf + 1);
      }
    }
    return end;
  }

  #bareCr(offset: number): void {
    this.report.bareCr ??= offset;
  }

  #flush(chunk: Buffer, from: number, to: number): void {
    if (to > from) this.#content(chunk.subarray(from, to));
  }

  #content(bytes: Buffer): void {
    this.report.bytes += bytes.length;
    this.#emit(bytes);
  }
}

/** Like indexOf, but the end of the chunk when absent, so that positions compare. */
const find = (chunk: Buffer, byte: number, from: number): number => {
  const at = chunk.indexOf(byte, from);
  return at === -1 ? chunk.length : at;
};

export interface DotWriterOptions {
  /** What to do with a CR or LF on its own. `keep` is for POP3, which must serve what is stored exactly as it is. */
  bare?: 'refuse' | 'keep';
}

/** Stuffs dots and closes with CRLF.CRLF; the same output for any split of the input. Bare CR or LF is refused by default. */
export class DotWriter {
  readonly #keep: boolean;
  #offset = 0;
  #state: 'line-start' | 'text' | 'cr' = 'line-start';

  constructor(options: DotWriterOptions = {}) {
    this.#keep = options.bare === 'keep';
  }

  /** The bytes to send for this chunk: views of it, with dots between. Throws 'bare-line-end' with the offset. */
  write(chunk: Buffer): Buffer[] {
    const out: Buffer[] = [];
    let from = 0;
    let at = 0;
    if (this.#state === 'cr' && chunk.length > 0) {
      if (chunk[0] === LF) {
        this.#state = 'line-start';
        at = 1;
      } else {
        this.#bare('CR', this.#offset - 1);
        this.#state = 'text';
      }
    }
    if (this.#state === 'line-start' && chunk[at] === DOT) {
      if (at > from) out.push(chunk.subarray(from, at));
      out.push(DOT_BYTE);
      from = at;
    }
    let lf = find(chunk, LF, at);
    let cr = find(chunk, CR, at);
    while (lf < chunk.length || cr < chunk.length) {
      // A CR at the very end waits for the next chunk; a bare LF before it does not.
      if (cr === chunk.length - 1 && lf === chunk.length) break;
      if (cr + 1 !== lf) {
        this.#bare(cr < lf ? 'CR' : 'LF', this.#offset + Math.min(cr, lf));
        if (cr < lf) cr = find(chunk, CR, cr + 1);
        else lf = find(chunk, LF, lf + 1);
        continue;
      }
      at = lf + 1;
      if (chunk[at] === DOT) {
        out.push(chunk.subarray(from, at), DOT_BYTE);
        from = at;
      }
      lf = find(chunk, LF, at);
      cr = find(chunk, CR, at);
    }
    if (from < chunk.length) out.push(chunk.subarray(from));
    this.#offset += chunk.length;
    if (chunk.length > at) this.#state = cr === chunk.length - 1 ? 'cr' : 'text';
    else if (chunk.length > 0) this.#state = 'line-start';
    return out;
  }

  /** The terminator; a last line without CRLF gets one, since there is no other way to end it (RFC 5321 4.1.1.4). */
  end(): Buffer {
    if (this.#state === 'cr') this.#bare('CR', this.#offset - 1);
    return this.#state === 'line-start' ? END_AFTER_LINE : END_AFTER_TEXT;
  }

  #bare(what: 'CR' | 'LF', offset: number): void {
    if (this.#keep) return;
    throw new EhloError('bare-line-end', `the message has a bare ${what} at byte ${offset}; SMTP lines end in CRLF`, {
      stage: 'body',
      hint: 'add --fix-eol to turn every line end into CRLF',
    });
  }
}

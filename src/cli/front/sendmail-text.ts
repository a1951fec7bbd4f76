// A message as programs write it to sendmail: where it ends, and where its header ends (RFC 5322 2.1, loosely). Streaming,
// the same for any split. Nothing is added or taken out here but the mbox line in front; that is sendmail-fields.ts.
import { EhloError } from '../../base/errors.ts';
import { mimeLimits } from '../../base/limits.ts';

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const LF_DOT = Buffer.from('\n.');
const EMPTY = Buffer.alloc(0);

/** The bytes in front of a line of a single dot; all of them where there is none. */
export async function* untilDot(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = EMPTY;
  let atLineStart = true;
  for await (const chunk of chunks) {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = EMPTY;
    let from = 0;
    let dot = atLineStart && bytes[0] === DOT ? 0 : nextDot(bytes, 0);
    let ends = false;
    while (dot !== -1 && !ends) {
      const after = bytes[dot + 1] === CR ? dot + 2 : dot + 1;
      if (after >= bytes.length) {
        held = bytes.subarray(dot);
        break;
      }
      ends = bytes[after] === LF;
      if (!ends) dot = nextDot(bytes, dot);
    }
    from = dot === -1 ? bytes.length : dot;
    if (from > 0) yield bytes.subarray(0, from);
    if (ends) return;
    atLineStart = held.length > 0 || (bytes.length > 0 ? bytes[bytes.length - 1] === LF : atLineStart);
  }
  // What is held now is a line of a single dot that has no line end: the end all the same.
}

/** Where a line begins with a dot, behind `from`; -1: nowhere. */
const nextDot = (bytes: Buffer, from: number): number => {
  const at = bytes.indexOf(LF_DOT, from);
  return at === -1 ? -1 : at + 1;
};

export interface SendmailText {
  /** Whole fields, each line with CRLF; without the blank line. Empty where the text begins at once. */
  header: Buffer;
  /** As written; may be read once. */
  body: AsyncIterable<Buffer>;
}

/** A name of RFC 5322 2.2, white space before the colon as in 4.5. */
const fieldStart = /^[!-9;-~]+[ \t]*:/;
const lineMax = 998;

/**
 * The header ends at a blank line or, as for sendmail, in front of the first line that is no field. Throws 'bad-message'
 * for an empty input, for a header that is cut off in a line, and for CR and NUL in it; 'limit-reached' for a huge one.
 */
export async function splitText(chunks: AsyncIterable<Buffer>): Promise<SendmailText> {
  const iterator = chunks[Symbol.asyncIterator]();
  const scan = new HeaderScan();
  let next = await iterator.next();
  for (; !next.done; next = await iterator.next()) if (scan.feed(next.value)) break;
  const rest = scan.end(next.done === true);
  async function* body(): AsyncGenerator<Buffer> {
    if (rest.length > 0) yield rest;
    for (let more = next.done ? next : await iterator.next(); !more.done; more = await iterator.next())
      yield more.value;
  }
  return { header: scan.header(), body: body() };
}

class HeaderScan {
  readonly #lines: Buffer[] = [];
  #size = 0;
  #seen = 0;
  #pending: Buffer = EMPTY;
  #number = 0;

  /** True once the body begins. */
  feed(chunk: Buffer): boolean {
    this.#seen += chunk.length;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    for (let lf = this.#pending.indexOf(LF); lf !== -1; lf = this.#pending.indexOf(LF, at)) {
      const line = this.#pending.subarray(at, lf > at && this.#pending[lf - 1] === CR ? lf - 1 : lf);
      this.#number++;
      const blank = line.length === 0;
      if (blank || !this.#take(line)) {
        this.#pending = this.#pending.subarray(blank ? lf + 1 : at);
        return true;
      }
      at = lf + 1;
    }
    this.#pending = this.#pending.subarray(at);
    // A line without an end is not gathered for ever: so long a one that is no field is text.
    if (this.#pending.length > lineMax && !this.#isField(this.#pending)) return true;
    this.#limit(this.#pending.length);
    return false;
  }

  /** What was read of the body. `over`: the input ended in the header. */
  end(over: boolean): Buffer {
    if (!over) return this.#pending;
    if (this.#seen === 0) {
      throw refuse('standard input is empty', 'nothing was sent; was the program that makes the message cut off?');
    }
    if (this.#pending.length > 0 && this.#isField(this.#pending)) {
      throw refuse(
        'the header ends in the middle of a line',
        'nothing was sent; was the program that makes the message cut off?',
      );
    }
    return this.#pending;
  }

  header(): Buffer {
    return Buffer.concat(this.#lines);
  }

  /** False: this line is no part of a header. */
  #take(line: Buffer): boolean {
    // An mbox has this line in front of each message; it is no field (sendmail leaves it out too).
    if (this.#number === 1 && /^>?From (?![ \t]*:)/.test(line.toString('latin1', 0, lineMax))) return true;
    if (!this.#isField(line)) return false;
    const bad = [CR, 0].find((octet) => line.includes(octet));
    if (bad !== undefined) {
      throw refuse(
        `line ${this.#number} of the header holds ${bad === CR ? 'a CR without LF' : 'a NUL'}`,
        'nothing was sent; readers would disagree on where such a line ends',
      );
    }
    this.#size += line.length + 2;
    this.#limit(0);
    this.#lines.push(line, CRLF);
    return true;
  }

  #isField(line: Buffer): boolean {
    if (line[0] === 0x20 || line[0] === 0x09) return this.#lines.length > 0;
    return fieldStart.test(line.toString('latin1', 0, lineMax));
  }

  #limit(more: number): void {
    if (this.#size + more <= mimeLimits.headerBytes) return;
    throw new EhloError('limit-reached', `the header is larger than ${mimeLimits.headerBytes} bytes`, {
      hint: 'nothing was sent; check that a blank line ends the header',
    });
  }
}

const CRLF = Buffer.from('\r\n');

const refuse = (what: string, hint: string): EhloError =>
  new EhloError('bad-message', what, { stage: 'message', hint });

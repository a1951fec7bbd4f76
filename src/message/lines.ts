// The lines of a message as octets (RFC 5322 2.1.1, 2.3): lengths and bare line ends, streaming, the same for any split.

const LF = 0x0a;
const CR = 0x0d;

export class LineScan {
  size = 0;
  /** Octets of the longest line, without its line end; a bare LF ends a line, a bare CR does not. */
  longest = 0;
  /** Where the longest line over `lineMax` first began. */
  longAt: number | undefined;
  bareCr: number | undefined;
  bareLf: number | undefined;
  bareCrs = 0;
  bareLfs = 0;
  longLines = 0;
  endsInNewline = false;
  readonly #lineMax: number;
  #lineStart = 0;
  #lastCr = false;

  constructor(lineMax = 998) {
    this.#lineMax = lineMax;
  }

  feed(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const base = this.size;
    if (this.#lastCr && chunk[0] !== LF) this.#noteCr(base - 1);
    let cr = find(chunk, CR, 0);
    for (let lf = find(chunk, LF, 0); lf < chunk.length; lf = find(chunk, LF, lf + 1)) {
      for (; cr < lf; cr = find(chunk, CR, cr + 1)) if (cr + 1 !== lf) this.#noteCr(base + cr);
      const crlf = lf === 0 ? this.#lastCr : chunk[lf - 1] === CR;
      if (!crlf) this.#noteLf(base + lf);
      this.#line(base + lf - (crlf ? 1 : 0));
      this.#lineStart = base + lf + 1;
    }
    for (; cr < chunk.length - 1; cr = find(chunk, CR, cr + 1)) this.#noteCr(base + cr);
    this.size += chunk.length;
    this.#lastCr = chunk[chunk.length - 1] === CR;
    this.endsInNewline = chunk[chunk.length - 1] === LF;
  }

  end(): void {
    if (this.#lastCr) this.#noteCr(this.size - 1);
    this.#lastCr = false;
    this.#line(this.size);
    this.#lineStart = this.size;
  }

  #line(end: number): void {
    const length = end - this.#lineStart;
    if (length > this.longest) this.longest = length;
    if (length <= this.#lineMax) return;
    this.longAt ??= this.#lineStart;
    this.longLines++;
  }

  #noteCr(offset: number): void {
    this.bareCr ??= offset;
    this.bareCrs++;
  }

  #noteLf(offset: number): void {
    this.bareLf ??= offset;
    this.bareLfs++;
  }
}

const find = (chunk: Buffer, octet: number, from: number): number => {
  const at = chunk.indexOf(octet, from);
  return at === -1 ? chunk.length : at;
};

// Cuts a message for TOP (RFC 1939 7): its header, the empty line, and the first n lines of the body. Streaming.

const LF = 0x0a;
const CR = 0x0d;

export class TopCutter {
  /** Nothing more is wanted: the reading of the message can stop. */
  done = false;
  #linesLeft: number;
  #inHeader = true;
  /** Bytes of the current line so far, as far as it matters: 0, a lone CR, or more. */
  #line: 'empty' | 'cr' | 'text' = 'empty';

  constructor(lines: number) {
    this.#linesLeft = lines;
  }

  /** What of this chunk belongs to the answer: a view of it. Lines are counted by LF, since a stored message may have bare ones. */
  feed(chunk: Buffer): Buffer {
    let at = 0;
    while (at < chunk.length && !this.done) {
      const lf = chunk.indexOf(LF, at);
      if (lf === -1) {
        this.#line = this.#isEmpty(chunk, at, chunk.length) ? this.#line : 'text';
        if (this.#line === 'empty' && chunk[at] === CR) this.#line = 'cr';
        at = chunk.length;
        break;
      }
      const empty = this.#isEmpty(chunk, at, lf);
      this.#line = 'empty';
      at = lf + 1;
      if (!this.#inHeader) this.#linesLeft--;
      else if (empty) this.#inHeader = false;
      this.done = !this.#inHeader && this.#linesLeft <= 0;
    }
    return chunk.subarray(0, at);
  }

  /** The line so far, with these bytes added, holds nothing but perhaps one CR. */
  #isEmpty(chunk: Buffer, from: number, to: number): boolean {
    if (this.#line === 'text') return false;
    if (to === from) return true;
    return this.#line === 'empty' && to - from === 1 && chunk[from] === CR;
  }
}

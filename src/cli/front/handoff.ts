// From whoever pushes chunks to whoever pulls them: one chunk at a time, held back until the other side wants more.

export class Handoff implements AsyncIterable<Buffer> {
  readonly #waiting: { chunk: Buffer; taken: () => void }[] = [];
  #ended = false;
  #closed = false;
  #wake: () => void = () => undefined;

  /** Resolves when the next chunk is wanted, or nothing is any more. Copies: the chunk may be reused then. */
  push(chunk: Buffer): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ chunk: Buffer.from(chunk), taken: resolve });
      this.#wake();
    });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Nothing is wanted any more. */
  close(): void {
    this.#closed = true;
    for (const { taken } of this.#waiting.splice(0)) taken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const [next] = this.#waiting;
        if (next) {
          // It stays in the list while it is looked at: whoever stops in the middle of it calls close().
          yield next.chunk;
          this.#waiting.shift();
          next.taken();
        } else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }
}

// How a server asks its sessions to end: idle ones at once, others after what they are at. The sessions decide what that is.

/** For the next command of a client that was served a moment ago, QUIT most likely: milliseconds. */
export const lastWordMs = 300;

export class Shutdown {
  requested = false;
  readonly #waiting = new Set<() => void>();

  request(): void {
    this.requested = true;
    for (const run of this.#waiting) run();
  }

  /** Returns what takes the call back. */
  onRequest(run: () => void): () => void {
    this.#waiting.add(run);
    return () => this.#waiting.delete(run);
  }
}

// Who wants to hear of new messages: listeners, and waits for the first match. Shared by the stores; it keeps no message.
import type { StoredMessage } from './store.ts';

export type Listener = (message: StoredMessage) => void;
export type Matches = (message: StoredMessage) => boolean | Promise<boolean>;

export class Arrivals {
  readonly #listeners = new Set<Listener>();

  announce(message: StoredMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  onMessage(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Listens before it lists, so that nothing slips in between; each message is judged once, in the order of arrival. */
  async waitFor(
    list: () => Promise<StoredMessage[]>,
    matches: Matches,
    signal: AbortSignal,
  ): Promise<StoredMessage | undefined> {
    if (signal.aborted) return undefined;
    const queue: StoredMessage[] = [];
    let wake: (() => void) | undefined;
    const stop = this.onMessage((message) => {
      queue.push(message);
      wake?.();
    });
    const abort = () => wake?.();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const here = await list();
      const seen = new Set(here.map((message) => message.id));
      queue.unshift(...here, ...queue.splice(0).filter((message) => !seen.has(message.id)));
      for (;;) {
        if (signal.aborted) return undefined;
        const message = queue.shift();
        if (message) {
          if (await matches(message)) return message;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    } finally {
      stop();
      signal.removeEventListener('abort', abort);
    }
  }
}

/** One copy a mailbox, however many recipients lead there; in the order of the recipients. */
export const mailboxesOf = (addresses: string[]): string[] => [...new Set(addresses)];

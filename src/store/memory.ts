// The store of a throwaway server: messages in memory, gone with the process. Nothing here touches a disk.
import { randomUUID } from 'node:crypto';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { Arrivals, type Listener, type Matches, mailboxesOf } from './arrivals.ts';
import { type Delivery, mailboxName, type ReceivedEnvelope, type Store, type StoredMessage } from './store.ts';

export const memoryStore = (clock: Clock): Store => new MemoryStore(clock);

interface Kept {
  message: StoredMessage;
  bytes: Buffer;
}

class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #arrivals = new Arrivals();
  /** In the order of arrival. */
  readonly #kept = new Map<string, Kept>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async begin(envelope: ReceivedEnvelope): Promise<Delivery> {
    return new MemoryDelivery((bytes) => this.#keep(envelope, bytes));
  }

  async list(mailbox?: string): Promise<StoredMessage[]> {
    const all = Array.from(this.#kept.values(), (kept) => kept.message);
    return mailbox === undefined ? all : all.filter((message) => message.mailboxes.includes(mailbox));
  }

  async get(id: string): Promise<StoredMessage | undefined> {
    return this.#kept.get(id)?.message;
  }

  async read(id: string): Promise<ByteSource | undefined> {
    const kept = this.#kept.get(id);
    return kept && bytesSource(kept.bytes);
  }

  async delete(id: string, mailbox?: string): Promise<boolean> {
    const kept = this.#kept.get(id);
    if (!kept) return false;
    if (mailbox === undefined) return this.#kept.delete(id);
    const mailboxes = kept.message.mailboxes.filter((name) => name !== mailbox);
    if (mailboxes.length === kept.message.mailboxes.length) return false;
    if (mailboxes.length === 0) return this.#kept.delete(id);
    kept.message = { ...kept.message, mailboxes };
    return true;
  }

  onMessage(listener: Listener): () => void {
    return this.#arrivals.onMessage(listener);
  }

  waitFor(matches: Matches, signal: AbortSignal): Promise<StoredMessage | undefined> {
    return this.#arrivals.waitFor(() => this.list(), matches, signal);
  }

  async close(): Promise<void> {
    this.#kept.clear();
  }

  #keep(envelope: ReceivedEnvelope, bytes: Buffer): StoredMessage {
    const message: StoredMessage = {
      // randomUUID() draws from a pool: a call of its own for each message would cost more than all the rest here.
      id: `${(++this.#count).toString(36)}-${randomUUID().slice(0, 23)}`,
      mailboxes: mailboxesOf(envelope.rcptTo.map((recipient) => mailboxName(recipient.address))),
      size: bytes.length,
      receivedAt: this.#clock.date(),
      envelope,
    };
    this.#kept.set(message.id, { message, bytes });
    this.#arrivals.announce(message);
    return message;
  }
}

class MemoryDelivery implements Delivery {
  readonly #keep: (bytes: Buffer) => StoredMessage;
  #chunks: Buffer[] | undefined = [];

  constructor(keep: (bytes: Buffer) => StoredMessage) {
    this.#keep = keep;
  }

  /** Copies: the caller may reuse the chunk, and a small view must not hold on to a whole read buffer. */
  write(chunk: Buffer): void {
    this.#open().push(Buffer.from(chunk));
  }

  async commit(): Promise<StoredMessage> {
    const chunks = this.#open();
    this.#chunks = undefined;
    return this.#keep(whole(chunks));
  }

  async abort(): Promise<void> {
    this.#chunks = undefined;
  }

  #open(): Buffer[] {
    if (!this.#chunks) throw new EhloError('internal', 'the delivery of a message has ended already');
    return this.#chunks;
  }
}

/** One buffer of exactly the right size. Small ones share a slab of Node's pool: an ArrayBuffer each would cost the GC dear. */
function whole(chunks: Buffer[]): Buffer {
  const [first] = chunks;
  if (first && chunks.length === 1) return first;
  const bytes = Buffer.allocUnsafe(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(bytes, at);
  return bytes;
}

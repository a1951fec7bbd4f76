// Two channel ends joined in memory, for tests and for demos without a socket. Bytes arrive in a later microtask, cut as
// `split` says, so that "every split gives the same result" is one parameter.
import type { Channel, ChannelSink, TlsFacts } from './channel.ts';

export interface MemoryPairOptions {
  /** Cuts one write into the chunks that the other end sees. Default: as written. */
  split?: (bytes: Buffer) => Buffer[];
  /** What startTls() answers on both ends; without it TLS fails. Both ends must ask; the bytes stay in the clear. */
  tls?: TlsFacts;
  names?: [string, string];
}

export function memoryPair(options: MemoryPairOptions = {}): [Channel, Channel] {
  const split = options.split ?? ((bytes: Buffer) => [bytes]);
  const [nameA, nameB] = options.names ?? ['memory-a', 'memory-b'];
  const a = new MemoryEnd(nameB, split, options.tls);
  const b = new MemoryEnd(nameA, split, options.tls);
  a.join(b);
  b.join(a);
  return [a, b];
}

class MemoryEnd implements Channel {
  readonly peer: string;
  readonly #split: (bytes: Buffer) => Buffer[];
  readonly #tls: TlsFacts | undefined;
  #other: MemoryEnd | undefined;
  #sink: ChannelSink | undefined;
  #inbox: (Buffer | { end: Error | undefined })[] = [];
  #paused = false;
  #running = false;
  #gone = false;

  constructor(peer: string, split: (bytes: Buffer) => Buffer[], tls: TlsFacts | undefined) {
    this.peer = peer;
    this.#split = split;
    this.#tls = tls;
  }

  join(other: MemoryEnd): void {
    this.#other = other;
  }

  attach(sink: ChannelSink): void {
    this.#sink = sink;
    this.#deliver();
  }

  write(bytes: Buffer, done: (failure?: Error) => void): void {
    if (this.#gone) {
      queueMicrotask(() => done(new Error('closed')));
      return;
    }
    for (const chunk of this.#split(Buffer.from(bytes))) this.#other?.push(chunk);
    queueMicrotask(() => done());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  startTls(): Promise<TlsFacts> {
    return this.#tls ? Promise.resolve(this.#tls) : Promise.reject(new Error('no TLS in memory'));
  }

  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#other?.push({ end: undefined });
  }

  destroy(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#other?.push({ end: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) });
  }

  push(item: Buffer | { end: Error | undefined }): void {
    this.#inbox.push(item);
    this.#deliver();
  }

  /** One item a turn of the event loop, as a socket would. */
  #deliver(): void {
    if (this.#running || this.#paused || !this.#sink || this.#inbox.length === 0) return;
    this.#running = true;
    setImmediate(() => {
      this.#running = false;
      if (this.#paused || !this.#sink) return;
      const item = this.#inbox.shift();
      if (Buffer.isBuffer(item)) this.#sink.data(item);
      else if (item) this.#sink.end(item.end);
      this.#deliver();
    });
  }
}

// Watches a connection as it is made and used, for what the transcript of the engine does not hold: the attempts to connect,
// the facts of TLS, the raw bytes; and breaks it off right behind a command (--drop-after-send).
import type { Dial, DialTarget } from '../../app/ports.ts';
import type { Channel, ChannelEnds, ChannelSink, TlsFacts, TlsOptions } from '../../wire/channel.ts';

export interface Watcher {
  /** May throw: then nobody is called. */
  trying(target: DialTarget): void;
  /** `hangUp` breaks the connection off without a word. */
  connected(target: DialTarget, hangUp: () => void): void;
  failed(target: DialTarget, thrown: unknown): void;
  secured(facts: TlsFacts): void;
  sent?(bytes: Buffer): void;
  received?(bytes: Buffer): void;
  /** Asked at each write; where it says yes, the connection ends once those bytes are on their way, and then `dropped` is called. */
  dropsNow(): boolean;
  dropped(): void;
}

export const watchedDial =
  (dial: Dial, watcher: Watcher): Dial =>
  async (target) => {
    watcher.trying(target);
    try {
      const channel = await dial(target);
      watcher.connected(target, () => channel.destroy());
      return new WatchedChannel(channel, watcher);
    } catch (thrown) {
      watcher.failed(target, thrown);
      throw thrown;
    }
  };

class WatchedChannel implements Channel {
  readonly peer: string;
  readonly ends?: ChannelEnds;
  readonly #channel: Channel;
  readonly #watcher: Watcher;

  constructor(channel: Channel, watcher: Watcher) {
    this.peer = channel.peer;
    if (channel.ends) this.ends = channel.ends;
    this.#channel = channel;
    this.#watcher = watcher;
  }

  attach(sink: ChannelSink): void {
    const watcher = this.#watcher;
    this.#channel.attach({
      data: (chunk) => {
        watcher.received?.(chunk);
        sink.data(chunk);
      },
      end: (cause) => sink.end(cause),
    });
  }

  write(bytes: Buffer, done: (failure?: Error) => void): void {
    this.#watcher.sent?.(bytes);
    const last = this.#watcher.dropsNow();
    this.#channel.write(bytes, (failure) => {
      if (last) {
        this.#channel.destroy();
        this.#watcher.dropped();
      }
      done(failure);
    });
  }

  async startTls(options: TlsOptions, deadlineMs: number): Promise<TlsFacts> {
    const facts = await this.#channel.startTls(options, deadlineMs);
    this.#watcher.secured(facts);
    return facts;
  }

  pause(): void {
    this.#channel.pause();
  }
  resume(): void {
    this.#channel.resume();
  }
  end(): void {
    this.#channel.end();
  }
  destroy(): void {
    this.#channel.destroy();
  }
}

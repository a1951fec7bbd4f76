// A conversation over any byte channel: bounded lines, dot blocks, exact counts, absolute deadlines. It never parses SMTP.
// Sessions write `wire.takeLine(n) ?? (await wire.readLine(n, deadline))`: pipelined input then costs no promise per line.
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { readHighWater, writeHighWater } from '../base/limits.ts';
import type { Channel, TlsFacts, TlsOptions } from './channel.ts';
import { DotReader, type DotReport } from './dot.ts';
import type { Transcript } from './transcript.ts';

export interface Line {
  /** Without the line end. A view of the read buffer: copy what is kept. */
  bytes: Buffer;
  /** How the line ended; a bare LF is a quirk that the session must name. */
  ending: 'crlf' | 'lf';
}

/** Where block content goes. A returned promise holds the reading back until it resolves. */
export interface BlockSink {
  write(content: Buffer): void | Promise<void>;
}

/** How slow a block may be: no byte for `stallMs`, or, after `graceMs`, fewer than `bytesPerSecond` on average, ends it. */
export interface Pace {
  stallMs: number;
  graceMs?: number;
  bytesPerSecond?: number;
}

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);

export class Wire {
  readonly clock: Clock;
  readonly transcript: Transcript | undefined;
  /** Named by the session as it moves; goes into errors and transcript events. */
  stage = 'connect';
  tls: TlsFacts | undefined;
  readonly #channel: Channel;
  #pending: Buffer = EMPTY;
  #ended = false;
  #failure: Error | undefined;
  #paused = false;
  #unsent = 0;
  #closed = false;
  /** Resolves the one thing that the session waits for: input, the end, sent bytes, or its deadline. */
  #wake: (() => void) | undefined;
  #forSent = false;
  #deadline = Number.POSITIVE_INFINITY;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  constructor(channel: Channel, clock: Clock, transcript?: Transcript) {
    this.#channel = channel;
    this.clock = clock;
    this.transcript = transcript;
    channel.attach({
      data: (chunk) => {
        this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
        if (this.#pending.length > readHighWater && !this.#paused) {
          this.#paused = true;
          channel.pause();
        }
        this.#wake?.();
      },
      end: (cause) => {
        this.#ended = true;
        this.#failure ??= cause;
        this.#wake?.();
      },
    });
  }

  get peer(): string {
    return this.#channel.peer;
  }

  /** Bytes that have arrived and nobody has taken: an early reply, or pipelined commands. */
  get buffered(): number {
    return this.#pending.length;
  }

  /** Up to `length` of the bytes that have arrived, without taking them. */
  peek(length: number): Buffer {
    return this.#pending.subarray(0, length);
  }

  /** The peer has closed its side (or the connection is lost); what is buffered can still be read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A line that is already here. Undefined: none yet. Throws 'line-too-long' above `limit` bytes (line end included). */
  takeLine(limit: number): Line | undefined {
    const lf = this.#pending.indexOf(LF);
    if (lf === -1 ? this.#pending.length >= limit : lf >= limit) {
      throw this.error('line-too-long', `${this.peer} sent a line of more than ${limit} bytes`);
    }
    if (lf === -1) return undefined;
    const crlf = lf > 0 && this.#pending[lf - 1] === CR;
    const bytes = this.#pending.subarray(0, crlf ? lf - 1 : lf);
    this.#consume(lf + 1);
    return { bytes, ending: crlf ? 'crlf' : 'lf' };
  }

  /** The next line, or undefined where the peer closed cleanly between two lines. `deadline` is a point on the clock. */
  async readLine(limit: number, deadline: number): Promise<Line | undefined> {
    for (;;) {
      const line = this.takeLine(limit);
      if (line) return line;
      if (this.#ended) {
        if (this.#pending.length === 0 && this.#failure === undefined) return undefined;
        throw this.lost();
      }
      await this.#wait(deadline);
    }
  }

  /** Until there is news: more bytes, the end, or a nudge. For a loop around takeLine() that costs one promise a wait. */
  input(deadline: number): Promise<void> {
    return this.#ended ? Promise.resolve() : this.#wait(deadline);
  }

  /** Lets a pending input() resolve, for whoever has other news for the one who waits. */
  nudge(): void {
    this.#wake?.();
  }

  /** A dot-stuffed block up to its true end. The caller judges bare CR and LF from the report, after the end. */
  async readDots(sink: BlockSink, pace: Pace): Promise<DotReport> {
    let held: Promise<void> | undefined;
    const reader = new DotReader((content) => {
      const waits = sink.write(content);
      if (waits) held = held ? Promise.all([held, waits]).then(() => undefined) : waits;
    });
    await this.#block(pace, (pending) => {
      const used = reader.feed(pending);
      const waits = held;
      held = undefined;
      return { used, done: reader.done, waits };
    });
    return reader.report;
  }

  /** Exactly `length` bytes (BDAT), as they are. */
  async readExact(length: number, sink: BlockSink, pace: Pace): Promise<void> {
    let left = length;
    if (left === 0) return;
    await this.#block(pace, (pending) => {
      const content = pending.subarray(0, left);
      left -= content.length;
      return { used: content.length, done: left === 0, waits: sink.write(content) || undefined };
    });
  }

  /** Queues bytes; never blocks. Strings are sent as UTF-8. */
  write(bytes: Buffer | string): void {
    if (this.#closed) return;
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.#unsent += data.length;
    this.#channel.write(data, (failure) => {
      this.#unsent -= data.length;
      if (failure) this.#failure ??= failure;
      // Whoever waits for input need not hear of each write.
      if (failure || this.#forSent) this.#wake?.();
    });
  }

  /** Bytes written that have not been handed on yet. */
  get unsent(): number {
    return this.#unsent;
  }

  /** Unsent bytes are piling up: wait with flush() before writing more. */
  get congested(): boolean {
    return this.#unsent > writeHighWater;
  }

  /** Until no more than `atMost` bytes are unsent, whatever the peer says meanwhile: a server owes its replies before it reads on. */
  async drain(deadline: number, atMost: number = writeHighWater): Promise<void> {
    while (this.#unsent > atMost) {
      if (this.#failure) throw this.lost();
      await this.#waitForSent(deadline);
    }
  }

  /** Until everything written was handed on. Comes back early with 'input' when the peer says something meanwhile. */
  async flush(deadline: number): Promise<'sent' | 'input'> {
    while (this.#unsent > 0) {
      if (this.#pending.length > 0) return 'input';
      if (this.#ended || this.#failure) throw this.lost();
      await this.#waitForSent(deadline);
    }
    if (this.#failure && this.#pending.length === 0) throw this.lost();
    return this.#pending.length > 0 ? 'input' : 'sent';
  }

  /**
   * TLS from here on. Bytes that came in the clear behind the line that allowed it are an attack (CVE-2011-0411 and its
   * kin): an error, never discarded, never taken as if they had come through TLS.
   */
  async startTls(options: TlsOptions, deadlineMs: number): Promise<TlsFacts> {
    if (this.#pending.length > 0) {
      throw this.error(
        'starttls-injection',
        `${this.peer} sent ${this.#pending.length} bytes in the clear behind STARTTLS, before the TLS handshake`,
        { hint: 'someone between here and the server may be injecting replies; do not send over this path' },
      );
    }
    // The handshake would wait in vain: an end that was told already is not told again.
    if (this.#ended) throw this.lost();
    this.tls = await this.#channel.startTls(options, deadlineMs);
    this.info(`TLS ${this.tls.protocol} ${this.tls.cipher}`);
    return this.tls;
  }

  /** Says goodbye and lets go; never throws. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#channel.end();
  }

  /**
   * Breaks the connection at once: queued bytes must not go out (half a message must not look whole). `why` is then the
   * error of whoever reads or writes.
   */
  destroy(why?: EhloError): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#channel.destroy();
    // Whoever waits for input hears of it here: not every channel tells its own end, and the timer is gone.
    this.#ended = true;
    this.#failure ??= why ?? new Error('the connection was broken off on this side');
    this.#wake?.();
  }

  info(text: string): void {
    this.transcript?.add('info', this.stage, text, { tls: this.tls !== undefined });
  }

  /** An error with the stage and peer of this conversation. */
  error(...[code, message, facts]: ConstructorParameters<typeof EhloError>): EhloError {
    return new EhloError(code, message, { stage: this.stage, peer: this.peer, side: 'remote', ...facts });
  }

  /** The error for a connection that ended where it must not. */
  lost(): EhloError {
    if (this.#failure instanceof EhloError) return this.#failure.with({ stage: this.stage, peer: this.peer });
    const why = this.#failure ? ` (${causeText(this.#failure)})` : '';
    const half = this.#pending.length > 0 ? ' in the middle of a line' : '';
    return this.error('lost', `${this.peer} closed the connection${half} at stage ${this.stage}${why}`, {
      cause: this.#failure,
    });
  }

  #consume(bytes: number): void {
    this.#pending = bytes === this.#pending.length ? EMPTY : this.#pending.subarray(bytes);
    if (this.#paused && this.#pending.length < readHighWater / 2) {
      this.#paused = false;
      this.#channel.resume();
    }
  }

  async #waitForSent(deadline: number): Promise<void> {
    this.#forSent = true;
    try {
      await this.#wait(deadline);
    } finally {
      this.#forSent = false;
    }
  }

  async #block(
    pace: Pace,
    take: (pending: Buffer) => { used: number; done: boolean; waits: Promise<void> | undefined },
  ): Promise<void> {
    const began = this.clock.now();
    let total = 0;
    for (;;) {
      if (this.#pending.length > 0) {
        const { used, done, waits } = take(this.#pending);
        total += used;
        this.#consume(used);
        if (waits) await waits;
        if (done) return;
        continue;
      }
      if (this.#ended) throw this.lost();
      const now = this.clock.now();
      await this.#wait(now + pace.stallMs);
      const elapsed = this.clock.now() - began;
      if (pace.bytesPerSecond && elapsed > (pace.graceMs ?? 0) && (total * 1000) / elapsed < pace.bytesPerSecond) {
        throw this.error('timeout', `${this.peer} sends slower than ${pace.bytesPerSecond} bytes a second`);
      }
    }
  }

  /** Until something happens; rejects with 'timeout' once the deadline has passed. One timer serves all waits of a wire. */
  #wait(deadline: number): Promise<void> {
    const began = this.clock.now();
    if (began >= deadline) return Promise.reject(this.#timeout(0));
    this.#deadline = deadline;
    this.#arm(deadline);
    // No async function: a server waits here for each command.
    return new Promise<void>((resolve, reject) => {
      const over = () => {
        this.#wake = undefined;
        this.#expire = undefined;
        this.#deadline = Number.POSITIVE_INFINITY;
      };
      this.#wake = () => {
        over();
        resolve();
      };
      this.#expire = () => {
        over();
        reject(this.#timeout(this.clock.now() - began));
      };
    });
  }

  #expire: (() => void) | undefined;

  /** A timer that fires too early for the current deadline is re-armed when it fires, not for every line. */
  #arm(deadline: number): void {
    if (deadline === Number.POSITIVE_INFINITY || this.#timerAt <= deadline) return;
    this.#cancelTimer?.();
    this.#timerAt = deadline;
    this.#cancelTimer = this.clock.after(Math.max(0, deadline - this.clock.now()), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#cancelTimer = undefined;
      if (this.#expire === undefined) return;
      if (this.clock.now() >= this.#deadline) this.#expire();
      else this.#arm(this.#deadline);
    });
  }

  #timeout(waited: number): EhloError {
    return this.error('timeout', `no answer from ${this.peer} at stage ${this.stage} within ${Math.round(waited)} ms`);
  }
}

const causeText = (cause: Error): string => {
  const code = (cause as NodeJS.ErrnoException).code;
  return code === 'ECONNRESET'
    ? 'connection reset'
    : code === 'EPIPE'
      ? 'connection reset while writing'
      : cause.message;
};

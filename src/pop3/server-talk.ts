// What a POP3 server says and hears, in order: replies wait until nothing more is to be answered and go out in one write;
// lines come under a deadline, and soon no more once the server shuts down. What they mean is server.ts's business.
import { EhloError } from '../base/errors.ts';
import { writeHighWater } from '../base/limits.ts';
import { lastWordMs, type Shutdown } from '../wire/shutdown.ts';
import type { Line, Wire } from '../wire/wire.ts';
import { type Pop3Response, printResponse } from './grammar.ts';

export class Pop3Talk {
  readonly wire: Wire;
  readonly #commandMs: number;
  readonly #shutdown: Shutdown | undefined;
  #outbox: Buffer[] = [];
  #outboxBytes = 0;

  constructor(wire: Wire, commandMs: number, shutdown: Shutdown | undefined) {
    this.wire = wire;
    this.#commandMs = commandMs;
    this.#shutdown = shutdown;
  }

  reply(response: Pop3Response): void {
    const text = printResponse(response);
    this.wire.transcript?.add('out', this.wire.stage, text.trimEnd(), { tls: this.wire.tls !== undefined });
    this.queue(Buffer.from(text));
  }

  /** A multi-line response; the transcript has its head and how long it is. */
  lines(head: string, lines: readonly string[]): void {
    this.wire.transcript?.add('out', this.wire.stage, `${head} (${lines.length} lines)`);
    this.queue(Buffer.from(`${[head, ...lines, '.'].join('\r\n')}\r\n`));
  }

  /** RFC 5034 4 */
  challenge(base64: string): void {
    this.queue(Buffer.from(`+ ${base64}\r\n`));
  }

  queue(...parts: Buffer[]): void {
    for (const part of parts) {
      this.#outbox.push(part);
      this.#outboxBytes += part.length;
    }
  }

  /** Sends what is queued, in one write. */
  post(): void {
    if (this.#outboxBytes === 0) return;
    this.wire.write(this.#outbox.length === 1 && this.#outbox[0] ? this.#outbox[0] : Buffer.concat(this.#outbox));
    this.#outbox = [];
    this.#outboxBytes = 0;
  }

  /** Sends what is queued, and waits while the client does not read. */
  async flush(): Promise<void> {
    this.post();
    if (this.wire.congested) await this.wire.drain(this.wire.clock.now() + this.#commandMs);
  }

  /** The same, but only where much is queued. */
  async relieve(): Promise<void> {
    if (this.#outboxBytes > writeHighWater) await this.flush();
  }

  /** The replies so far go out only when nothing more is waiting to be answered. Undefined: the client is gone, or must go. */
  async line(limit: number): Promise<Line | undefined> {
    const { wire } = this;
    const here = wire.takeLine(limit);
    if (here) return here;
    await this.flush();
    const deadline = wire.clock.now() + this.#commandMs;
    while (!wire.ended) {
      // Also before the first wait: it may have come while the replies went out.
      const line = wire.takeLine(limit);
      if (line) return line;
      if (this.#shutdown?.requested) return this.#lastLine(limit);
      await wire.input(deadline);
    }
    return wire.readLine(limit, deadline);
  }

  /** RFC 1939 3 has no word for a server that goes away; no deletion is done without QUIT. */
  async #lastLine(limit: number): Promise<Line | undefined> {
    try {
      return await this.wire.readLine(limit, this.wire.clock.now() + lastWordMs);
    } catch (thrown) {
      if (thrown instanceof EhloError && thrown.code === 'timeout') return undefined;
      throw thrown;
    }
  }
}

// Standard input as swaks shares it: answers to questions line by line, and then everything else, for each `-` the same.
import { endingError } from '../../app/time-limit.ts';
import { EhloError } from '../../base/errors.ts';
import { safe } from '../../render/safe.ts';
import type { Context } from '../command.ts';
import { askPassword } from '../prompts.ts';

const LF = 0x0a;

export class SwaksInput {
  readonly #context: Context;
  #chunks: AsyncIterator<Buffer | string> | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #everything: Promise<Buffer> | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Asks on standard output, as swaks does, and reads a line. Throws 'usage' at the end of the input. */
  async ask(question: string, sensitive: boolean): Promise<string> {
    if (sensitive && this.#context.stdin.isTTY) {
      // A secret is never echoed here, with or without --protect-prompt.
      return askPassword(`${question}:`, { ...this.#context, interactive: true });
    }
    this.#context.stdout.write(`${safe(question)}: `);
    const line = await this.#line();
    if (line !== undefined && line !== '') return line;
    throw new EhloError('usage', `there is no answer to the question "${question}" on standard input`, {
      hint: `give it on the command line`,
    });
  }

  /** All that is left, read once. */
  rest(): Promise<Buffer> {
    this.#everything ??= this.#readAll();
    return this.#everything;
  }

  async #readAll(): Promise<Buffer> {
    const parts = [this.#pending];
    for (let chunk = await this.#next(); chunk; chunk = await this.#next()) parts.push(chunk);
    return Buffer.concat(parts);
  }

  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#pending.indexOf(LF);
      const chunk = end === -1 ? await this.#next() : undefined;
      if (chunk) {
        this.#pending = Buffer.concat([this.#pending, chunk]);
        continue;
      }
      if (end === -1 && this.#pending.length === 0) return undefined;
      const line = this.#pending.subarray(0, end === -1 ? this.#pending.length : end);
      this.#pending = this.#pending.subarray(end === -1 ? line.length : end + 1);
      return line.toString('utf8').replace(/\r$/, '');
    }
  }

  async #next(): Promise<Buffer | undefined> {
    const { stdin, signal } = this.#context;
    if (signal.aborted) throw endingError(signal);
    const stop = (): void => void stdin.destroy(endingError(signal));
    signal.addEventListener('abort', stop, { once: true });
    try {
      this.#chunks ??= stdin[Symbol.asyncIterator]();
      const { value, done } = await this.#chunks.next();
      if (done === true) return undefined;
      return typeof value === 'string' ? Buffer.from(value) : value;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

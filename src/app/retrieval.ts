// Messages on their way from the server into the output: checked while they pass, committed a few at a time behind it.
import type { EhloError } from '../base/errors.ts';
import type { MessageHandler, Pop3Client } from '../pop3/client.ts';
import { refusal } from '../pop3/refusal.ts';
import type { FetchedMessage, FetchRequest } from './fetch.ts';
import type { MessageOutput } from './fetch-output.ts';
import { HeaderPeek } from './header-facts.ts';

/** Messages being synced to disk at the same time. */
const openCommits = 16;

export interface RetrievalHooks {
  onMessage(message: FetchedMessage): void;
  onNote(note: string): void;
  onRefused(error: EhloError): void;
}

/** Takes messages as they come in and commits them behind, a few at a time. */
export class Retrieval implements MessageHandler {
  readonly #request: FetchRequest;
  readonly #client: Pop3Client;
  readonly #find: (number: number) => FetchedMessage;
  readonly #hooks: RetrievalHooks;
  readonly #commits = new Set<Promise<void>>();
  #peek: HeaderPeek | undefined;
  #current: MessageOutput | undefined;
  #failure: unknown;

  constructor(request: FetchRequest, client: Pop3Client, selected: FetchedMessage[], hooks: RetrievalHooks) {
    this.#request = request;
    this.#client = client;
    this.#find = finder(selected);
    this.#hooks = hooks;
  }

  begin(number: number) {
    const { maxSize } = this.#request;
    const message = this.#find(number);
    const output = this.#request.output?.begin(message);
    this.#current = output;
    const peek = this.#request.headers !== false ? new HeaderPeek() : undefined;
    this.#peek = peek;
    let bytes = 0;
    return {
      write: (content: Buffer): void | Promise<void> => {
        bytes += content.length;
        if (bytes > maxSize) throw this.#tooMuch(message);
        peek?.add(content);
        return output?.write(content);
      },
    };
  }

  end(number: number, report: { bytes: number; bareCr?: number; bareLf?: number }): void | Promise<void> {
    const message = Object.assign(this.#find(number), this.#peek?.facts());
    if (this.#request.action === 'get') this.#compare(message, report);
    const output = this.#current;
    this.#current = undefined;
    if (!output) return this.#hooks.onMessage(message);
    const commit = this.#commit(message, output).finally(() => this.#commits.delete(commit));
    this.#commits.add(commit);
    if (this.#failure) throw this.#failure;
    return this.#commits.size < openCommits ? undefined : Promise.race(this.#commits);
  }

  refused(number: number, response: Parameters<MessageHandler['refused']>[1]): void {
    const stage = this.#request.action === 'top' ? 'top' : 'retr';
    const error = refusal(this.#client.wire, response, stage, 'session');
    this.#hooks.onNote(`message ${number} was refused: ${response.text || 'no reason given'}`);
    this.#hooks.onRefused(error);
    this.#hooks.onMessage(this.#find(number));
  }

  async finish(): Promise<void> {
    await Promise.all(this.#commits);
    if (this.#failure) throw this.#failure;
  }

  async abandon(): Promise<void> {
    await this.#current?.abort();
    await Promise.all(this.#commits);
  }

  /** Never rejects: a failure is kept, and the next message throws it. */
  async #commit(message: FetchedMessage, output: MessageOutput): Promise<void> {
    try {
      const { file, note } = await output.commit();
      message.file = file;
      message.stored = this.#request.output?.durable === true;
      if (note !== undefined) this.#hooks.onNote(note);
      this.#hooks.onMessage(message);
    } catch (thrown) {
      this.#failure ??= thrown;
    }
  }

  #compare(message: FetchedMessage, report: { bytes: number; bareCr?: number; bareLf?: number }): void {
    const { number } = message;
    if (report.bytes !== message.size) {
      this.#hooks.onNote(
        `message ${number} has ${report.bytes} bytes, LIST said ${message.size}; it came to its proper end`,
      );
    }
    message.size = report.bytes;
    const bare = report.bareLf ?? report.bareCr;
    if (bare === undefined) return;
    const which = report.bareLf === undefined ? 'CR' : 'LF';
    this.#hooks.onNote(`message ${number} has a bare ${which} at byte ${bare}; it was taken as it is`);
  }

  #tooMuch({ number, size }: FetchedMessage): EhloError {
    const { wire } = this.#client;
    const { maxSize } = this.#request;
    return wire.error(
      'size-exceeded',
      `${wire.peer} sends more than ${maxSize} bytes as message ${number}, which LIST gave ${size}; it was not stored`,
      { hint: 'allow more with --max-size' },
    );
  }
}

export const numbersOf = (messages: FetchedMessage[]): number[] => messages.map(({ number }) => number);

export function finder(messages: FetchedMessage[]): (number: number) => FetchedMessage {
  const byNumber = new Map(messages.map((message) => [message.number, message]));
  return (number) => {
    const message = byNumber.get(number);
    if (!message) throw new Error(`message ${number} was not asked for`);
    return message;
  };
}

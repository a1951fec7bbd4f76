// The use case of `ehlo fetch`: a POP3 mailbox and what to do with it in, one report out. Nothing is deleted on the server
// before it is stored and synced here, and deletions are done only when the server said +OK to QUIT.
import { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { Pop3Client } from '../pop3/client.ts';
import { refusal } from '../pop3/refusal.ts';
import { type Survey, type SurveyedMessage, stat, survey } from '../pop3/survey.ts';
import { Transcript, type TranscriptEvent } from '../wire/transcript.ts';
import type { Connection } from './connection.ts';
import type { FetchOutput } from './fetch-output.ts';
import { type HeaderFacts, HeaderPeek, noHeaderFacts } from './header-facts.ts';
import { openMailbox } from './mailbox-session.ts';
import { noPop3Facts } from './pop3-session.ts';
import type { Ports } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import { finder, numbersOf, Retrieval } from './retrieval.ts';
import type { Target } from './session.ts';
import { withTimeLimit } from './time-limit.ts';
import { type TlsSummary, tlsSummary } from './tls-policy.ts';

export type FetchAction = 'list' | 'get' | 'top' | 'stat' | 'delete';

export interface FetchRequest {
  connection: Connection;
  action: FetchAction;
  /** Only these message numbers; undefined: all. */
  numbers?: number[];
  /** At most so many messages, the first ones. */
  max?: number;
  /** Larger messages are left on the server. Bytes. */
  maxSize: number;
  /** A mailbox with more is refused. */
  maxMessages: number;
  /** For `top`: lines of the body. */
  topLines: number;
  /** For `get`: delete on the server what was stored. Needs a durable output. */
  delete: boolean;
  /** Read senders, subjects and dates of what is fetched (default). `list` always does. */
  headers?: boolean;
  /** Where the bytes go; `list`, `stat` and `delete` need none. */
  output?: FetchOutput;
}

export interface FetchedMessage extends HeaderFacts {
  number: number;
  uid: string | null;
  /** Bytes as retrieved; before that as LIST says. */
  size: number;
  /** It is in a file here. */
  stored: boolean;
  /** Null: the server was asked to, and the connection broke before it said whether it did. */
  deleted: boolean | null;
  file: string | null;
}

export interface FetchReport extends ReportHead<'fetch'> {
  server: (Target & { tls: TlsSummary | null; auth: string | null }) | null;
  /** As STAT says. */
  mailbox: { count: number; size: number } | null;
  messages: FetchedMessage[];
  notes: string[];
  /** Where one was asked for. */
  transcript?: TranscriptEvent[];
}

export interface FetchHooks {
  scrubber: Scrubber;
  signal: AbortSignal;
  /** Keep the conversation in the report. Costs more than the conversation itself. */
  transcript?: boolean;
  onEvent?: (event: TranscriptEvent) => void;
  /** A message is done with, as far as it was asked for. */
  onMessage?: (message: FetchedMessage) => void;
}

/** Never throws one of our errors: a failure is in the report, beside what was done before it. */
export async function fetchMail(
  request: FetchRequest,
  ports: Ports,
  hooks: FetchHooks,
): Promise<{ report: FetchReport; error: EhloError | null }> {
  const run = new Run(request, ports, hooks);
  const limited = withTimeLimit(hooks.signal, request.connection.maxTimeMs, ports.clock);
  let error: EhloError | null = null;
  try {
    await run.go(limited.signal);
  } catch (thrown) {
    if (limited.signal.aborted) error = interrupted(limited.signal, run.messages);
    else if (thrown instanceof EhloError) error = thrown;
    else throw thrown;
  } finally {
    limited.cancel();
  }
  error ??= run.failure;
  return { report: run.report(error), error };
}

const interrupted = (signal: AbortSignal, messages: FetchedMessage[]): EhloError => {
  const stored = messages.filter((message) => message.stored).length;
  const deletions = messages.some((message) => message.deleted === null)
    ? 'whether the server deleted them is not known'
    : 'nothing was deleted';
  const what = `${stored} of ${messages.length} messages were stored, and ${deletions}`;
  return signal.reason instanceof EhloError
    ? new EhloError(signal.reason.code, `${signal.reason.message}; ${what}`)
    : new EhloError('lost', `interrupted; ${what}`, { side: 'local' });
};

class Run {
  readonly messages: FetchedMessage[] = [];
  /** The first thing that went wrong with one message, while the others went on. */
  failure: EhloError | null = null;
  readonly #request: FetchRequest;
  readonly #ports: Ports;
  readonly #hooks: FetchHooks;
  readonly #transcript: Transcript | undefined;
  readonly #facts = noPop3Facts();
  #method: string | null = null;
  #mailbox: FetchReport['mailbox'] = null;

  constructor(request: FetchRequest, ports: Ports, hooks: FetchHooks) {
    this.#request = request;
    this.#ports = ports;
    this.#hooks = hooks;
    if (hooks.transcript) {
      this.#transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
    }
  }

  report(error: EhloError | null): FetchReport {
    const { target, tls } = this.#facts;
    return {
      ...reportHead('fetch', error ?? 'OK'),
      server: target && { ...target, tls: tlsSummary(tls), auth: this.#method },
      mailbox: this.#mailbox,
      messages: this.messages,
      notes: this.#facts.notes,
      ...(this.#transcript ? { transcript: this.#transcript.events } : {}),
    };
  }

  async go(signal: AbortSignal): Promise<void> {
    const { connection, output } = this.#request;
    if (!connection.server)
      throw new EhloError('usage', 'no server was given', { hint: 'ehlo fetch pop3://user@host' });
    if (this.#request.delete && !output?.durable) {
      throw new EhloError('usage', '--delete needs the messages in files first', { hint: 'add -o DIR' });
    }
    const { client, method } = await openMailbox(connection, connection.server, this.#ports, this.#facts, {
      transcript: this.#transcript,
      scrubber: this.#hooks.scrubber,
      signal,
    });
    this.#method = method;
    try {
      await this.#act(client);
      client.wire.close();
    } catch (thrown) {
      // Without QUIT the server deletes nothing (RFC 1939 6).
      client.wire.destroy();
      throw thrown;
    }
  }

  async #act(client: Pop3Client): Promise<void> {
    const { action } = this.#request;
    if (action === 'stat') {
      this.#mailbox = await stat(client);
      return this.#quit(client, []);
    }
    const found = await survey(client, this.#request.maxMessages);
    this.#mailbox = { count: found.count, size: found.size };
    this.#judge(client, found);
    const selected = this.#select(found.messages);
    this.messages.push(...selected);
    let doomed: FetchedMessage[] = [];
    if (action === 'list') await this.#peek(client, selected);
    else if (action === 'delete') doomed = selected;
    else {
      await this.#retrieve(client, this.#withinSize(selected));
      if (this.#request.delete) doomed = selected.filter((message) => message.stored);
    }
    await this.#delete(client, doomed);
  }

  /** Ids and sizes that contradict themselves are good enough for reading, not for deleting by them. */
  #judge(client: Pop3Client, { idDefects, sizeDefects }: Survey): void {
    const [defect] = idDefects;
    const deleting = this.#request.delete || this.#request.action === 'delete';
    if (defect !== undefined && deleting) {
      throw client.wire.error('peer-lied', `${client.wire.peer} contradicts itself: ${defect}`, {
        stage: 'uidl',
        hint: 'nothing was deleted; fetch without --delete works',
      });
    }
    this.#facts.notes.push(...idDefects.slice(0, 10), ...sizeDefects);
    if (idDefects.length > 10) this.#facts.notes.push(`UIDL has ${idDefects.length - 10} more defects of this kind`);
  }

  #select(all: SurveyedMessage[]): FetchedMessage[] {
    const { numbers, max } = this.#request;
    const missing = numbers?.find((number) => number > all.length);
    if (missing !== undefined) {
      throw new EhloError('answer-no', `there is no message ${missing}; the mailbox has ${all.length}`, {
        stage: 'list',
      });
    }
    const chosen = numbers ? all.filter((message) => numbers.includes(message.number)) : all;
    return chosen.slice(0, max).map(({ number, uid, size }) => ({
      number,
      uid,
      size,
      ...noHeaderFacts,
      stored: false,
      deleted: false,
      file: null,
    }));
  }

  #withinSize(selected: FetchedMessage[]): FetchedMessage[] {
    if (this.#request.action === 'top') return selected;
    return selected.filter(({ number, size }) => {
      if (size <= this.#request.maxSize) return true;
      this.#facts.notes.push(
        `message ${number} has ${size} bytes and was left on the server (--max-size ${this.#request.maxSize})`,
      );
      return false;
    });
  }

  /** Header fields for a list, where the server can show them without sending whole messages. */
  async #peek(client: Pop3Client, selected: FetchedMessage[]): Promise<void> {
    if (client.capabilities && !client.capabilities.has('TOP')) {
      this.#facts.notes.push('the server has no TOP: senders and subjects are not shown');
      for (const message of selected) this.#hooks.onMessage?.(message);
      return;
    }
    let peek = new HeaderPeek();
    const find = finder(selected);
    await client.topMany(numbersOf(selected), 0, {
      begin: () => {
        peek = new HeaderPeek();
        return { write: (content) => peek.add(content) };
      },
      end: (number) => {
        const message = Object.assign(find(number), peek.facts());
        this.#hooks.onMessage?.(message);
      },
      refused: (number) => {
        this.#facts.notes.push(`the server did not show the header of message ${number}`);
        this.#hooks.onMessage?.(find(number));
      },
    });
  }

  async #retrieve(client: Pop3Client, selected: FetchedMessage[]): Promise<void> {
    const { action, topLines, output } = this.#request;
    const retrieval = new Retrieval(this.#request, client, selected, {
      onMessage: (message) => this.#hooks.onMessage?.(message),
      onNote: (note) => this.#facts.notes.push(note),
      onRefused: (error) => {
        this.failure ??= error;
      },
    });
    const numbers = numbersOf(selected);
    try {
      if (action === 'top') await client.topMany(numbers, topLines, retrieval);
      else await client.retrieveMany(numbers, retrieval);
      await retrieval.finish();
    } catch (thrown) {
      await retrieval.abandon();
      throw thrown;
    } finally {
      if ((await output?.settle()) === false) this.#unstore();
    }
  }

  #unstore(): void {
    for (const message of this.messages) Object.assign(message, { stored: false, file: null });
  }

  async #delete(client: Pop3Client, doomed: FetchedMessage[]): Promise<void> {
    const find = finder(doomed);
    const marked: FetchedMessage[] = [];
    await client.deleteMany(numbersOf(doomed), (number, response) => {
      if (response.ok) marked.push(find(number));
      else this.failure ??= refusal(client.wire, response, 'dele', 'session');
    });
    await this.#quit(client, marked);
    if (this.#request.action === 'delete') for (const message of doomed) this.#hooks.onMessage?.(message);
  }

  /** The server deletes at QUIT: before its +OK nobody knows. */
  async #quit(client: Pop3Client, marked: FetchedMessage[]): Promise<void> {
    for (const message of marked) message.deleted = null;
    try {
      const response = await client.quit();
      if (response.ok) for (const message of marked) message.deleted = true;
      else if (marked.length > 0) throw refusal(client.wire, response, 'quit', 'session');
    } catch (thrown) {
      if (!(thrown instanceof EhloError)) throw thrown;
      // With nothing to delete everything is done: how the server says goodbye is its own business.
      if (marked.length === 0) this.#facts.notes.push(`the session did not end properly: ${thrown.message}`);
      else throw maybeReappear(thrown, marked.length);
    }
  }
}

const maybeReappear = (cause: EhloError, count: number): EhloError =>
  new EhloError(
    cause.code,
    `${cause.message}; whether ${count} messages were deleted is not known: they may reappear`,
    {
      side: 'remote',
      stage: 'quit',
      peer: cause.peer,
      hint: 'list the mailbox to see; what was fetched is stored',
      cause,
    },
  );

// `ehlo serve` of the built program as a server for other programs, with its events as they come.
import { find, freshPath, launcher, type Running, start } from './support.ts';

export interface ServedMessage {
  id: string;
  from: string;
  to: string[];
  subject: string | null;
  size: number;
  protocol: string;
  tls: { protocol: string; cipher: string } | null;
  auth: { mechanism: string; identity: string } | null;
}

export interface Served extends Running {
  smtp: number;
  pop3: number;
  dns: number;
  /** The Maildir root; messages are in MAILBOX/new. */
  maildir: string;
  /** Waits until so many messages have come. */
  messages(count: number): Promise<ServedMessage[]>;
}

export interface ServeOptions {
  /** Default: a Maildir. */
  memory?: boolean;
  /** A program and its arguments that the server is started under, such as strace. */
  under?: readonly string[];
  env?: Record<string, string>;
}

export async function startServe(args: readonly string[] = [], options: ServeOptions = {}): Promise<Served> {
  const maildir = freshPath('maildir');
  const store = options.memory ? [] : ['--store', `maildir:${maildir}`];
  const words = [...(options.under ?? []), find(process.execPath), launcher(), 'serve', '--json', ...store, ...args];
  const [program = '', ...rest] = words;
  const running = start(program, rest, options.env ? { env: options.env } : {});
  const log = new EventLog(running);
  const ready = await log.ready();
  return {
    ...running,
    pid: ready.pid,
    smtp: ready.smtp?.port ?? 0,
    pop3: ready.pop3?.port ?? 0,
    dns: ready.dns?.port ?? 0,
    maildir,
    messages: (count) => log.messages(count),
    // The server itself, not the program that watches it.
    stop: async () => {
      if (running.child.exitCode === null) process.kill(ready.pid, 'SIGTERM');
      await running.ended;
    },
  };
}

interface Ready {
  pid: number;
  smtp?: { port: number };
  pop3?: { port: number };
  dns?: { port: number };
}

type Event = ({ event: 'ready' } & Ready) | ({ event: 'message' } & ServedMessage) | { event: 'end' | 'problem' };

const limitMs = 20_000;

/** The NDJSON of the server, line by line. */
class EventLog {
  readonly #running: ReturnType<typeof start>;
  readonly #messages: ServedMessage[] = [];
  #ready: Ready | undefined;
  #rest = '';
  #wake: () => void = () => {};

  constructor(running: ReturnType<typeof start>) {
    this.#running = running;
    running.child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
    void running.ended.then(() => this.#wake());
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event: Event = JSON.parse(line);
      if (event.event === 'ready') this.#ready = event;
      else if (event.event === 'message') this.#messages.push(event);
    }
    this.#wake();
  }

  async ready(): Promise<Ready> {
    await this.#until('ready', () => this.#ready !== undefined);
    if (!this.#ready) throw new Error('not ready');
    return this.#ready;
  }

  async messages(count: number): Promise<ServedMessage[]> {
    await this.#until(`${count} messages`, () => this.#messages.length >= count);
    return [...this.#messages];
  }

  #until(what: string, is: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new Error(`ehlo serve: no ${what}: ${why}; ${this.#running.printed()}`));
      const limit = setTimeout(() => fail(`${limitMs} ms are over, ${this.#messages.length} messages came`), limitMs);
      const look = (): void => {
        const ended = this.#running.child.exitCode !== null;
        if (!is() && !ended) return;
        clearTimeout(limit);
        if (is()) resolve();
        else fail('it ended');
      };
      this.#wake = look;
      look();
    });
  }
}

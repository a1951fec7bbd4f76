// The server's side of a POP3 session (RFC 1939, 2449, 2595, 3206, 5034) over any wire and any maildrop. One write carries
// the replies to everything that came in one read. Deletions happen at QUIT and nowhere else. Logging in is in server-login.ts.
import { asEhloError, EhloError } from '../base/errors.ts';
import { pop3Limits, smtpServerLimits } from '../base/limits.ts';
import type { Accounts } from '../sasl/sasl.ts';
import type { TlsServerOptions } from '../wire/channel.ts';
import { DotWriter } from '../wire/dot.ts';
import type { Shutdown } from '../wire/shutdown.ts';
import type { Line, Wire } from '../wire/wire.ts';
import { err, ok, type Pop3Command, type Pop3Response, type Pop3Verb, parseCommand, printCommand } from './grammar.ts';
import type { Maildrop, MaildropMessage, OpenMaildrop } from './maildrop.ts';
import { LoginDesk } from './server-login.ts';
import { Pop3Talk } from './server-talk.ts';
import { TopCutter } from './top.ts';

export interface Pop3ServerOptions {
  hostname: string;
  accounts: Accounts;
  maildrop: Maildrop;
  /** STLS is offered where this is present. */
  tls?: TlsServerOptions;
  /** Take logins before TLS. */
  allowInsecureAuth: boolean;
  limits?: Partial<typeof pop3Limits>;
  /** For APOP's timestamp and SASL: printable ASCII without `,<>@`, never the same twice. */
  nonce?: () => string;
  /** Once requested, a session that has nothing more to say soon ends; nothing is deleted then. */
  shutdown?: Shutdown;
}

type Phase = 'authorization' | 'transaction';

const phasesOf: Record<Pop3Verb, readonly Phase[]> = {
  USER: ['authorization'],
  PASS: ['authorization'],
  APOP: ['authorization'],
  AUTH: ['authorization'],
  STLS: ['authorization'],
  CAPA: ['authorization', 'transaction'],
  QUIT: ['authorization', 'transaction'],
  STAT: ['transaction'],
  LIST: ['transaction'],
  UIDL: ['transaction'],
  RETR: ['transaction'],
  TOP: ['transaction'],
  DELE: ['transaction'],
  RSET: ['transaction'],
  NOOP: ['transaction'],
};

/** Resolves when the session is over, whoever ended it. Rejects only for bugs. */
export async function servePop3(wire: Wire, options: Pop3ServerOptions): Promise<void> {
  const session = new Session(wire, options);
  const unhook = options.shutdown?.onRequest(() => wire.nudge());
  try {
    await session.run();
    wire.close();
  } catch (thrown) {
    const error = asEhloError(thrown);
    wire.info(error.message);
    // RFC 1939 3: after a timeout nothing is said, and nothing is deleted. Half a message must not look whole.
    if (error.code === 'line-too-long') {
      session.say(err('the line is too long'));
      wire.close();
    } else wire.destroy();
    if (error.code === 'internal') throw thrown;
  } finally {
    unhook?.();
    session.release();
  }
}

class Session {
  readonly #wire: Wire;
  readonly #talk: Pop3Talk;
  readonly #options: Pop3ServerOptions;
  readonly #limits: typeof pop3Limits;
  readonly #desk: LoginDesk;
  #open: OpenMaildrop | undefined;
  /** Positions in the maildrop's list. */
  #deleted = new Set<number>();
  #errors = 0;
  #over = false;

  constructor(wire: Wire, options: Pop3ServerOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#limits = { ...pop3Limits, ...options.limits };
    this.#talk = new Pop3Talk(wire, this.#limits.command, options.shutdown);
    this.#desk = new LoginDesk(options, this.#limits, this.#talk);
  }

  async run(): Promise<void> {
    this.#wire.stage = 'banner';
    this.#talk.reply(ok(`ehlo POP3 server ready ${this.#desk.timestamp}`));
    while (!this.#over) {
      const line = await this.#talk.line(this.#limits.commandLineHard);
      if (!line) break;
      await this.#command(line);
      await this.#talk.relieve();
    }
    await this.#talk.flush();
  }

  /** The last word of a session that cannot go on. */
  say(response: Pop3Response): void {
    this.#talk.reply(response);
    this.#talk.post();
  }

  release(): void {
    this.#open?.release();
    this.#open = undefined;
  }

  async #command(line: Line): Promise<void> {
    const tooLong = line.bytes.length + 2 > this.#limits.commandLine;
    const command = tooLong
      ? ({ verb: 'bad', problem: `a command has at most ${this.#limits.commandLine} bytes` } as const)
      : line.ending === 'lf'
        ? ({ verb: 'bad', problem: 'lines end in CRLF' } as const)
        : parseCommand(line.bytes);
    this.#show(command.verb === 'bad' ? '<not a command>' : printCommand(command, 'mask').trimEnd());
    if (command.verb === 'bad') return this.#fault(err(command.problem));
    this.#wire.stage = command.verb.toLowerCase();
    const phase: Phase = this.#open ? 'transaction' : 'authorization';
    if (!phasesOf[command.verb].includes(phase)) {
      return this.#fault(err(this.#open ? 'already logged in' : 'log in first'));
    }
    const response = await this.#answer(command);
    if (!response) return;
    if (response.ok) this.#talk.reply(response);
    else this.#fault(response);
  }

  /** A -ERR; too many of them end the session. */
  #fault(response: Pop3Response): void {
    this.#talk.reply(response);
    this.#errors++;
    if (this.#errors < this.#limits.errors) return;
    this.#talk.reply(err('too many errors; closing'));
    this.#over = true;
  }

  /** Undefined: everything was said already. */
  async #answer(command: Pop3Command): Promise<Pop3Response | undefined> {
    switch (command.verb) {
      case 'CAPA':
        return this.#capa();
      case 'STLS':
        return this.#stls();
      case 'USER':
      case 'PASS':
      case 'APOP':
      case 'AUTH':
        return this.#login(command);
      case 'QUIT':
        return this.#quit();
      case 'NOOP':
        return ok();
      case 'STAT':
        return ok(this.#totals());
      case 'LIST':
        return this.#listing(command.number, (message) => String(message.size), `+OK ${this.#totals()}`);
      case 'UIDL':
        return this.#listing(command.number, (message) => message.uidl, '+OK');
      case 'RETR':
        return this.#retr(command.number);
      case 'TOP':
        return this.#top(command.number, command.lines);
      case 'DELE':
        return this.#dele(command.number);
      case 'RSET':
        this.#deleted.clear();
        return ok(this.#totals());
    }
  }

  #capa(): undefined {
    const login = this.#open ? [] : this.#desk.capabilities();
    const stls = this.#options.tls && !this.#wire.tls && !this.#open ? ['STLS'] : [];
    const always = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'EXPIRE NEVER'];
    this.#talk.lines('+OK', [...always, ...stls, ...login, 'IMPLEMENTATION ehlo']);
  }

  /** RFC 2595 4: what came in the clear behind STLS ends the session; what was said before it is forgotten. */
  async #stls(): Promise<Pop3Response | undefined> {
    if (!this.#options.tls) return err('STLS is not offered here');
    if (this.#wire.tls) return err('TLS is in use already');
    this.#talk.reply(ok('begin TLS'));
    this.#talk.post();
    await this.#wire.startTls(this.#options.tls, smtpServerLimits.tlsHandshake);
    this.#desk.forget();
    return undefined;
  }

  async #login(command: Extract<Pop3Command, { verb: 'USER' | 'PASS' | 'APOP' | 'AUTH' }>): Promise<Pop3Response> {
    const step = await this.#desk.take(command);
    if ('ok' in step) {
      if (this.#desk.exhausted) this.#over = true;
      return step;
    }
    const opened = await this.#attempt(() => this.#options.maildrop.open(step.user));
    if ('ok' in opened) return opened;
    if (opened.value === 'locked') return err('another session has this mailbox open', 'IN-USE');
    this.#open = opened.value;
    return ok(this.#totals());
  }

  async #quit(): Promise<Pop3Response> {
    this.#over = true;
    if (!this.#open) return ok('bye');
    const open = this.#open;
    const ids = open.messages.flatMap((message, at) => (this.#deleted.has(at) ? [message.id] : []));
    const done = ids.length === 0 ? { value: undefined } : await this.#attempt(() => open.delete(ids));
    // Before the +OK: whoever has read it may log in again at once.
    this.release();
    return 'ok' in done ? err('some deleted messages were not removed', 'SYS/TEMP') : ok('bye');
  }

  #totals(): string {
    let count = 0;
    let size = 0;
    for (const [at, message] of (this.#open?.messages ?? []).entries()) {
      if (this.#deleted.has(at)) continue;
      count++;
      size += message.size;
    }
    return `${count} ${size}`;
  }

  #listing(
    number: number | undefined,
    tell: (message: MaildropMessage) => string,
    head: string,
  ): Pop3Response | undefined {
    if (number !== undefined) {
      const message = this.#message(number);
      return message ? ok(`${number} ${tell(message)}`) : noSuchMessage;
    }
    const all = this.#open?.messages ?? [];
    this.#talk.lines(
      head,
      all.flatMap((message, at) => (this.#deleted.has(at) ? [] : [`${at + 1} ${tell(message)}`])),
    );
    return undefined;
  }

  async #retr(number: number): Promise<Pop3Response | undefined> {
    const message = this.#message(number);
    return message ? this.#body(message, undefined) : noSuchMessage;
  }

  async #top(number: number, lines: number): Promise<Pop3Response | undefined> {
    const message = this.#message(number);
    return message ? this.#body(message, new TopCutter(lines)) : noSuchMessage;
  }

  /** Small messages join the other replies; large ones are written as they are read. */
  async #body(message: MaildropMessage, cutter: TopCutter | undefined): Promise<Pop3Response | undefined> {
    const open = this.#open;
    const read = await this.#attempt(async () => open?.read(message.id));
    if ('ok' in read || !read.value) return err('the message cannot be read', 'SYS/TEMP');
    const source = read.value;
    this.#talk.reply(ok(cutter ? '' : `${message.size} octets`));
    const writer = new DotWriter({ bare: 'keep' });
    for await (const chunk of source.bytes ? [source.bytes] : source.chunks()) {
      this.#talk.queue(...writer.write(cutter ? cutter.feed(chunk) : chunk));
      await this.#talk.relieve();
      if (cutter?.done) break;
    }
    this.#talk.queue(writer.end());
    return undefined;
  }

  #dele(number: number): Pop3Response {
    if (!this.#message(number)) return noSuchMessage;
    this.#deleted.add(number - 1);
    return ok(`message ${number} deleted`);
  }

  #message(number: number): MaildropMessage | undefined {
    return this.#deleted.has(number - 1) ? undefined : this.#open?.messages[number - 1];
  }

  /** What the maildrop cannot do is a temporary refusal, not the end of the session. Bugs pass through. */
  async #attempt<T>(work: () => Promise<T>): Promise<{ value: T } | Pop3Response> {
    try {
      return { value: await work() };
    } catch (thrown) {
      if (!(thrown instanceof EhloError)) throw thrown;
      this.#wire.info(thrown.message);
      return err('the mailbox cannot be reached now', 'SYS/TEMP');
    }
  }

  #show(text: string): void {
    this.#wire.transcript?.add('in', this.#wire.stage, text, { tls: this.#wire.tls !== undefined });
  }
}

const noSuchMessage = err('no such message');

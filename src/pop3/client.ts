// The client's side of a POP3 session (RFC 1939, 2449, 2595): say, hear, and the commands, with RETR in a window where the
// server pipelines. -ERR comes back as a value; a response that is early, malformed or too much is an error. Logging in is
// in login.ts, the checks over STAT, LIST and UIDL are in survey.ts.
import { peerText } from '../base/bytes.ts';
import { asEhloError, type EhloError, type ErrorCode } from '../base/errors.ts';
import { type ClientDeadlines, pop3Limits } from '../base/limits.ts';
import { Scrubber } from '../base/secret.ts';
import type { TlsClientOptions, TlsFacts } from '../wire/channel.ts';
import type { DotReport } from '../wire/dot.ts';
import { type Protocol, protocolOf } from '../wire/strangers.ts';
import { turn } from '../wire/turn.ts';
import type { BlockSink, Line, Pace, Wire } from '../wire/wire.ts';
import {
  type Capabilities,
  type Pop3Command,
  type Pop3Response,
  parseCapability,
  parseResponse,
  parseTimestamp,
  printCommand,
} from './grammar.ts';

export interface Pop3ClientOptions {
  deadlines: ClientDeadlines;
  /** Keep commands in flight where the server announces PIPELINING. Default: yes. */
  pipelining?: boolean;
  /** Learns the credentials of this session. Default: the transcript's. */
  scrubber?: Scrubber;
}

/** Where retrieved messages go. A promise from any of these holds the next message back. */
export interface MessageHandler {
  /** Its +OK has come: where to put the content. */
  begin(number: number): BlockSink;
  /** The message is whole. */
  end(number: number, report: DotReport): void | Promise<void>;
  /** The server said -ERR instead. */
  refused(number: number, response: Pop3Response): void;
}

/** Commands in flight. Their 12 bytes each never fill a window, so no deadlock can come of it (RFC 2449 6.6). */
const windowSize = 64;
/** Lines of a CAPA answer. */
const capabilityLines = 200;
/** List lines that a transcript shows in full. */
const shownLines = 100;

const strangerHints: Partial<Record<Protocol, string>> = {
  SMTP: 'check the port; "ehlo inspect smtp://host:port" and "ehlo send" speak SMTP',
  IMAP: 'check the port: POP3 is on 110 or 995',
  TLS: 'the server wants TLS from the first byte: use pop3s://',
};

/** A body may take as long as it needs while it moves: RFC 1939 knows no limit, a drip is one. */
const bodyPace = (deadlines: ClientDeadlines): Pace => ({
  stallMs: deadlines.reply,
  graceMs: 5 * deadlines.reply,
  bytesPerSecond: 100,
});

export class Pop3Client {
  readonly wire: Wire;
  /** Takes the credentials of this session out of everything that is kept. */
  readonly scrubber: Scrubber;
  /** Undefined: not asked yet, or the server does not know CAPA. */
  capabilities: Capabilities | undefined;
  /** What APOP needs from the greeting. */
  timestamp: string | undefined;
  readonly #deadlines: ClientDeadlines;
  readonly #mayPipeline: boolean;

  constructor(wire: Wire, options: Pop3ClientOptions) {
    this.wire = wire;
    this.#deadlines = options.deadlines;
    this.#mayPipeline = options.pipelining ?? true;
    this.scrubber = options.scrubber ?? wire.transcript?.scrubber ?? new Scrubber();
  }

  get pipelining(): boolean {
    return this.#mayPipeline && this.capabilities?.has('PIPELINING') === true;
  }

  async greet(): Promise<Pop3Response> {
    const response = await this.hear('banner', this.#deadlines.greeting);
    this.timestamp = response.ok ? parseTimestamp(response.text) : undefined;
    return response;
  }

  /** Asks again each time: what a server offers changes with TLS and with the login (RFC 2449 5). */
  async capa(): Promise<Capabilities | undefined> {
    this.capabilities = undefined;
    const response = await this.ask({ verb: 'CAPA' });
    if (!response.ok) return undefined;
    const found = new Map<string, string[]>();
    await this.lines('capa', capabilityLines, (line) => {
      const capability = parseCapability(line);
      if (!capability) throw this.#error('reply-malformed', `sent a capability that is none: ${line.slice(0, 80)}`);
      found.set(...capability);
    });
    this.capabilities = found;
    return found;
  }

  /** STLS (RFC 2595 4). A refusal is a value, with no TLS. The certificate is judged by the caller, before anything goes out. */
  async stls(options: TlsClientOptions): Promise<{ response: Pop3Response; tls: TlsFacts | null }> {
    const response = await this.ask({ verb: 'STLS' });
    if (!response.ok) return { response, tls: null };
    // What was injected behind the +OK often comes with the next segment: look before the handshake.
    await turn();
    try {
      const tls = await this.wire.startTls(options, this.#deadlines.tlsHandshake);
      // What was learnt in the clear is void.
      this.capabilities = undefined;
      return { response, tls };
    } catch (thrown) {
      const error = asEhloError(thrown);
      if (error.code !== 'reply-unexpected') throw error;
      throw this.wire.error('starttls-injection', `${this.wire.peer} sent plain text behind STLS instead of TLS`, {
        hint: 'someone between here and the server may be injecting responses; do not log in over this path',
        cause: error,
      });
    }
  }

  async retr(number: number, sink: BlockSink): Promise<{ response: Pop3Response; report: DotReport | null }> {
    return this.#block({ verb: 'RETR', number }, sink);
  }

  /** The header, and `lines` lines of the body. */
  async top(
    number: number,
    lines: number,
    sink: BlockSink,
  ): Promise<{ response: Pop3Response; report: DotReport | null }> {
    return this.#block({ verb: 'TOP', number, lines }, sink);
  }

  /** RETR for each number, in order, with a window in flight where the server pipelines. */
  retrieveMany(numbers: readonly number[], handler: MessageHandler): Promise<void> {
    return this.#many(numbers, (number) => ({ verb: 'RETR', number }), handler);
  }

  /** TOP for each number, in the same way. */
  topMany(numbers: readonly number[], lines: number, handler: MessageHandler): Promise<void> {
    return this.#many(numbers, (number) => ({ verb: 'TOP', number, lines }), handler);
  }

  async dele(number: number): Promise<Pop3Response> {
    return this.ask({ verb: 'DELE', number });
  }

  /** DELE for each number; tells the response of each. Nothing is gone before QUIT said +OK. */
  async deleteMany(numbers: readonly number[], told: (number: number, response: Pop3Response) => void): Promise<void> {
    await this.#windowed(
      numbers,
      (number) => ({ verb: 'DELE', number }),
      async (number) => told(number, await this.hear('dele')),
    );
  }

  async rset(): Promise<Pop3Response> {
    return this.ask({ verb: 'RSET' });
  }

  async noop(): Promise<Pop3Response> {
    return this.ask({ verb: 'NOOP' });
  }

  /** -ERR to QUIT means that some deletions were not done (RFC 1939 6). */
  async quit(): Promise<Pop3Response> {
    this.say([{ verb: 'QUIT' }]);
    return this.hear('quit');
  }

  async ask(command: Pop3Command): Promise<Pop3Response> {
    this.say([command]);
    return this.hear(stageOf(command));
  }

  /** Sends commands in one write. Throws where a response is already there: it cannot be an answer to these. */
  say(commands: readonly Pop3Command[], inFlight = 0): void {
    const first = commands[0];
    if (!first) return;
    if (inFlight === 0) {
      this.wire.stage = stageOf(first);
      this.#refuseEarly();
    }
    for (const command of this.wire.transcript ? commands : []) {
      const shown = printCommand(command, 'mask').trimEnd();
      const secret = shown !== printCommand(command).trimEnd();
      this.wire.transcript?.add('out', stageOf(command), shown, { tls: this.wire.tls !== undefined, secret });
    }
    this.wire.write(commands.map((command) => printCommand(command)).join(''));
  }

  /** The next response line. */
  async hear(stage: string, withinMs = this.#deadlines.reply): Promise<Pop3Response> {
    this.wire.stage = stage;
    const text = await this.line(pop3Limits.responseLine, this.wire.clock.now() + withinMs);
    const response = parseResponse(text);
    if (!response) throw this.#notPop3(text);
    return this.shown(response);
  }

  /** What a refusal says is shown to people, and servers echo what they were given. */
  shown(response: Pop3Response): Pop3Response {
    return response.ok ? response : { ...response, text: this.scrubber.scrub(response.text) };
  }

  #notPop3(text: string): EhloError {
    const name = protocolOf(text);
    if (name === undefined || name === 'POP3') {
      return this.#error('reply-malformed', `answered with neither +OK nor -ERR: ${text.slice(0, 80)}`);
    }
    const hint = strangerHints[name] ?? 'check the port';
    return this.#error('reply-malformed', `answered with what looks like ${name}, not POP3`, { hint });
  }

  /** One line as text. `shown` is how the line may be kept in the transcript; undefined keeps it as it is. */
  async line(limit: number, deadline: number, shown?: (text: string) => string): Promise<string> {
    return this.#text(this.wire.takeLine(limit) ?? (await this.wire.readLine(limit, deadline)), shown ?? asItIs);
  }

  /** Lines end in CRLF (RFC 1939 3); anything else is where two readers would disagree. */
  #text(line: Line | undefined, shown: ((text: string) => string) | null): string {
    if (!line) throw this.wire.lost();
    const text = peerText(line.bytes);
    if (shown) this.wire.transcript?.add('in', this.wire.stage, shown(text), { tls: this.wire.tls !== undefined });
    if (line.ending !== 'crlf') throw this.#error('reply-malformed', 'ended a line with LF alone');
    return text;
  }

  /** The lines of a multi-line response up to its dot, un-stuffed. More than `max` is an error. */
  async lines(stage: string, max: number, each: (line: string) => void): Promise<void> {
    this.wire.stage = stage;
    const deadline = this.wire.clock.now() + this.#deadlines.reply;
    for (let count = 0; ; count++) {
      const { responseLine } = pop3Limits;
      const line = this.wire.takeLine(responseLine) ?? (await this.wire.readLine(responseLine, deadline));
      const text = this.#text(line, count < shownLines ? asItIs : null);
      if (text === '.') {
        if (count > shownLines) this.wire.info(`${count - shownLines} more lines`);
        return;
      }
      if (count === max) throw this.#error('reply-too-long', `sent more than the ${max} lines that can be there`);
      each(text.startsWith('.') ? text.slice(1) : text);
    }
  }

  async #block(command: Pop3Command, sink: BlockSink): Promise<{ response: Pop3Response; report: DotReport | null }> {
    const response = await this.ask(command);
    return { response, report: response.ok ? await this.#body(sink) : null };
  }

  async #body(sink: BlockSink): Promise<DotReport> {
    const report = await this.wire.readDots(sink, bodyPace(this.#deadlines));
    this.wire.info(`${report.bytes} bytes of message`);
    return report;
  }

  async #many(numbers: readonly number[], command: (number: number) => Pop3Command, handler: MessageHandler) {
    await this.#windowed(numbers, command, async (number) => {
      const response = await this.hear(stageOf(command(number)));
      if (!response.ok) return handler.refused(number, response);
      const report = await this.#body(handler.begin(number));
      await handler.end(number, report);
    });
  }

  /** Refills at half a window, so that commands go out in groups. */
  async #windowed(
    numbers: readonly number[],
    command: (number: number) => Pop3Command,
    answer: (number: number) => Promise<void>,
  ): Promise<void> {
    const size = this.pipelining ? windowSize : 1;
    let sent = 0;
    for (const [done, number] of numbers.entries()) {
      if (sent - done <= size / 2) {
        const group = numbers.slice(sent, done + size);
        this.say(group.map(command), sent - done);
        sent += group.length;
      }
      await answer(number);
    }
  }

  #refuseEarly(): void {
    if (this.wire.buffered === 0) return;
    throw this.#error('reply-out-of-turn', 'sent something before the command that it could answer', {
      hint: 'responses and commands are out of step, so nothing that this server says can be relied on',
    });
  }

  #error(code: ErrorCode, did: string, facts?: { hint: string }) {
    return this.wire.error(code, this.scrubber.scrub(`${this.wire.peer} ${did}`), facts);
  }
}

const stageOf = (command: Pop3Command): string => command.verb.toLowerCase();

const asItIs = (text: string): string => text;

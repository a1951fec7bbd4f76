// The client's side of an SMTP or LMTP session (RFC 5321, 2033, 3207, 4954): greet, hello, secure, login, quit, and the two
// moves that everything is made of: say and hear. Transactions are in transaction.ts. 4xx and 5xx come back as values; a
// reply that is early, extra, malformed or of another phase is an error, never taken for an answer.
import { peerText } from '../base/bytes.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { type ClientDeadlines, replyLimits } from '../base/limits.ts';
import { mask, Scrubber } from '../base/secret.ts';
import { fromBase64, printInitial } from '../sasl/base64.ts';
import type { SaslClient } from '../sasl/sasl.ts';
import type { TlsClientOptions, TlsFacts } from '../wire/channel.ts';
import { turn } from '../wire/turn.ts';
import type { Wire } from '../wire/wire.ts';
import { type Extensions, parseExtensions, printExtensions } from './extensions.ts';
import { phases, type ReplyStage, verdictOf } from './phases.ts';
import { type Reply, ReplyParser, replyFacts, replyLine, replyText, strangerError } from './reply.ts';

/** One exchange as a report shows it. */
export interface Step {
  stage: ReplyStage;
  /** Null for the greeting. Secrets are masked. */
  sent: string | null;
  code: number;
  enhanced: string | null;
  text: string;
  /** The same line by line; for EHLO the first is the greeting and the others are keywords. */
  lines: string[];
  /** From sending to the whole reply. With pipelining: from the sending of the group. */
  ms: number;
}

export interface SmtpClientOptions {
  deadlines: ClientDeadlines;
  protocol: 'smtp' | 'lmtp';
  /** True: what is tolerated otherwise, as a quirk, is an error. */
  strict?: boolean;
  onStep?: ((step: Step) => void) | undefined;
  /** Looks at each reply; an error ends the session as the caller wants it to. */
  judge?: ((step: Step) => EhloError | null) | undefined;
}

/** RFC 4954 4: an initial response that would make the line longer goes in an answer of its own. */
const authLineMax = 12_288;
/** SCRAM takes two rounds; nothing known takes more than three. */
const authRounds = 8;

export class SmtpClient {
  readonly wire: Wire;
  readonly protocol: 'smtp' | 'lmtp';
  readonly deadlines: ClientDeadlines;
  readonly steps: Step[] = [];
  /** Empty before EHLO, after HELO, and again after STARTTLS (RFC 3207 4.2: what was learnt in the clear is void). */
  extensions: Extensions = new Map();
  lastReply: Reply | undefined;
  /** Told of each step; as Transcript.listener. */
  onStep: ((step: Step) => void) | undefined;
  readonly #judge: SmtpClientOptions['judge'];
  readonly #strict: boolean;
  readonly #scrubber: Scrubber;
  #sentAt = 0;
  #offers: readonly string[] = [];
  /** The lines of the last reply before scrubbing, for what the protocol needs of them: a password may be any word. */
  #asReceived: readonly string[] = [];
  /** SCRAM's challenges hold what guesses at the password can be checked against; they are kept out of every record. */
  #maskChallenges = false;

  constructor(wire: Wire, options: SmtpClientOptions) {
    this.wire = wire;
    this.protocol = options.protocol;
    this.deadlines = options.deadlines;
    this.onStep = options.onStep;
    this.#judge = options.judge;
    this.#strict = options.strict ?? false;
    this.#scrubber = wire.transcript?.scrubber ?? new Scrubber();
    this.#sentAt = wire.clock.now();
  }

  /** The extensions as a report shows them: without what the scrubber knows. */
  get offers(): readonly string[] {
    return this.#offers;
  }

  async greet(): Promise<Reply> {
    this.#sentAt = this.wire.clock.now();
    return this.hear('banner', null);
  }

  /**
   * EHLO, or HELO where the server knows nothing newer and `fallback` allows it (RFC 5321 3.2). A HELO session has no
   * extensions, so whoever needs TLS, AUTH or SMTPUTF8 must not fall back. 'only': HELO without asking for more.
   */
  async hello(name: string, fallback: 'helo' | 'none' | 'only'): Promise<Reply> {
    this.extensions = new Map();
    this.#offers = [];
    if (fallback === 'only') return this.ask('ehlo', `HELO ${name}`);
    const verb = this.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    const answer = await this.ask('ehlo', `${verb} ${name}`);
    if (answer.code === 250) {
      this.extensions = parseExtensions(this.#asReceived);
      this.#offers = printExtensions(parseExtensions(answer.lines));
    }
    if (!isUnknownCommand(answer) || fallback === 'none' || this.protocol === 'lmtp') return answer;
    return this.ask('ehlo', `HELO ${name}`);
  }

  /** STARTTLS. A refusal is a value, with no TLS; after a 220 it is TLS or an error. Certificates are judged by the caller. */
  async secure(options: TlsClientOptions): Promise<{ answer: Reply; tls: TlsFacts | null }> {
    const answer = await this.ask('starttls', 'STARTTLS');
    if (answer.code !== 220) return { answer, tls: null };
    // What was injected behind the 220 often comes in the same segment or the next: look before the handshake.
    await turn();
    try {
      const tls = await this.wire.startTls(options, this.deadlines.tlsHandshake);
      this.extensions = new Map();
      this.#offers = [];
      return { answer, tls };
    } catch (thrown) {
      const error = asEhloError(thrown);
      if (error.code !== 'reply-unexpected') throw error;
      throw this.wire.error('starttls-injection', `${this.wire.peer} sent plain text behind STARTTLS instead of TLS`, {
        hint: 'someone between here and the server may be injecting replies; do not send over this path',
        cause: error,
      });
    }
  }

  /** AUTH. The caller has made sure that the secret may go out on this connection, and registers it for scrubbing here. */
  async login(mechanism: SaslClient, secrets: readonly (string | Buffer)[]): Promise<Reply> {
    for (const secret of secrets) this.#scrubber.add(secret);
    const name = mechanism.mechanism;
    this.#maskChallenges = name.startsWith('SCRAM-');
    const initial = printInitial(mechanism.initial);
    const inline = initial !== undefined && initial.length + name.length + 8 <= authLineMax;
    let answer = inline
      ? await this.ask('auth', `AUTH ${name} ${initial}`, `AUTH ${name} ${mask}`)
      : await this.ask('auth', `AUTH ${name}`);
    let pending = inline ? undefined : mechanism.initial;
    for (let round = 0; answer.code === 334; round++) {
      if (round === authRounds) {
        throw this.wire.error('reply-unexpected', `${this.wire.peer} asks for more than ${authRounds} answers in AUTH`);
      }
      const response = pending ?? (await this.#respond(mechanism, this.#asReceived.join(' ').trim()));
      pending = undefined;
      answer = await this.ask('auth', response.toString('base64'), mask);
    }
    if (answer.code === 235) mechanism.finish();
    return answer;
  }

  /**
   * QUIT. Whatever happens here changes no verdict that was read, with one exception, which is returned: a reply too many,
   * because then nobody can tell which of the replies before it was the verdict.
   */
  async goodbye(): Promise<EhloError | null> {
    try {
      const answer = await this.ask('quit', 'QUIT');
      // A late second 250 looks like a sloppy answer to QUIT; the 221 behind it gives it away.
      if (answer.code !== 250) return null;
      const deadline = this.wire.clock.now() + this.deadlines.quit;
      if ((await this.wire.readLine(replyLimits.line, deadline)) === undefined) return null;
      return this.wire.error('reply-out-of-turn', `${this.wire.peer} sent one reply more than there were commands`, {
        hint: outOfStep,
      });
    } catch (thrown) {
      const error = asEhloError(thrown);
      return error.kind === 'protocol' ? error : null;
    }
  }

  /** One command and its reply. `shown` replaces the line in everything that is kept. */
  async ask(stage: ReplyStage, line: string, shown?: string): Promise<Reply> {
    await this.say(stage, [line], shown);
    return this.hear(stage, shown ?? line);
  }

  /** Sends lines in one write. Throws when something is already waiting to be read: a reply before its command. */
  async say(stage: ReplyStage, lines: readonly string[], shown?: string): Promise<void> {
    this.wire.stage = stage;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what would end a line early
    if (lines.some((line) => /[\x00\r\n]/.test(line))) {
      throw new EhloError('internal', `a command at stage ${stage} would have held a line end; it was not sent`);
    }
    if (this.wire.buffered > 0) await this.refuseEarly();
    this.#sentAt = this.wire.clock.now();
    for (const line of lines) {
      this.wire.transcript?.add('out', stage, shown ?? line, {
        tls: this.wire.tls !== undefined,
        secret: shown !== undefined,
      });
    }
    this.wire.write(`${lines.join('\r\n')}\r\n`);
  }

  /** The next reply, which must be one that the stage allows. `sent` is the command as it may be shown. */
  async hear(stage: ReplyStage, sent: string | null): Promise<Reply> {
    this.wire.stage = stage;
    const answer = await this.#read(stage);
    const masked = this.#masks(stage, answer.code);
    const step: Step = {
      stage,
      sent: sent === null ? null : this.#scrubber.scrub(sent),
      code: answer.code,
      enhanced: answer.enhanced,
      text: masked ? mask : replyText(answer),
      lines: masked ? [mask] : answer.lines,
      ms: Math.round((this.wire.clock.now() - this.#sentAt) * 10) / 10,
    };
    this.steps.push(step);
    this.onStep?.(step);
    const judged = this.#judge?.(step);
    if (judged) throw judged.with({ peer: this.wire.peer });
    if (verdictOf(stage, answer) === 'wrong-phase') {
      throw this.wire.error(
        'reply-unexpected',
        `${this.wire.peer} answered ${answer.code} while ${phases[stage].doing}`,
        { reply: replyFacts(answer), hint: outOfStep },
      );
    }
    return answer;
  }

  /** The verdict may only come after the end of data: for the time that the server gets from now on. */
  markSent(stage: ReplyStage): void {
    this.wire.stage = stage;
    this.#sentAt = this.wire.clock.now();
  }

  /** Something came that nobody asked for. Only 421 may come at any time (RFC 5321 3.8); it says goodbye. */
  async refuseEarly(): Promise<never> {
    const answer = await this.#read('command');
    if (answer.code === 421) {
      throw this.wire.error('deferred', `${this.wire.peer} closes the session: ${replyLine(answer)}`, {
        reply: replyFacts(answer),
      });
    }
    throw this.wire.error(
      'reply-out-of-turn',
      `${this.wire.peer} sent a reply before its command: ${replyLine(answer)}`,
      { reply: replyFacts(answer), hint: outOfStep },
    );
  }

  #masks(stage: ReplyStage, code: number): boolean {
    return this.#maskChallenges && stage === 'auth' && (code === 334 || code === 235);
  }

  async #read(stage: ReplyStage): Promise<Reply> {
    const allowed = this.deadlines[phases[stage].deadline];
    const deadline = this.wire.clock.now() + allowed;
    const parser = new ReplyParser(stage === 'ehlo' ? replyLimits.ehloLines : replyLimits.lines);
    try {
      for (;;) {
        const line = this.wire.takeLine(replyLimits.line) ?? (await this.wire.readLine(replyLimits.line, deadline));
        if (!line) throw this.wire.lost();
        const masked = this.#masks(stage, Number(line.bytes.toString('latin1', 0, 3)));
        const text = masked ? `${line.bytes.toString('latin1', 0, 4)}${mask}` : peerText(line.bytes);
        const facts = { tls: this.wire.tls !== undefined, secret: masked };
        this.wire.transcript?.add('in', this.wire.stage, text, facts);
        const answer = parser.push(line);
        if (!answer) continue;
        for (const quirk of parser.quirks) {
          if (this.#strict) throw new EhloError('reply-malformed', quirkText[quirk], { side: 'remote' });
          this.wire.info(`quirk: ${quirkText[quirk]}`);
        }
        this.#asReceived = answer.lines;
        this.lastReply = {
          code: answer.code,
          enhanced: answer.enhanced,
          lines: answer.lines.map((text) => this.#scrubber.scrub(text)),
        };
        return this.lastReply;
      }
    } catch (thrown) {
      throw this.#noReply(asEhloError(thrown), allowed);
    }
  }

  /** Why no reply came, with the peer's words scrubbed: a line that is no reply may still echo a secret. */
  #noReply(error: EhloError, allowed: number): EhloError {
    const { wire } = this;
    const atBanner = wire.stage === 'banner';
    const silent = error.code === 'timeout' || error.code === 'lost';
    const stranger = atBanner && silent ? strangerError(wire.peek(5).toString('latin1')) : undefined;
    const found = stranger ?? error;
    const message =
      found.code === 'timeout'
        ? `no complete answer from ${wire.peer} at stage ${wire.stage} within ${allowed} ms`
        : this.#scrubber.scrub(found.message);
    return new EhloError(found.code, message, {
      side: found.side,
      stage: found.stage ?? wire.stage,
      peer: found.peer ?? wire.peer,
      hint: found.hint ?? (atBanner && found.code === 'timeout' ? waitsForTls : undefined),
      cause: found.cause,
    });
  }

  /** Answers a challenge; one that makes no sense is cancelled with `*` (RFC 4954 4) before the error goes up. */
  async #respond(mechanism: SaslClient, challenge: string): Promise<Buffer> {
    try {
      const bytes = fromBase64(challenge);
      if (!bytes) throw new EhloError('reply-malformed', 'the AUTH challenge is not base64', { side: 'remote' });
      return mechanism.next(bytes);
    } catch (thrown) {
      await this.say('auth', ['*']);
      throw asEhloError(thrown).with({ stage: 'auth', peer: this.wire.peer });
    }
  }
}

/** RFC 5321 4.2.4 and 4.3.2: the answers to a command that a server does not have. */
export const isUnknownCommand = ({ code }: Reply): boolean => code >= 500 && code < 505;

const outOfStep = 'replies and commands are out of step, so nothing that this server says can be relied on';
const waitsForTls = 'a server that wants TLS from the first byte says nothing before it: try --tls implicit';

const quirkText = {
  'bare-lf': 'the reply ended a line with LF alone',
  'control-character': 'the reply holds a control character',
} as const;

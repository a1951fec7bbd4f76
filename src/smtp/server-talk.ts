// The server's end of the conversation: replies held back until the client's pipelined group is answered, the wait for the
// next command, the count of errors, the goodbye. What the replies say is the business of the stages.
import { peerText } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { mask } from '../base/secret.ts';
import type { Line, Wire } from '../wire/wire.ts';
import type { Stage } from './phases.ts';
import { printReply, type Reply, replyLine } from './reply.ts';
import type { SmtpServerOptions } from './server-policy.ts';
import { lineVerdicts, replies } from './server-replies.ts';

/** Replies that wait for the end of the client's pipelined group: more than this goes out at once. */
const heldReplies = 64 * 1024;
/** For a client that does not read its last replies. */
const goodbyeMs = 5000;

export class ServerTalk {
  readonly wire: Wire;
  /** Nothing more is read: the last reply has been given, or the client is gone. */
  over = false;
  /** For the client's next command. */
  waiting = false;
  readonly #options: SmtpServerOptions;
  #out: Buffer[] = [];
  #outBytes = 0;
  #errors = 0;

  constructor(wire: Wire, options: SmtpServerOptions) {
    this.wire = wire;
    this.#options = options;
  }

  stage(stage: Stage): void {
    this.wire.stage = stage;
  }

  /** Queues a reply. Counts errors of the client, and ends the session at the limit or for a 421. */
  say(answer: Reply): void {
    const hidden = answer.enhanced !== null && this.#options.hidden?.has('ENHANCEDSTATUSCODES');
    const value = hidden ? { ...answer, enhanced: null } : answer;
    const bytes = printed(value);
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    this.wire.transcript?.add('out', this.wire.stage, replyLine(value), { tls: this.#tls });
    if (this.#outBytes > heldReplies) this.flush();
    if (answer.code === 421) this.over = true;
    // Refusals of policy (550 and kin) are no fault of the client; asking for what does not exist is.
    else if ((answer.code >= 500 && answer.code < 550) || answer.code === 555) {
      this.#errors++;
      if (this.#errors >= this.#options.limits.errors && !this.over) this.say(replies.tooManyErrors);
    }
  }

  flush(): void {
    if (this.#out.length === 0) return;
    const [first] = this.#out;
    this.wire.write(first && this.#out.length === 1 ? first : Buffer.concat(this.#out));
    this.#out = [];
    this.#outBytes = 0;
  }

  /** A command that is here already. */
  takeCommand(): Line | undefined {
    const { commandLine, authLine } = this.#options.limits;
    try {
      return this.wire.takeLine(commandLine);
    } catch (thrown) {
      // Only AUTH may be longer (RFC 4954 4).
      if (!/^AUTH $/i.test(this.wire.peek(5).toString('latin1'))) throw thrown;
      return this.wire.takeLine(authLine);
    }
  }

  /** Sends what is owed and waits for the next command; undefined: there will be none. */
  async readCommand(withinMs: number): Promise<Line | undefined> {
    this.stage('command');
    this.flush();
    const { wire } = this;
    const deadline = wire.clock.now() + withinMs;
    if (wire.congested) await wire.drain(deadline);
    // Behind an end there is nothing to wait for: readLine() knows whether it was a clean one.
    while (!this.over) {
      const line = wire.ended ? await wire.readLine(this.#options.limits.authLine, deadline) : this.takeCommand();
      if (line || wire.ended) return line;
      this.waiting = true;
      await wire.input(deadline);
      this.waiting = false;
    }
    return undefined;
  }

  /** A challenge of SASL, and the client's answer, which no transcript shows. Undefined: the client is gone. */
  async challenge(question: Reply): Promise<Line | undefined> {
    this.say(question);
    this.flush();
    const { authLine, command } = this.#options.limits;
    const line = await this.wire.readLine(authLine, this.wire.clock.now() + command);
    if (line) this.wire.transcript?.add('in', 'auth', mask, { tls: this.#tls, secret: true });
    return line;
  }

  /** A command, for the transcript. */
  record(line: Line): void {
    const text = peerText(line.bytes);
    // Also where the line is refused: it may hold a password all the same.
    const secret = /^AUTH +\S+ +\S/i.test(text);
    const shown = secret ? text.replace(/^(\S+ +\S+ +).*$/s, `$1${mask}`) : text;
    this.wire.transcript?.add('in', this.wire.stage, shown, { tls: this.#tls, secret });
  }

  /** The last reply for what has ended the session. Throws it again where it is a fault of ours. */
  endFor(thrown: unknown): void {
    this.over = true;
    const ours = thrown instanceof EhloError && thrown.side === 'remote';
    const code = ours ? thrown.code : undefined;
    if (code === 'timeout' && this.wire.stage !== 'starttls') this.say(replies.timeout);
    else if (code === 'line-too-long') this.say(lineVerdicts.tooLong);
    if (ours) return;
    this.say(replies.internal);
    throw thrown;
  }

  /** What is owed goes out first; a client that does not read it is cut off. */
  async goodbye(): Promise<void> {
    const { wire } = this;
    this.flush();
    try {
      await wire.drain(wire.clock.now() + goodbyeMs, 0);
      wire.close();
    } catch {
      wire.destroy();
    }
  }

  get #tls(): boolean {
    return this.wire.tls !== undefined;
  }
}

/** Most replies are constants: printed once. */
const printedReplies = new WeakMap<Reply, Buffer>();

function printed(value: Reply): Buffer {
  const known = printedReplies.get(value);
  if (known) return known;
  const bytes = printReply(value);
  printedReplies.set(value, bytes);
  return bytes;
}

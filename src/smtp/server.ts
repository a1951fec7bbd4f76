// An SMTP or LMTP server session over a Wire (RFC 5321, 2033, 2920, 3207, 4954, 3030): no sockets, no store, no policy of
// its own. Pipelined commands are answered with one write; a handler is async only where it has to wait.
import { printMailbox } from '../base/address.ts';
import { peerText } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { mask } from '../base/secret.ts';
import { createSaslServer, exposureOf } from '../sasl/mechanisms.ts';
import type { EnvelopeParam, ReceivedEnvelope } from '../store/store.ts';
import type { Line, Wire } from '../wire/wire.ts';
import { type Command, parseCommand } from './command.ts';
import { paramTable } from './params.ts';
import { type ServerState, type Stage, type Verb, verbStates } from './phases.ts';
import { printReply, type Reply, reply, replyLine } from './reply.ts';
import { serveAuth } from './server-auth.ts';
import { BareEnds, Incoming, storeFailure } from './server-data.ts';
import { ehloKeywords, mechanismsOf, offeredMechanisms } from './server-offers.ts';
import type { ClientFacts, PolicyAnswer, SmtpServerOptions } from './server-policy.ts';
import { lineVerdicts, replies, strangers } from './server-replies.ts';

export type { ServerPolicy, SmtpServerOptions } from './server-policy.ts';

/** Resolves when the session is over, however the client ended it. Rejects only for faults of our own, after a 421. */
export const serveSmtp = (wire: Wire, options: SmtpServerOptions): Promise<void> => new Session(wire, options).run();

type Waits = void | Promise<void>;
type Of<V extends Command['verb']> = Extract<Command, { verb: V }>;

interface Transaction {
  mailFrom: string;
  mailParams: EnvelopeParam[];
  /** Addresses may hold UTF-8 (RFC 6531). */
  utf8: boolean;
  rcptTo: { address: string; params: EnvelopeParam[] }[];
  refused: number;
  /** From the first BDAT on. */
  chunks?: { incoming: Incoming; ends: BareEnds; envelope: ReceivedEnvelope };
}

/** Replies that wait for the end of the client's pipelined group: more than this goes out at once. */
const heldReplies = 64 * 1024;
/** For a client that does not read its last replies. */
const goodbyeMs = 5000;
/** For the QUIT of a client whose message was the last before a shutdown. */
const lastWordMs = 300;

const stageOf: Record<Command['verb'], Stage> = {
  helo: 'ehlo',
  ehlo: 'ehlo',
  lhlo: 'ehlo',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  bdat: 'data',
  rset: 'rset',
  starttls: 'starttls',
  auth: 'auth',
  quit: 'quit',
  noop: 'command',
  vrfy: 'command',
  expn: 'command',
  help: 'command',
  unknown: 'command',
};

/** RFC 3207 4: all that is allowed before TLS where TLS is required; RSET and HELP do no harm. */
const beforeTls: ReadonlySet<string> = new Set(['ehlo', 'helo', 'lhlo', 'noop', 'rset', 'help', 'starttls', 'quit']);

class Session {
  readonly #wire: Wire;
  readonly #options: SmtpServerOptions;
  readonly #client: ClientFacts;
  #state: ServerState = 'start';
  #extended = false;
  #transaction: Transaction | undefined;
  #out: Buffer[] = [];
  #outBytes = 0;
  #errors = 0;
  #over = false;
  /** For the client's next command. */
  #waiting = false;

  constructor(wire: Wire, options: SmtpServerOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#client = { address: options.client.address, helo: '', tls: null, auth: null };
  }

  async run(): Promise<void> {
    const release = this.#options.shutdown?.onRequest(() => {
      if (!this.#betweenMessages || !this.#waiting) return;
      this.#say(replies.shutdown);
      this.#wire.nudge();
    });
    try {
      const refusal = await this.#options.policy.connect?.(this.#client);
      this.#greet(refusal);
      while (!this.#over) {
        const line = this.#takeCommand() ?? (await this.#readCommand(this.#options.limits.command));
        if (line === undefined) break;
        const waits = this.#answer(line);
        if (waits) await waits;
        if (this.#options.shutdown?.requested && this.#betweenMessages && !this.#over) await this.#lastWord();
      }
    } catch (thrown) {
      this.#endFor(thrown);
    } finally {
      release?.();
      await this.#dropTransaction();
      await this.#goodbye();
    }
  }

  get #betweenMessages(): boolean {
    return this.#state === 'start' || this.#state === 'ready';
  }

  #greet(refusal: Reply | undefined): void {
    const { hostname, protocol } = this.#options;
    this.#stage('banner');
    if (refusal) {
      this.#say(refusal);
      this.#over = true;
      // RFC 5321 4.2.1 wants the greeting first: who talks before it is no mail client.
    } else if (this.#wire.buffered > 0) this.#say(replies.earlyTalker);
    else this.#say(reply(220, null, `${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} ehlo`));
    this.#flush();
  }

  /** A command that is here already. */
  #takeCommand(): Line | undefined {
    const { commandLine, authLine } = this.#options.limits;
    try {
      return this.#wire.takeLine(commandLine);
    } catch (thrown) {
      // Only AUTH may be longer (RFC 4954 4).
      if (!/^AUTH $/i.test(this.#wire.peek(5).toString('latin1'))) throw thrown;
      return this.#wire.takeLine(authLine);
    }
  }

  /** Sends what is owed and waits for the next command; undefined: there will be none. */
  async #readCommand(withinMs: number): Promise<Line | undefined> {
    this.#stage('command');
    this.#flush();
    const wire = this.#wire;
    const deadline = wire.clock.now() + withinMs;
    if (wire.congested) await wire.drain(deadline);
    // Behind an end there is nothing to wait for: readLine() knows whether it was a clean one.
    while (!this.#over) {
      const line = wire.ended ? await wire.readLine(this.#options.limits.authLine, deadline) : this.#takeCommand();
      if (line || wire.ended) return line;
      this.#waiting = true;
      await wire.input(deadline);
      this.#waiting = false;
    }
    return undefined;
  }

  /** A client that has just got its 250 may say QUIT; an unasked 421 in place of the answer would look like an error to it. */
  async #lastWord(): Promise<void> {
    let line: Line | undefined;
    try {
      line = this.#takeCommand() ?? (await this.#readCommand(lastWordMs));
    } catch (thrown) {
      if (!(thrown instanceof EhloError && thrown.code === 'timeout')) throw thrown;
    }
    const parsed = line && parseCommand(line.bytes);
    if (line && parsed?.verb === 'quit') await this.#answer(line);
    else this.#say(replies.shutdown);
  }

  #answer(line: Line): Waits {
    const parsed = parseCommand(line.bytes);
    const { verb } = parsed;
    this.#stage(stageOf[verb]);
    if (this.#wire.transcript) this.#record(line);
    if (line.ending === 'lf') return this.#say(lineVerdicts.bareLf);
    if ('refusal' in parsed) {
      this.#say(parsed.refusal);
      // What follows a BDAT that cannot be counted is content, not commands: nobody knows where it ends.
      if (verb === 'bdat') this.#over = true;
      return;
    }
    const refusal = this.#outOfTurn(parsed);
    if (refusal && parsed.verb !== 'bdat') return this.#say(refusal);
    return this.#run(parsed, refusal);
  }

  #run(command: Command, refusal: Reply | undefined): Waits {
    switch (command.verb) {
      case 'mail':
        return this.#mail(command);
      case 'rcpt':
        return this.#rcpt(command);
      case 'data':
        return this.#data();
      case 'bdat':
        return this.#bdat(command, refusal);
      case 'helo':
      case 'ehlo':
      case 'lhlo':
        return this.#hello(command);
      case 'rset':
        return this.#reset();
      case 'starttls':
        return this.#starttls();
      case 'auth':
        return this.#auth(command);
      case 'noop':
        return this.#say(replies.ok);
      case 'vrfy':
        return this.#say(replies.vrfy);
      case 'expn':
        return this.#say(replies.expn);
      case 'help':
        return this.#say(replies.help);
      case 'quit':
        this.#say(reply(221, '2.0.0', `${this.#options.hostname} closes the connection`));
        this.#over = true;
        return;
      case 'unknown':
        return this.#say(strangers[command.word] ?? replies.unknown);
    }
  }

  /** Why a command is not in order here (RFC 5321 4.1.4), whatever its arguments say. */
  #outOfTurn(command: Command): Reply | undefined {
    const { verb } = command;
    const { protocol, hidden, tls, requireTls, requireAuth, accounts } = this.#options;
    if (verb === 'unknown') return undefined;
    if ((verb === 'lhlo') !== (protocol === 'lmtp') && stageOf[verb] === 'ehlo') return replies.wrongHello;
    if (verb === 'starttls') {
      if (this.#client.tls) return replies.tlsTwice;
      if (!tls || hidden?.has('STARTTLS')) return replies.notOffered;
    }
    if (verb === 'auth' && (!accounts || hidden?.has('AUTH'))) return replies.notOffered;
    if (verb === 'bdat' && hidden?.has('CHUNKING')) return replies.notOffered;
    if (requireTls && !this.#client.tls && !beforeTls.has(verb)) return replies.tlsFirst;
    const states: readonly ServerState[] = verbStates[verb.toUpperCase() as Verb];
    if (!states.includes(this.#state)) return this.#wrongState(verb);
    if (verb === 'auth' && this.#client.auth) return replies.authTwice;
    if (verb === 'mail' && requireAuth && !this.#client.auth) return replies.authFirst;
    if (this.#transaction?.chunks && (verb === 'rcpt' || verb === 'data')) return replies.afterChunks;
    return undefined;
  }

  #wrongState(verb: Command['verb']): Reply {
    if (this.#state === 'start') return replies.helloFirst;
    if (verb === 'mail') return replies.nestedMail;
    if (verb === 'auth' || verb === 'starttls') return replies.notInTransaction;
    if (this.#state === 'ready') return replies.mailFirst;
    return this.#transaction?.refused ? replies.noRecipients : replies.rcptFirst;
  }

  async #hello(command: Of<'helo' | 'ehlo' | 'lhlo'>): Promise<void> {
    const refusal = await this.#options.policy.helo?.(command, this.#client);
    if (refusal) return this.#say(refusal);
    // RFC 5321 4.1.4: EHLO clears the state like RSET.
    await this.#dropTransaction();
    this.#client.helo = command.domain;
    this.#extended = command.verb !== 'helo';
    this.#state = 'ready';
    const { hostname } = this.#options;
    const keywords = this.#extended ? ehloKeywords(this.#options, this.#client.tls !== null) : [];
    this.#say(reply(250, null, `${hostname} greets the client`, ...keywords));
  }

  #reset(): Waits {
    const dropped = this.#dropTransaction();
    if (dropped) return dropped.then(() => this.#say(replies.ok));
    this.#say(replies.ok);
  }

  #mail({ path, params }: Of<'mail'>): Waits {
    const unknown = this.#unknownParam(params);
    if (unknown) return this.#say(unknown);
    const size = params.find(({ keyword }) => keyword === 'SIZE')?.value;
    if (size !== undefined && Number(size) > this.#options.limits.messageBytes) return this.#say(replies.tooLarge);
    const address = path === null ? '' : printMailbox(path);
    return this.#judge(this.#options.policy.mail?.({ address, params }, this.#client), () => {
      const utf8 = params.some(({ keyword }) => keyword === 'SMTPUTF8');
      this.#transaction = { mailFrom: address, mailParams: params, utf8, rcptTo: [], refused: 0 };
      this.#state = 'mail';
      this.#say(replies.sender);
    });
  }

  #rcpt({ path, params, utf8 }: Of<'rcpt'>): Waits {
    const transaction = this.#transaction;
    if (!transaction) return this.#say(replies.mailFirst);
    const refuse = (refusal: Reply) => {
      transaction.refused++;
      this.#say(refusal);
    };
    const unknown = this.#unknownParam(params);
    if (unknown) return refuse(unknown);
    if (utf8 && !transaction.utf8) return refuse(replies.notUtf8);
    if (transaction.rcptTo.length >= this.#options.limits.recipients) return refuse(replies.tooManyRecipients);
    const address = printMailbox(path);
    const accept = () => {
      transaction.rcptTo.push({ address, params });
      this.#state = 'rcpt';
      this.#say(replies.recipient);
    };
    return this.#judge(this.#options.policy.rcpt?.({ address, params }, this.#client), accept, refuse);
  }

  async #data(): Promise<void> {
    const transaction = this.#transaction;
    if (!transaction) return this.#say(replies.mailFirst);
    const envelope = this.#envelope(transaction);
    const incoming = await this.#begin(envelope);
    if (!(incoming instanceof Incoming)) return this.#say(incoming);
    this.#say(replies.goOn);
    this.#flush();
    this.#stage('body');
    try {
      const report = await this.#wire.readDots(incoming, this.#pace);
      this.#stage('dot');
      await incoming.refuseBareEnds(report);
    } catch (thrown) {
      await incoming.refuse(replies.ok);
      throw thrown;
    }
    await this.#verdict(incoming, envelope);
  }

  async #bdat({ size, last }: Of<'bdat'>, refusal: Reply | undefined): Promise<void> {
    const transaction = this.#transaction;
    if (refusal || !transaction) return this.#eat(size, refusal ?? replies.mailFirst);
    if (!transaction.chunks) {
      const envelope = this.#envelope(transaction);
      const incoming = await this.#begin(envelope);
      if (!(incoming instanceof Incoming)) return this.#eat(size, incoming);
      transaction.chunks = { incoming, ends: new BareEnds(), envelope };
    }
    const { incoming, ends, envelope } = transaction.chunks;
    this.#flush();
    this.#stage('body');
    const sink = {
      write: (content: Buffer) => {
        ends.feed(content);
        return incoming.write(content);
      },
    };
    await this.#wire.readExact(size, sink, this.#pace);
    this.#stage('dot');
    if (last) ends.end();
    await incoming.refuseBareEnds(ends);
    if (last) return this.#verdict(incoming, envelope);
    if (!incoming.refusal) return this.#say(reply(250, '2.0.0', `${size} bytes`));
    // RFC 3030 2: after a refused chunk the transaction is dead; further chunks get 503.
    const { refusal: why } = incoming;
    await this.#dropTransaction();
    this.#say(why);
  }

  /** The client has sent the chunk along with its BDAT: it goes by before the refusal. */
  async #eat(size: number, refusal: Reply): Promise<void> {
    this.#flush();
    this.#stage('body');
    await this.#wire.readExact(size, { write: () => undefined }, this.#pace);
    this.#say(refusal);
  }

  /** A place in the store, or why there is none. */
  async #begin(envelope: ReceivedEnvelope): Promise<Incoming | Reply> {
    const { policy, limits, onProblem } = this.#options;
    const refusal = await policy.data?.(envelope);
    if (refusal) return refusal;
    try {
      return new Incoming(await this.#options.begin(envelope), limits.messageBytes, onProblem);
    } catch (thrown) {
      if (!(thrown instanceof EhloError)) throw thrown;
      onProblem?.(thrown);
      return storeFailure(thrown);
    }
  }

  async #verdict(incoming: Incoming, envelope: ReceivedEnvelope): Promise<void> {
    const { policy, protocol } = this.#options;
    if (!incoming.refusal && policy.message) {
      const refusal = await policy.message(envelope, { size: incoming.size });
      if (refusal) await incoming.refuse(refusal);
    }
    const stored = await incoming.finish();
    this.#transaction = undefined;
    this.#state = 'ready';
    const answer = 'id' in stored ? reply(250, '2.0.0', `Ok: queued as ${stored.id}`) : stored;
    // RFC 2033 4.2: one reply for each accepted recipient.
    const count = protocol === 'lmtp' ? envelope.rcptTo.length : 1;
    for (let n = 0; n < count; n++) this.#say(answer);
  }

  async #starttls(): Promise<void> {
    const { tls, limits, policy } = this.#options;
    if (!tls) return this.#say(replies.notOffered);
    const refusal = await policy.starttls?.(this.#client);
    if (refusal) return this.#say(refusal);
    // Commands that came behind STARTTLS in the clear would be taken for protected ones (CVE-2011-0411): startTls() throws.
    if (this.#wire.buffered === 0) {
      this.#say(replies.startTls);
      this.#flush();
    }
    const { protocol, cipher } = await this.#wire.startTls(tls, limits.tlsHandshake);
    // RFC 3207 4.2: everything that was learnt in the clear is forgotten.
    Object.assign(this.#client, { helo: '', auth: null, tls: { protocol, cipher } } satisfies Partial<ClientFacts>);
    this.#state = 'start';
  }

  async #auth({ mechanism, initial }: Of<'auth'>): Promise<void> {
    const { accounts, hostname, limits, policy, allowInsecureAuth } = this.#options;
    if (!accounts || !mechanismsOf(accounts).includes(mechanism)) return this.#say(replies.unknownMechanism);
    if (!this.#client.tls && !allowInsecureAuth && exposureOf(mechanism) === 'clear')
      return this.#say(replies.authInClear);
    const server = createSaslServer(mechanism, accounts, { hostname });
    const outcome = await serveAuth(server, initial, {
      limits,
      challenge: async (text) => {
        this.#say(reply(334, null, text));
        this.#flush();
        const line = await this.#wire.readLine(limits.authLine, this.#wire.clock.now() + limits.command);
        if (line) this.#wire.transcript?.add('in', 'auth', mask, { tls: this.#client.tls !== null, secret: true });
        return line;
      },
    });
    if (outcome === undefined) {
      this.#over = true;
      return;
    }
    if (!('identity' in outcome)) return this.#say(outcome);
    const auth = { mechanism, identity: outcome.identity };
    const refusal = await policy.auth?.(auth, this.#client);
    if (refusal) return this.#say(refusal);
    this.#client.auth = auth;
    this.#say(replies.authDone);
  }

  /** 555 for what is not offered here, or not to a client that said HELO (RFC 5321 4.1.1.11). */
  #unknownParam(params: readonly EnvelopeParam[]): Reply | undefined {
    for (const { keyword } of params) {
      const extension = paramTable[keyword]?.extension ?? keyword;
      const offered =
        this.#extended &&
        !this.#options.hidden?.has(extension) &&
        (extension !== 'AUTH' || offeredMechanisms(this.#options, this.#client.tls !== null).length > 0);
      if (!offered) return reply(555, '5.5.4', `the parameter ${keyword} is not offered here`);
    }
    return undefined;
  }

  #judge(answer: PolicyAnswer, accept: () => void, refuse = (refusal: Reply) => this.#say(refusal)): Waits {
    if (answer instanceof Promise) return answer.then((refusal) => (refusal ? refuse(refusal) : accept()));
    return answer ? refuse(answer) : accept();
  }

  #envelope({ mailFrom, mailParams, utf8, rcptTo }: Transaction): ReceivedEnvelope {
    const { address: clientAddress, helo, tls, auth } = this.#client;
    return { mailFrom, mailParams, rcptTo, helo, clientAddress, protocol: this.#protocol(utf8), tls, auth };
  }

  /** RFC 3848, RFC 6531 4.3. */
  #protocol(utf8: boolean): string {
    const { tls, auth } = this.#client;
    const lmtp = this.#options.protocol === 'lmtp';
    const name = utf8 ? (lmtp ? 'UTF8LMTP' : 'UTF8SMTP') : lmtp ? 'LMTP' : this.#extended ? 'ESMTP' : 'SMTP';
    return `${name}${tls ? 'S' : ''}${auth ? 'A' : ''}`;
  }

  get #pace() {
    const { bodyStall, bodyGrace, bodyRate } = this.#options.limits;
    return { stallMs: bodyStall, graceMs: bodyGrace, bytesPerSecond: bodyRate };
  }

  /** Undefined where nothing has to be waited for. */
  #dropTransaction(): Promise<void> | undefined {
    const chunks = this.#transaction?.chunks;
    this.#transaction = undefined;
    if (this.#state !== 'start') this.#state = 'ready';
    return chunks?.incoming.refuse(replies.ok);
  }

  /** Queues a reply. Counts errors of the client, and ends the session at the limit or for a 421. */
  #say(answer: Reply): void {
    const hidden = answer.enhanced !== null && this.#options.hidden?.has('ENHANCEDSTATUSCODES');
    const value = hidden ? { ...answer, enhanced: null } : answer;
    const bytes = printed(value);
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    this.#wire.transcript?.add('out', this.#wire.stage, replyLine(value), { tls: this.#client.tls !== null });
    if (this.#outBytes > heldReplies) this.#flush();
    if (answer.code === 421) this.#over = true;
    // Refusals of policy (550 and kin) are no fault of the client; asking for what does not exist is.
    else if ((answer.code >= 500 && answer.code < 550) || answer.code === 555) {
      this.#errors++;
      if (this.#errors >= this.#options.limits.errors && !this.#over) this.#say(replies.tooManyErrors);
    }
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    const [first] = this.#out;
    this.#wire.write(first && this.#out.length === 1 ? first : Buffer.concat(this.#out));
    this.#out = [];
    this.#outBytes = 0;
  }

  #endFor(thrown: unknown): void {
    this.#over = true;
    const ours = thrown instanceof EhloError && thrown.side === 'remote';
    const code = ours ? thrown.code : undefined;
    if (code === 'timeout' && this.#wire.stage !== 'starttls') this.#say(replies.timeout);
    else if (code === 'line-too-long') this.#say(lineVerdicts.tooLong);
    if (ours) return;
    this.#say(replies.internal);
    throw thrown;
  }

  /** What is owed goes out first; a client that does not read it is cut off. */
  async #goodbye(): Promise<void> {
    const wire = this.#wire;
    this.#flush();
    try {
      await wire.drain(wire.clock.now() + goodbyeMs, 0);
      wire.close();
    } catch {
      wire.destroy();
    }
  }

  #stage(stage: Stage): void {
    this.#wire.stage = stage;
  }

  #record(line: Line): void {
    const tls = this.#client.tls !== null;
    const text = peerText(line.bytes);
    // Also where the line is refused: it may hold a password all the same.
    const secret = /^AUTH +\S+ +\S/i.test(text);
    const shown = secret ? text.replace(/^(\S+ +\S+ +).*$/s, `$1${mask}`) : text;
    this.#wire.transcript?.add('in', this.#wire.stage, shown, { tls, secret });
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

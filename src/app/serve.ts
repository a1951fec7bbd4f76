// The use case behind `ehlo serve`: SMTP, POP3 and DNS listeners over one store, until a signal, a count, a time or the
// command beside it ends them. It never relays: what it takes stays in the store.
import { domainToAscii } from '../base/address.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { isLoopback } from '../base/ip.ts';
import { type SmtpServerLimits, smtpServerLimits } from '../base/limits.ts';
import { servePop3 } from '../pop3/server.ts';
import type { Accounts } from '../sasl/sasl.ts';
import { printReply, reply } from '../smtp/reply.ts';
import { type ServerPolicy, serveSmtp } from '../smtp/server.ts';
import type { SmtpServerOptions } from '../smtp/server-policy.ts';
import { replies } from '../smtp/server-replies.ts';
import type { Store } from '../store/store.ts';
import type { Channel, TlsServerOptions } from '../wire/channel.ts';
import { Shutdown } from '../wire/shutdown.ts';
import type { Transcript } from '../wire/transcript.ts';
import { Wire } from '../wire/wire.ts';
import { storeMaildrop } from './maildrop.ts';
import type { Child, Listener, ListenTarget, Ports, RunChild } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import {
  childEnvironment,
  dnsFacts,
  HeadKeeper,
  listenerFacts,
  messageEvent,
  problemEvent,
  type ServeEvent,
  type ServeReady,
} from './serve-events.ts';

export interface ServeOptions {
  /** Null: no such listener. */
  smtp: ListenTarget | null;
  pop3: ListenTarget | null;
  dns: ListenTarget | null;
  /** Texts of zone files, and their names for errors. */
  zones: readonly { name: string; text: string }[];
  /** In greetings. */
  hostname: string;
  accounts: Accounts;
  requireAuth: boolean;
  requireTls: boolean;
  tls?: TlsServerOptions;
  /** Local domains; empty: every domain is. */
  domains: readonly string[];
  /** EHLO keywords in upper case. */
  hidden: ReadonlySet<string>;
  limits?: Partial<SmtpServerLimits>;
  /** Stop after so many messages; ending with fewer is exit NO. */
  exitAfter?: number;
  /** Stop after this time. */
  withinMs?: number;
  /** Runs beside the server, which ends with it. */
  command?: { words: readonly string[]; stdout: 'inherit' | 'stderr' };
}

export interface ServePorts extends Pick<Ports, 'clock' | 'listen' | 'listenDns'> {
  store: Store;
  pid: number;
  /** Needed where there is a command. */
  runChild?: RunChild;
}

export interface ServeWatch {
  /** `ready` is always the first. */
  onEvent?(event: ServeEvent): void;
  /** Nothing is told of messages, and nothing kept to tell it. */
  withoutMessages?: boolean;
  /** A fresh one for each session. */
  transcript?(): Transcript;
}

export type StopReason = 'signal' | 'exit-after' | 'within' | 'command' | 'stopped';

export interface ServeReport extends ReportHead<'serve'> {
  /** Stored while it ran. */
  messages: number;
  reason: StopReason;
  /** Exit code of the command beside it; null without one. */
  child: number | null;
}

export interface ServeHandle {
  ready: ServeReady;
  finished: Promise<ServeReport>;
  /**
   * Takes no new connection, lets sessions end their message, resolves `finished` within two seconds. `error` is what the
   * report says where something was left undone: the command beside it, or messages that were waited for.
   */
  stop(reason: StopReason, error?: EhloError): void;
}

/** What sessions get to end by themselves after a stop, and the command beside us after SIGTERM. */
const graceMs = 1200;
const pollMs = 20;

/** Rejects with 'cannot-create' (a port), 'config' (a zone), 'io' (the store); nothing is left open then. */
export async function serve(options: ServeOptions, ports: ServePorts, watch: ServeWatch = {}): Promise<ServeHandle> {
  const server = new Server(options, ports, watch);
  try {
    return await server.start();
  } catch (thrown) {
    await server.closeListeners();
    await ports.store.close();
    throw thrown;
  }
}

class Server {
  readonly #options: ServeOptions;
  readonly #ports: ServePorts;
  readonly #watch: ServeWatch;
  readonly #limits: SmtpServerLimits;
  readonly #shutdown = new Shutdown();
  readonly #listeners: Listener[] = [];
  readonly #wires = new Set<Wire>();
  /** Events that came before everybody was told of the listeners. */
  #early: ServeEvent[] | undefined = [];
  #messages = 0;
  #reason: StopReason | undefined;
  #child: Child | undefined;
  #childCode: number | null = null;
  #failure: EhloError | undefined;
  #cancelWithin: (() => void) | undefined;
  #finish: (report: ServeReport) => void = () => undefined;

  constructor(options: ServeOptions, ports: ServePorts, watch: ServeWatch) {
    this.#options = options;
    this.#ports = ports;
    this.#watch = watch;
    this.#limits = { ...smtpServerLimits, ...options.limits };
  }

  async start(): Promise<ServeHandle> {
    const finished = new Promise<ServeReport>((resolve) => {
      this.#finish = resolve;
    });
    const ready = await this.#listen();
    const { withinMs, command } = this.#options;
    if (withinMs !== undefined) this.#cancelWithin = this.#ports.clock.after(withinMs, () => this.stop('within'));
    this.#watch.onEvent?.(ready);
    for (const event of this.#early ?? []) this.#watch.onEvent?.(event);
    this.#early = undefined;
    if (command) this.#startChild(command, ready);
    return { ready, finished, stop: (reason, error) => this.stop(reason, error) };
  }

  stop(reason: StopReason, error?: EhloError): void {
    if (this.#reason) return;
    this.#reason = reason;
    void this.#end(reason, error).then(this.#finish);
  }

  async closeListeners(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  async #listen(): Promise<ServeReady> {
    const { smtp, pop3, dns } = this.#options;
    const { listen, pid } = this.#ports;
    const ready: ServeReady = { event: 'ready', pid };
    const answer = dns && (await this.#zoneAnswer());
    if (smtp) {
      const { hostname, accounts, hidden, requireTls, requireAuth, tls } = this.#options;
      const session = {
        hostname,
        protocol: 'smtp',
        policy: this.#policy(),
        limits: this.#limits,
        begin: this.#begin(),
        hidden,
        accounts,
        requireTls,
        requireAuth,
        shutdown: this.#shutdown,
        onProblem: (error) => this.#tell(problemEvent(error)),
        ...(tls && { tls }),
      } satisfies Omit<SmtpServerOptions, 'client'>;
      const full = printReply(replies.tooManyConnections);
      const listener = await listen(smtp, (channel, { address }) =>
        this.#session(channel, full, (wire) =>
          serveSmtp(wire, { ...session, client: { address }, allowInsecureAuth: isLoopback(address) }),
        ),
      );
      ready.smtp = listenerFacts('smtp', this.#add(listener));
    }
    if (pop3) {
      const { hostname, accounts, tls } = this.#options;
      const maildrop = storeMaildrop(this.#ports.store);
      const full = Buffer.from('-ERR [SYS/TEMP] too many connections\r\n');
      const listener = await listen(pop3, (channel, { address }) =>
        this.#session(channel, full, (wire) =>
          servePop3(wire, {
            hostname,
            accounts,
            maildrop,
            shutdown: this.#shutdown,
            allowInsecureAuth: isLoopback(address) && !this.#options.requireTls,
            ...(tls && { tls }),
          }),
        ),
      );
      ready.pop3 = listenerFacts('pop3', this.#add(listener));
    }
    if (dns && answer) ready.dns = dnsFacts(this.#add(await this.#ports.listenDns(dns, answer)));
    return ready;
  }

  #add(listener: Listener): Listener {
    this.#listeners.push(listener);
    return listener;
  }

  async #zoneAnswer(): Promise<(query: Buffer, via: 'udp' | 'tcp') => Buffer | undefined> {
    const { answerQuery, parseZone } = await import('../dns/zone.ts');
    const zones = this.#options.zones.map(({ name, text }) => {
      try {
        return parseZone(text);
      } catch (thrown) {
        if (!(thrown instanceof EhloError)) throw thrown;
        throw new EhloError(thrown.code, `${name}: ${thrown.message}`, { hint: thrown.hint, cause: thrown });
      }
    });
    return (query, via) => answerQuery(zones, query, via);
  }

  /** Local domains are the only rule: this server never relays. */
  #policy(): ServerPolicy {
    const local = new Set(this.#options.domains.map(comparable));
    if (local.size === 0) return {};
    const denied = reply(550, '5.7.1', 'relaying denied: not a domain of this server');
    return {
      rcpt({ address }) {
        const at = address.lastIndexOf('@');
        return at === -1 || local.has(comparable(address.slice(at + 1))) ? undefined : denied;
      },
    };
  }

  #begin(): SmtpServerOptions['begin'] {
    const { store } = this.#ports;
    const stored = (event?: ServeEvent) => {
      this.#messages++;
      if (event) this.#tell(event);
      if (this.#messages === this.#options.exitAfter && !this.#options.command) this.stop('exit-after');
    };
    if (!this.#watch.onEvent || this.#watch.withoutMessages) {
      store.onMessage(() => stored());
      return (envelope) => store.begin(envelope);
    }
    return async (envelope) =>
      new HeadKeeper(await store.begin(envelope), (message, head) => stored(messageEvent(message, head)));
  }

  #session(channel: Channel, full: Buffer, run: (wire: Wire) => Promise<void>): void {
    const wire = new Wire(channel, this.#ports.clock, this.#watch.transcript?.());
    if (this.#wires.size >= this.#limits.connections || this.#reason) {
      wire.write(full);
      wire.close();
      return;
    }
    this.#wires.add(wire);
    const done = () => void this.#wires.delete(wire);
    run(wire).then(done, (thrown: unknown) => {
      done();
      this.#tell(problemEvent(asEhloError(thrown)));
    });
  }

  #startChild({ words, stdout }: NonNullable<ServeOptions['command']>, ready: ServeReady): void {
    const { runChild } = this.#ports;
    if (!runChild) throw new EhloError('internal', 'nothing is there to run a command with');
    this.#child = runChild(words, { env: childEnvironment(ready), stdout });
    this.#child.finished.then(
      (code) => {
        this.#childCode = code;
        this.#child = undefined;
        this.stop('command');
      },
      (thrown: unknown) => {
        this.#failure = asEhloError(thrown);
        this.#child = undefined;
        this.stop('command');
      },
    );
  }

  async #end(reason: StopReason, error: EhloError | undefined): Promise<ServeReport> {
    const { clock, store } = this.#ports;
    const unfinished = this.#child !== undefined;
    this.#cancelWithin?.();
    await this.closeListeners();
    this.#shutdown.request();
    this.#child?.kill('SIGTERM');
    const deadline = clock.now() + graceMs;
    while ((this.#wires.size > 0 || this.#child) && clock.now() < deadline) {
      await new Promise<void>((resolve) => clock.after(pollMs, resolve));
    }
    this.#child?.kill('SIGKILL');
    for (const wire of this.#wires) wire.destroy();
    await store.close();
    const undone = unfinished ? commandEnded(reason) : this.#missing(reason);
    const head = reportHead('serve', this.#failure ?? (undone && error ? error : undone) ?? 'OK');
    const child = this.#childCode;
    const report: ServeReport = { ...head, messages: this.#messages, reason, child };
    // The command's own code counts first, whatever it means there.
    if (child !== null && child !== 0 && reason === 'command') {
      return { ...report, ok: false, exit: { code: child, name: 'NO' } };
    }
    return report;
  }

  /** Fewer messages than --exit-after wants. */
  #missing(reason: StopReason): EhloError | undefined {
    const { exitAfter } = this.#options;
    if (exitAfter === undefined || this.#messages >= exitAfter) return undefined;
    return new EhloError('answer-no', `${this.#messages} of ${exitAfter} messages came ${until[reason]}`);
  }

  #tell(event: ServeEvent): void {
    if (this.#early) this.#early.push(event);
    else this.#watch.onEvent?.(event);
  }
}

const until: Record<StopReason, string> = {
  signal: 'before the signal',
  'exit-after': 'before the end',
  within: 'in the time of --within',
  command: 'before the command ended',
  stopped: 'before the end',
};

const commandEnded = (reason: StopReason): EhloError =>
  new EhloError(
    'answer-no',
    `the command did not end ${reason === 'within' ? 'in the time of --within' : 'by itself'}`,
  );

/** Domains compare without case, and IDN by its A-labels. What has no such form is only itself. */
const comparable = (domain: string): string => {
  try {
    return domainToAscii(domain).toLowerCase();
  } catch {
    return domain.toLowerCase();
  }
};

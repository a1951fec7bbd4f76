// A stub resolver (RFC 1034 5.3.1): asks given recursive servers, UDP first and TCP when truncated (RFC 7766), and keeps
// apart everything that a mail walk must tell apart. Made for one run: what was asked once is not asked again, whatever
// its TTL. Carries no bytes itself (DnsExchange does), and does not walk from the root.
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { clientDeadlines, dnsLimits } from '../base/limits.ts';
import { interpret, type Reading } from './chain.ts';
import {
  answersQuery,
  type DnsMessage,
  type DnsQuery,
  decodeAnswer,
  encodeQuery,
  printRcode,
  rcodes,
} from './codec.ts';
import type { DnsAnswer, DnsExchange, DnsServer, DnsStatus, RecordType, Resolver } from './dns.ts';
import { nameKey, parseName, printName } from './name.ts';
import { isAskable, packetName } from './packet-name.ts';
import { cryptoRandom } from './random.ts';

export interface StubResolverOptions {
  /** In order of trying; at least one. */
  servers: readonly DnsServer[];
  exchange: DnsExchange;
  clock: Clock;
  /** 0 <= n < 1, for query ids. Default: from node:crypto. */
  random?: () => number;
  /** For one question to one server over one transport. */
  timeoutMs?: number;
  /** Whose AD bit is believed (RFC 6840 5.8: only over a path that can be trusted). Default: servers on loopback. */
  trustAd?: boolean | 'loopback';
}

/** What one question to the servers brought: a reading of an answer, or why there is none. */
type Step = Reading & Pick<DnsAnswer, 'ad' | 'server' | 'via' | 'ms' | 'ede'>;

export function createStubResolver(options: StubResolverOptions): Resolver {
  if (options.servers.length === 0) {
    throw new EhloError('config', 'no DNS server is known to this system', {
      stage: 'dns',
      hint: 'name one with --dns HOST, or in /etc/resolv.conf',
    });
  }
  return new StubResolver(options);
}

class StubResolver implements Resolver {
  readonly #servers: readonly DnsServer[];
  readonly #exchange: DnsExchange;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timeoutMs: number;
  readonly #trustAd: boolean | 'loopback';
  /** By name and type: the bare questions, and the answers with their chains. */
  readonly #steps = new Map<string, Promise<Step>>();
  readonly #answers = new Map<string, Promise<DnsAnswer>>();
  /** One entry a question that went out, in order of asking; filled when its answer is complete. */
  readonly #asked: { answer: DnsAnswer | undefined }[] = [];

  constructor(options: StubResolverOptions) {
    this.#servers = options.servers;
    this.#exchange = options.exchange;
    this.#clock = options.clock;
    this.#random = options.random ?? cryptoRandom;
    this.#timeoutMs = options.timeoutMs ?? clientDeadlines.dns;
    this.#trustAd = options.trustAd ?? 'loopback';
  }

  get queries(): DnsAnswer[] {
    return this.#asked.flatMap(({ answer }) => (answer ? [answer] : []));
  }

  async query(name: string, type: RecordType): Promise<DnsAnswer> {
    packetName(name);
    const canonical = printName(parseName(name));
    const key = `${nameKey(canonical)}/${type}`;
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = this.#follow(canonical, type, []);
      this.#answers.set(key, answer);
    }
    return answer;
  }

  /** The answer from `name` on; `before` are the aliases that led here from further up. */
  async #follow(name: string, type: RecordType, before: readonly string[]): Promise<DnsAnswer> {
    const key = `${nameKey(name)}/${type}`;
    let entry: { answer: DnsAnswer | undefined } | undefined;
    let pending = this.#steps.get(key);
    if (!pending) {
      entry = { answer: undefined };
      this.#asked.push(entry);
      pending = this.#ask(name, type);
      this.#steps.set(key, pending);
    }
    const { next, ...step } = await pending;
    let answer: DnsAnswer = { name, type, ...step };
    if (next !== undefined) answer = await this.#join(answer, next, before);
    if (entry) entry.answer = answer;
    return answer;
  }

  /** The server knew only an alias: asks for what it points to. */
  async #join(answer: DnsAnswer, next: string, before: readonly string[]): Promise<DnsAnswer> {
    const seen = [...before, ...answer.cnames.map(({ from }) => nameKey(from))];
    const broken = (problem: string): DnsAnswer => ({ ...answer, status: 'malformed', problem });
    if (seen.includes(nameKey(next))) return broken(`the aliases of ${answer.name} form a loop at ${next}`);
    const tooMany = `${answer.name} leads through more than ${dnsLimits.cnames} aliases`;
    if (seen.length > dnsLimits.cnames) return broken(tooMany);
    if (!isAskable(next)) return broken(`the alias ${answer.name} points to ${next}, which no host can be called`);
    const rest = await this.#follow(next, answer.type, seen);
    if (rest.status !== 'malformed' && seen.length + rest.cnames.length > dnsLimits.cnames) return broken(tooMany);
    return {
      ...rest,
      name: answer.name,
      cnames: [...answer.cnames, ...rest.cnames],
      ad: answer.ad && rest.ad,
      ms: answer.ms + rest.ms,
      ede: rest.ede ?? answer.ede,
    };
  }

  /** Every server in turn, and the silent ones again; a verdict ends it. */
  async #ask(name: string, type: RecordType): Promise<Step> {
    let worst: Step | undefined;
    let open = this.#servers;
    for (let round = 0; round < dnsLimits.tries && open.length > 0; round++) {
      const silent: DnsServer[] = [];
      for (const server of open) {
        const step = await this.#askServer(server, name, type);
        if (verdicts.has(step.status)) return step;
        if (step.status === 'timeout') silent.push(server);
        if (!worst || failureRank[step.status] > failureRank[worst.status]) worst = step;
      }
      open = silent;
    }
    if (!worst) throw new EhloError('internal', 'a DNS question was put to no server', { stage: 'dns' });
    return worst;
  }

  async #askServer(server: DnsServer, name: string, type: RecordType): Promise<Step> {
    const start = this.#clock.now();
    let via: 'udp' | 'tcp' = 'udp';
    let edns = true;
    const step = (reading: Reading, message?: DnsMessage): Step => ({
      ...reading,
      ad: message?.authentic === true && this.#believes(server),
      server: printServer(server),
      via,
      ms: Math.round(this.#clock.now() - start),
      ede: message?.ede ?? null,
    });
    // Each turn but the last changes `via` or `edns`, once each.
    for (;;) {
      const id = Math.floor(this.#random() * 0x10000);
      const query: DnsQuery = { id, name, type, recursion: true, edns, ad: true };
      const brought = await this.#once(server, query, via);
      if ('status' in brought) return step(brought);
      if (brought.truncated && via === 'tcp') {
        return step(failure('malformed', `${printServer(server)} truncated its answer over TCP`));
      }
      if (brought.truncated) via = 'tcp';
      else if (brought.rcode === rcodes.FORMERR && edns) edns = false;
      else return step(this.#read(brought, name, type, server), brought);
    }
  }

  #read(message: DnsMessage, name: string, type: RecordType, server: DnsServer): Reading {
    const { rcode } = message;
    if (rcode === rcodes.NOERROR || rcode === rcodes.NXDOMAIN) return interpret(message, name, type);
    const status = rcode === rcodes.REFUSED ? 'refused' : 'servfail';
    return failure(status, `${printServer(server)} answered ${printRcode(rcode)} for ${name} ${type}`);
  }

  /** One query over one transport. An answer to something else is no answer (RFC 5452 9.1). */
  async #once(server: DnsServer, query: DnsQuery, via: 'udp' | 'tcp'): Promise<DnsMessage | Reading> {
    const deadline = this.#clock.now() + this.#timeoutMs;
    const where = `${printServer(server)} over ${via.toUpperCase()}`;
    try {
      const bytes = await this.#exchange.exchange(server, encodeQuery(query), via, deadline);
      if (bytes.length >= 2 && bytes.readUInt16BE(0) === query.id) {
        const message = decodeAnswer(bytes);
        if (answersQuery(message, query)) return message;
      }
      return failure('timeout', `only answers to other questions came from ${where}`);
    } catch (error) {
      if (!(error instanceof EhloError)) throw error;
      if (error.code === 'dns-malformed') return failure('malformed', `${error.message}, from ${where}`);
      // A closed port, a lost connection, silence: each time there is no answer.
      if (error.code === 'timeout') return failure('timeout', `no answer from ${where} in ${this.#timeoutMs} ms`);
      if (error.kind === 'connect' || error.kind === 'lost')
        return failure('timeout', `no answer from ${where}: ${error.message}`);
      throw error;
    }
  }

  #believes(server: DnsServer): boolean {
    return this.#trustAd === 'loopback' ? isLoopback(server.host) : this.#trustAd;
  }
}

/** These end the asking; after anything else the next server may know better. */
const verdicts: ReadonlySet<DnsStatus> = new Set<DnsStatus>(['ok', 'nodata', 'nxdomain']);

/** Which failure is told when all servers failed: the one that says most. */
const failureRank: Record<DnsStatus, number> = {
  ok: 0,
  nodata: 0,
  nxdomain: 0,
  timeout: 1,
  malformed: 2,
  refused: 3,
  servfail: 4,
};

const failure = (status: DnsStatus, problem: string): Reading => ({
  status,
  records: [],
  cnames: [],
  next: undefined,
  problem,
});

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
const printServer = ({ host, port }: DnsServer): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const isLoopback = (host: string): boolean => /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1';

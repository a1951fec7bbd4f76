// Name servers in memory for the tests of dns/: zones behind the DnsExchange port, a clock that tests move, and scripts of
// misbehaving servers.
import type { Clock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import type { DnsExchange, DnsServer, Resolver } from '../../src/dns/dns.ts';
import { createStubResolver, type StubResolverOptions } from '../../src/dns/resolver.ts';
import { answerQuery, parseZone, type Zone } from '../../src/dns/zone.ts';

/** Time moves only when a server stays silent: to the deadline. */
export class LabClock implements Clock {
  #now = 1000;
  now(): number {
    return this.#now;
  }
  date(): Date {
    return new Date(Date.UTC(2024, 0, 1) + this.#now);
  }
  after(): () => void {
    return () => {};
  }
  moveTo(point: number): void {
    this.#now = Math.max(this.#now, point);
  }
}

export interface Asked {
  server: string;
  via: 'udp' | 'tcp';
  query: Buffer;
}

/** Undefined is silence until the deadline. */
export type Behave = (query: Buffer, via: 'udp' | 'tcp', server: DnsServer) => Buffer | EhloError | undefined;

export class Lab {
  readonly clock = new LabClock();
  readonly asked: Asked[] = [];
  readonly exchange: DnsExchange;

  constructor(behave: Behave) {
    this.exchange = {
      exchange: async (server, query, via, deadline) => {
        this.asked.push({ server: server.host, via, query });
        await Promise.resolve();
        const answer = behave(query, via, server);
        if (answer instanceof Error) throw answer;
        if (answer) return answer;
        this.clock.moveTo(deadline);
        throw new EhloError('timeout', 'no answer in time');
      },
    };
  }

  resolver(options: Partial<StubResolverOptions> = {}): Resolver {
    return createStubResolver({
      servers: [{ host: '127.0.0.1', port: 53 }],
      exchange: this.exchange,
      clock: this.clock,
      ...options,
    });
  }
}

export const zoneOf = (text: string, origin?: string): Zone => parseZone(text, origin);

export const zoneLab = (...texts: string[]): Lab => {
  const zones = texts.map((text) => parseZone(text));
  return new Lab((query, via) => answerQuery(zones, query, via));
};

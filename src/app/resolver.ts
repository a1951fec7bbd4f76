// The resolver that the connection options ask for: --dns or the system's servers, with --hosts in front of both.
import { ipFamily } from '../base/ip.ts';
import type { DnsAnswer, Resolver } from '../dns/dns.ts';
import { createStubResolver } from '../dns/resolver.ts';
import type { Connection } from './connection.ts';
import { hostsAddresses } from './overrides.ts';
import type { Ports } from './ports.ts';

export const resolverFor = async (connection: Connection, ports: Ports): Promise<Resolver> => {
  const stub = createStubResolver({
    servers: connection.dns ? [connection.dns] : await ports.resolve.systemServers(),
    exchange: ports.resolve.exchange,
    clock: ports.clock,
    timeoutMs: connection.deadlines.dns,
  });
  return connection.hosts ? withHosts(connection, stub) : stub;
};

/** What the file says of a name is all there is of it: a name with an IPv4 address alone has no IPv6 address. */
function withHosts(connection: Connection, stub: Resolver): Resolver {
  const told: { after: number; answer: DnsAnswer }[] = [];
  return {
    async query(name, type) {
      const addresses = type === 'A' || type === 'AAAA' ? hostsAddresses(connection, name) : [];
      if (addresses.length === 0 || (type !== 'A' && type !== 'AAAA')) return stub.query(name, type);
      const records = addresses
        .filter((address) => ipFamily(address) === (type === 'A' ? 4 : 6))
        .map((address) => ({ name, ttl: 0, type, address }));
      const answer = hostsAnswer(name, type, records);
      told.push({ after: stub.queries.length, answer });
      return answer;
    },
    get queries() {
      const all = [...stub.queries];
      for (const { after, answer } of told.toReversed()) all.splice(after, 0, answer);
      return all;
    },
  };
}

const hostsAnswer = (name: string, type: 'A' | 'AAAA', records: DnsAnswer['records']): DnsAnswer => ({
  name,
  type,
  status: records.length > 0 ? 'ok' : 'nodata',
  records,
  cnames: [],
  ad: false,
  server: 'hosts file',
  via: 'udp',
  ms: 0,
  ede: null,
  problem: records.length > 0 ? null : `the hosts file has no ${type === 'A' ? 'IPv4' : 'IPv6'} address of ${name}`,
});

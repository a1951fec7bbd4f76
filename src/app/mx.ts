// The MX hosts of a domain as a sender uses them (RFC 5321 5.1). The walk itself is dns/walk.ts; this turns its result into
// targets, or into the error that a sender would give.
import { domainToAscii } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Resolver } from '../dns/dns.ts';
import { createStubResolver } from '../dns/resolver.ts';
import { type MxWalk, walkMx } from '../dns/walk.ts';
import type { Connection } from './connection.ts';
import { overridesFor } from './overrides.ts';
import type { Ports } from './ports.ts';
import type { Target } from './session.ts';

export const resolverFor = async (connection: Connection, ports: Ports): Promise<Resolver> =>
  createStubResolver({
    servers: connection.dns ? [connection.dns] : await ports.resolve.systemServers(),
    exchange: ports.resolve.exchange,
    clock: ports.clock,
    timeoutMs: connection.deadlines.dns,
  });

/** Every address of every MX host, in the order of the walk. Empty where the hosts have none (any more). */
export function mxTargets(connection: Connection, walk: MxWalk): Target[] {
  const port = connection.mxPort;
  return walk.hosts.flatMap(({ host, addresses }) => {
    const fixed = overridesFor(connection, host, port);
    const all = fixed.length > 0 ? fixed : addresses.map((one) => one.address);
    return all
      .filter((address) => !connection.family || ipFamily(address) === connection.family)
      .map((address) => ({ host, address, port }));
  });
}

/** The MX walk of a recipient's domain. On another port than 25 this is a lab, where private targets are the point. */
export const mxWalk = (connection: Connection, domain: string, resolver: Resolver, ports: Ports): Promise<MxWalk> =>
  walkMx(domainToAscii(domain), resolver, {
    ownNames: [ports.hostname()],
    allowPrivate: connection.mxPort !== 25,
  });

/** What a sender must make of a walk that gives no host. */
export function walkError(walk: MxWalk): EhloError | null {
  const facts = { stage: 'dns', peer: walk.answer.server, side: 'remote' as const };
  switch (walk.status) {
    case 'ok':
      return null;
    case 'null-mx':
      return new EhloError('null-mx', `${walk.domain} takes no mail: it publishes a null MX (RFC 7505)`, facts);
    case 'no-such-domain':
      return new EhloError('no-such-domain', `there is no domain ${walk.domain} (NXDOMAIN)`, {
        ...facts,
        hint: 'check the spelling of the address',
      });
    case 'no-address':
      return new EhloError('no-address', `${walk.domain} names no mail host that has an address`, facts);
    case 'temporary':
      return new EhloError('dns-failure', `the mail hosts of ${walk.domain} cannot be looked up now`, {
        ...facts,
        hint: walk.answer.problem ?? undefined,
      });
  }
}

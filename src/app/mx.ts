// The MX hosts of a domain as a sender uses them (RFC 5321 5.1). The walk itself is dns/walk.ts; this turns its result into
// targets, or into the error that a sender would give.
import { domainToAscii } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Resolver } from '../dns/dns.ts';
import { type MxWalk, walkMx } from '../dns/walk.ts';
import { addressesOf } from './addresses.ts';
import type { Connection } from './connection.ts';
import { connectTo, knownAddresses } from './overrides.ts';
import type { Ports } from './ports.ts';
import type { Target } from './session.ts';
import { looksUpNames } from './via.ts';

export { resolverFor } from './resolver.ts';

/** A walk, with the addresses of the hosts that --connect-to names in place of some. */
export interface MxRoute extends MxWalk {
  elsewhere: ReadonlyMap<string, string[]>;
}

/** Every address of every MX host, in the order of the walk. Empty where the hosts have none (any more). */
export function mxTargets(connection: Connection, walk: MxRoute): Target[] {
  return walk.hosts.flatMap(({ host, addresses }) => {
    const { port } = connectTo(connection, host, connection.mxPort);
    const known = walk.elsewhere.get(host) ?? knownAddresses(connection, host, port);
    // A host without an address is none, whoever looks it up.
    const found = looksUpNames(connection) && addresses.length > 0 ? [host] : addresses.map((one) => one.address);
    return (known.length > 0 ? known : found)
      .filter((address) => !connection.family || ipFamily(address) === connection.family)
      .map((address) => ({ host, address, port }));
  });
}

/** The MX walk of a recipient's domain. On another port than 25 this is a lab, where private targets are the point. */
export async function mxWalk(
  connection: Connection,
  domain: string,
  resolver: Resolver,
  ports: Ports,
): Promise<MxRoute> {
  const walk = await walkMx(domainToAscii(domain), resolver, {
    ownNames: [ports.hostname()],
    allowPrivate: connection.mxPort !== 25,
  });
  const elsewhere = new Map<string, string[]>();
  for (const { host } of walk.hosts) {
    const to = connectTo(connection, host, connection.mxPort);
    if (to.host !== host) elsewhere.set(host, await addressesOf(connection, to.host, to.port, ports));
  }
  return { ...walk, elsewhere };
}

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

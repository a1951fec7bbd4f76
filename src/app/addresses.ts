// The addresses of one host, in order: what the user said of it, itself, or what DNS or the system knows. A proxy that looks
// names up gets the name, and then nobody here asks for it.
import { domainToAscii, isAscii } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Connection } from './connection.ts';
import { knownAddresses } from './overrides.ts';
import type { Ports } from './ports.ts';
import { looksUpNames } from './via.ts';

/** Never empty. Throws 'no-address', 'dns-failure'. */
export async function addressesOf(connection: Connection, host: string, port: number, ports: Ports): Promise<string[]> {
  const known = knownAddresses(connection, host, port);
  if (known.length > 0) return known;
  if (ipFamily(host)) return [host];
  if (looksUpNames(connection)) return [isAscii(host) ? host : domainToAscii(host)];
  let found: string[];
  if (connection.dns) {
    const [{ resolverFor }, { resolveHost }] = await Promise.all([import('./resolver.ts'), import('../dns/host.ts')]);
    const answer = await resolveHost(domainToAscii(host), await resolverFor(connection, ports));
    found = answer.addresses.map((one) => one.address);
    if (answer.status === 'temporary') {
      throw new EhloError('dns-failure', `the address of ${host} cannot be looked up now`, {
        stage: 'dns',
        peer: host,
      });
    }
  } else found = await ports.resolve.lookup(host);
  const usable = found.filter((address) => !connection.family || ipFamily(address) === connection.family);
  if (usable.length > 0) return usable;
  throw new EhloError('no-address', `${host} has no ${familyWord(connection)}address`, { stage: 'dns', peer: host });
}

const familyWord = (connection: Connection): string => (connection.family ? `IPv${connection.family} ` : '');

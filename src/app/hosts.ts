// The addresses of one given server, in order. Whoever names a server pays for no DNS of ours; MX hosts are in mx.ts.
import { domainToAscii } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Connection, ServerUrl } from './connection.ts';
import { overridesFor } from './overrides.ts';
import type { Ports } from './ports.ts';
import type { Target } from './session.ts';

const defaultPorts: Record<ServerUrl['scheme'], number> = {
  smtp: 25,
  smtps: 465,
  lmtp: 24,
  'lmtp+unix': 0,
  pop3: 110,
  pop3s: 995,
  mx: 25,
};

export const portOf = (server: ServerUrl): number => server.port ?? defaultPorts[server.scheme];

/** All addresses of one given server. Throws 'no-address', 'dns-failure'. */
export async function serverTargets(connection: Connection, server: ServerUrl, ports: Ports): Promise<Target[]> {
  if (server.path !== undefined) return [{ host: server.path, address: server.path, port: 0 }];
  const port = portOf(server);
  const { host } = server;
  return (await addressesOf(connection, host, port, ports)).map((address) => ({ host, address, port }));
}

async function addressesOf(connection: Connection, host: string, port: number, ports: Ports): Promise<string[]> {
  const fixed = overridesFor(connection, host, port);
  if (fixed.length > 0) return fixed;
  if (ipFamily(host)) return [host];
  let found: string[];
  if (connection.dns) {
    const [{ resolverFor }, { resolveHost }] = await Promise.all([import('./mx.ts'), import('../dns/host.ts')]);
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

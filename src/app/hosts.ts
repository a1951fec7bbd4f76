// The targets of one given server, in order. Whoever names a server pays for no DNS of ours; MX hosts are in mx.ts.
import { addressesOf } from './addresses.ts';
import type { Connection, ServerUrl } from './connection.ts';
import { connectTo } from './overrides.ts';
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

/** What stands for a server where --pipe is given. */
export const pipeServer: ServerUrl = { scheme: 'smtp', host: 'pipe' };

/** All addresses of one given server. Throws 'no-address', 'dns-failure'. */
export async function serverTargets(connection: Connection, server: ServerUrl, ports: Ports): Promise<Target[]> {
  if (connection.pipe !== undefined) {
    // Only --tls-name can say who answers there; and an address that nothing takes for one.
    return [{ host: connection.tlsClient.name ?? server.host, address: `pipe: ${connection.pipe}`, port: 0 }];
  }
  if (server.path !== undefined) return [{ host: server.path, address: server.path, port: 0 }];
  const { host } = server;
  const to = connectTo(connection, host, portOf(server));
  return (await addressesOf(connection, to.host, to.port, ports)).map((address) => ({ host, address, port: to.port }));
}

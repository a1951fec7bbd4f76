// The connection options of a command line, kept for later tries of a queued message, and back to a connection. No secret is
// kept: where it comes from is, and it is fetched anew each time, without asking.
import { resolve } from 'node:path';
import type { Connection } from '../app/connection.ts';
import { normalControl, type ProtocolControl } from '../app/control.ts';
import { checkRoute, keptControl } from '../app/route.ts';
import type { Route } from '../app/spool.ts';
import type { Context } from './command.ts';
import { optionKey } from './option-kind.ts';

/**
 * Every connection option. Those of files are kept as absolute paths, since a later run may stand elsewhere; what only looks
 * at the connection of now is not kept; what carries a secret is, for a moment, so that checkRoute() can refuse it.
 */
const rows: Readonly<Record<string, 'as-given' | 'file' | 'once' | 'secret'>> = {
  server: 'as-given',
  pipe: 'as-given',
  lmtp: 'as-given',
  helo: 'as-given',
  ipv4: 'as-given',
  ipv6: 'as-given',
  'local-address': 'as-given',
  proxy: 'as-given',
  dns: 'as-given',
  resolve: 'as-given',
  'connect-to': 'as-given',
  hosts: 'file',
  'mx-port': 'as-given',
  'connect-timeout': 'as-given',
  timeout: 'as-given',
  'data-timeout': 'as-given',
  'max-time': 'as-given',
  tls: 'as-given',
  'tls-verify': 'as-given',
  'tls-name': 'as-given',
  ca: 'file',
  cert: 'file',
  key: 'file',
  pin: 'as-given',
  'tls-min': 'as-given',
  ciphers: 'as-given',
  'tls-get-cert': 'once',
  auth: 'as-given',
  'auth-optional': 'as-given',
  user: 'as-given',
  'password-file': 'file',
  'password-command': 'as-given',
  'password-env': 'as-given',
  'password-fd': 'secret',
  password: 'secret',
  'token-command': 'as-given',
  oauth2: 'file',
  'netrc-file': 'file',
  netrc: 'as-given',
  keyring: 'as-given',
  'allow-plaintext-auth': 'as-given',
};

/** What looks for a server: beside --pipe it has no say, and where a configuration gives it, a later try would take it for a contradiction. */
const looksForServer = [
  ...['server', 'proxy', 'connect-to', 'resolve', 'hosts', 'dns', 'mx-port'],
  ...['local-address', 'ipv4', 'ipv6'],
];

/** Also for a test that holds this table against the options that exist. */
export const hasRouteRow = (name: string): boolean => Object.hasOwn(rows, name);

/** `options` as commander leaves them. Throws 'usage' where the route would need a secret, or a control that is for one session. */
export function routeOf(options: Record<string, unknown>, control: ProtocolControl = normalControl): Route {
  const kept: Record<string, string | boolean | readonly string[]> = {};
  for (const [name, kind] of Object.entries(rows)) {
    if (kind === 'once' || (options['pipe'] !== undefined && looksForServer.includes(name))) continue;
    const value = options[optionKey(name)];
    if (typeof value === 'string') kept[name] = kind === 'file' && value !== '-' ? resolve(value) : value;
    else if (typeof value === 'boolean') kept[name] = value;
    else if (Array.isArray(value)) kept[name] = value.filter((one) => typeof one === 'string');
  }
  const route = { options: kept, pipelining: options['pipelining'] !== false, control: keptControl(control) };
  checkRoute(route);
  return route;
}

/** As parseConnection() finds it for the command line; a question is an error, for nobody may be there. */
export async function connectionOf(route: Route, context: Context): Promise<Connection> {
  const { parseConnection } = await import('./connection.ts');
  const options = Object.fromEntries(
    Object.entries(route.options).map(([name, value]) => [
      optionKey(name),
      typeof value === 'object' ? [...value] : value,
    ]),
  );
  return parseConnection(options, { ...context, interactive: false });
}

// Which way to the target: --server, --socket, --pipe or the MX hosts of a domain; and what --protocol says besides: the
// port, TLS and whether to log in.
import type { Connection, ServerUrl } from '../../app/connection.ts';
import { pipeServer } from '../../app/hosts.ts';
import type { Ports } from '../../app/ports.ts';
import { ipFamily } from '../../base/ip.ts';
import { parsePort } from '../../base/values.ts';
import { notYet, type SwaksSettings, usage } from './swaks-settings.ts';

export type TlsWish = 'off' | 'required' | 'optional' | 'optional-strict' | 'on-connect';

interface ProtocolRow {
  port: number;
  tls?: TlsWish;
  auth?: true;
  lmtp?: true;
  /** HELO, never EHLO. */
  heloOnly?: true;
}

/** The manual's table. Where 465 stands, TLS comes first. */
const protocols: Record<string, ProtocolRow> = {
  SMTP: { port: 25, heloOnly: true },
  SMTPS: { port: 465, tls: 'on-connect', heloOnly: true },
  SSMTP: { port: 465, tls: 'on-connect' },
  SSMTPA: { port: 465, tls: 'on-connect', auth: true },
  ESMTP: { port: 25 },
  ESMTPA: { port: 25, auth: true },
  ESMTPS: { port: 25, tls: 'required' },
  ESMTPSA: { port: 25, tls: 'required', auth: true },
  LMTP: { port: 24, lmtp: true },
  LMTPA: { port: 24, lmtp: true, auth: true },
  LMTPS: { port: 24, lmtp: true, tls: 'required' },
  LMTPSA: { port: 24, lmtp: true, tls: 'required', auth: true },
};

/** The one that is named first wins where several are given, as in swaks. */
const tlsFlags: [string, TlsWish][] = [
  ['tls', 'required'],
  ['tls-optional-strict', 'optional-strict'],
  ['tls-optional', 'optional'],
  ['tls-on-connect', 'on-connect'],
];

/** getservbyname(3) of what mail is spoken on. */
const services: Record<string, number> = {
  smtp: 25,
  mail: 25,
  lmtp: 24,
  submission: 587,
  submissions: 465,
  smtps: 465,
  ssmtp: 465,
  urd: 465,
};

export interface Transport {
  kind: 'socket-inet' | 'socket-unix' | 'pipe';
  /** What output calls the target: `host:port`, the path, the command. */
  trying: string;
  connected: string;
  protocol: string;
  host: string;
  port: number;
  /** The MX hosts of `host` are meant. */
  mx: boolean;
  tls: TlsWish;
  auth: boolean;
  lmtp: boolean;
  heloOnly: boolean;
  connection: Pick<Connection, 'mxPort'> & Partial<Pick<Connection, 'server' | 'pipe' | 'localAddress' | 'family'>>;
}

/** `recipients` decide the domain where no target is named: the last one counts. */
export async function readTransport(
  settings: SwaksSettings,
  recipients: readonly string[],
  ports: Pick<Ports, 'resolve'>,
): Promise<Transport> {
  const kinds = ['server', 'socket', 'pipe'].filter((name) => settings.has(name));
  if (kinds.length > 1) throw usage(`--${kinds.join(' and --')} name more than one target`, 'give one of them');
  const { name: protocol, row } = readProtocol(settings);
  const tls = tlsFlags.find(([name]) => settings.has(name))?.[1] ?? row.tls ?? 'off';
  const lmtp = row.lmtp === true;
  const common = { protocol, tls, auth: row.auth === true, lmtp, heloOnly: row.heloOnly === true };
  if (settings.has('local-port')) throw notYet('--local-port', 'the port of this side is always a free one');
  const socket = settings.text('socket');
  if (socket !== undefined) {
    if (!socket.startsWith('/')) throw usage(`--socket takes an absolute path, not "${socket}"`);
    const server: ServerUrl = { scheme: lmtp ? 'lmtp+unix' : 'smtp', host: '', path: socket };
    const connection = { server, mxPort: 25 };
    return {
      ...common,
      kind: 'socket-unix',
      trying: socket,
      connected: socket,
      host: '',
      port: 0,
      mx: false,
      connection,
    };
  }
  const pipe = settings.text('pipe');
  if (pipe !== undefined) {
    const server: ServerUrl = { ...pipeServer, scheme: lmtp ? 'lmtp' : 'smtp' };
    const connection = { server, pipe, mxPort: 25 };
    return {
      ...common,
      kind: 'pipe',
      trying: `pipe to ${pipe}`,
      connected: pipe,
      host: '',
      port: 0,
      mx: false,
      connection,
    };
  }
  const onConnect = tls === 'on-connect' || settings.has('tls-on-connect');
  return {
    ...common,
    ...(await inetTarget(settings, recipients, { lmtp, port: onConnect && !lmtp ? 465 : row.port }, ports)),
  };
}

function readProtocol(settings: SwaksSettings): { name: string; row: ProtocolRow } {
  const name = (settings.text('protocol') ?? 'ESMTP').toUpperCase();
  const row = protocols[name];
  if (!row) throw usage(`--protocol ${name} is none of ${Object.keys(protocols).join(', ')}`);
  return { name, row };
}

async function inetTarget(
  settings: SwaksSettings,
  recipients: readonly string[],
  defaults: { lmtp: boolean; port: number },
  ports: Pick<Ports, 'resolve'>,
): Promise<Pick<Transport, 'kind' | 'trying' | 'connected' | 'host' | 'port' | 'mx' | 'connection'>> {
  const written = settings.text('server');
  const named = written === undefined ? undefined : splitPort(written);
  const portText = settings.text('port') ?? named?.port;
  const port = portText === undefined ? defaults.port : servicePort(portText);
  const family = readFamily(settings);
  const localAddress = await readLocalAddress(settings, ports);
  const rest = { ...(family && { family }), ...(localAddress !== undefined && { localAddress }) };
  const target = named?.host ?? routingDomain(settings, recipients);
  const mx = named === undefined && target.includes('.');
  // Without a domain there is nothing to look up: this machine, or a name of the local network.
  const host = target === '' ? 'localhost' : target;
  if (mx && defaults.lmtp) throw notYet('LMTP to the MX hosts of a domain', 'name the server with --server');
  const scheme = mx ? 'mx' : defaults.lmtp ? 'lmtp' : 'smtp';
  const server: ServerUrl = mx ? { scheme, host } : { scheme, host, port };
  return {
    kind: 'socket-inet',
    trying: `${host}:${port}`,
    connected: host,
    host,
    port,
    mx,
    connection: { server, mxPort: mx ? port : 25, ...rest },
  };
}

function routingDomain(settings: SwaksSettings, recipients: readonly string[]): string {
  const copied = settings.text('copy-routing');
  const domain = copied ?? recipients.at(-1)?.replace(/^[^@]*@?/, '') ?? '';
  // An address literal is a target by itself.
  return domain.replace(/^\[(?:IPv6:)?(.*)\]$/i, '$1');
}

/** `host:port`, `[host]:port`, `host/port`; an IPv6 address alone has no port. */
function splitPort(text: string): { host: string; port?: string } {
  if (ipFamily(text) === 6) return { host: text };
  const [, bracketed, behind] = /^\[([^\]]*)\](?::(.+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { host: bracketed, ...(behind === undefined ? {} : { port: behind }) };
  const [, host, port] = /^(.*)[/:]([^/:]+)$/.exec(text) ?? [];
  return host !== undefined && port !== undefined ? { host, port } : { host: text };
}

export function servicePort(text: string): number {
  const known = services[text.toLowerCase()];
  if (known !== undefined) return known;
  if (/^\d+$/.test(text)) return parsePort(text);
  throw usage(`"${text}" is neither a port nor a mail service (${Object.keys(services).join(', ')})`);
}

function readFamily(settings: SwaksSettings): 4 | 6 | undefined {
  const [v4, v6] = [settings.has('4'), settings.has('6')];
  if (v4 && v6) throw usage('-4 and -6 exclude each other');
  return v4 ? 4 : v6 ? 6 : undefined;
}

async function readLocalAddress(settings: SwaksSettings, ports: Pick<Ports, 'resolve'>): Promise<string | undefined> {
  const text = settings.text('local-interface');
  if (text === undefined) return undefined;
  const { host, port } = splitPort(text);
  if (port !== undefined) throw notYet(`--local-interface ${text}`, 'the port of this side is always a free one');
  if (ipFamily(host)) return host;
  const [address] = await ports.resolve.lookup(host);
  if (address !== undefined) return address;
  throw usage(`--local-interface: ${host} has no address`);
}

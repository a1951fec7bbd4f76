// How to reach and prove ourselves to a server: what the connection options of every command come to. Types only.
import type { ClientDeadlines } from '../base/limits.ts';
import type { Secret } from '../base/secret.ts';
import type { DnsServer } from '../dns/dns.ts';
import type { Credentials } from '../sasl/sasl.ts';
import type { TlsClientOptions } from '../wire/channel.ts';
import type { ProxyServer } from './ports.ts';

export type ServerScheme = 'smtp' | 'smtps' | 'lmtp' | 'lmtp+unix' | 'pop3' | 'pop3s' | 'mx';

export interface ServerUrl {
  scheme: ServerScheme;
  /** A name or an address without brackets. `mx:` has '' or the domain to look up instead of the recipient's; a unix socket ''. */
  host: string;
  port?: number;
  /** lmtp+unix only: the absolute path of the socket. */
  path?: string;
  user?: string;
  password?: Secret<string>;
  /** The well-known service (`gmail`) that this is the server of, as it was asked for. */
  service?: string;
}

export type TlsMode = 'off' | 'opportunistic' | 'required' | 'implicit';

export interface Connection {
  server?: ServerUrl;
  /** As asked by --tls, or implied by scheme or port; undefined leaves the default to the use case. */
  tls?: TlsMode;
  /** full: chain and name; ca: chain only; none: neither (what is wrong is still told). Default full. */
  tlsVerify: 'full' | 'ca' | 'none';
  /** All but the name, which the use case knows. `name` is --tls-name. */
  tlsClient: Omit<TlsClientOptions, 'role' | 'servername'>;
  /** --tls-get-cert: takes the chain (PEM, leaf first) of each handshake, before it is judged. Rejects with 'cannot-create'. */
  onChain?: ((chain: readonly string[]) => Promise<void>) | undefined;
  /** Present when there is somebody to log in as and --auth is not `none`. */
  credentials?: Credentials;
  /** Upper case, in the order asked. Undefined: whatever is best of what the server offers. */
  mechanisms?: string[] | 'none';
  /** A login that is only tried: left out where none is offered, with 'accepted' also where it is refused. */
  authOptional?: 'offered' | 'accepted' | undefined;
  allowPlaintextAuth: boolean;
  deadlines: ClientDeadlines;
  /** For everything together. */
  maxTimeMs?: number;
  /** The resolver to use instead of the system's. */
  dns?: DnsServer;
  /** --resolve: this host on this port is at this address, whatever DNS says. In the order given. */
  overrides: AddressOverride[];
  /** --hosts, in the order of the file: beats DNS, not --resolve. */
  hosts?: HostsEntry[];
  /** --connect-to: another place to connect to; the name that TLS verifies stays. The first that fits is taken. */
  connectTo?: ConnectTo[];
  proxy?: ProxyServer;
  /** The command to speak to instead of a server; `server` is then `pipeServer` of hosts.ts. */
  pipe?: string;
  helo?: string;
  localAddress?: string;
  family?: 4 | 6;
  /** MX hosts are contacted on this port. */
  mxPort: number;
}

export interface AddressOverride {
  host: string;
  port: number;
  address: string;
}

export interface HostsEntry {
  host: string;
  address: string;
}

/** Null: any host or port on the left, the same one on the right. */
export interface ConnectTo {
  host: string | null;
  port: number | null;
  toHost: string | null;
  toPort: number | null;
}

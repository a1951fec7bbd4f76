// What use cases need from the outside, as small interfaces. cli/ports.ts plugs in net/ and store/; tests plug in memory.
import type { ByteSource } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { Secret } from '../base/secret.ts';
import type { DnsExchange, DnsServer } from '../dns/dns.ts';
import type { Channel } from '../wire/channel.ts';

export interface ProxyServer {
  /** socks5h and http are told the name of a server and look it up themselves, socks5 its address. */
  kind: 'socks5h' | 'socks5' | 'http';
  /** A name or an address without brackets. */
  host: string;
  port: number;
  user?: string;
  password?: Secret<string>;
}

/** How bytes get to wherever they go; empty is a connection from here. */
export interface Via {
  /** Where we connect from, with a proxy the connection to it. */
  localAddress?: string;
  proxy?: ProxyServer;
  /** A shell command whose standard input and output stand for the connection; address and port are not looked at. */
  pipe?: string;
}

export interface DialTarget extends Via {
  /** An IP address, or an absolute path for a unix socket (then `port` is 0); a name only where a proxy looks names up. */
  address: string;
  port: number;
  /** A point on the clock. */
  deadline: number;
}

/** Connects. Rejects with 'connect-failed' or 'timeout', stage 'connect', the reason of system or proxy in words. */
export type Dial = (target: DialTarget) => Promise<Channel>;

export interface Resolve {
  exchange: DnsExchange;
  /** The system's resolvers (resolv.conf), in order. A promise where the code behind it is loaded on demand: await it. */
  systemServers(): DnsServer[] | Promise<DnsServer[]>;
  /** The operating system's name lookup (hosts file included): addresses in the order it gives, never empty. */
  lookup(host: string): Promise<string[]>;
}

export interface Listener {
  host: string;
  port: number;
  /** Takes no new connection. Open ones go on. */
  close(): Promise<void>;
}

export interface ListenTarget {
  host: string;
  /** 0: any free port; the Listener tells it. */
  port: number;
}

/** Accepts connections. Rejects with 'cannot-create' when the address is taken or not ours. */
export type Listen = (
  target: ListenTarget,
  accept: (channel: Channel, remote: { address: string; port: number }) => void,
) => Promise<Listener>;

/** Answers DNS over UDP and TCP on one port. `answer` returns undefined to stay silent. */
export type ListenDns = (
  target: ListenTarget,
  answer: (query: Buffer, via: 'udp' | 'tcp') => Buffer | undefined,
) => Promise<Listener>;

export interface Child {
  /** The exit code; 128 and the signal's number where one ended it. Rejects with 'no-input' where it cannot be started. */
  finished: Promise<number>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** Runs a command with more environment. `stdout`: its standard output goes to ours, or to our stderr where ours has events. */
export type RunChild = (
  command: readonly string[],
  options: { env: Record<string, string>; stdout: 'inherit' | 'stderr' },
) => Child;

export interface Files {
  /** Opens for reading; ENOENT is 'no-input'; a directory, an unreadable or endless file is 'io'. `-` is standard input. */
  read(path: string): Promise<ByteSource & { name: string }>;
  /** Keeps a stream so that it can be read more than once: in memory while small, else in a private temporary file. */
  spool(chunks: AsyncIterable<Buffer>): Promise<ByteSource & { dispose(): Promise<void> }>;
}

export interface Ports {
  clock: Clock;
  dial: Dial;
  resolve: Resolve;
  listen: Listen;
  listenDns: ListenDns;
  files: Files;
  /** The name of this machine, for EHLO and Message-ID. */
  hostname(): string;
  /** Resolves once every process that stood for a connection has ended: at once where there was none. */
  settled?(): Promise<void>;
}

// DNS over real sockets: one connected UDP socket a question (the kernel picks a random source port, and drops what comes
// from elsewhere), TCP with its two-byte length (RFC 1035 4.2.2, RFC 7766); and what the system itself knows of names.
import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import type { DnsExchange, DnsServer } from '../dns/dns.ts';

export const udpTcpExchange = (clock: Clock): DnsExchange => ({
  exchange: (server, query, via, deadline) =>
    via === 'udp' ? overUdp(clock, server, query, deadline) : overTcp(clock, server, query, deadline),
});

/** resolv.conf's servers in order, as Node reads them. */
export const systemServers = (): DnsServer[] =>
  dns.getServers().map((text) => {
    // `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`
    const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(text);
    const plain = /^([^:]+):(\d+)$/.exec(text);
    return { host: bracketed?.[1] ?? plain?.[1] ?? text, port: Number(bracketed?.[2] ?? plain?.[2] ?? 53) };
  });

/** The system's own lookup, hosts file included. Rejects with 'no-address' or 'dns-failure'. */
export async function lookupHost(host: string): Promise<string[]> {
  try {
    // Node looks up '' as nothing, with a warning.
    const found = host === '' ? [] : await dns.lookup(host, { all: true, verbatim: true });
    if (found.length > 0) return found.map(({ address }) => address);
  } catch (error) {
    if (errorCode(error) !== 'ENOTFOUND') {
      throw new EhloError('dns-failure', `the system cannot look up ${host} now: ${reason(error)}`, {
        ...facts(host),
        cause: error,
      });
    }
  }
  throw new EhloError('no-address', `the system knows no address of ${host}`, {
    ...facts(host),
    hint: 'check the spelling, or name a DNS server with --dns HOST',
  });
}

/** Runs one exchange: `start` wires it up and returns what tears it down, whichever of the three ends comes first. */
function within(
  clock: Clock,
  server: DnsServer,
  deadline: number,
  start: (done: (answer: Buffer) => void, fail: (error: EhloError) => void) => () => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let over = false;
    const end = (finish: () => void): void => {
      if (over) return;
      over = true;
      cancel();
      // The teardown may not exist yet when `start` fails at once.
      queueMicrotask(() => stop());
      finish();
    };
    const fail = (error: EhloError): void => end(() => reject(error));
    const cancel = clock.after(Math.max(0, deadline - clock.now()), () =>
      fail(new EhloError('timeout', `no answer from the DNS server ${print(server)} in time`, facts(print(server)))),
    );
    let stop = (): void => {};
    try {
      stop = start((answer) => end(() => resolve(answer)), fail);
    } catch (error) {
      // A port or a host that Node refuses to look at.
      fail(unreachable(server, error));
    }
  });
}

function overUdp(clock: Clock, server: DnsServer, query: Buffer, deadline: number): Promise<Buffer> {
  return within(clock, server, deadline, (done, fail) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    socket.on('error', (error) => fail(unreachable(server, error)));
    socket.on('message', (answer) => {
      // RFC 5452 9.1: what is not an answer to this query is not there; the right one may still come.
      if (isReplyTo(query, answer)) done(answer);
    });
    // Not as connect()'s callback: that one would also be called with a failure.
    socket.once('connect', () => socket.send(query, (error) => error && fail(unreachable(server, error))));
    socket.connect(server.port, server.host);
    return () => socket.close();
  });
}

function overTcp(clock: Clock, server: DnsServer, query: Buffer, deadline: number): Promise<Buffer> {
  return within(clock, server, deadline, (done, fail) => {
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    let received: Buffer = Buffer.alloc(0);
    socket.on('error', (error) => fail(unreachable(server, error)));
    socket.on('end', () => {
      const message = `the DNS server ${print(server)} closed the connection before its answer was complete`;
      fail(new EhloError('lost', message, facts(print(server))));
    });
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const end = 2 + received.readUInt16BE(0);
      if (received.length >= end) done(received.subarray(2, end));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
    return () => socket.destroy();
  });
}

/** The id, the answer bit and the question, byte for byte but without case; a server that could not read it leaves it out. */
function isReplyTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < 12 || !answer.subarray(0, 2).equals(query.subarray(0, 2))) return false;
  if ((answer.readUInt8(2) & 0x80) === 0) return false;
  if (answer.readUInt16BE(4) === 0) return true;
  // The question of a query is its name, uncompressed, up to the root label, then type and class.
  let end = 12;
  while ((query[end] ?? 0) !== 0) end += 1 + (query[end] ?? 0);
  const typeAt = end + 1;
  end = typeAt + 4;
  const lower = (bytes: Buffer): string => bytes.subarray(12, typeAt).toString('latin1').toLowerCase();
  return lower(query) === lower(answer) && query.subarray(typeAt, end).equals(answer.subarray(typeAt, end));
}

const print = ({ host, port }: DnsServer): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

const facts = (peer: string) => ({ stage: 'dns', peer });

const unreachable = (server: DnsServer, error: unknown): EhloError =>
  new EhloError('connect-failed', `the DNS server ${print(server)} cannot be reached: ${reason(error)}`, {
    ...facts(print(server)),
    hint: 'check its address, or name another one with --dns HOST',
    cause: error,
  });

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const reason = (error: unknown): string => errorCode(error) ?? (error instanceof Error ? error.message : String(error));

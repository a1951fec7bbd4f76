// Connects through a proxy: SOCKS5 (RFC 1928, 1929; the package socks says it) or CONNECT of HTTP (RFC 9110 9.3.6). The proxy
// is told the target's address as it is, a name included; which of the two it gets is decided where targets are made.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { DialTarget, ProxyServer } from '../app/ports.ts';
import { systemClock as clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { printHostPort } from '../base/values.ts';
import type { Channel } from '../wire/channel.ts';
import { socketChannel } from './channel.ts';
import { connectSocket } from './connect.ts';

/** What a proxy may say before the connection stands. */
const headLimit = 16 * 1024;

/** One deadline over all of it. Rejects with 'connect-failed' or 'timeout'; no message has the password. */
export async function dialThroughProxy(target: DialTarget, proxy: ProxyServer): Promise<Channel> {
  const peer = printHostPort(proxy);
  const ask: Ask = {
    proxy,
    name: `the ${proxy.kind === 'http' ? 'HTTP' : 'SOCKS'} proxy ${peer}`,
    peer,
    host: target.address,
    port: target.port,
    toward: printHostPort({ host: target.address, port: target.port }),
    deadline: target.deadline,
  };
  // A name may come from DNS, which carries any byte; here it goes into a line.
  if (!/^[\w.:-]{1,255}$/.test(target.address)) throw failure(ask, 'cannot be asked for a name like this');
  const { localAddress, deadline } = target;
  const start = await (proxy.kind === 'http' ? httpConnect : socksConnect());
  const from = localAddress === undefined ? {} : { localAddress };
  const at = { what: ask.name, peer };
  const socket = await connectSocket({ host: proxy.host, port: proxy.port, ...from }, at, deadline);
  await negotiate(socket, ask, start);
  return socketChannel(socket, `${ask.toward} via ${peer}`);
}

interface Ask {
  proxy: ProxyServer;
  name: string;
  peer: string;
  host: string;
  port: number;
  toward: string;
  deadline: number;
}

interface Talk {
  write(bytes: Buffer): void;
  /** The connection stands; `rest` came behind and is the target's. */
  done(rest: Buffer): void;
  fail(error: EhloError): void;
}

/** Begins to talk, and returns what takes the proxy's bytes until done or fail. */
type Start = (ask: Ask, talk: Talk) => (bytes: Buffer) => void;

function negotiate(socket: Socket, ask: Ask, start: Start): Promise<void> {
  return new Promise((resolve, reject) => {
    const began = clock.now();
    const settle = (): void => {
      cancel();
      socket.pause();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
    };
    const fail = (error: EhloError): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onData = (bytes: Buffer): void => take(bytes);
    const onEnd = (): void => fail(failure(ask, `closed the connection before it had connected to ${ask.toward}`));
    const cancel = clock.after(Math.max(0, ask.deadline - began), () => {
      const waited = Math.round(clock.now() - began);
      fail(failure(ask, `did not connect to ${ask.toward} within ${waited} ms`, { code: 'timeout' }));
    });
    socket.on('data', onData).on('end', onEnd).on('close', onEnd);
    const take = start(ask, {
      write: (bytes) => socket.write(bytes),
      done: (rest) => {
        settle();
        if (rest.length > 0) socket.unshift(rest);
        resolve();
      },
      fail,
    });
  });
}

const failure = (
  { name, peer }: Ask,
  what: string,
  {
    code = 'connect-failed',
    ...facts
  }: { code?: 'connect-failed' | 'timeout'; hint?: string; retryable?: boolean } = {},
): EhloError => new EhloError(code, `${name} ${what}`, { stage: 'connect', side: 'remote', peer, ...facts });

const needsLogin = {
  hint: 'give user and password in the URL: --proxy socks5h://user:password@host:port, or http://...',
  retryable: false,
};

/** How the package names the replies of RFC 1928 6. */
const refusals: Record<string, string> = {
  Failure: 'general failure',
  NotAllowed: 'its rules do not allow this connection',
  NetworkUnreachable: 'network unreachable',
  HostUnreachable: 'host unreachable',
  ConnectionRefused: 'connection refused',
  TTLExpired: 'TTL expired',
  CommandNotSupported: 'it cannot connect for others',
  AddressNotSupported: 'it does not know this type of address',
};

/** What else the package says, by a piece of it. */
const troubles: [RegExp, string, typeof needsLogin?][] = [
  [/Authentication failed/, 'does not accept the user and password', needsLogin],
  [/no accepted authentication/, 'wants a login that was not given', needsLogin],
  [/unknown authentication/, 'wants a login of a kind that ehlo does not know'],
];

function socksError(ask: Ask, message: string): EhloError {
  const word = /rejected connection - (\w+)$/.exec(message)?.[1] ?? '';
  const refusal = Object.hasOwn(refusals, word) ? refusals[word] : undefined;
  if (refusal !== undefined) return failure(ask, `refused to connect to ${ask.toward}: ${refusal}`);
  const [, what, facts] = troubles.find(([pattern]) => pattern.test(message)) ?? [];
  return failure(ask, what ?? 'answered with something that is not SOCKS5', facts);
}

async function socksConnect(): Promise<Start> {
  const { SocksClient } = await import('socks');
  return (ask, talk) => {
    const { user, password } = ask.proxy;
    // Not the socket itself: what the package reads too much it emits once, whether or not anybody listens by then.
    const bridge = new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _encoding, done) => {
        talk.write(bytes);
        done();
      },
    });
    const client = new SocksClient({
      command: 'connect',
      proxy: {
        type: 5,
        host: ask.proxy.host,
        port: ask.proxy.port,
        ...(user !== undefined && { userId: user }),
        ...(password && { password: password.reveal() }),
      },
      destination: { host: ask.host, port: ask.port },
      // The deadline is ours, and comes before theirs.
      timeout: Math.min(Math.max(0, ask.deadline - clock.now()) + 1000, 0x7fffffff),
    });
    let over = false;
    client.once('established', () => {
      over = true;
    });
    client.once('error', ({ message }) => {
      if (over) return;
      over = true;
      // Not as the cause: the package's error carries its options, the password among them.
      talk.fail(socksError(ask, message));
    });
    client.connect(bridge);
    return (bytes) => {
      // A byte at a time, so that it cannot take one that is not its own. A reply has at most 262.
      for (let at = 0; at < bytes.length && !over; at++) {
        bridge.emit('data', bytes.subarray(at, at + 1));
        if (over && !bridge.destroyed) talk.done(bytes.subarray(at + 1));
      }
    };
  };
}

const headEnd = Buffer.from('\r\n\r\n');

const httpConnect: Start = (ask, talk) => {
  const { user, password } = ask.proxy;
  const login = user === undefined ? [] : [`Proxy-Authorization: Basic ${basic(user, password?.reveal() ?? '')}`];
  const lines = [`CONNECT ${ask.toward} HTTP/1.1`, `Host: ${ask.toward}`, ...login];
  talk.write(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
  let head: Buffer = Buffer.alloc(0);
  return (bytes) => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(headEnd);
    if (end === -1 && head.length <= headLimit && maybeHttp(head)) return;
    const line = head.subarray(0, Math.min(head.length, 1024)).toString('latin1').split('\r\n')[0] ?? '';
    const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1];
    if (status === undefined) talk.fail(failure(ask, 'answered with something that is not HTTP'));
    else if (end === -1 || end > headLimit) talk.fail(failure(ask, `sent a header of more than ${headLimit} bytes`));
    else if (status === '200') talk.done(head.subarray(end + headEnd.length));
    else talk.fail(httpRefusal(ask, status, line));
  };
};

/** What can never become a status line need not be waited for. */
const maybeHttp = (head: Buffer): boolean => {
  const mark = 'HTTP/1.';
  return head.subarray(0, mark.length).toString('latin1') === mark.slice(0, head.length);
};

function httpRefusal(ask: Ask, status: string, line: string): EhloError {
  const said = line.slice(0, 200);
  if (status !== '407') return failure(ask, `refused to connect to ${ask.toward}: ${said}`);
  const what =
    ask.proxy.user === undefined ? 'wants a login that was not given' : 'does not accept the user and password';
  return failure(ask, `${what}: ${said}`, needsLogin);
}

const basic = (user: string, password: string): string => Buffer.from(`${user}:${password}`).toString('base64');

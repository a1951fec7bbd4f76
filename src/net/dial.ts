// Connects a TCP or unix socket and hands it on as a Channel. One address a call: which addresses to try is the caller's walk.
import { connect, type Socket } from 'node:net';
import type { Dial, DialTarget } from '../app/ports.ts';
import { systemClock as clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { socketChannel } from './channel.ts';

export const dial: Dial = (target) => {
  const peer = peerName(target);
  return new Promise((resolve, reject) => {
    const socket: Socket = target.address.startsWith('/')
      ? connect({ path: target.address, allowHalfOpen: true })
      : connect({
          host: target.address,
          port: target.port,
          allowHalfOpen: true,
          ...(target.localAddress ? { localAddress: target.localAddress } : {}),
        });
    const began = clock.now();
    const cancel = clock.after(Math.max(0, target.deadline - began), () => {
      const waited = Math.round(clock.now() - began);
      fail(new EhloError('timeout', `${peer} did not accept a connection within ${waited} ms`, facts(peer)));
    });
    const fail = (error: EhloError) => {
      cancel();
      socket.destroy();
      reject(error);
    };
    const onError = (cause: NodeJS.ErrnoException) =>
      fail(new EhloError('connect-failed', `${peer}: ${reason(cause)}`, { ...facts(peer), cause }));
    socket.once('error', onError);
    socket.once('connect', () => {
      cancel();
      socket.off('error', onError);
      resolve(socketChannel(socket, peer));
    });
  });
};

const facts = (peer: string) => ({ stage: 'connect', peer, side: 'remote' as const });

const peerName = (target: DialTarget): string => {
  if (target.address.startsWith('/')) return target.address;
  return target.address.includes(':') ? `[${target.address}]:${target.port}` : `${target.address}:${target.port}`;
};

const reasons: Record<string, string> = {
  ECONNREFUSED: 'connection refused (nothing listens there)',
  ETIMEDOUT: 'no answer to the connection attempt (filtered?)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'this machine has no route to that network',
  EADDRNOTAVAIL: 'the local address is not one of this machine',
  ECONNRESET: 'the connection was reset at once',
  ENOENT: 'no such socket',
  EACCES: 'permission denied',
};

const reason = (cause: NodeJS.ErrnoException): string =>
  reasons[cause.code ?? ''] ?? `cannot connect (${cause.message})`;

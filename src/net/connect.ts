// Connects one socket under a deadline, with the system's reason in words. What is said on it is the caller's.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { systemClock as clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';

/** `what` is who it is in messages, `peer` the same as a fact. Rejects with 'connect-failed' or 'timeout'. */
export function connectSocket(
  options: NetConnectOpts,
  { what, peer }: { what: string; peer: string },
  deadline: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, allowHalfOpen: true });
    const began = clock.now();
    const facts = { stage: 'connect', peer, side: 'remote' as const };
    const cancel = clock.after(Math.max(0, deadline - began), () => {
      const waited = Math.round(clock.now() - began);
      fail(new EhloError('timeout', `${what} did not accept a connection within ${waited} ms`, facts));
    });
    const fail = (error: EhloError) => {
      cancel();
      socket.destroy();
      reject(error);
    };
    const onError = (cause: NodeJS.ErrnoException) =>
      fail(new EhloError('connect-failed', `${what}: ${reason(cause)}`, { ...facts, cause }));
    socket.once('error', onError);
    socket.once('connect', () => {
      cancel();
      // An error before the next listener is there must not end the process.
      socket.on('error', () => undefined).off('error', onError);
      resolve(socket);
    });
  });
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'connection refused (nothing listens there)',
  ETIMEDOUT: 'no answer to the connection attempt (filtered?)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'this machine has no route to that network',
  EADDRNOTAVAIL: 'the local address is not one of this machine',
  ECONNRESET: 'the connection was reset at once',
  ENOENT: 'no such socket',
  EACCES: 'permission denied',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'the name cannot be looked up now',
};

const reason = (cause: NodeJS.ErrnoException): string =>
  reasons[cause.code ?? ''] ?? `cannot connect (${cause.message})`;

// Accepts TCP connections as Channels. What is said on them is the caller's; TLS comes later, in place (channel.ts).
import { createServer, type Server } from 'node:net';
import type { Listen, ListenTarget } from '../app/ports.ts';
import { EhloError } from '../base/errors.ts';
import { printHostPort } from '../base/values.ts';
import { socketChannel } from './channel.ts';

const backlog = 511;

/** Rejects with 'cannot-create'. Closing takes no new connection and does not wait for open ones. */
export const listenTcp: Listen = async (target, accept) => {
  // Half-open: a client may send its last command and FIN at once, and still wants the answer.
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const address = socket.remoteAddress ?? '';
    const port = socket.remotePort ?? 0;
    // Gone before we looked at it.
    if (address === '') socket.destroy();
    else accept(socketChannel(socket, printHostPort({ host: address, port })), { address, port });
  });
  const port = await listen(server, target);
  return {
    host: target.host,
    port,
    close: async () => {
      server.close();
    },
  };
};

const listen = (server: Server, target: ListenTarget): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(target, cause)));
    server.listen({ host: target.host, port: target.port, backlog, exclusive: true }, () => {
      server.removeAllListeners('error');
      // Out of file descriptors for one connection: the others go on.
      server.on('error', () => undefined);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : target.port);
    });
  });

const words: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'the address is not one of this machine',
  EACCES: 'permission denied',
  ENOTFOUND: 'the name has no address',
};

const cannotListen = (target: ListenTarget, cause: NodeJS.ErrnoException): EhloError =>
  new EhloError(
    'cannot-create',
    `cannot listen on ${printHostPort(target)}: ${words[cause.code ?? ''] ?? cause.message}`,
    {
      stage: 'connect',
      hint: 'choose another address or port; 0 takes a free one',
      cause,
    },
  );

// Serves DNS answers over UDP and TCP on one port, for labs (`serve --zone`) and tests. What to answer is the caller's.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { ListenDns, Listener, ListenTarget } from '../app/ports.ts';
import { EhloError } from '../base/errors.ts';

type Answer = Parameters<ListenDns>[1];

/** A free TCP port whose UDP twin is taken: rare, so a few other ports will do. */
const portTries = 10;
const idleMs = 10_000;
const connections = 100;

/** Rejects with 'cannot-create'. Closing also ends open TCP connections: between answers nothing is under way. */
export const listenDns: ListenDns = async (target, answer) => {
  for (let left = portTries; ; left--) {
    const tcp = tcpServer(answer);
    const { port } = await listenTcp(tcp.server, target);
    try {
      const udp = await listenUdp({ host: target.host, port }, answer);
      return listener(target.host, port, tcp, udp);
    } catch (error) {
      tcp.server.close();
      if (target.port === 0 && left > 1 && isInUse(error)) continue;
      throw cannotListen({ ...target, port }, 'UDP', error);
    }
  }
};

interface TcpSide {
  server: Server;
  open: Set<Socket>;
}

const listener = (host: string, port: number, { server, open }: TcpSide, udp: UdpSocket): Listener => ({
  host,
  port,
  close: async () => {
    for (const socket of open) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => server.close(() => resolve())),
      new Promise<void>((resolve) => udp.close(() => resolve())),
    ]);
  },
});

function tcpServer(answer: Answer): TcpSide {
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.setTimeout(idleMs, () => socket.destroy());
    // A client that goes away is its own business.
    socket.on('error', () => socket.destroy());
    let pending: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const replies: Buffer[] = [];
      let at = 0;
      // RFC 7766 6.2.1.1: several queries may come in one segment.
      while (pending.length >= at + 2) {
        const end = at + 2 + pending.readUInt16BE(at);
        if (pending.length < end) break;
        const reply = answer(pending.subarray(at + 2, end), 'tcp');
        at = end;
        if (reply) replies.push(lengthOf(reply), reply);
      }
      pending = pending.subarray(at);
      // A client that asks and never reads is not waited for.
      if (replies.length > 0 && !socket.write(Buffer.concat(replies)) && socket.writableLength > 1 << 20)
        socket.destroy();
    });
  });
  server.maxConnections = connections;
  return { server, open };
}

const lengthOf = (message: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return length;
};

const listenTcp = (server: Server, target: ListenTarget): Promise<{ port: number }> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(target, 'TCP', error)));
    server.listen({ host: target.host, port: target.port, exclusive: true }, () => {
      const address = server.address();
      resolve({ port: typeof address === 'object' && address ? address.port : target.port });
    });
  });

const listenUdp = (target: ListenTarget, answer: Answer): Promise<UdpSocket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(target.host) ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: target.host, port: target.port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      // ICMP errors of single datagrams: the asker is gone.
      socket.on('error', () => {});
      socket.on('message', (query, from) => {
        const reply = answer(query, 'udp');
        if (reply) socket.send(reply, from.port, from.address, () => {});
      });
      resolve(socket);
    });
  });

const isInUse = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';

const cannotListen = (target: ListenTarget, transport: string, error: unknown): EhloError => {
  const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new EhloError(
    'cannot-create',
    `cannot listen for DNS on ${target.host} port ${target.port} over ${transport}: ${why}`,
    {
      stage: 'dns',
      hint: 'choose another address or port; 0 takes a free one',
      cause: error,
    },
  );
};

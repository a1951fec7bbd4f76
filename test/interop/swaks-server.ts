// A server over a real socket for both swaks and ehlo swaks: answers from a table, keeps what it was told. It judges nothing.
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { Certificate } from './certificate.ts';

export interface ServerTable {
  banner?: string;
  /** Lines of EHLO behind the first. */
  offers?: readonly string[];
  /** By verb; of a list, each time the next. DOT is the end of the message. `|` parts the lines of a reply. */
  replies?: Record<string, string | readonly string[]>;
  /** Replies to AUTH and the answers behind it. */
  login?: readonly string[];
  /** Replies to the end of the message, each in turn. */
  verdicts?: readonly string[];
  /** Closes behind the reply to this verb, or (`!`) instead of it. */
  closes?: string;
  tls?: 'starttls' | 'implicit';
  /** The name of a unix socket, instead of a port. */
  path?: string;
  /** A header of the PROXY protocol comes first. */
  proxied?: true;
}

export interface TableServer {
  port: number;
  /** Every line that was said, of all connections. */
  heard(): string[];
  /** Resolves once all that was sent has been read. */
  close(): Promise<void>;
}

const usual: Record<string, string> = { HELO: '250 server', DATA: '354 go on', QUIT: '221 bye' };

export async function startTableServer(
  table: ServerTable,
  certificate: Certificate,
  directory: string,
): Promise<TableServer> {
  const keys = { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };
  const heard: string[] = [];
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    open.add(socket);
    converse(socket, table, keys, heard);
  };
  const server = table.tls === 'implicit' ? createTlsServer(keys, serve) : createServer(serve);
  await new Promise<void>((resolve) =>
    table.path === undefined
      ? server.listen(0, '127.0.0.1', resolve)
      : server.listen(join(directory, table.path), resolve),
  );
  const address = server.address();
  return {
    port: address && typeof address === 'object' ? address.port : 0,
    heard: () => [...heard],
    async close() {
      server.close();
      await Promise.all(
        [...open].map((socket) => socket.closed || new Promise((resolve) => socket.once('close', resolve))),
      );
    },
  };
}

function converse(first: Socket, table: ServerTable, keys: { cert: Buffer; key: Buffer }, heard: string[]): void {
  let socket = first;
  let rest = '';
  let inMessage = false;
  let login: string[] = [];
  const turns = new Map<string, number>();
  let greeted = table.proxied !== true;
  const say = (reply: string): void => {
    socket.write(`${reply.replaceAll('|', '\r\n')}\r\n`, 'latin1');
  };
  const reply = (verb: string): string => {
    const given = table.replies?.[verb];
    const turn = turns.get(verb) ?? 0;
    turns.set(verb, turn + 1);
    if (typeof given === 'string') return given;
    if (given) return given[Math.min(turn, given.length - 1)] ?? '250 ok';
    if (verb === 'EHLO' || verb === 'LHLO')
      return ['server', ...(table.offers ?? ['HELP'])]
        .map((line, at, all) => `250${at === all.length - 1 ? ' ' : '-'}${line}`)
        .join('|');
    return usual[verb] ?? '250 ok';
  };
  const answer = (verb: string): void => {
    if (table.closes === `${verb}!`) return void socket.destroy();
    const text = reply(verb);
    inMessage = verb === 'DATA' && text.startsWith('354');
    say(text);
    if (verb === 'QUIT' || table.closes === verb) socket.end();
  };
  const line = (text: string): void => {
    heard.push(text);
    if (!greeted) {
      greeted = true;
      say(table.banner ?? '220 server ready');
    } else if (inMessage) {
      if (text !== '.') return;
      inMessage = false;
      if (table.verdicts) table.verdicts.forEach(say);
      else answer('DOT');
    } else if (login.length > 0) say(login.shift() ?? '');
    else {
      const verb = text.split(' ')[0]?.toUpperCase() ?? '';
      if (verb === 'AUTH' && table.login) {
        login = [...table.login];
        say(login.shift() ?? '');
      } else if (verb === 'STARTTLS' && table.tls === 'starttls') {
        say('220 go ahead');
        socket.off('data', onData);
        socket = new TLSSocket(socket, { isServer: true, ...keys });
        socket.on('data', onData).on('error', () => socket.destroy());
      } else answer(verb);
    }
  };
  const onData = (chunk: Buffer): void => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) line(text.replace(/\r$/, ''));
  };
  socket.on('data', onData).on('error', () => socket.destroy());
  if (greeted) say(table.banner ?? '220 server ready');
}

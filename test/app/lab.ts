// Ports for use cases without a socket: names from a zone, hosts that follow scripts, in memory.
import type { Connection } from '../../src/app/connection.ts';
import type { Ports } from '../../src/app/ports.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { answerQuery, parseZone } from '../../src/dns/zone.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { type ScriptedPeer, scriptedPeer } from '../support/scripted.ts';

export interface MailLab {
  ports: Ports;
  connection: Connection;
  /** Addresses in the order of dialling, with what each host was told. */
  dialled: { address: string; port: number; peer: ScriptedPeer | null }[];
}

/** `hosts` maps an address to the script of each connection to it, one after the other; no script is "connection refused". */
export function mailLab(zone: string, hosts: Record<string, string[]>): MailLab {
  const zones = [parseZone(zone)];
  const dialled: MailLab['dialled'] = [];
  const refuse = (what: string) => () => Promise.reject(new Error(`the lab has no ${what}`));
  const ports: Ports = {
    clock: systemClock,
    dial: async ({ address, port }) => {
      const before = dialled.filter((one) => one.address === address).length;
      const script = hosts[address]?.[before];
      if (script === undefined) {
        dialled.push({ address, port, peer: null });
        throw new EhloError('connect-failed', `${address}:${port}: connection refused`, { stage: 'connect' });
      }
      const [ours, theirs] = memoryPair({ names: ['client', `${address}:${port}`] });
      const peer = scriptedPeer(theirs, script);
      peer.finished.catch(() => undefined);
      dialled.push({ address, port, peer });
      return ours;
    },
    resolve: {
      exchange: {
        exchange: async (_server, query, via) => {
          const answer = answerQuery(zones, query, via);
          if (!answer) throw new EhloError('timeout', 'the name server is silent');
          return answer;
        },
      },
      systemServers: async () => [{ host: '127.0.0.1', port: 53 }],
      lookup: refuse('hosts file'),
    },
    listen: refuse('listener'),
    listenDns: refuse('name server'),
    files: {
      read: async (path) => ({ ...bytesSource(Buffer.from(`content of ${path}`)), name: path }),
      spool: refuse('spool'),
    },
    hostname: () => 'client.test',
  };
  const connection: Connection = {
    server: { scheme: 'mx', host: '' },
    tlsVerify: 'full',
    tlsClient: {},
    allowPlaintextAuth: false,
    deadlines: clientDeadlines,
    overrides: [],
    mxPort: 2525,
  };
  return { ports, connection, dialled };
}

/** An honest server that takes what it is given; replies at some stages can be put in place of the usual ones. */
export const takes = (replies: { rcpt?: string; data?: string; dot?: string; mail?: string } = {}): string =>
  [
    'S: 220 hi',
    'C: EHLO',
    'S: 250 hi',
    'C: MAIL',
    `S: ${replies.mail ?? '250 ok'}`,
    'C: RCPT',
    `S: ${replies.rcpt ?? '250 ok'}`,
    ...(replies.rcpt && !replies.rcpt.startsWith('250')
      ? ['C: RSET', 'S: 250 ok']
      : ['C: DATA', `S: ${replies.data ?? '354 go'}`, 'M', replies.dot ?? 'S: 250 2.0.0 Ok: queued as LAB1']),
    'C: QUIT',
    'S: 221 bye',
    'F',
  ].join('\n');

/** The same for a probe that ends at RCPT. */
export const probed = (rcpt = '250 ok'): string =>
  `S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: ${rcpt}\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF`;

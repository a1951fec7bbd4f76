// A queue in a temporary directory, with hosts that follow scripts and a clock that a test moves.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '../../src/app/connection.ts';
import { type EnqueueRequest, enqueue } from '../../src/app/queue.ts';
import { type RunRequest, runQueue } from '../../src/app/queue-run.ts';
import type { QueuePorts } from '../../src/app/queue-try.ts';
import type { QueueEntry, Route, Spool } from '../../src/app/spool.ts';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { openSpool } from '../../src/store/spool.ts';
import { type FakeClock, fakeClock } from '../support/clock.ts';
import { type MailLab, mailLab } from './lab.ts';

export const message = Buffer.from('From: a@sender.test\r\nSubject: hello\r\n\r\nbody\r\n');

export const zone = `
a.test. 60 IN MX 10 mx.a.test.
mx.a.test. 60 IN A 127.0.0.2
b.test. 60 IN MX 10 mx.b.test.
mx.b.test. 60 IN A 127.0.0.3
sender.test. 60 IN MX 10 mx.sender.test.
mx.sender.test. 60 IN A 127.0.0.4
`;

export interface QueueLab extends MailLab {
  clock: FakeClock;
  directory: string;
  spool: Spool;
  door: QueuePorts;
  add(to: EnqueueRequest['envelope']['to'], more?: Partial<EnqueueRequest>): Promise<QueueEntry>;
  run(request?: Partial<RunRequest>): ReturnType<typeof runQueue>;
  entries(): Promise<QueueEntry[]>;
  /** What was sent to a host, by connection. */
  heard(address: string): string[];
  close(): Promise<void>;
}

export const mxRoute: Route = { options: { server: 'mx:' }, pipelining: true };

export async function queueLab(
  hosts: Record<string, string[]>,
  change: { connectionOf?: (lab: MailLab, route: Route) => Promise<Connection>; zone?: string } = {},
): Promise<QueueLab> {
  const lab = mailLab(change.zone ?? zone, hosts);
  const clock = fakeClock();
  const ports = { ...lab.ports, clock };
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-queue-'));
  const spool = await openSpool(join(directory, 'spool'), { create: true });
  const door: QueuePorts = {
    spool,
    ports,
    connectionOf: async (route) => (change.connectionOf ? change.connectionOf(lab, route) : lab.connection),
  };
  return {
    ...lab,
    ports,
    clock,
    directory: join(directory, 'spool'),
    spool,
    door,
    async add(to, more = {}) {
      const entry = await enqueue(
        spool,
        {
          envelope: { from: 'a@sender.test', to },
          message: { source: bytesSource(message), eightBit: false, utf8Headers: false },
          messageId: null,
          route: mxRoute,
          onReject: 'continue',
          ...more,
        },
        clock,
      );
      if (!entry) throw new Error('nothing was queued');
      return entry;
    },
    run: (request = {}) => runQueue({ ids: [], all: false, jobs: 1, ...request }, door, { scrubber: new Scrubber() }),
    async entries() {
      return (await spool.list()).flatMap((item) => (item.kind === 'entry' ? item.entry : []));
    },
    heard: (address) =>
      lab.dialled.filter((one) => one.address === address && one.peer).map((one) => one.peer?.received() ?? ''),
    async close() {
      await spool.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export const bodyOf = async (spool: Spool, entry: QueueEntry): Promise<string> =>
  (await readAll(await spool.message(entry))).toString('latin1');

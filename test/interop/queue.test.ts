// The queue as processes: what is on the disk before anything is sent, runs that are killed at every point of a conversation,
// several runs at once. No message may ever come twice.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { enqueue } from '../../src/app/queue.ts';
import type { QueueEntry, Spool } from '../../src/app/spool.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { openSpool } from '../../src/store/spool.ts';
import { ehlo, find, freshPath, launcher, start, tool } from './support.ts';
import { parseTrace } from './trace.ts';

interface Sink {
  port: number;
  /** How often each subject was taken, counted before the 250 goes out. */
  taken: Map<string, number>;
  /** Called for each command, and for the end of a message before it is answered. */
  onCommand: (line: string) => void;
  close(): Promise<void>;
}

async function startSink(): Promise<Sink> {
  const sockets = new Set<Socket>();
  const sink: Sink = { port: 0, taken: new Map(), onCommand: () => {}, close: async () => {} };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let inbox = '';
    let body: string[] | null = null;
    socket.write('220 sink\r\n');
    socket.on('data', (chunk) => {
      inbox += chunk.toString('latin1');
      const lines = inbox.split('\r\n');
      inbox = lines.pop() ?? '';
      for (const line of lines) {
        if (body && line !== '.') body.push(line);
        else if (body) {
          const subject = body.find((one) => one.startsWith('Subject: ')) ?? '';
          sink.taken.set(subject, (sink.taken.get(subject) ?? 0) + 1);
          body = null;
          sink.onCommand(line);
          socket.write('250 2.0.0 taken\r\n');
        } else {
          sink.onCommand(line);
          if (line === 'DATA') body = [];
          socket.write(line === 'DATA' ? '354 go\r\n' : line === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n');
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  sink.port = typeof address === 'object' && address ? address.port : 0;
  sink.close = () =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  return sink;
}

async function queueOf(count: number, port: number): Promise<{ directory: string; spool: Spool }> {
  const directory = freshPath('spool');
  const spool = await openSpool(directory, { create: true });
  for (let n = 0; n < count; n++) {
    await enqueue(
      spool,
      {
        envelope: { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
        message: {
          source: bytesSource(Buffer.from(`Subject: message ${n}\r\n\r\nbody\r\n`)),
          eightBit: false,
          utf8Headers: false,
        },
        messageId: null,
        route: { options: { server: `127.0.0.1:${port}`, tls: 'off' }, pipelining: false },
        onReject: 'continue',
      },
      systemClock,
    );
  }
  return { directory, spool };
}

const entriesOf = async (spool: Spool): Promise<QueueEntry[]> =>
  (await spool.list()).map((item) => {
    if (item.kind === 'entry') return item.entry;
    throw new Error(`${item.id} is broken: ${item.problem}`);
  });

test('what is tried is written, synced and named before a byte of it is sent', async () => {
  const sink = await startSink();
  const { directory, spool } = await queueOf(1, sink.port);
  const trace = freshPath('trace');
  const calls = 'trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,unlink';
  const ran = await tool('strace', [
    ...['-f', '-yy', '-s', '4000', '-e', calls, '-o', trace],
    ...[find(process.execPath), launcher(), 'queue', 'run', '--spool', directory],
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  const all = parseTrace(readFileSync(trace, 'utf8'));
  const doubt = all.find((call) => /write/.test(call.name) && /\\"trying\\": \{/.test(call.text));
  const file = /^\(\d+<([^>]+)>/.exec(doubt?.text ?? '')?.[1] ?? '';
  assert.match(file, /\.json\.tmp$/);
  const synced = all.find((call) => call.name === 'fsync' && call.text.includes(`<${file}>`));
  const named = all.find((call) => /^rename/.test(call.name) && call.text.includes(`"${file}"`));
  const directorySynced = all.find(
    (call) => call.name === 'fsync' && call.text.includes(`<${directory}>`) && call.began > (named?.began ?? 0),
  );
  const mail = all.find((call) => /write|send/.test(call.name) && call.text.includes('MAIL FROM:'));
  assert.ok(doubt && synced && named && directorySynced && mail, 'every step is there');
  const order = [doubt, synced, named, directorySynced, mail];
  for (const [index, call] of order.entries()) {
    const next = order[index + 1];
    if (next)
      assert.ok(call.ended < next.began, `${call.name}${call.text}\nhas ended before\n${next.name}${next.text}`);
  }
  assert.deepEqual(readdirSync(directory), []);
  await spool.close();
  await sink.close();
});

test('killed at any point of a conversation: nothing comes twice, and whatever is in doubt is kept and said', async () => {
  const sink = await startSink();
  const count = 16;
  const { directory, spool } = await queueOf(count, sink.port);
  // Before each run: at which command of it the axe falls. EHLO, MAIL, RCPT, DATA, the dot, QUIT; then in the second message.
  // At QUIT the outcome is recorded already; the last one falls where it leaves a doubt, for the run behind it to tell.
  for (const fall of [1, 2, 3, 4, 5, 6, 7, 9, 12, 11]) {
    const run = start(process.execPath, [launcher(), 'queue', 'run', '--jobs', '1', '--spool', directory]);
    let seen = 0;
    sink.onCommand = () => {
      if (++seen === fall) run.child.kill('SIGKILL');
    };
    await run.ended;
    assert.equal(run.child.signalCode, 'SIGKILL', run.printed());
  }
  sink.onCommand = () => {};
  const last = await ehlo(['queue', 'run', '--spool', directory, '--json']);
  assert.equal(last.code, 4, last.stdout);
  const left = await entriesOf(spool);
  for (const entry of left) {
    assert.equal(entry.trying, null);
    assert.deepEqual(
      entry.recipients.map((one) => one.status),
      ['unknown'],
    );
  }
  for (const [subject, times] of sink.taken) assert.equal(times, 1, `${subject} came ${times} times`);
  assert.ok(left.length <= 10, 'at most one doubt for each kill');
  assert.ok(sink.taken.size >= count - left.length, 'whatever is not in doubt has come');
  const files = readdirSync(directory).sort();
  assert.deepEqual(
    files,
    left.flatMap((entry) => [`${entry.id}.eml`, `${entry.id}.json`]).sort(),
    'nothing else is left',
  );
  const again = await ehlo(['queue', 'run', '--all', '--spool', directory]);
  assert.equal(again.code, 0, 'what is in doubt is not tried again by itself');
  for (const [subject, times] of sink.taken) assert.equal(times, 1, `${subject} came ${times} times`);
  await spool.close();
  await sink.close();
});

test('three runs at once send every message once', async () => {
  const sink = await startSink();
  const count = 30;
  const { directory, spool } = await queueOf(count, sink.port);
  const runs = await Promise.all(
    Array.from({ length: 3 }, () => ehlo(['queue', 'run', '--spool', directory, '--json'])),
  );
  for (const run of runs) assert.equal(run.code, 0, run.stdout);
  const told = runs.flatMap((run) => JSON.parse(run.stdout).entries.map((one: { id: string }) => one.id));
  assert.equal(new Set(told).size, count);
  assert.equal(told.length, count, 'each is told by the run that sent it');
  assert.deepEqual(
    [...sink.taken.values()],
    Array.from({ length: count }, () => 1),
  );
  assert.deepEqual(readdirSync(directory), []);
  await spool.close();
  await sink.close();
});

test('--watch takes up what comes later, and SIGTERM ends it with nothing half done', async () => {
  const sink = await startSink();
  const { directory, spool } = await queueOf(1, sink.port);
  const taken = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (sink.taken.size >= wanted) resolve();
      };
      sink.onCommand = (line) => {
        if (line === 'QUIT') look();
      };
      look();
    });
  const watching = start(process.execPath, [
    launcher(),
    'queue',
    'run',
    '--watch',
    '--interval',
    '1s',
    '--spool',
    directory,
  ]);
  await taken(1);
  await enqueue(
    spool,
    {
      envelope: { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
      message: { source: bytesSource(Buffer.from('Subject: later\r\n\r\n')), eightBit: false, utf8Headers: false },
      messageId: null,
      route: { options: { server: `127.0.0.1:${sink.port}`, tls: 'off' }, pipelining: true },
      onReject: 'continue',
    },
    systemClock,
  );
  await taken(2);
  await watching.stop();
  assert.equal(watching.child.exitCode, 0, watching.printed());
  assert.deepEqual(await entriesOf(spool), []);
  await spool.close();
  await sink.close();
});

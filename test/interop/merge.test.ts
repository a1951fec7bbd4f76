// A mail merge that is killed again and again: whatever the report says was accepted arrived once, and nothing arrives twice.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Served, startServe } from './serve.ts';
import { ehlo, find, freshPath, launcher, start, tool } from './support.ts';

const rows = 240;

interface RowEvent {
  event: string;
  status: string;
  to: string[];
}

function mergeArgs(server: Served, csv: string, report: string, ...more: string[]): string[] {
  return [
    ...['send', '--server', `127.0.0.1:${server.smtp}`, '--from', 'me@sender.test', '--ndjson'],
    ...['--csv', csv, '--to', '{{email}}', '--subject', 'Hi {{name}}', '--body', 'Dear {{name}}', '--jobs', '4'],
    ...['--report', report, ...more],
  ];
}

function writeList(): { csv: string; emails: string[] } {
  const emails = Array.from({ length: rows }, (_, at) => `r${at + 1}@x.test`);
  const csv = freshPath('list.csv');
  writeFileSync(csv, `email,name\n${emails.map((email, at) => `${email},"Name, ${at}"\n`).join('')}`);
  return { csv, emails };
}

const rowEvents = (text: string): RowEvent[] =>
  text
    .split('\n')
    // A process that is killed may leave half a line.
    .filter((line) => line.startsWith('{"event":"row"') && line.endsWith('}'))
    .map((line) => JSON.parse(line));

/** How often each recipient has got the message. */
async function arrivals(server: Served, atLeast: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { to } of await server.messages(atLeast))
    for (const one of to) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

/** Ends a run with SIGKILL once it has told of so many rows. */
async function killAfter(events: number, args: readonly string[]): Promise<RowEvent[]> {
  const running = start(find(process.execPath), [launcher(), ...args]);
  let text = '';
  running.child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (rowEvents(text).filter(({ status }) => status === 'accepted').length >= events) running.child.kill('SIGKILL');
  });
  await running.ended;
  return rowEvents(text);
}

test('kill -9 again and again: nothing is sent twice, and what nobody knows is named', async (t) => {
  const server = await startServe();
  t.after(() => server.stop());
  const { csv, emails } = writeList();
  const report = freshPath('report.ndjson');
  const args = mergeArgs(server, csv, report);
  const accepted = new Set<string>();
  for (const events of [1, 3, 7, 2, 11, 5, 13, 1, 17, 8]) {
    for (const { status, to } of await killAfter(events, args)) {
      if (status === 'accepted') for (const one of to) accepted.add(one);
    }
  }
  const final = await ehlo(args);
  const told = rowEvents(final.stdout);
  assert.equal(told.length, rows, final.stderr);
  const unknown = new Set(told.filter(({ status }) => status === 'unknown').flatMap(({ to }) => to));
  const done = told.filter(({ status }) => status === 'accepted' || status === 'skipped').flatMap(({ to }) => to);
  assert.equal(done.length + unknown.size, rows, 'every row is accepted or unknown');
  assert.equal(final.code, unknown.size > 0 ? 4 : 0, final.stderr);
  assert.ok(accepted.size >= 30, `the runs got somewhere before they were killed: ${accepted.size}`);

  const counts = await arrivals(server, done.length);
  for (const one of emails) {
    const times = counts.get(one) ?? 0;
    if (unknown.has(one)) assert.ok(times <= 1, `${one}, of which nothing is known, came ${times} times`);
    else assert.equal(times, 1, `${one} was accepted and came ${times} times`);
  }
  for (const one of accepted) assert.equal(counts.get(one), 1);

  const resent = await ehlo([...args, '--resend-unknown']);
  assert.equal(resent.code, 0, resent.stderr);
  const after = await arrivals(server, rows);
  for (const one of emails) {
    const times = after.get(one) ?? 0;
    assert.ok(times === 1 || (times === 2 && unknown.has(one)), `${one} came ${times} times in the end`);
  }
});

test('Ctrl-C in the middle: the run says what is left, and the next one does that', async (t) => {
  const server = await startServe();
  t.after(() => server.stop());
  const { csv, emails } = writeList();
  const report = freshPath('report.ndjson');
  const args = mergeArgs(server, csv, report);
  const running = start(find(process.execPath), [launcher(), ...args]);
  let text = '';
  running.child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (rowEvents(text).length >= 10 && !running.child.killed) running.child.kill('SIGINT');
  });
  assert.equal(await running.ended, 3);
  const { merge, error } = JSON.parse(text.trim().split('\n').at(-1) ?? '');
  assert.equal(merge.unknown, 0, 'no row is left without its verdict');
  assert.ok(merge.accepted >= 10 && merge.notSent > 0);
  assert.match(error.message, /interrupted by SIGINT/);
  const next = await ehlo(args);
  assert.equal(next.code, 0, next.stderr);
  const counts = await arrivals(server, rows);
  assert.deepEqual([counts.size, Math.max(...counts.values())], [emails.length, 1]);
  assert.ok(readFileSync(report, 'utf8').trimEnd().endsWith('}'));
});

test('one message from a template and data, and braces that are text without any', async (t) => {
  const server = await startServe();
  t.after(() => server.stop());
  const template = freshPath('letter.txt');
  const data = freshPath('data.json');
  writeFileSync(
    template,
    'From: me@sender.test\nSubject: Hi {{name}}\n\nDear {{user.name}},\n{{#if vip}}\nthank you!\n{{/if}}\n',
  );
  writeFileSync(data, '{"name":"Ann","user":{"name":"Ann Bee"},"vip":true}');
  const send = ['send', '--server', `127.0.0.1:${server.smtp}`, '--template', template, 'you@x.test'];
  const filled = await ehlo([...send, '--data', data]);
  assert.equal(filled.code, 0, filled.stderr);
  const plain = await ehlo(send);
  assert.equal(plain.code, 0, plain.stderr);
  const missing = await ehlo([...send, '--data', data, '-H', 'X: {{nope}}']);
  assert.equal(missing.code, 65);
  assert.match(missing.stderr, /"nope" is not among the names: name, user, vip/);
  const subjects = (await server.messages(2)).map(({ subject }) => subject);
  assert.deepEqual(subjects, ['Hi Ann', 'Hi {{name}}']);
});

test('a report on a disk that is full: one document, one exit code, and nothing is sent without a record', async (t) => {
  const server = await startServe();
  t.after(() => server.stop());
  const { csv } = writeList();
  const args = mergeArgs(server, csv, freshPath('report'));
  // The limit stands for the disk; in blocks of 512 octets.
  const ran = await tool('sh', ['-c', 'ulimit -f 4; exec "$@"', 'sh', process.execPath, launcher(), ...args]);
  const documents = ran.stdout.split('\n').filter((line) => /^\{"event":"(?:report|error)"/.test(line));
  assert.equal(documents.length, 1);
  const { exit, error, merge } = JSON.parse(documents[0] ?? '');
  assert.equal(ran.code, exit.code);
  assert.match(error.message, /cannot write .*EFBIG/);
  assert.equal((await server.messages(merge.accepted)).length, merge.accepted);
});

test('many lanes: Node has nothing to say about it', async (t) => {
  const server = await startServe();
  t.after(() => server.stop());
  const { csv } = writeList();
  const ran = await ehlo(mergeArgs(server, csv, freshPath('report'), '--jobs', '24', '--rate', '1000/s'));
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, '');
});

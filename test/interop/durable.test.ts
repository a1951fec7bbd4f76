// 250 means stored: strace shows that nothing says "250" before the message, its name and its directory are on the disk.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startServe } from './serve.ts';
import { freshPath, runPython } from './support.ts';
import { parseTrace } from './trace.ts';

test('maildir: write < fsync(file) < rename < fsync(directory) < 250', async () => {
  const trace = freshPath('trace');
  const calls = 'trace=write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat';
  // -yy: descriptors with their paths; -s: enough of each text to know it again.
  const server = await startServe([], { under: ['strace', '-f', '-yy', '-s', '200', '-e', calls, '-o', trace] });
  const mark = 'a body that the trace can be searched for';
  const client = await runPython('smtp-client.py', [String(server.smtp)], {
    input: `Subject: durable\r\n\r\n${mark}\r\n`,
  });
  assert.equal(client.code, 0, client.stderr);
  await server.stop();

  const all = parseTrace(readFileSync(trace, 'utf8'));
  const content = all.filter((call) => /write/.test(call.name) && call.text.includes(mark));
  const file = /^\(\d+<([^>]+)>/.exec(content[0]?.text ?? '')?.[1] ?? '';
  assert.match(file, /\/b@x\.test\/tmp\//, 'the message is written into tmp');
  assert.equal(content.length, 1);
  const name = file.split('/').at(-1) ?? '';
  const mailbox = file.slice(0, file.lastIndexOf('/tmp/'));
  const [only] = content;
  const synced = all.find((call) => /^f(data)?sync$/.test(call.name) && call.text.includes(`<${file}>`));
  const named = all.find((call) => /^(rename|link)/.test(call.name) && call.text.includes(`${mailbox}/new/${name}`));
  assert.ok(only && synced && named, 'write, fsync and rename are there');
  const directory = all.find(
    (call) => call.name === 'fsync' && call.text.includes(`<${mailbox}/new>`) && call.began > named.began,
  );
  const answer = all.find((call) => /write/.test(call.name) && call.text.includes('250 2.0.0'));
  assert.ok(directory && answer, 'fsync of the directory and 250 are there');
  for (const call of [synced, named, directory]) assert.match(call.text, /= 0$/);
  const order = [only, synced, named, directory, answer];
  for (const [index, call] of order.entries()) {
    const next = order[index + 1];
    if (next)
      assert.ok(call.ended < next.began, `${call.name}${call.text}\nhas ended before\n${next.name}${next.text}`);
  }
});

// 100 MB through send, serve and fetch: the bytes are the same, and no process holds more than a part of them.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Served, startServe } from './serve.ts';
import { freshPath, launcher, type Ran, runPython } from './support.ts';

const megabyte = 1024 * 1024;
const limit = 200 * megabyte;

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** 8-bit lines of every length up to 900, some of them led by dots; 100 MB with a header. */
function writeLargeMessage(path: string): void {
  const block: Buffer[] = [];
  for (let size = 0; size < megabyte; ) {
    const noise = randomBytes(901);
    const text = noise
      .subarray(0, noise.readUInt16LE(0) % 900)
      .map((octet) => ([0, 10, 13].includes(octet) ? 46 : octet));
    const line = Buffer.concat([Buffer.from(size % 3 === 0 ? '.' : ''), text, Buffer.from('\r\n')]);
    block.push(line);
    size += line.length;
  }
  const bytes = Buffer.concat(block);
  const file = openSync(path, 'wx');
  writeSync(file, 'From: a@x.test\r\nTo: b@x.test\r\nSubject: large\r\nMessage-ID: <large@x.test>\r\n\r\n');
  for (let count = 0; count < 100; count++) writeSync(file, bytes);
  closeSync(file);
}

/** Runs the program and tells its peak memory in bytes. */
async function measured(args: readonly string[], input = ''): Promise<Ran & { peak: number }> {
  const report = freshPath('peak');
  const words = [report, process.execPath, launcher(), ...args];
  const ran = await runPython('peak-memory.py', words, { input, limitMs: 60_000 });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return { ...ran, peak: Number(readFileSync(report, 'utf8')) * 1024 };
}

/** Peak resident memory of a process that still runs, in bytes. */
const peakOf = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

describe('100 MB', () => {
  let server: Served;
  before(async () => {
    server = await startServe(['--max-size', '300M']);
  });
  after(() => server.stop());

  const bounded = (t: TestContext, what: string, peak: number): void => {
    t.diagnostic(`${what}: at most ${Math.round(peak / megabyte)} MB resident`);
    assert.ok(peak > 10 * megabyte && peak < limit, `${what} had ${Math.round(peak / megabyte)} MB resident`);
  };
  const target = (): string[] => ['--server', `127.0.0.1:${server.smtp}`, '--from', 'a@x.test', 'b@x.test'];
  const storedIn = (mailbox: string): Buffer => {
    const directory = join(server.maildir, mailbox, 'new');
    const [name = '', ...others] = readdirSync(directory);
    assert.deepEqual(others, []);
    return readFileSync(join(directory, name));
  };

  test('--raw, then fetched by POP3 and deleted: equal bytes, bounded memory at both ends', async (t) => {
    const path = freshPath('large.eml');
    writeLargeMessage(path);
    const sent = await measured(['send', '--json', ...target(), '--raw', path]);
    bounded(t, 'send --raw', sent.peak);
    bounded(t, 'serve, receiving', peakOf(server.pid));
    const original = sha256(readFileSync(path));
    rmSync(path);
    assert.equal(sha256(storedIn('b@x.test')), original);
    const output = freshPath('fetched');
    const url = `pop3://b%40x.test@127.0.0.1:${server.pop3}`;
    const fetched = await measured([
      'fetch',
      '--json',
      url,
      '-o',
      output,
      '--delete',
      '--max-size',
      '300M',
      '--password-command',
      'echo any',
    ]);
    bounded(t, 'fetch', fetched.peak);
    bounded(t, 'serve, handing out', peakOf(server.pid));
    const [name = ''] = readdirSync(output);
    assert.equal(sha256(readFileSync(join(output, name))), original);
    assert.deepEqual(readdirSync(join(server.maildir, 'b@x.test', 'new')), []);
  });

  test('an attachment: equal bytes once decoded, bounded memory at both ends', async (t) => {
    const path = freshPath('large.bin');
    const file = openSync(path, 'wx');
    const block = randomBytes(megabyte);
    for (let count = 0; count < 100; count++) writeSync(file, block);
    closeSync(file);
    const text = freshPath('text');
    writeFileSync(text, 'with a large file');
    const sent = await measured(['send', '--json', ...target(), '-s', 'file', '--body', `@${text}`, '-a', path]);
    bounded(t, 'send -a', sent.peak);
    bounded(t, 'serve, receiving', peakOf(server.pid));
    const message = storedIn('b@x.test');
    const part = message.indexOf('Content-Disposition: attachment');
    const body = message.subarray(message.indexOf('\r\n\r\n', part) + 4);
    const content = body.subarray(0, body.indexOf('\r\n--'));
    assert.equal(sha256(Buffer.from(content.toString('latin1'), 'base64')), sha256(readFileSync(path)));
    rmSync(path);
  });
});

// Files as use cases get them: small ones whole, large ones streamed, pipes spooled, and whatever may not end refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { readAll } from '../../src/base/bytes.ts';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { spoolThreshold } from '../../src/base/limits.ts';
import { createFiles } from '../../src/store/files.ts';
import { createTemporaryFile } from '../../src/store/temporary.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const files = createFiles(() => Readable.from([]));

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const failsWith = (code: ErrorCode, message: RegExp) => (error: unknown) =>
  error instanceof EhloError && error.code === code && message.test(error.message);

const pattern = (size: number): Buffer => Buffer.alloc(size, 'line of sixteen\n');

describe('read', () => {
  for (const size of [0, 1, 1000, spoolThreshold]) {
    test(`a file of ${size} bytes is whole in memory`, async () => {
      const source = await files.read(file('small', pattern(size)));
      assert.equal(source.size, size);
      assert.deepEqual(source.bytes, pattern(size));
    });
  }

  test('a larger one is streamed in chunks, more than once', async () => {
    const content = pattern(spoolThreshold + 1);
    const source = await files.read(file('large', content));
    assert.equal(source.size, content.length);
    assert.equal(source.bytes, undefined);
    for (const _round of [1, 2]) assert.deepEqual(await readAll(source), content);
    for await (const chunk of source.chunks()) assert.ok(chunk.length >= 1 && chunk.length <= 256 * 1024);
  });

  test('a file that grows, shrinks, is replaced or goes away meanwhile is an io or no-input error', async () => {
    const content = pattern(spoolThreshold + 100);
    const changes: [string, (path: string) => void, ErrorCode][] = [
      ['grows', (path) => appendFileSync(path, 'x'), 'io'],
      ['shrinks', (path) => writeFileSync(path, pattern(10)), 'io'],
      ['is touched', (path) => utimesSync(path, 1, 1), 'io'],
      ['goes away', (path) => rmSync(path), 'no-input'],
    ];
    for (const [name, change, code] of changes) {
      const path = file('changing', content);
      const source = await files.read(path);
      change(path);
      await assert.rejects(
        readAll(source),
        failsWith(code, /changing (changed while it was read|does not exist)/),
        name,
      );
    }
  });

  test('a file that grows while it is being read is an io error', async () => {
    const path = file('growing', pattern(spoolThreshold + 100));
    const source = await files.read(path);
    await assert.rejects(
      (async () => {
        for await (const _chunk of source.chunks()) appendFileSync(path, 'more');
      })(),
      failsWith('io', /changed/),
    );
  });

  test('what is not there is no-input; directories and devices are io', async () => {
    await assert.rejects(files.read(join(directory, 'none')), failsWith('no-input', /does not exist/));
    await assert.rejects(files.read(join(file('f', ''), 'below')), failsWith('no-input', /does not exist/));
    await assert.rejects(files.read(directory), failsWith('io', /is a directory/));
    await assert.rejects(files.read('/dev/zero'), failsWith('io', /is a device/));
    const loop = join(directory, 'loop');
    symlinkSync(loop, loop);
    await assert.rejects(files.read(loop), failsWith('io', /too many symbolic links/));
  });

  test('an unreadable file is io', { skip: process.getuid?.() === 0 }, async () => {
    const path = file('locked', 'x');
    chmodSync(path, 0);
    await assert.rejects(files.read(path), failsWith('io', /permission denied/));
  });

  test('a pipe is read to its end', async () => {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    const reading = files.read(path);
    writeFileSync(path, 'through the pipe');
    assert.equal((await reading).bytes?.toString(), 'through the pipe');
  });

  test('a file of /proc, which says it is empty, is read all the same', {
    skip: !existsSync('/proc/self/status'),
  }, async () => {
    assert.match(String((await files.read('/proc/self/status')).bytes), /^Name:/);
  });
});

describe('standard input', () => {
  test('is spooled, whatever its size, and read only once', async () => {
    for (const size of [0, 10, spoolThreshold + 10]) {
      const input = createFiles(() => Readable.from([pattern(size)]));
      const source = await input.read('-');
      assert.equal(source.name, '-');
      assert.equal(source.size, size);
      assert.deepEqual(await readAll(source), pattern(size));
      await assert.rejects(input.read('-'), failsWith('usage', /asked for twice/));
    }
  });

  test('an abort ends the waiting for it', async () => {
    const stop = new AbortController();
    const reading = createFiles(() => new Readable({ read() {} }), stop.signal).read('-');
    stop.abort('SIGINT');
    await assert.rejects(reading, failsWith('io', /^interrupted while reading standard input; nothing was sent$/));
  });

  test('an error of the stream is io', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('EIO'));
      },
    });
    await assert.rejects(createFiles(() => broken).read('-'), failsWith('io', /standard input cannot be read/));
  });
});

describe('spool', () => {
  async function* chunks(count: number, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < count; at++) yield pattern(size);
  }

  test('a small stream stays in memory', async () => {
    const source = await files.spool(chunks(3, 16));
    assert.deepEqual(source.bytes, pattern(48));
    await source.dispose();
  });

  test('a large one can be read again until it is disposed', async () => {
    const source = await files.spool(chunks(10, 256 * 1024));
    assert.equal(source.bytes, undefined);
    assert.equal(source.size, 10 * 256 * 1024);
    for (const _round of [1, 2]) assert.deepEqual(await readAll(source), pattern(10 * 256 * 1024));
    await source.dispose();
    await assert.rejects(readAll(source), EhloError);
  });

  test('a stream that fails leaves no file and passes its error on', async () => {
    const mine = new EhloError('lost', 'gone');
    async function* failing(): AsyncGenerator<Buffer> {
      yield pattern(spoolThreshold + 1);
      throw mine;
    }
    await assert.rejects(files.spool(failing()), (error) => error === mine);
  });
});

test('a temporary file is private and gone when disposed', async () => {
  const temporary = await createTemporaryFile();
  await temporary.write(Buffer.from('secret'));
  assert.equal((await temporary.finish()).size, 6);
  assert.equal(statSync(temporary.path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(temporary.path)).mode & 0o777, 0o700);
  await temporary.dispose();
  assert.equal(existsSync(dirname(temporary.path)), false);
  await temporary.dispose();
});

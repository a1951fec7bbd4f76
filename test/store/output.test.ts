// Where fetched messages go: names that come from nobody else, nothing overwritten, nothing half, the order of law 8.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { FetchOutput } from '../../src/app/fetch-output.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { type Disk, ioError, systemDisk } from '../../src/store/disk.ts';
import { kindOfPath, openFolder, openMaildirOutput, openSingleFile } from '../../src/store/output.ts';

const root = mkdtempSync(join(tmpdir(), 'ehlo-output-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `case-${++count}`);

const sha = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

async function put(output: FetchOutput, number: number, uid: string | null, ...chunks: string[]) {
  const message = output.begin({ number, uid });
  for (const chunk of chunks) await message.write(Buffer.from(chunk));
  return message.commit();
}

const maildir = (directory: string, disk?: Disk) =>
  openMaildirOutput(directory, { clock: systemClock, hostname: 'here', pid: 7, ...(disk ? { disk } : {}) });

const failing = (operation: keyof Disk, after = 0): Disk => {
  let calls = 0;
  const fail = async () => {
    throw ioError(operation, 'x', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  };
  return {
    ...systemDisk,
    [operation]: (...args: never[]) =>
      calls++ < after ? (systemDisk[operation] as (...all: never[]) => unknown)(...args) : fail(),
  };
};

const code = (wanted: string) => (thrown: unknown) => thrown instanceof EhloError && thrown.code === wanted;

describe('a folder', () => {
  test('holds NNN-<hash of the id>.eml, private, with the exact bytes', async () => {
    const directory = join(fresh(), 'not', 'there', 'yet');
    const output = await openFolder(directory);
    const hostile = '../../etc/passwd';
    const { file } = await put(output, 7, hostile, 'a\r\n', '', 'b\0\r\n');
    assert.equal(await output.settle(), true);
    assert.equal(file, join(directory, `007-${sha(hostile)}.eml`));
    assert.deepEqual(readdirSync(directory), [`007-${sha(hostile)}.eml`]);
    assert.equal(readFileSync(file ?? '', 'latin1'), 'a\r\nb\0\r\n');
    assert.equal(statSync(file ?? '').mode & 0o777, 0o600);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
  });

  test('names a message without id by its content', async () => {
    const directory = fresh();
    const output = await openFolder(directory);
    await put(output, 12, null, 'con', 'tent');
    assert.deepEqual(readdirSync(directory), [`012-${sha('content')}.eml`]);
  });

  test('stores the same message once, and another one of the same name beside it', async () => {
    const directory = fresh();
    const output = await openFolder(directory);
    await put(output, 1, 'u', 'first');
    const again = await put(output, 1, 'u', 'first');
    assert.match(again.note ?? '', /already/);
    const { file } = await put(output, 1, 'u', 'other');
    assert.equal(file, join(directory, `001-${sha('u')}-2.eml`));
    const name = `001-${sha('u')}`;
    assert.deepEqual(readdirSync(directory).sort(), [`${name}-2.eml`, `${name}.eml`]);
    assert.equal(readFileSync(join(directory, `${name}.eml`), 'utf8'), 'first');
  });

  test('does not follow a link that waits under the name', async () => {
    const directory = fresh();
    const victim = join(root, 'victim');
    writeFileSync(victim, 'mine');
    const output = await openFolder(directory);
    symlinkSync(victim, join(directory, `001-${sha('u')}.eml`));
    const { file } = await put(output, 1, 'u', 'attack');
    assert.equal(file, join(directory, `001-${sha('u')}-2.eml`));
    assert.equal(readFileSync(victim, 'utf8'), 'mine');
  });

  test('leaves nothing of a message that was given up, small or large', async () => {
    const directory = fresh();
    const output = await openFolder(directory);
    for (const size of [10, 600_000]) {
      const message = output.begin({ number: 1, uid: 'u' });
      await message.write(Buffer.alloc(size));
      await message.abort();
    }
    await output.settle();
    assert.deepEqual(readdirSync(directory), []);
  });

  test('takes a large message in pieces that do not wait for each other', async () => {
    const directory = fresh();
    const output = await openFolder(directory);
    const message = output.begin({ number: 1, uid: 'u' });
    const pieces = Array.from({ length: 40 }, (_, at) => Buffer.alloc(50_000, at));
    await Promise.all(pieces.map((piece) => message.write(piece)));
    const { file } = await message.commit();
    assert.ok(readFileSync(file ?? '').equals(Buffer.concat(pieces)));
  });

  test('a file where the folder should be is CANTCREATE', async () => {
    const path = fresh();
    writeFileSync(path, '');
    await assert.rejects(openFolder(path), code('cannot-create'));
    await assert.rejects(openFolder(join(path, 'below')), code('cannot-create'));
  });

  for (const operation of ['write', 'fsync', 'close', 'link'] as const) {
    test(`a disk that fails at ${operation} is io, and nothing is left`, async () => {
      const directory = fresh();
      const output = await openFolder(directory, failing(operation));
      await assert.rejects(put(output, 1, 'u', 'text'), code('io'));
      assert.deepEqual(readdirSync(directory), []);
    });
  }
});

describe('a Maildir', () => {
  test('gets each message in new, by way of tmp', async () => {
    const directory = fresh();
    const output = await maildir(directory);
    await put(output, 1, 'u', 'one');
    await put(output, 2, 'u', 'two');
    await output.settle();
    const files = readdirSync(join(directory, 'new'));
    assert.equal(files.length, 2);
    assert.deepEqual(files.map((name) => readFileSync(join(directory, 'new', name), 'utf8')).sort(), ['one', 'two']);
    assert.deepEqual([readdirSync(join(directory, 'tmp')), readdirSync(join(directory, 'cur'))], [[], []]);
  });

  test('is written, synced, renamed, and its directory synced, in this order', async () => {
    const directory = fresh();
    const log: string[] = [];
    const disk: Disk = {
      ...systemDisk,
      open(path, flags, mode) {
        log.push(flags === 'wx' ? 'create' : `open ${path.slice(directory.length)}`);
        return systemDisk.open(path, flags, mode);
      },
      write(fd, bytes) {
        log.push('write');
        return systemDisk.write(fd, bytes);
      },
      fsync(fd) {
        log.push('fsync');
        return systemDisk.fsync(fd);
      },
      rename(from, to) {
        log.push('rename');
        return systemDisk.rename(from, to);
      },
    };
    await maildir(directory);
    const output = await maildir(directory, disk);
    await put(output, 1, 'u', 'one');
    log.push('committed');
    await output.settle();
    assert.deepEqual(log, ['create', 'write', 'fsync', 'rename', 'committed', 'open /new', 'fsync']);
  });

  test('a directory that cannot be synced is io: nothing may be deleted then', async () => {
    const output = await maildir(fresh(), failing('fsync', 1));
    await put(output, 1, 'u', 'one');
    await assert.rejects(output.settle(), code('io'));
  });
});

describe('a single file', () => {
  test('gets all messages one behind the other, when all are there', async () => {
    const path = fresh();
    const output = await openSingleFile(path);
    await put(output, 1, 'u', 'one\r\n');
    await put(output, 2, 'u', 'two\r\n');
    assert.equal(await kindOfPath(path), 'nothing');
    assert.equal(await output.settle(), true);
    assert.equal(readFileSync(path, 'utf8'), 'one\r\ntwo\r\n');
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('is not there after a message broke off, and the output says that nothing was kept', async () => {
    const directory = fresh();
    await openFolder(directory);
    const output = await openSingleFile(join(directory, 'all.raw'));
    await put(output, 1, 'u', 'one\r\n');
    const broken = output.begin({ number: 2, uid: null });
    await broken.write(Buffer.from('ha'));
    await broken.abort();
    assert.equal(await output.settle(), false);
    assert.deepEqual(readdirSync(directory), []);
  });

  test('is never written over another, also one that appears meanwhile', async () => {
    const path = fresh();
    const output = await openSingleFile(path);
    await put(output, 1, 'u', 'new');
    writeFileSync(path, 'old');
    await assert.rejects(output.settle(), code('cannot-create'));
    await assert.rejects(openSingleFile(path), code('cannot-create'));
    assert.equal(readFileSync(path, 'utf8'), 'old');
  });
});

for (const [name, open, inside] of [
  ['a folder', openFolder, []],
  ['a Maildir', maildir, ['', '/tmp', '/new', '/cur']],
] as const) {
  test(`${name} that was made is itself synced before anything may be deleted at the server`, async () => {
    const top = fresh();
    const directory = join(top, 'a', 'b');
    const names = new Map<number, string>();
    const synced = new Set<string>();
    const disk: Disk = {
      ...systemDisk,
      async open(path, flags, mode) {
        const fd = await systemDisk.open(path, flags, mode);
        names.set(fd, path);
        return fd;
      },
      fsync(fd) {
        synced.add(names.get(fd) ?? '');
        return systemDisk.fsync(fd);
      },
    };
    const output = await open(directory, disk);
    await put(output, 1, 'u', 'one');
    await output.settle();
    const made = [top, join(top, 'a'), directory, ...inside.map((part) => `${directory}${part}`)];
    for (const path of made) assert.ok(synced.has(dirname(path)), `the entry of ${path} is safe`);
    synced.clear();
    await put(output, 2, 'v', 'two');
    await output.settle();
    assert.equal(synced.has(root), false, 'once is enough');
  });
}

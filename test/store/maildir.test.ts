// The Maildir store keeps the contract; here also what a disk adds: order of operations, crashes, restarts, other programs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { DirectorySync, type Disk, ioError, systemDisk } from '../../src/store/disk.ts';
import { openMaildir } from '../../src/store/maildir.ts';
import { directoryMailbox, mailboxDirectory, messageId } from '../../src/store/maildir-names.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf, deliver, envelope, storeContract } from './contract.ts';

const made: string[] = [];
after(() => {
  for (const root of made) fs.rmSync(root, { recursive: true, force: true });
});

function freshRoot(): string {
  const root = fs.mkdtempSync(join(tmpdir(), 'ehlo-maildir-'));
  made.push(root);
  return join(root, 'mail', 'store');
}

const open = (root: string, disk: Disk = systemDisk, pid = 4711): Promise<Store> =>
  openMaildir(root, { clock: systemClock, hostname: 'host.test', pid, alive: () => false, disk });

storeContract('maildir', () => open(freshRoot()));

/** Every file below a directory, but not the directories themselves. */
const filesIn = (root: string): string[] =>
  fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

type Operation = { name: keyof Disk; path: string };

/** A disk that notes what is done to which path, and fails where `fail` says so. */
function watched(fail: (operation: Operation, count: number) => string | undefined = () => undefined) {
  const log: Operation[] = [];
  const opened = new Map<number, string>();
  const note = (name: keyof Disk, path: string) => {
    const operation = { name, path };
    log.push(operation);
    const code = fail(operation, log.length - 1);
    if (code) throw ioError(name, path, Object.assign(new Error(code), { code }));
  };
  const disk: Disk = {
    ...systemDisk,
    async open(path, flags, mode) {
      note('open', path);
      const fd = await systemDisk.open(path, flags, mode);
      opened.set(fd, path);
      return fd;
    },
    async write(fd, bytes) {
      note('write', opened.get(fd) ?? '?');
      await systemDisk.write(fd, bytes);
    },
    async fsync(fd) {
      note('fsync', opened.get(fd) ?? '?');
      await systemDisk.fsync(fd);
    },
    async rename(from, to) {
      note('rename', to);
      await systemDisk.rename(from, to);
    },
    async link(from, to) {
      note('link', to);
      await systemDisk.link(from, to);
    },
  };
  return { disk, log };
}

const reason = async (promise: Promise<unknown>): Promise<EhloError> => {
  const thrown = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert.ok(thrown instanceof EhloError, `an EhloError, not ${thrown}`);
  return thrown;
};

for (const size of [10, 200_000]) {
  test(`a commit resolves after write, fsync of the files, link and rename, fsync of the directories (${size} bytes)`, async () => {
    const root = freshRoot();
    const { disk, log } = watched();
    const store = await open(root, disk);
    await deliver(store, 'warm up', 'a@x.test', 'b@x.test');
    log.length = 0;
    const { id } = await deliver(store, Buffer.alloc(size, 'x'), 'a@x.test', 'b@x.test');
    const steps = log.map(({ name, path }) => `${name} ${relative(root, path)}`);
    const at = (step: string) => {
      const index = steps.lastIndexOf(step);
      assert.notEqual(index, -1, `${step} in ${JSON.stringify(steps)}`);
      return index;
    };
    const inOrder = [
      `write a@x.test/tmp/${id}`,
      `fsync a@x.test/tmp/${id}`,
      `link b@x.test/new/${id}`,
      `rename a@x.test/new/${id}`,
      'fsync a@x.test/new',
    ];
    for (const [index, step] of inOrder.entries()) if (index > 0) assert.ok(at(inOrder[index - 1] ?? '') < at(step));
    assert.ok(at(`fsync .envelopes/${id}.json`) < at(`link b@x.test/new/${id}`));
    assert.ok(at(`rename a@x.test/new/${id}`) < at('fsync b@x.test/new'));
    assert.ok(at(`rename a@x.test/new/${id}`) < at('fsync .envelopes'));
    await store.close();
  });
}

test('a failure of any single operation is an io error, leaves no file, and the next delivery works', async () => {
  const probe = watched();
  const first = await open(freshRoot(), probe.disk);
  await deliver(first, 'warm up', 'a@x.test', 'b@x.test');
  const before = probe.log.length;
  await deliver(first, 'x', 'a@x.test', 'b@x.test');
  await first.close();
  const operations = probe.log.length - before;
  assert.ok(operations >= 9);
  for (let failing = 0; failing < operations; failing++) {
    const root = freshRoot();
    const { disk, log } = watched((_operation, count) => (count === start + failing ? 'ENOSPC' : undefined));
    let start = Number.POSITIVE_INFINITY;
    const store = await open(root, disk);
    const kept = await deliver(store, 'warm up', 'a@x.test', 'b@x.test');
    const files = filesIn(root).sort();
    start = log.length;
    const error = await reason(deliver(store, 'x', 'a@x.test', 'b@x.test'));
    assert.equal(error.code, 'io');
    assert.match(error.message, /the disk is full/);
    assert.deepEqual(filesIn(root).sort(), files, `nothing left when ${JSON.stringify(log.at(-1))} fails`);
    const next = await deliver(store, 'y', 'a@x.test', 'b@x.test');
    assert.deepEqual(
      (await store.list()).map(({ id }) => id),
      [kept.id, next.id],
    );
    await store.close();
  }
});

test('a failing write of a large message is told to the writer, and abort leaves no file', async () => {
  const root = freshRoot();
  const { disk } = watched(({ name, path }) => (name === 'write' && path.includes('/tmp/') ? 'ENOSPC' : undefined));
  const store = await open(root, disk);
  const delivery = await store.begin(envelope('a@x.test'));
  const error = await reason((async () => delivery.write(Buffer.alloc(100_000)))());
  assert.equal(error.code, 'io');
  await delivery.abort();
  assert.deepEqual(filesIn(root), []);
  await store.close();
});

test('a crash after any step leaves the whole message or none, and a restart sweeps the rest away', async () => {
  const probe = watched();
  const first = await open(freshRoot(), probe.disk);
  await deliver(first, 'warm up', 'a@x.test', 'b@x.test');
  const before = probe.log.length;
  await deliver(first, 'whole message', 'a@x.test', 'b@x.test');
  await first.close();
  const steps = probe.log.length - before;
  for (let crash = 0; crash <= steps; crash++) {
    const root = freshRoot();
    let start = Number.POSITIVE_INFINITY;
    let dead = false;
    // From the crash on nothing reaches the disk any more, and nothing answers.
    const gone = new Promise<never>(() => undefined);
    const { disk: watching, log } = watched((_operation, count) => {
      if (count >= start + crash) dead = true;
      return dead ? 'EIO' : undefined;
    });
    const disk: Disk = {
      ...watching,
      open: (...given) => watching.open(...given).catch((failure) => (dead ? gone : Promise.reject(failure))),
      write: (...given) => watching.write(...given).catch((failure) => (dead ? gone : Promise.reject(failure))),
      fsync: (...given) => watching.fsync(...given).catch((failure) => (dead ? gone : Promise.reject(failure))),
      rename: (...given) => watching.rename(...given).catch((failure) => (dead ? gone : Promise.reject(failure))),
      link: (...given) => watching.link(...given).catch((failure) => (dead ? gone : Promise.reject(failure))),
      unlink: (path) => (dead ? gone : watching.unlink(path)),
    };
    const store = await open(root, disk);
    await deliver(store, 'warm up', 'a@x.test', 'b@x.test');
    start = log.length;
    const done = deliver(store, 'whole message', 'a@x.test', 'b@x.test').then(() => true);
    const answered = await Promise.race([done, settled().then(() => false)]);
    const again = await open(root);
    const found = await again.list();
    for (const { id } of found.slice(1)) assert.equal((await bytesOf(again, id))?.toString(), 'whole message');
    if (answered) assert.equal(found.length, 2, 'a commit that resolved means stored');
    const ids = found.map(({ id }) => id);
    const expected = ids.flatMap((id) => [`a@x.test/new/${id}`, `b@x.test/new/${id}`, `.envelopes/${id}.json`]).sort();
    assert.deepEqual(filesIn(root).sort(), expected, `crash at step ${crash}`);
    await again.close();
  }
});

/** Long enough for file operations that are under way: many turns of the event loop with real disk calls between. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) {
    await systemDisk.readdir('/');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a restart finds the messages under the same ids, with their envelopes', async () => {
  const root = freshRoot();
  const store = await open(root);
  const one = await deliver(store, 'one', 'a@x.test', 'b@x.test');
  const two = await deliver(store, 'two', 'b@x.test');
  await store.close();
  const again = await open(root, systemDisk, 4712);
  assert.deepEqual(await again.list(), [one, two]);
  assert.equal((await bytesOf(again, two.id))?.toString(), 'two');
  await again.close();
});

test('a message that another program moved to cur is still found, read, listed and deleted', async () => {
  const root = freshRoot();
  const store = await open(root);
  const message = await deliver(store, 'hello', 'a@x.test');
  await store.list();
  const box = join(root, 'a@x.test');
  fs.renameSync(join(box, 'new', message.id), join(box, 'cur', `${message.id}:2,S`));
  assert.equal((await bytesOf(store, message.id))?.toString(), 'hello');
  assert.deepEqual(await store.list('a@x.test'), [message]);
  assert.deepEqual(await store.get(message.id), message);
  assert.equal(await store.delete(message.id), true);
  assert.deepEqual(filesIn(root), []);
  await store.close();
});

test('a message that another program delivered is listed, also under a name that is no id', async () => {
  const root = freshRoot();
  const store = await open(root);
  await deliver(store, 'mine', 'a@x.test');
  fs.writeFileSync(join(root, 'a@x.test', 'new', '1.M2.other,S=5'), 'yours');
  fs.writeFileSync(join(root, 'a@x.test', 'new', '.hidden'), 'no');
  const listed = await store.list('a@x.test');
  const foreign = listed.find(({ id }) => id === messageId('1.M2.other,S=5'));
  assert.equal(listed.length, 2);
  assert.equal(foreign?.size, 5);
  assert.deepEqual(foreign.envelope.rcptTo, [{ address: 'a@x.test', params: [] }]);
  assert.equal((await bytesOf(store, foreign.id))?.toString(), 'yours');
  await store.close();
});

test('a mailbox that was removed under a running store is made anew', async () => {
  const root = freshRoot();
  const store = await open(root);
  await deliver(store, 'one', 'a@x.test');
  fs.rmSync(join(root, 'a@x.test'), { recursive: true });
  assert.equal((await reason(deliver(store, 'two', 'a@x.test'))).code, 'io');
  const third = await deliver(store, 'three', 'a@x.test');
  assert.equal((await bytesOf(store, third.id))?.toString(), 'three');
  await store.close();
});

test('files are 0600 and directories 0700', async () => {
  const root = freshRoot();
  const store = await open(root);
  const { id } = await deliver(store, 'x', 'a@x.test', 'b@x.test');
  const mode = (path: string) => fs.statSync(join(root, path)).mode & 0o777;
  for (const file of [`a@x.test/new/${id}`, `b@x.test/new/${id}`, `.envelopes/${id}.json`])
    assert.equal(mode(file), 0o600);
  for (const directory of ['', 'a@x.test', 'a@x.test/tmp', '.envelopes']) assert.equal(mode(directory), 0o700);
  await store.close();
});

test('leftovers of other programs in tmp stay until they are 36 hours old', async () => {
  const root = freshRoot();
  const store = await open(root);
  await deliver(store, 'x', 'a@x.test');
  await store.close();
  const tmp = join(root, 'a@x.test', 'tmp');
  fs.writeFileSync(join(tmp, 'young'), '');
  fs.writeFileSync(join(tmp, 'old'), '');
  const past = new Date(Date.now() - 37 * 3600 * 1000);
  fs.utimesSync(join(tmp, 'old'), past, past);
  await (await open(root)).close();
  assert.deepEqual(fs.readdirSync(tmp), ['young']);
});

test('commits that wait at the same time share directory fsyncs', async () => {
  const { disk, log } = watched();
  const store = await open(freshRoot(), disk);
  await deliver(store, 'warm up', 'a@x.test');
  log.length = 0;
  await Promise.all(Array.from({ length: 30 }, () => deliver(store, 'x', 'a@x.test')));
  const directoryFsyncs = log.filter(({ name, path }) => name === 'fsync' && path.endsWith('/new')).length;
  assert.ok(directoryFsyncs > 0 && directoryFsyncs < 30, `${directoryFsyncs}`);
  await store.close();
});

test('a directory fsync that is asked for while one runs begins after that one', async () => {
  const ends: (() => void)[] = [];
  const disk: Disk = {
    ...systemDisk,
    open: async () => 1,
    close: async () => undefined,
    fsync: () => new Promise((resolve) => ends.push(resolve)),
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const sync = new DirectorySync(disk);
  const done: string[] = [];
  void sync.sync('d').then(() => done.push('first'));
  await turn();
  void sync.sync('d').then(() => done.push('second'));
  void sync.sync('d').then(() => done.push('third'));
  await turn();
  assert.equal(ends.length, 1);
  ends[0]?.();
  await turn();
  assert.deepEqual([ends.length, done], [2, ['first']]);
  ends[1]?.();
  await turn();
  assert.deepEqual(done, ['first', 'second', 'third']);
  assert.equal(ends.length, 2);
});

test('directory names of mailboxes: reversible, one component, no dot in front', () => {
  const property = fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (mailbox) => {
    // Lone surrogates are no text that could come in an address.
    fc.pre(!/\p{Cs}/u.test(mailbox));
    const name = mailboxDirectory(mailbox);
    assert.match(name, /^(?!\.)[A-Za-z0-9@._+%-]+$/);
    assert.equal(directoryMailbox(name), mailbox);
  });
  fc.assert(property);
  assert.equal(directoryMailbox('.envelopes'), undefined);
  assert.equal(directoryMailbox('%41'), undefined);
  assert.equal(directoryMailbox('%ff'), undefined);
});

test('directories that the store makes are synced into those above them', async () => {
  const top = freshRoot();
  fs.mkdirSync(top, { recursive: true });
  const { disk, log } = watched();
  const store = await open(join(top, 'a', 'b'), disk);
  const synced = log.filter(({ name }) => name === 'fsync').map(({ path }) => path);
  assert.ok(synced.includes(top) && synced.includes(join(top, 'a')), synced.join());
  await store.close();
});

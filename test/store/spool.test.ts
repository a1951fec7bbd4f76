// The spool directory: what is there is whole, in whatever order things fail; claims; what others put there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Claim, QueueEntry, Spool } from '../../src/app/spool.ts';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { asEhloError, EhloError } from '../../src/base/errors.ts';
import { type Disk, systemDisk } from '../../src/store/disk.ts';
import { ownerOf, ownerState } from '../../src/store/process-owner.ts';
import { openSpool, type SpoolOptions } from '../../src/store/spool.ts';
import { parseQueueEntry, printQueueEntry } from '../../src/store/spool-entry.ts';

const at = '2024-02-29T12:00:00.000Z';
const message = Buffer.from('Subject: hi\r\n\r\nbody\r\n');

const entryOf = (id: string): Omit<QueueEntry, 'size'> => ({
  version: 1,
  id,
  created: at,
  expires: at,
  messageId: '<1@x>',
  eightBit: false,
  utf8Headers: false,
  envelope: { from: 'a@x.test', ret: 'HDRS', envid: 'e', params: [{ keyword: 'BY', value: '1;R' }] },
  recipients: [
    {
      address: 'b@y.test',
      notify: ['FAILURE'],
      orcpt: 'rfc822;c@y.test',
      params: [{ keyword: 'X' }],
      status: 'waiting',
      last: { at, host: 'mx', code: 451, enhanced: '4.7.1', text: 'later\u0007', dsn: false },
      told: 'delay',
    },
  ],
  domains: [{ domain: 'y.test', tries: 1, next: at }],
  onReject: 'continue',
  route: {
    options: { server: 'mx:', ipv4: true, resolve: ['a:1:127.0.0.1'] },
    pipelining: true,
    control: { bdat: 100, prdr: false, force: false, heloOnly: true, strict: true, require: ['DSN'] },
  },
  held: true,
  trying: { since: at, recipients: ['b@y.test'] },
  attempts: [{ at, host: 'mx', address: '127.0.0.1', port: 25, recipients: ['b@y.test'], text: null }],
  notices: 2,
});

const inDirectory = (work: (directory: string) => Promise<void>) => async (): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-spool-'));
  chmodSync(directory, 0o700);
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

const within = (work: (spool: Spool, directory: string) => Promise<void>, options: Partial<SpoolOptions> = {}) =>
  inDirectory(async (directory) => {
    const spool = await openSpool(directory, { create: true, ...options });
    try {
      await work(spool, directory);
    } finally {
      await spool.close();
    }
  });

const claimOf = async (spool: Spool, id: string, take?: { elsewhere: boolean }): Promise<Claim> => {
  const claimed = await spool.claim(id, take);
  if (claimed.kind !== 'claimed') throw new Error(`not claimed: ${JSON.stringify(claimed)}`);
  return claimed.claim;
};

test(
  'an entry reads back as it was written, and its metadata is readable by nobody else',
  within(async (spool, directory) => {
    const added = await spool.add(entryOf('one'), bytesSource(message));
    assert.ok(added);
    assert.deepEqual(await spool.list(), [
      { kind: 'entry', entry: { ...entryOf('one'), size: message.length }, claim: 'free' },
    ]);
    assert.deepEqual(await readAll(await spool.message(added)), message);
    for (const name of readdirSync(directory)) {
      assert.equal(systemMode(join(directory, name)), 0o600, name);
    }
    assert.equal(await spool.add(entryOf('one'), bytesSource(message)), null, 'never a second one of that id');
  }),
);

const systemMode = (path: string): number =>
  Number.parseInt(spawnSync('stat', ['-c', '%a', path]).stdout.toString(), 8);

test(
  'a large message is streamed in and out',
  within(async (spool) => {
    const chunk = Buffer.alloc(256 * 1024, 'x');
    const source = {
      size: undefined,
      async *chunks() {
        for (let n = 0; n < 12; n++) yield chunk;
      },
    };
    const added = await spool.add(entryOf('large'), source);
    assert.equal(added?.size, 12 * chunk.length);
    const read = await spool.message(added);
    assert.equal(read.bytes, undefined, 'not held in memory');
    assert.equal((await readAll(read)).length, 12 * chunk.length);
  }),
);

/** Every operation by name, in the order in which they began and ended. */
function watched(log: string[], failAt = Number.POSITIVE_INFINITY): Disk {
  let count = 0;
  const names = new Map<number, string>();
  const short = (path: string): string => path.replace(/^.*\//, '').replace(/\.[0-9a-f-]{20,}/, '.OWNER');
  const step = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    if (count++ === failAt) throw new EhloError('io', 'the disk is full');
    const result = await run();
    log.push(what);
    return result;
  };
  return {
    ...systemDisk,
    async open(path, flags, mode) {
      const fd = await systemDisk.open(path, flags, mode);
      names.set(fd, flags === 'r' ? 'directory' : short(path));
      return fd;
    },
    write: (fd, bytes) => step(`write ${names.get(fd)}`, () => systemDisk.write(fd, bytes)),
    fsync: (fd) => step(`fsync ${names.get(fd)}`, () => systemDisk.fsync(fd)),
    rename: (from, to) => step(`rename ${short(to)}`, () => systemDisk.rename(from, to)),
    unlink: (path) => step(`unlink ${short(path)}`, () => systemDisk.unlink(path)),
  };
}

test(
  'queued means: written, synced, named, directory synced; first the message, then the metadata',
  inDirectory(async (directory) => {
    const log: string[] = [];
    const spool = await openSpool(directory, { create: false, disk: watched(log) });
    await spool.add(entryOf('one'), bytesSource(message));
    await spool.close();
    const before = (one: string, other: string): void => {
      assert.ok(
        log.includes(one) && log.indexOf(one) < log.indexOf(other),
        `${one} before ${other}: ${log.join(', ')}`,
      );
    };
    before('write .one.OWNER.eml.tmp', 'fsync .one.OWNER.eml.tmp');
    before('write .one.OWNER.json.tmp', 'fsync .one.OWNER.json.tmp');
    assert.deepEqual(log.slice(-4), ['rename one.eml', 'fsync directory', 'rename one.json', 'fsync directory']);
  }),
);

test(
  'an update is synced under another name before it takes the place of the old state',
  inDirectory(async (directory) => {
    const log: string[] = [];
    const spool = await openSpool(directory, { create: false, disk: watched(log) });
    await spool.add(entryOf('one'), bytesSource(message));
    const claim = await claimOf(spool, 'one');
    log.length = 0;
    await claim.update({ ...claim.entry, held: false });
    assert.deepEqual(log, [
      'write .one.OWNER.json.tmp',
      'fsync .one.OWNER.json.tmp',
      'rename one.json.OWNER',
      'fsync directory',
    ]);
    log.length = 0;
    await claim.remove();
    await claim.release();
    assert.deepEqual(log, ['unlink one.json.OWNER', 'fsync directory', 'unlink one.eml']);
    await spool.close();
  }),
);

test(
  'whichever step fails, adding leaves nothing behind',
  inDirectory(async (directory) => {
    for (let failAt = 0; ; failAt++) {
      const spool = await openSpool(directory, { create: false, disk: watched([], failAt) });
      const outcome = await spool.add(entryOf('one'), bytesSource(message)).catch(asEhloError);
      await spool.close();
      if (!(outcome instanceof EhloError)) {
        assert.ok(failAt >= 8, `${failAt} steps could fail`);
        return;
      }
      assert.deepEqual(readdirSync(directory), [], `step ${failAt} failed`);
    }
  }),
);

test(
  'whichever step fails, an update leaves the state before or the one after',
  inDirectory(async (directory) => {
    for (let failAt = 0; ; failAt++) {
      rmSync(directory, { recursive: true });
      mkdirSync(directory, { mode: 0o700 });
      const good = await openSpool(directory, { create: false });
      await good.add(entryOf('one'), bytesSource(message));
      await good.close();
      // The first step of this one is the rename that claims it.
      const spool = await openSpool(directory, { create: false, disk: watched([], failAt + 1) });
      const claim = await claimOf(spool, 'one');
      const outcome = await claim.update({ ...claim.entry, held: false }).catch(asEhloError);
      await claim.release();
      await spool.close();
      const item = await good.find('one');
      assert.ok(item?.kind === 'entry', JSON.stringify(item));
      if (!(outcome instanceof EhloError)) {
        assert.equal(item.entry.held, false);
        assert.ok(failAt >= 4);
        return;
      }
    }
  }),
);

const running = ownerOf(process.pid);
const dead = running.replace(/^\d+-\d+/, '1-1');
const foreign = running.replace(/[0-9a-f]{8}$/, '00000000');

test('the names of owners tell who still runs', () => {
  assert.equal(ownerState(running), 'running');
  assert.equal(ownerState(dead), 'gone', 'the pid runs, but another process has it');
  assert.equal(ownerState(foreign), 'elsewhere');
  const parts = running.split('-');
  assert.equal(
    ownerState([parts[0], parts[1], '00000000', ...parts.slice(3)].join('-')),
    'gone',
    'before the last boot',
  );
  assert.equal(ownerState([parts[0], parts[1], parts[2], '1', parts[4]].join('-')), 'elsewhere', 'another container');
});

test(
  'a claim keeps others out until it is let go',
  within(async (spool) => {
    await spool.add(entryOf('one'), bytesSource(message));
    const claim = await claimOf(spool, 'one');
    assert.deepEqual(await spool.claim('one'), { kind: 'busy', where: 'claimed' });
    const item = await spool.find('one');
    assert.equal(item?.kind === 'entry' && item.claim, 'claimed');
    await claim.release();
    await (await claimOf(spool, 'one')).remove();
    assert.deepEqual(await spool.claim('one'), { kind: 'gone' });
  }),
);

test(
  'of many who want an entry at once, one gets it',
  within(async (spool, directory) => {
    await spool.add(entryOf('one'), bytesSource(message));
    // Left by a process that was killed: all of them may take it over.
    renameSync(join(directory, 'one.json'), join(directory, `one.json.${dead}`));
    const spools = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        openSpool(directory, {
          create: false,
          owner: running.replace(/^\d+/, String(900_000 + n)),
          stateOf: (owner) => (owner === dead ? 'gone' : 'running'),
        }),
      ),
    );
    const claims = await Promise.all(spools.map((one) => one.claim('one')));
    assert.equal(claims.filter((one) => one.kind === 'claimed').length, 1);
    assert.equal(claims.filter((one) => one.kind === 'busy').length, 19);
    await Promise.all(spools.map((one) => one.close()));
  }),
);

test(
  'a claim of a process that cannot be seen from here is taken only on purpose',
  within(async (spool, directory) => {
    await spool.add(entryOf('one'), bytesSource(message));
    renameSync(join(directory, 'one.json'), join(directory, `one.json.${foreign}`));
    assert.deepEqual(await spool.claim('one'), { kind: 'busy', where: 'elsewhere' });
    await (await claimOf(spool, 'one', { elsewhere: true })).release();
    assert.deepEqual(readdirSync(directory).sort(), ['one.eml', 'one.json']);
  }),
);

test(
  'sweep takes what crashes left, and nothing that is whole or still being written',
  within(async (spool, directory) => {
    await spool.add(entryOf('whole'), bytesSource(message));
    await spool.add(entryOf('claimed'), bytesSource(message));
    await claimOf(spool, 'claimed');
    for (const name of [
      `.dead.${dead}.eml.tmp`,
      `.dead.${dead}.json.tmp`,
      'dead.eml',
      `.live.${running}.json.tmp`,
      'live.eml',
      `.far.${foreign}.eml.tmp`,
      'lonely.eml',
      'README',
    ]) {
      writeFileSync(join(directory, name), 'x');
    }
    assert.equal(await spool.sweep(), 4);
    assert.deepEqual(
      readdirSync(directory)
        .filter((name) => !/^(whole|claimed)\./.test(name))
        .sort(),
      [`.far.${foreign}.eml.tmp`, `.live.${running}.json.tmp`, 'README', 'live.eml'].sort(),
    );
    assert.equal((await spool.list()).length, 2);
  }),
);

const spoilers: [string, (directory: string) => void, RegExp][] = [
  ['metadata cut off', (d) => truncateSync(join(d, 'one.json'), 20), /not JSON/],
  ['metadata of nothing', (d) => truncateSync(join(d, 'one.json'), 0), /not JSON/],
  ['another version', (d) => edit(d, (entry) => ({ ...entry, version: 2 })), /of version 2/],
  [
    'a version that is text',
    (d) => edit(d, (entry) => ({ ...entry, version: '\u001b[31m' })),
    /of version no known form/,
  ],
  ['no recipients', (d) => edit(d, (entry) => ({ ...entry, recipients: [] })), /recipients is not at least one/],
  [
    'an address with a line end',
    (d) => edit(d, (entry) => ({ ...entry, envelope: { from: 'a@x\r\nRCPT TO:<b>' } })),
    /envelope.from is not an address/,
  ],
  ['a time that is none', (d) => edit(d, (entry) => ({ ...entry, created: 'soon' })), /created is not a time/],
  ['the id of another', (d) => edit(d, (entry) => ({ ...entry, id: '../one' })), /another id/],
  [
    'metadata behind a symbolic link',
    (d) => {
      renameSync(join(d, 'one.json'), join(d, 'elsewhere'));
      symlinkSync('elsewhere', join(d, 'one.json'));
    },
    /not a file/,
  ],
  [
    'a message behind a symbolic link',
    (d) => {
      rmSync(join(d, 'one.eml'));
      symlinkSync('/etc/hostname', join(d, 'one.eml'));
    },
    /message, is not there/,
  ],
  [
    'a directory for metadata',
    (d) => {
      rmSync(join(d, 'one.json'));
      mkdirSync(join(d, 'one.json'));
    },
    /not a file/,
  ],
  ['a message that is gone', (d) => rmSync(join(d, 'one.eml')), /message, is not there/],
];

function edit(directory: string, change: (entry: Record<string, unknown>) => unknown): void {
  const path = join(directory, 'one.json');
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
}

for (const [name, spoil, problem] of spoilers) {
  test(
    `${name}: said, not touched, and the others go on`,
    within(async (spool, directory) => {
      await spool.add(entryOf('one'), bytesSource(message));
      await spool.add(entryOf('two'), bytesSource(message));
      spoil(directory);
      const before = readdirSync(directory).sort();
      const items = await spool.list();
      assert.deepEqual(items.map((one) => one.kind).sort(), ['broken', 'entry']);
      const broken = items.find((one) => one.kind === 'broken');
      assert.match(broken?.kind === 'broken' ? broken.problem : '', problem);
      assert.equal((await spool.claim('one')).kind, 'broken');
      await spool.sweep();
      assert.deepEqual(readdirSync(directory).sort(), before);
    }),
  );
}

test(
  'a message of another size than was queued is not sent',
  within(async (spool, directory) => {
    const entry = await spool.add(entryOf('one'), bytesSource(message));
    assert.ok(entry);
    writeFileSync(join(directory, 'one.eml'), 'short');
    await assert.rejects(spool.message(entry), /5 bytes, and 21 were queued/);
  }),
);

test(
  'a spool that others may write to is refused',
  inDirectory(async (directory) => {
    chmodSync(directory, 0o770);
    await assert.rejects(openSpool(directory, { create: true }), { code: 'config', hint: `chmod 700 ${directory}` });
  }),
);

test(
  'a spool is made with its parents, for the owner alone; where none may be made it is missing',
  inDirectory(async (directory) => {
    const path = join(directory, 'a', 'b');
    await assert.rejects(openSpool(path, { create: false }), { code: 'no-input' });
    await (await openSpool(path, { create: true })).close();
    assert.deepEqual([systemMode(join(directory, 'a')), systemMode(path)], [0o700, 0o700]);
  }),
);

test(
  'an id from a user never leaves the directory',
  within(async (spool) => {
    for (const id of ['../one', '', '.', 'one/../two', 'ONE', 'a\0b']) {
      assert.equal(await spool.find(id), null);
      assert.deepEqual(await spool.claim(id), { kind: 'gone' });
      assert.equal(await spool.discard(id), false);
    }
  }),
);

test('metadata: what is printed parses, and any damage is one of our errors', () => {
  const whole: QueueEntry = { ...entryOf('one'), size: 3 };
  assert.deepEqual(parseQueueEntry(printQueueEntry(whole)), whole);
  const bytes = printQueueEntry(whole);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (where, octet, cut) => {
      const damaged = Buffer.from(bytes);
      damaged[where] = octet;
      try {
        parseQueueEntry(cut ? damaged.subarray(0, where) : damaged);
      } catch (thrown) {
        assert.ok(thrown instanceof EhloError && thrown.code === 'io', String(thrown));
      }
    }),
  );
});

test('metadata: any JSON in any place of an entry is one of our errors, or an entry', () => {
  const whole = JSON.parse(printQueueEntry({ ...entryOf('one'), size: 3 }).toString());
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(whole)), fc.jsonValue(), (name, value) => {
      try {
        parseQueueEntry(Buffer.from(JSON.stringify({ ...whole, [name]: value })));
      } catch (thrown) {
        assert.ok(thrown instanceof EhloError && thrown.code === 'io', String(thrown));
      }
    }),
  );
});

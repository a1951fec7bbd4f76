// A configuration file as the disk has it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { readConfigSource } from '../../src/store/config-source.ts';
import { writeNewConfig } from '../../src/store/config-write.ts';

const root = mkdtempSync(join(tmpdir(), 'ehlo-config-'));
after(() => rmSync(root, { recursive: true, force: true }));

const path = (name: string): string => join(root, name);

function file(name: string, content: string | Buffer, mode = 0o600): string {
  writeFileSync(path(name), content);
  chmodSync(path(name), mode);
  return path(name);
}

const is =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof EhloError && error.code === code && message.test(error.message);

describe('reading', () => {
  test('text and permissions, through a link too', () => {
    symlinkSync(file('a.toml', '\ufeffx = "ü"\n', 0o640), path('link'));
    for (const name of ['a.toml', 'link']) {
      assert.deepEqual(readConfigSource(path(name)), {
        access: 'present',
        source: { path: path(name), text: 'x = "ü"\n', foreign: false, mode: 0o640 },
      });
    }
  });

  test('nothing there is no error', () => {
    assert.deepEqual(readConfigSource(path('none')), { access: 'absent' });
    assert.deepEqual(readConfigSource(join(file('file', ''), 'below')), { access: 'absent' });
  });

  const root0 = process.getuid?.() === 0;

  test('a file of somebody else is foreign', { skip: !root0 }, () => {
    chownSync(file('theirs', ''), 12_345, 12_345);
    const found = readConfigSource(path('theirs'));
    assert.ok(found.access === 'present' && found.source.foreign);
  });

  test('a file that we may not read is denied', { skip: root0 }, () => {
    assert.deepEqual(readConfigSource(file('locked', '', 0)), { access: 'denied' });
  });

  test('what is no text file is refused, and nobody waits for a pipe', () => {
    execFileSync('mkfifo', [path('pipe')]);
    assert.throws(() => readConfigSource(root), is('config', /is a directory$/));
    assert.throws(() => readConfigSource(path('pipe')), is('config', /is no regular file$/));
    assert.throws(() => readConfigSource('/dev/zero'), is('config', /is no regular file$/));
    assert.throws(() => readConfigSource(file('bytes', Buffer.from([0x78, 0xff]))), is('config', /not valid UTF-8$/));
  });

  test('a megabyte is read, a byte more is refused', () => {
    const found = readConfigSource(file('full', '#'.repeat(1024 * 1024)));
    assert.ok(found.access === 'present' && found.source.text.length === 1024 * 1024);
    assert.throws(() => readConfigSource(file('more', '#'.repeat(1024 * 1024 + 1))), is('config', /is too large/));
  });
});

describe('writing', () => {
  test('a new file is for only us, in new folders', async () => {
    await writeNewConfig(path('new/er/c.toml'), 'x');
    assert.equal(readFileSync(path('new/er/c.toml'), 'utf8'), 'x');
    assert.equal(statSync(path('new/er/c.toml')).mode & 0o777, 0o600);
    assert.equal(statSync(path('new')).mode & 0o777, 0o700);
  });

  test('nothing is overwritten, nor written through a link to nowhere', async () => {
    await assert.rejects(writeNewConfig(file('there', 'old'), 'x'), is('cannot-create', /is there already/));
    assert.equal(readFileSync(path('there'), 'utf8'), 'old');
    symlinkSync(path('nowhere'), path('dangling'));
    await assert.rejects(writeNewConfig(path('dangling'), 'x'), is('cannot-create', /is there already/));
    await assert.rejects(writeNewConfig(join(path('there'), 'c'), 'x'), is('cannot-create', /^cannot create/));
  });
});

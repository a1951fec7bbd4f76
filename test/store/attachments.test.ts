// Attachments on disk: whatever a message calls them, they stay in their directory, overwrite nothing and are private.
import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { safeName, saveAttachments } from '../../src/store/attachments.ts';
import { systemDisk } from '../../src/store/disk.ts';

const workspace = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};
const file = (filename: string | null, content = 'x') => ({ filename, content: () => Buffer.from(content) });
const withCode = (code: string) => (thrown: unknown) => thrown instanceof EhloError && thrown.code === code;

test('names of messages become names of files', () => {
  const cases: [filename: string | null, name: string][] = [
    ['report.pdf', 'report.pdf'],
    ['Grüße 2026.txt', 'Grüße 2026.txt'],
    ['../../etc/passwd', 'passwd'],
    ['/etc/passwd', 'passwd'],
    ['..\\..\\autoexec.bat', 'autoexec.bat'],
    ['..', '__'],
    ['.', '_'],
    ['.bashrc', '_bashrc'],
    ['-rf', '_rf'],
    ['a\0b', 'a_b'],
    ['a\nb\x1b[31m', 'a_b__31m'],
    ['invoice\u202etxt.exe', 'invoice_txt.exe'],
    ['a\u200bb', 'a_b'],
    ['a$(rm)`b`;&|<>*?"\'', 'a_(rm)_b__________'],
    ['dir/', 'attachment'],
    ['', 'attachment'],
    [null, 'attachment'],
    ['name. ', 'name_'],
    [`${'x'.repeat(300)}.pdf`, `${'x'.repeat(116)}.pdf`],
    [`${'ü'.repeat(300)}.pdf`, `${'ü'.repeat(58)}.pdf`],
    [`a.${'x'.repeat(300)}`, `a.${'x'.repeat(118)}`],
  ];
  for (const [filename, name] of cases) assert.equal(safeName(filename), name, JSON.stringify(filename));
});

test('law: no name leaves the directory, starts with a dot or dash, or holds what a terminal or shell acts on', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.stringMatching(/^[./\\~\-a\0 ]*$/)),
      (filename) => {
        const name = safeName(filename);
        assert.equal(basename(name), name);
        assert.equal(dirname(join('/out', `001-${name}`)), '/out');
        assert.match(name, /^[^.\-\p{C}][^\p{C}/\\]*$/u);
        assert.ok(Buffer.byteLength(name) <= 120);
      },
    ),
    { numRuns: 1000 },
  );
});

test('files are numbered, private and inside of the directory, which is made', async (t) => {
  const directory = join(workspace(t), 'new');
  const paths = await saveAttachments(directory, [file('a.txt', 'one'), file('a.txt', 'two'), file('../a.txt', '')]);
  assert.deepEqual(
    paths.map((path) => basename(path)),
    ['001-a.txt', '002-a.txt', '003-a.txt'],
  );
  assert.deepEqual(
    paths.map((path) => readFileSync(path, 'utf8')),
    ['one', 'two', ''],
  );
  assert.deepEqual(readdirSync(directory).sort(), ['001-a.txt', '002-a.txt', '003-a.txt']);
  for (const path of paths) assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test('nothing is overwritten, not even through a symbolic link, and no half file stays', async (t) => {
  const directory = workspace(t);
  const victim = join(directory, 'victim');
  writeFileSync(victim, 'precious');
  const out = join(directory, 'out');
  mkdirSync(out);
  symlinkSync(victim, join(out, '001-a.txt'));
  await assert.rejects(saveAttachments(out, [file('a.txt')]), withCode('cannot-create'));
  assert.equal(readFileSync(victim, 'utf8'), 'precious');
  assert.ok(lstatSync(join(out, '001-a.txt')).isSymbolicLink());
  assert.deepEqual(readdirSync(out), ['001-a.txt']);
});

test('a full disk leaves nothing behind and says io', async (t) => {
  const directory = workspace(t);
  const full = {
    ...systemDisk,
    write: async () => {
      throw new EhloError('io', 'cannot write: the disk is full');
    },
  };
  await assert.rejects(saveAttachments(directory, [file('a.txt')], full), withCode('io'));
  assert.deepEqual(readdirSync(directory), []);
});

test('a place that cannot be made is an error of ours', async (t) => {
  const directory = workspace(t);
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(
    saveAttachments(join(directory, 'file'), [file('a')]),
    (thrown: unknown) => thrown instanceof EhloError,
  );
  await assert.rejects(
    saveAttachments(join(directory, 'no', 'parent'), [file('a')]),
    (thrown: unknown) => thrown instanceof EhloError,
  );
  chmodSync(directory, 0o700);
});

test('more files than any mail has are refused before the first is written', async (t) => {
  const directory = join(workspace(t), 'many');
  await assert.rejects(
    saveAttachments(
      directory,
      Array.from({ length: 1001 }, () => file('a')),
    ),
    withCode('limit-reached'),
  );
  assert.throws(() => statSync(directory));
});

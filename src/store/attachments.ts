// Attachments as files: names that cannot leave the directory nor act on a terminal or a shell, nothing ever overwritten,
// 0600, and a file is there only when it is whole.
import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { EhloError } from '../base/errors.ts';
import { type Disk, systemCode, systemDisk } from './disk.ts';
import { NewFile } from './new-file.ts';

export interface AttachmentFile {
  /** As the message names it: untrusted. */
  filename: string | null;
  content(): Buffer;
}

/** More files in one go are refused: that is no mail. */
const filesMax = 1000;
/** Octets; file systems take 255, the prefix and a shell need some. */
const nameMax = 120;
/** For the end of the name, which tells programs what is inside. */
const extensionMax = 20;

/** Writes all of them and returns their paths. Errors: 'cannot-create' (a file is there already), 'io', 'limit-reached'. */
export async function saveAttachments(
  directory: string,
  files: readonly AttachmentFile[],
  disk: Disk = systemDisk,
): Promise<string[]> {
  if (files.length > filesMax) {
    throw new EhloError('limit-reached', `the message has ${files.length} attachments; at most ${filesMax} are saved`, {
      hint: 'nothing was saved; take single parts with --part',
    });
  }
  await disk.mkdir(directory, 0o700);
  // From here on a symbolic link that is swapped in changes nothing.
  const target = await realpath(directory);
  const paths: string[] = [];
  for (const [at, file] of files.entries()) {
    const path = join(target, `${String(at + 1).padStart(3, '0')}-${safeName(file.filename)}`);
    await saveOne(disk, target, path, file.content());
    paths.push(path);
  }
  return paths;
}

async function saveOne(disk: Disk, target: string, path: string, content: Buffer): Promise<void> {
  const file = new NewFile(disk, join(target, `.ehlo-${randomBytes(9).toString('hex')}.tmp`));
  try {
    await file.write(content);
    await file.finish();
    // A link never replaces what is there, not even a symbolic link.
    await disk.link(file.path, path);
  } catch (failure) {
    if (systemCode(failure) !== 'EEXIST') throw failure;
    throw new EhloError('cannot-create', `${path} is there already; nothing is overwritten`, {
      hint: 'give an empty directory',
      cause: failure,
    });
  } finally {
    await file.discard();
  }
}

/** Letters, digits and a few marks of any script; what is left of any other name. Never empty, never `.`, `..` or `-x`. */
export function safeName(filename: string | null): string {
  const base = (filename ?? '').slice(-4096).split(/[/\\]/).at(-1) ?? '';
  const plain = base
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N} ._+=@(),-]/gu, '_')
    // Fillers and variation selectors: letters and marks that nobody sees.
    // biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points are meant
    .replace(/[\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu, '_')
    .trim()
    .replace(/^[.-]/, '_')
    .replace(/[. ]$/, '_');
  return plain === '' ? 'attachment' : shorten(plain);
}

function shorten(name: string): string {
  if (Buffer.byteLength(name) <= nameMax) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= extensionMax ? name.slice(dot) : '';
  let out = '';
  for (const char of name) {
    if (Buffer.byteLength(out + char + extension) > nameMax) break;
    out += char;
  }
  return out + extension;
}

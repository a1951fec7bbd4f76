// A file or an open descriptor that holds a password, a token or a key: a file is refused when others may read it (msmtp, ssh
// and fetchmail do the same). What is in it is the caller's business.
import { close, fstat, read } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EhloError } from '../base/errors.ts';
import { cannotRead } from './files.ts';

/** More than this is some other file given by mistake. */
const limit = 64 * 1024;

/** The bytes. 'no-input' where it does not exist, 'config' where its owner or mode is too open, else 'io'. */
export async function readSecretFile(path: string, holds = 'a password'): Promise<Buffer> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw cannotRead(path, cause);
  });
  try {
    await checkFile(file, path, holds);
    const bytes = await upToLimit(async (buffer, at) => (await file.read(buffer, at, limit - at, null)).bytesRead);
    if (bytes) return bytes;
    throw new EhloError('config', `${path} is too large to hold ${holds}`);
  } finally {
    await file.close();
  }
}

/** For keys that come from tools which leave them open: told, not refused. False where there is no such file (`-`). */
export const othersMayRead = async (path: string): Promise<boolean> =>
  path !== '-' &&
  (await stat(path).then(
    ({ mode }) => (mode & 0o077) !== 0,
    () => false,
  ));

async function checkFile(file: FileHandle, path: string, holds: string): Promise<void> {
  const facts = await file.stat();
  if (facts.isDirectory()) throw new EhloError('io', `${path} is a directory, not a file with ${holds}`);
  const owners = [0, process.getuid?.() ?? facts.uid];
  if (!owners.includes(facts.uid)) throw new EhloError('config', `${path} holds ${holds} but belongs to another user`);
  if (facts.mode & 0o077) {
    throw new EhloError('config', `${path} holds ${holds} but others may read or change it`, {
      hint: `chmod 600 ${path}`,
    });
  }
}

/** All that comes from a descriptor that whoever started us has opened (`7<file`, a pipe); then it is closed. */
export async function readSecretDescriptor(fd: number): Promise<Buffer> {
  const refuse = (problem: string, cause?: unknown): EhloError =>
    new EhloError('config', `descriptor ${fd} ${problem}`, {
      hint: `open it for reading where ehlo is started: ehlo ... ${fd}<FILE`,
      cause,
    });
  const facts = await promisify(fstat)(fd).catch((cause: unknown) => {
    throw refuse('is not open', cause);
  });
  // Node has descriptors of its own, for events; nobody's password is there.
  if (!facts.isFile() && !facts.isFIFO() && !facts.isSocket() && !facts.isCharacterDevice()) {
    throw refuse('is neither a file nor a pipe');
  }
  const readInto = async (buffer: Buffer, at: number): Promise<number> =>
    (await promisify(read)(fd, buffer, at, limit - at, null)).bytesRead;
  const bytes = await upToLimit(readInto).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(cause.code === 'EBADF' ? 'is not open for reading' : `cannot be read: ${cause.message}`, cause);
  });
  await promisify(close)(fd).catch(() => undefined);
  if (bytes) return bytes;
  throw refuse('has too much in it to be a password');
}

/** Undefined: there is more than the limit. */
async function upToLimit(readInto: (buffer: Buffer, at: number) => Promise<number>): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(limit);
  for (let size = 0; size < limit; ) {
    const count = await readInto(buffer, size);
    if (count === 0) return buffer.subarray(0, size);
    size += count;
  }
  return undefined;
}

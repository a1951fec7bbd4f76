// A file that holds a password or token: refused when others may read it (msmtp, ssh and fetchmail do the same).
import { open } from 'node:fs/promises';
import { EhloError } from '../base/errors.ts';
import { cannotRead } from './files.ts';

/** More than this is some other file given by mistake. */
const limit = 64 * 1024;

/** The bytes. 'no-input' where it does not exist, 'config' where its owner or mode is too open, else 'io'. */
export async function readSecretFile(path: string): Promise<Buffer> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw cannotRead(path, cause);
  });
  try {
    const facts = await file.stat();
    if (facts.isDirectory()) throw new EhloError('io', `${path} is a directory, not a password file`);
    const owners = [0, process.getuid?.() ?? facts.uid];
    if (!owners.includes(facts.uid)) {
      throw new EhloError('config', `${path} holds a password but belongs to another user`);
    }
    if (facts.mode & 0o077) {
      throw new EhloError('config', `${path} holds a password but others may read or change it`, {
        hint: `chmod 600 ${path}`,
      });
    }
    const buffer = Buffer.alloc(limit);
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, size, limit - size, null);
      size += bytesRead;
      if (size === limit) throw new EhloError('config', `${path} is too large to be a password file`);
      if (bytesRead === 0) return buffer.subarray(0, size);
    }
  } finally {
    await file.close();
  }
}

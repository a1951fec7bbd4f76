// The file of --tls-get-cert: the certificates that a server showed, as PEM. It is there only when it is whole, and what is
// there already is never replaced by something else.
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { EhloError } from '../base/errors.ts';
import { type Disk, systemCode, systemDisk } from './disk.ts';

/** 'cannot-create' where the name is taken by other content, or the file cannot be made. */
export async function saveChain(path: string, chain: readonly string[], disk: Disk = systemDisk): Promise<void> {
  const bytes = Buffer.from(chain.map((pem) => `${pem.trimEnd()}\n`).join(''));
  const temporary = join(dirname(path), `.ehlo-${randomBytes(9).toString('hex')}.tmp`);
  try {
    // Certificates are public (RFC 5280); a file for --ca may be read by everybody.
    const fd = await disk.open(temporary, 'wx', 0o644);
    try {
      await disk.write(fd, bytes);
      await disk.fsync(fd);
    } finally {
      await disk.close(fd);
    }
    await disk.link(temporary, path);
  } catch (failure) {
    if (systemCode(failure) !== 'EEXIST') throw cannotCreate(path, failure);
    // A link to nothing has the name, but no content that could be compared.
    const same = await isSame(disk, path, bytes).catch((cause: unknown) => {
      throw cannotCreate(path, cause);
    });
    if (same) return;
    throw new EhloError('cannot-create', `${path} is there already with other content, and nothing is overwritten`, {
      hint: 'give another name to --tls-get-cert; if the server changed its certificate, find out why first',
    });
  } finally {
    await disk.unlink(temporary).catch(() => undefined);
  }
}

const isSame = async (disk: Disk, path: string, bytes: Buffer): Promise<boolean> => {
  const there = await disk.stat(path);
  return !there.isDirectory && there.size === bytes.length && (await disk.readFile(path)).equals(bytes);
};

const cannotCreate = (path: string, cause: unknown): EhloError =>
  new EhloError(
    'cannot-create',
    `--tls-get-cert: ${path} cannot be created: ${cause instanceof Error ? cause.message : ''}`,
    { cause },
  );

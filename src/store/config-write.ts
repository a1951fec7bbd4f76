// Writes a new configuration file: 0600 in folders of 0700, and never over another file.
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EhloError } from '../base/errors.ts';

/** Throws 'cannot-create' where something of that name is there already (a dangling link too), or where it cannot be made. */
export async function writeNewConfig(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw cannotCreate(path, thrown);
  }
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (thrown) {
      // Half a configuration is worse than none.
      await rm(path, { force: true });
      throw thrown;
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw cannotCreate(path, thrown);
    throw new EhloError('cannot-create', `${path} is there already, and nothing is overwritten`, {
      cause: thrown,
      hint: 'edit it, or give another file with -o',
    });
  }
}

const cannotCreate = (path: string, cause: unknown): EhloError =>
  new EhloError('cannot-create', `cannot create ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    hint: 'give another file with -o',
  });

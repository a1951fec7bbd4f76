// A small file for other programs to wait for: it is not there, or it is there whole.
import { rename, rm, writeFile } from 'node:fs/promises';
import { EhloError } from '../base/errors.ts';

/** Takes away what an earlier run left, so that nobody reads old ports. */
export async function clearReadyFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((cause: Error) => {
    throw cannotCreate(path, cause);
  });
}

export async function writeReadyFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw cannotCreate(path, cause instanceof Error ? cause : new Error(String(cause)));
  }
}

const cannotCreate = (path: string, cause: Error): EhloError =>
  new EhloError('cannot-create', `cannot create ${path}: ${cause.message}`, { cause });

// A folder for mail: made with its parents where it is not there, each 0700, for mail is private.
import { dirname } from 'node:path';
import { EhloError } from '../base/errors.ts';
import { type Disk, systemCode } from './disk.ts';

/** `hint`: what to do where a file is in the way. Resolves with the folders that were made, the outermost first. */
export async function makeDirectory(disk: Disk, path: string, hint: string): Promise<string[]> {
  try {
    if (await disk.mkdir(path, 0o700)) return [path];
  } catch (failure) {
    if (systemCode(failure) !== 'ENOENT' || dirname(path) === path) throw cannotCreate(path, failure);
    const parents = await makeDirectory(disk, dirname(path), hint);
    return [...parents, ...(await makeDirectory(disk, path, hint))];
  }
  if ((await disk.stat(path)).isDirectory) return [];
  throw new EhloError('cannot-create', `${path} is a file; a folder is needed there`, { hint });
}

const cannotCreate = (path: string, cause: unknown): EhloError =>
  new EhloError('cannot-create', `the folder ${path} cannot be made: ${cause instanceof Error ? cause.message : ''}`, {
    cause,
  });

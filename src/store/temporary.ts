// Private temporary files: mode 0600 in a directory of mode 0700, gone when disposed and, whatever happens, at exit.
import { rmSync, type Stats } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EhloError } from '../base/errors.ts';

export interface TemporaryFile {
  readonly path: string;
  write(chunk: Buffer): Promise<void>;
  /** Closes it for writing. */
  finish(): Promise<Stats>;
  /** Takes it away. Never throws. */
  dispose(): Promise<void>;
}

/** Directories of this process that still exist. */
const directories = new Set<string>();

function removeAtExit(directory: string): void {
  if (directories.size === 0 && !process.listeners('exit').includes(removeAll)) process.on('exit', removeAll);
  directories.add(directory);
}

function removeAll(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}

/** Throws 'cannot-create' where there is no place for it, 'io' where the disk is full. */
export async function createTemporaryFile(): Promise<TemporaryFile> {
  // mkdtemp makes the directory 0700 whatever the umask.
  const directory = await mkdtemp(join(tmpdir(), 'ehlo-')).catch((cause: NodeJS.ErrnoException) => {
    throw new EhloError('cannot-create', `no temporary file can be made in ${tmpdir()}: ${cause.message}`, {
      hint: 'set TMPDIR to a directory with space',
      cause,
    });
  });
  removeAtExit(directory);
  const path = join(directory, 'spool');
  const failed = (cause: NodeJS.ErrnoException): never => {
    throw new EhloError('io', `the temporary file ${path} cannot be written: ${cause.message}`, {
      hint: 'set TMPDIR to a directory with space',
      cause,
    });
  };
  const file = await open(path, 'wx', 0o600).catch(failed);
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await file.close();
  };
  return {
    path,
    async write(chunk) {
      await file.writeFile(chunk).catch(failed);
    },
    async finish() {
      const facts = await file.stat().catch(failed);
      await close().catch(failed);
      return facts;
    },
    async dispose() {
      await close().catch(() => {});
      await rm(directory, { recursive: true, force: true }).catch(() => {});
      directories.delete(directory);
    },
  };
}

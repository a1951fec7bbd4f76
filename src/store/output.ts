// Where `fetch -o` puts messages: a folder of .eml files, a Maildir, or one file. Names never come from the network, nothing
// is ever overwritten, and a file is there only when it is whole and synced.
import { createHash, randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { FetchOutput, MessageOutput } from '../app/fetch-output.ts';
import type { Clock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import { makeDirectory } from './directory.ts';
import { DirectorySync, type Disk, systemCode, systemDisk } from './disk.ts';
import { UniqueNames } from './maildir-names.ts';
import { NewFile } from './new-file.ts';

/** Files of one name beside each other: `-2` to this. */
const sameName = 1000;

const anotherOutput = 'give another -o';

const temporaryIn = (directory: string): string => join(directory, `.ehlo-${randomBytes(9).toString('hex')}.tmp`);

/** A folder of NNN-<hash>.eml: the message's number, and the first digits of the SHA-256 of its UIDL (of the content, without one). */
export async function openFolder(directory: string, disk: Disk = systemDisk): Promise<FetchOutput> {
  const made = await makeDirectory(disk, directory, anotherOutput);
  const sync = new DirectorySync(disk);
  return {
    durable: true,
    begin({ number, uid }) {
      const hash = createHash('sha256');
      if (uid !== null) hash.update(uid);
      const file = new NewFile(disk, temporaryIn(directory));
      return {
        write(chunk) {
          if (uid === null) hash.update(chunk);
          return file.write(chunk);
        },
        commit: () =>
          orDiscard(file, async () => {
            await file.finish();
            const name = `${String(number).padStart(3, '0')}-${hash.digest('hex').slice(0, 12)}`;
            return place(disk, file, directory, name);
          }),
        abort: () => file.discard(),
      };
    },
    settle: () => settled(sync, [directory], made),
  };
}

/** Gives the file a name that nobody has. The same message there already (from an earlier run) is enough: no second copy. */
async function place(
  disk: Disk,
  file: NewFile,
  directory: string,
  name: string,
): Promise<{ file: string; note?: string }> {
  for (let copy = 1; copy <= sameName; copy++) {
    const path = join(directory, `${name}${copy === 1 ? '' : `-${copy}`}.eml`);
    try {
      await disk.link(file.path, path);
      await disk.unlink(file.path);
      return { file: path };
    } catch (failure) {
      if (systemCode(failure) !== 'EEXIST') throw failure;
    }
    if (await sameContent(disk, file, path)) {
      await file.discard();
      return { file: path, note: `${path} is there already with the same content; it was not stored again` };
    }
  }
  throw new EhloError('cannot-create', `${directory} has ${sameName} other files named ${name}.eml`, {
    hint: 'give another folder with -o',
  });
}

async function sameContent(disk: Disk, { path: ours, size }: NewFile, theirs: string): Promise<boolean> {
  if ((await disk.stat(theirs)).size !== size) return false;
  const [a, b] = await Promise.all([disk.open(ours, 'r'), disk.open(theirs, 'r')]);
  try {
    for (;;) {
      const [left, right] = await Promise.all([disk.read(a, 65_536), disk.read(b, 65_536)]);
      if (Buffer.compare(left, right) !== 0) return false;
      if (left.length === 0) break;
    }
    // Whoever wrote it may not have synced it.
    await disk.fsync(b);
    return true;
  } finally {
    await Promise.all([disk.close(a), disk.close(b)]);
  }
}

export interface MaildirOutputOptions {
  clock: Clock;
  hostname: string;
  pid: number;
  disk?: Disk;
}

/** One Maildir (https://cr.yp.to/proto/maildir.html): into tmp, synced, renamed into new, the directory synced. */
export async function openMaildirOutput(directory: string, options: MaildirOutputOptions): Promise<FetchOutput> {
  const disk = options.disk ?? systemDisk;
  const made = await makeDirectory(disk, directory, anotherOutput);
  for (const part of ['tmp', 'new', 'cur']) {
    made.push(...(await makeDirectory(disk, join(directory, part), anotherOutput)));
  }
  const names = new UniqueNames(options.hostname, options.pid);
  const sync = new DirectorySync(disk);
  const target = join(directory, 'new');
  return {
    durable: true,
    begin() {
      const name = names.next(options.clock.date());
      const file = new NewFile(disk, join(directory, 'tmp', name));
      const path = join(target, name);
      return {
        write: (chunk) => file.write(chunk),
        commit: () =>
          orDiscard(file, async () => {
            await file.finish();
            // Unique by its making: there is nothing to overwrite.
            await disk.rename(file.path, path);
            return { file: path };
          }),
        abort: () => file.discard(),
      };
    },
    settle: () => settled(sync, [target], made),
  };
}

/** One file with everything in it, one message behind the other. It gets its name at the end, and only if nothing broke. */
export async function openSingleFile(path: string, disk: Disk = systemDisk): Promise<FetchOutput> {
  const directory = dirname(path);
  if (await exists(disk, path)) throw taken(path);
  const file = new NewFile(disk, temporaryIn(directory));
  const sync = new DirectorySync(disk);
  let commits = 0;
  let broken = false;
  const message: MessageOutput = {
    write: (chunk) => file.write(chunk),
    async commit() {
      commits++;
      return { file: path };
    },
    async abort() {
      broken = true;
    },
  };
  return {
    durable: true,
    begin: () => message,
    async settle() {
      if (broken || commits === 0) {
        await file.discard();
        return false;
      }
      await orDiscard(file, async () => {
        await file.finish();
        await disk.link(file.path, path).catch((failure) => {
          throw systemCode(failure) === 'EEXIST' ? taken(path) : failure;
        });
        await disk.unlink(file.path);
      });
      return settled(sync, [directory]);
    },
  };
}

const taken = (path: string): EhloError =>
  new EhloError('cannot-create', `${path} is there already, and nothing is overwritten`, {
    hint: 'give another name with -o',
  });

async function orDiscard<T>(file: NewFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
}

/** `made`: folders that are new, and as lost after a crash as what is in them, until those around them are synced: once. */
async function settled(sync: DirectorySync, directories: string[], made: string[] = []): Promise<true> {
  try {
    const around = made.map((path) => dirname(path));
    await Promise.all([...new Set([...directories, ...around])].map((directory) => sync.sync(directory)));
    made.length = 0;
    return true;
  } finally {
    await sync.close();
  }
}

async function exists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.stat(path);
    return true;
  } catch (failure) {
    if (systemCode(failure) === 'ENOENT') return false;
    throw failure;
  }
}

/** What is at a path, to tell -o DIR from -o FILE. */
export async function kindOfPath(path: string, disk: Disk = systemDisk): Promise<'folder' | 'file' | 'nothing'> {
  if (!(await exists(disk, path))) return 'nothing';
  return (await disk.stat(path)).isDirectory ? 'folder' : 'file';
}

// A spool in a directory (app/spool.ts): ID.eml is the message, ID.json what is known of it. What is there is whole: each is
// written under a temporary name, synced, renamed, and the directory synced, the message before the metadata.
// Claiming is one rename, ID.json to ID.json.OWNER: only one process can make it, and a name whose owner is gone can be
// renamed on, by only one again. There is no lock file to be left over. ID.json.OWNER holds the state while it is claimed.
import { dirname, join } from 'node:path';
import type { Claim, Claimed, ClaimState, QueueEntry, Spool, SpoolItem } from '../app/spool.ts';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { spoolThreshold } from '../base/limits.ts';
import { makeDirectory } from './directory.ts';
import { DirectorySync, type Disk, systemCode, systemDisk } from './disk.ts';
import { fileSource } from './files.ts';
import { removeFile } from './maildir-sweep.ts';
import { NewFile } from './new-file.ts';
import { isOwner, type Owner, ownerOf, ownerState } from './process-owner.ts';
import { parseQueueEntry, printQueueEntry } from './spool-entry.ts';

const idForm = /^[a-z0-9][a-z0-9-]{0,79}$/;
const metadataForm = /^([a-z0-9][a-z0-9-]{0,79})\.json(?:\.(.+))?$/;
const messageForm = /^([a-z0-9][a-z0-9-]{0,79})\.eml$/;
const temporaryForm = /^\.([a-z0-9][a-z0-9-]{0,79})\.([0-9a-f-]+)\.(?:eml|json)\.tmp$/;
/** Thousands of recipients fit; something else given this name need not be read whole. */
const metadataMax = 16 * 1024 * 1024;

export interface SpoolOptions {
  disk?: Disk;
  /** False: a directory that is not there is 'no-input'. */
  create: boolean;
  /** For tests of what another process finds. */
  owner?: Owner;
  stateOf?: (owner: Owner) => 'running' | 'gone' | 'elsewhere';
}

/** Throws 'cannot-create', 'no-input', and 'config' where others may write there. */
export async function openSpool(directory: string, options: SpoolOptions): Promise<Spool> {
  const disk = options.disk ?? systemDisk;
  const made = options.create ? await makeDirectory(disk, directory, 'give another --spool') : [];
  const sync = new DirectorySync(disk);
  try {
    for (const path of made) await sync.sync(dirname(path));
    const facts = await disk.lstat(`${directory}/.`).catch((cause) => {
      if (systemCode(cause) !== 'ENOENT') throw cause;
      throw new EhloError('no-input', `there is no spool ${directory}`, { cause });
    });
    if (!facts.isDirectory()) throw new EhloError('no-input', `${directory} is not a directory`);
    if (facts.mode & 0o022 || ![0, process.getuid?.() ?? facts.uid].includes(facts.uid)) {
      throw new EhloError('config', `the spool ${directory} belongs to somebody else, or others may write to it`, {
        hint: `chmod 700 ${directory}`,
      });
    }
  } catch (failure) {
    await sync.close();
    throw failure;
  }
  return new DirectorySpool(
    directory,
    disk,
    sync,
    options.owner ?? ownerOf(process.pid),
    options.stateOf ?? ownerState,
  );
}

interface Found {
  name: string;
  owner: Owner | undefined;
}

/** A listing that saw both ends of a rename has two names; the free one is tried first, and gone soon enough if it is old. */
function foundIn(names: readonly string[], id: string): Found | null {
  if (names.includes(`${id}.json`)) return { name: `${id}.json`, owner: undefined };
  const name = names.find((one) => one.startsWith(`${id}.json.`));
  return name === undefined ? null : { name, owner: name.slice(`${id}.json.`.length) };
}

class DirectorySpool implements Spool {
  readonly name: string;
  readonly #disk: Disk;
  readonly #sync: DirectorySync;
  readonly #owner: Owner;
  readonly #stateOf: (owner: Owner) => 'running' | 'gone' | 'elsewhere';

  constructor(
    directory: string,
    disk: Disk,
    sync: DirectorySync,
    owner: Owner,
    stateOf: (owner: Owner) => 'running' | 'gone' | 'elsewhere',
  ) {
    this.name = directory;
    this.#disk = disk;
    this.#sync = sync;
    this.#owner = owner;
    this.#stateOf = stateOf;
  }

  async add(entry: Omit<QueueEntry, 'size'>, message: ByteSource): Promise<QueueEntry | null> {
    const { id } = entry;
    if (!idForm.test(id)) throw new EhloError('internal', `${id} is no id of a queue entry`);
    if (await this.#lookUp(id)) return null;
    const body = new NewFile(this.#disk, this.#temporary(id, 'eml'));
    const metadata = new NewFile(this.#disk, this.#temporary(id, 'json'));
    const named: string[] = [];
    const rename = async (file: NewFile, path: string): Promise<void> => {
      await this.#disk.rename(file.path, path);
      named.unshift(path);
      await this.#sync.sync(this.name);
    };
    try {
      for await (const chunk of message.chunks()) await body.write(chunk);
      const whole: QueueEntry = { ...entry, size: body.size };
      metadata.write(printQueueEntry(whole));
      // Both before either has its name: a message whose metadata is still on the way is known as such to sweep().
      for (const step of await Promise.allSettled([body.finish(), metadata.finish()])) {
        if (step.status === 'rejected') throw step.reason;
      }
      await rename(body, this.#path(`${id}.eml`));
      await rename(metadata, this.#path(`${id}.json`));
      return whole;
    } catch (failure) {
      // Whoever hears of a failure keeps the message: it must not be sent from here too.
      for (const path of named) await this.#disk.unlink(path).catch(() => undefined);
      await Promise.all([body.discard(), metadata.discard()]);
      throw failure;
    }
  }

  async list(): Promise<SpoolItem[]> {
    const names = await this.#disk.readdir(this.name);
    const ids = [...new Set(names.flatMap((name) => metadataForm.exec(name)?.[1] ?? []))].sort();
    const items: SpoolItem[] = [];
    for (const id of ids) {
      const item = await this.#item(id, foundIn(names, id));
      if (item) items.push(item);
    }
    const created = (item: SpoolItem): string => (item.kind === 'entry' ? item.entry.created : '');
    return items.sort((a, b) => (created(a) < created(b) ? -1 : created(a) > created(b) ? 1 : 0));
  }

  async find(id: string): Promise<SpoolItem | null> {
    return this.#item(id, await this.#lookUp(id));
  }

  async #item(id: string, first: Found | null): Promise<SpoolItem | null> {
    let found = first;
    for (let look = 1; found; look++) {
      try {
        return { kind: 'entry', entry: await this.#read(id, found.name), claim: this.#claimState(found.owner) };
      } catch (failure) {
        // Renamed or removed between two looks.
        if (systemCode(failure) !== 'ENOENT' || look === 5) {
          return { kind: 'broken', id, problem: asEhloError(failure).message };
        }
        found = await this.#lookUp(id);
      }
    }
    return null;
  }

  async message(entry: QueueEntry): Promise<ByteSource> {
    const path = this.#path(`${entry.id}.eml`);
    const facts = await this.#disk.lstat(path);
    if (!facts.isFile()) throw new EhloError('io', `${path} is not a file`);
    if (facts.size !== entry.size) {
      throw new EhloError('io', `${path} has ${facts.size} bytes, and ${entry.size} were queued`);
    }
    return facts.size <= spoolThreshold ? bytesSource(await this.#disk.readFile(path)) : fileSource(path, facts);
  }

  async claim(id: string, take: { elsewhere: boolean } = { elsewhere: false }): Promise<Claimed> {
    const found = await this.#lookUp(id);
    if (!found) return { kind: 'gone' };
    const state = this.#claimState(found.owner);
    if (state === 'claimed' || (state === 'elsewhere' && !take.elsewhere)) return { kind: 'busy', where: state };
    // Read before it is claimed: what cannot be read keeps its name.
    const readable = await this.#read(id, found.name).catch((failure) => asEhloError(failure));
    if (readable instanceof EhloError) {
      return systemCode(readable) === 'ENOENT'
        ? { kind: 'busy', where: 'claimed' }
        : { kind: 'broken', problem: readable.message };
    }
    const path = this.#path(`${id}.json.${this.#owner}`);
    try {
      await this.#disk.rename(this.#path(found.name), path);
    } catch (failure) {
      if (systemCode(failure) === 'ENOENT') return { kind: 'busy', where: 'claimed' };
      throw failure;
    }
    try {
      // Again: between the reading and the rename another process may have claimed it, changed it and let go.
      return { kind: 'claimed', claim: this.#claimOf(await this.#read(id, `${id}.json.${this.#owner}`), path) };
    } catch (failure) {
      await this.#disk.rename(path, this.#path(`${id}.json`)).catch(() => undefined);
      return { kind: 'broken', problem: asEhloError(failure).message };
    }
  }

  async discard(id: string): Promise<boolean> {
    const found = await this.#lookUp(id);
    if (!found) return false;
    await removeFile(this.#disk, this.#path(found.name));
    await this.#sync.sync(this.name);
    await removeFile(this.#disk, this.#path(`${id}.eml`));
    return true;
  }

  async sweep(): Promise<number> {
    let removed = 0;
    const remove = async (name: string): Promise<void> => {
      await removeFile(this.#disk, this.#path(name));
      removed++;
    };
    for (const name of await this.#disk.readdir(this.name)) {
      const owner = temporaryForm.exec(name)?.[2];
      if (owner !== undefined && isOwner(owner) && this.#stateOf(owner) === 'gone') await remove(name);
    }
    // A message without metadata, temporary or not, in two looks: one may fall into somebody's rename.
    const lonely = this.#lonely(await this.#disk.readdir(this.name));
    if (lonely.length === 0) return removed;
    const still = new Set(this.#lonely(await this.#disk.readdir(this.name)));
    for (const name of lonely) if (still.has(name)) await remove(name);
    return removed;
  }

  close(): Promise<void> {
    return this.#sync.close();
  }

  #lonely(names: readonly string[]): string[] {
    const known = new Set(names.map((name) => (metadataForm.exec(name) ?? temporaryForm.exec(name))?.[1]));
    return names.filter((name) => {
      const id = messageForm.exec(name)?.[1];
      return id !== undefined && !known.has(id);
    });
  }

  #claimOf(first: QueueEntry, path: string): Claim {
    let entry = first;
    let gone = false;
    return {
      get entry() {
        return entry;
      },
      update: async (next) => {
        const file = new NewFile(this.#disk, this.#temporary(entry.id, 'json'));
        try {
          file.write(printQueueEntry(next));
          await file.finish();
          await this.#disk.rename(file.path, path);
        } catch (failure) {
          await file.discard();
          throw failure;
        }
        await this.#sync.sync(this.name);
        entry = next;
      },
      remove: async () => {
        await removeFile(this.#disk, path);
        gone = true;
        // Else a crash could bring back an entry whose message is gone.
        await this.#sync.sync(this.name);
        await removeFile(this.#disk, this.#path(`${entry.id}.eml`));
      },
      release: async () => {
        if (gone) return;
        gone = true;
        await this.#disk.rename(path, this.#path(`${entry.id}.json`)).catch(() => undefined);
      },
    };
  }

  /** Its metadata, under either kind of name. A rename during a listing can hide both: what is not there is looked for twice. */
  async #lookUp(id: string): Promise<Found | null> {
    if (!idForm.test(id)) return null;
    return foundIn(await this.#disk.readdir(this.name), id) ?? foundIn(await this.#disk.readdir(this.name), id);
  }

  #claimState(owner: Owner | undefined): ClaimState {
    if (owner === undefined) return 'free';
    // A name that nobody of ours made is not ours to take.
    const state = isOwner(owner) ? this.#stateOf(owner) : 'elsewhere';
    return state === 'gone' ? 'free' : state === 'running' ? 'claimed' : 'elsewhere';
  }

  async #read(id: string, name: string): Promise<QueueEntry> {
    const path = this.#path(name);
    const facts = await this.#disk.lstat(path);
    if (!facts.isFile()) throw new EhloError('io', `${path} is not a file (a link or a directory is not followed)`);
    if (facts.size > metadataMax) throw new EhloError('io', `${path} is too large to be metadata`);
    const entry = parseQueueEntry(await this.#disk.readFile(path));
    if (entry.id !== id) throw new EhloError('io', `${path} calls itself by another id`);
    const message = await this.#disk.lstat(this.#path(`${id}.eml`)).catch(() => null);
    if (message?.isFile()) return entry;
    // Removed meanwhile? Then the metadata went first.
    await this.#disk.lstat(path);
    throw new EhloError('io', `${this.#path(`${id}.eml`)}, its message, is not there`);
  }

  readonly #path = (name: string): string => join(this.name, name);

  readonly #temporary = (id: string, kind: 'eml' | 'json'): string =>
    join(this.name, `.${id}.${this.#owner}.${kind}.tmp`);
}

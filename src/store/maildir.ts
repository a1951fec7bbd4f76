// The durable store: one Maildir (tmp, new, cur) for each mailbox under one directory, the envelope of each message in
// .envelopes/<id>.json beside them. A commit resolves only after write < fsync(file) < rename < fsync(directory).
// Other programs may read, move to cur and delete; this file keeps no index that they could make wrong.
import { join } from 'node:path';
import type { ByteSource } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { Arrivals, type Listener, type Matches, mailboxesOf } from './arrivals.ts';
import { DirectorySync, type Disk, systemCode, systemDisk } from './disk.ts';
import { MaildirDelivery } from './maildir-delivery.ts';
import { arrivalOrder, type EnvelopeFile, foreignEnvelope, parseEnvelopeFile } from './maildir-envelope.ts';
import { directoryMailbox, mailboxDirectory, messageId, UniqueNames } from './maildir-names.ts';
import { type Place, placePath, removeFile, sweepMaildirs } from './maildir-sweep.ts';
import { type Delivery, mailboxName, type ReceivedEnvelope, type Store, type StoredMessage } from './store.ts';

export interface MaildirOptions {
  clock: Clock;
  /** Goes into file names. */
  hostname: string;
  pid: number;
  /** Whether a process runs on this machine. */
  alive(pid: number): boolean;
  disk?: Disk;
}

const ENVELOPES = '.envelopes';
const wholeFile = 256 * 1024;
const chunkSize = 256 * 1024;

/** Opens (and creates) the store and removes what a crash left in it. Errors: 'io'. */
export async function openMaildir(root: string, options: MaildirOptions): Promise<Store> {
  const store = new MaildirStore(root, options);
  await store.prepare();
  return store;
}

class MaildirStore implements Store {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #sync: DirectorySync;
  readonly #names: UniqueNames;
  readonly #alive: (pid: number) => boolean;
  readonly #arrivals = new Arrivals();
  /** Mailboxes whose directories exist. */
  readonly #ready = new Map<string, Promise<void>>();
  /** Written, but not committed: not there yet for anybody. */
  readonly #inFlight = new Set<string>();
  /** Where a message was last seen, and what its envelope file says: both are checked or replaced when they are wrong. */
  readonly #seen = new Map<string, Place>();
  readonly #envelopes = new Map<string, EnvelopeFile>();

  constructor(root: string, options: MaildirOptions) {
    this.#root = root;
    this.#clock = options.clock;
    this.#disk = options.disk ?? systemDisk;
    this.#sync = new DirectorySync(this.#disk);
    this.#names = new UniqueNames(options.hostname, options.pid);
    this.#alive = options.alive;
  }

  async prepare(): Promise<void> {
    await this.#makeRoot(this.#root);
    await this.#disk.mkdir(join(this.#root, ENVELOPES), 0o700);
    await this.#sync.sync(this.#root);
    await sweepMaildirs({
      root: this.#root,
      envelopes: join(this.#root, ENVELOPES),
      disk: this.#disk,
      mailboxes: await this.#mailboxes(),
      places: (mailbox) => this.#places(mailbox),
      abandoned: (name) => this.#names.abandoned(name, this.#alive),
      now: this.#clock.date(),
    });
  }

  /** With parents. A directory is as durable as its entry in the one above it. */
  async #makeRoot(path: string): Promise<void> {
    const parent = join(path, '..');
    let made: boolean;
    try {
      made = await this.#disk.mkdir(path, 0o700);
    } catch (failure) {
      if (systemCode(failure) !== 'ENOENT' || parent === path) throw failure;
      await this.#makeRoot(parent);
      made = await this.#disk.mkdir(path, 0o700);
    }
    if (made) await this.#sync.sync(parent);
  }

  async begin(envelope: ReceivedEnvelope): Promise<Delivery> {
    const receivedAt = this.#clock.date();
    const mailboxes = mailboxesOf(envelope.rcptTo.map((recipient) => mailboxName(recipient.address)));
    const directories = mailboxes.map((mailbox) => join(this.#root, mailboxDirectory(mailbox)));
    for (const directory of directories) await this.#makeMailbox(directory);
    const id = this.#names.next(receivedAt);
    this.#inFlight.add(id);
    return new MaildirDelivery({
      disk: this.#disk,
      sync: this.#sync,
      directories,
      envelopes: join(this.#root, ENVELOPES),
      message: { id, mailboxes, receivedAt, envelope },
      done: (message) => {
        this.#inFlight.delete(id);
        if (message) this.#arrivals.announce(message);
      },
      failed: () => {
        // Somebody may have removed a mailbox under us: look again for the next message.
        this.#ready.clear();
        void this.#sync.close();
      },
    });
  }

  async list(mailbox?: string): Promise<StoredMessage[]> {
    const found = new Map<string, Place[]>();
    for (const name of await this.#mailboxes()) {
      for (const place of await this.#places(name)) {
        const id = messageId(place.file.slice('new/'.length));
        if (this.#inFlight.has(id)) continue;
        const places = found.get(id);
        if (places) places.push(place);
        else found.set(id, [place]);
      }
    }
    const messages: StoredMessage[] = [];
    for (const [id, places] of found) {
      if (mailbox !== undefined && !places.some((place) => place.mailbox === mailbox)) continue;
      const message = await this.#describe(id, places);
      if (message) messages.push(message);
    }
    return messages.sort(arrivalOrder);
  }

  async get(id: string): Promise<StoredMessage | undefined> {
    const places = await this.#find(id);
    return places.length === 0 ? undefined : this.#describe(id, places);
  }

  async read(id: string): Promise<ByteSource | undefined> {
    const path = await this.#locate(id);
    if (path === undefined) return undefined;
    try {
      const { size } = await this.#disk.stat(path);
      if (size <= wholeFile) {
        const bytes = await this.#disk.readFile(path);
        return { size: bytes.length, bytes, chunks: () => this.#chunks(id) };
      }
      return { size, chunks: () => this.#chunks(id) };
    } catch (failure) {
      // Somebody moved or removed it between two looks.
      if (systemCode(failure) !== 'ENOENT' || !this.#seen.delete(id)) throw failure;
      return this.read(id);
    }
  }

  async delete(id: string, mailbox?: string): Promise<boolean> {
    const places = await this.#find(id);
    const gone = mailbox === undefined ? places : places.filter((place) => place.mailbox === mailbox);
    for (const place of gone) await removeFile(this.#disk, this.#path(place));
    this.#seen.delete(id);
    if (gone.length > 0 && gone.length === places.length) {
      this.#envelopes.delete(id);
      await removeFile(this.#disk, join(this.#root, ENVELOPES, `${id}.json`));
    }
    return gone.length > 0;
  }

  onMessage(listener: Listener): () => void {
    return this.#arrivals.onMessage(listener);
  }

  waitFor(matches: Matches, signal: AbortSignal): Promise<StoredMessage | undefined> {
    return this.#arrivals.waitFor(() => this.list(), matches, signal);
  }

  async close(): Promise<void> {
    await this.#sync.close();
  }

  /** Directories are created once and are on disk before a message in them counts as stored. */
  #makeMailbox(directory: string): Promise<void> {
    const known = this.#ready.get(directory);
    if (known) return known;
    const made = (async () => {
      await this.#disk.mkdir(directory, 0o700);
      for (const part of ['tmp', 'new', 'cur']) await this.#disk.mkdir(join(directory, part), 0o700);
      await Promise.all([this.#sync.sync(directory), this.#sync.sync(this.#root)]);
    })();
    this.#ready.set(directory, made);
    made.catch(() => this.#ready.delete(directory));
    return made;
  }

  async #mailboxes(): Promise<string[]> {
    const names = await this.#disk.readdir(this.#root);
    return names.map(directoryMailbox).filter((mailbox) => mailbox !== undefined);
  }

  async #places(mailbox: string): Promise<Place[]> {
    const places: Place[] = [];
    for (const part of ['new', 'cur']) {
      const names = await this.#disk.readdir(join(this.#root, mailboxDirectory(mailbox), part)).catch((failure) => {
        // A plain file that somebody put beside the mailboxes.
        if (systemCode(failure) === 'ENOTDIR') return [];
        throw failure;
      });
      for (const name of names) if (!name.startsWith('.')) places.push({ mailbox, file: `${part}/${name}` });
    }
    return places;
  }

  /** Every copy of a message. */
  async #find(id: string): Promise<Place[]> {
    if (!isId(id) || this.#inFlight.has(id)) return [];
    const envelope = await this.#envelope(id);
    const mailboxes = envelope ? envelope.mailboxes : await this.#mailboxes();
    const found: Place[] = [];
    for (const mailbox of mailboxes) {
      const fresh = { mailbox, file: `new/${id}` };
      if (await this.#exists(this.#path(fresh))) found.push(fresh);
      else {
        const place = (await this.#places(mailbox)).find(({ file }) => messageId(file.slice('new/'.length)) === id);
        if (place) found.push(place);
      }
    }
    return found;
  }

  async #locate(id: string): Promise<string | undefined> {
    const seen = this.#seen.get(id);
    if (seen && (await this.#exists(this.#path(seen)))) return this.#path(seen);
    const [place] = await this.#find(id);
    if (place) this.#seen.set(id, place);
    return place && this.#path(place);
  }

  async #describe(id: string, places: Place[]): Promise<StoredMessage | undefined> {
    const [first] = places;
    if (!first) return undefined;
    this.#seen.set(id, first);
    const mailboxes = places.map((place) => place.mailbox);
    const known = await this.#envelope(id);
    if (known) {
      const inOrder = known.mailboxes.filter((mailbox) => mailboxes.includes(mailbox));
      const { size, receivedAt, envelope } = known;
      return { id, mailboxes: inOrder.length === mailboxes.length ? inOrder : mailboxes, size, receivedAt, envelope };
    }
    try {
      const { size, mtime } = await this.#disk.stat(this.#path(first));
      return { id, mailboxes, size, receivedAt: mtime, envelope: foreignEnvelope(mailboxes) };
    } catch (failure) {
      if (systemCode(failure) === 'ENOENT') return undefined;
      throw failure;
    }
  }

  async #envelope(id: string): Promise<EnvelopeFile | undefined> {
    const known = this.#envelopes.get(id);
    if (known) return known;
    try {
      const parsed = parseEnvelopeFile(await this.#disk.readFile(join(this.#root, ENVELOPES, `${id}.json`)));
      if (parsed) this.#envelopes.set(id, parsed);
      return parsed;
    } catch (failure) {
      if (systemCode(failure) === 'ENOENT') return undefined;
      throw failure;
    }
  }

  async *#chunks(id: string): AsyncGenerator<Buffer> {
    const path = await this.#locate(id);
    // Deleted meanwhile: opening it says so.
    const fd = await this.#disk.open(path ?? join(this.#root, ENVELOPES, `${id}.gone`), 'r');
    try {
      for (;;) {
        const chunk = await this.#disk.read(fd, chunkSize);
        if (chunk.length === 0) return;
        yield chunk;
      }
    } finally {
      await this.#disk.close(fd);
    }
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#disk.stat(path);
      return true;
    } catch (failure) {
      if (systemCode(failure) === 'ENOENT') return false;
      throw failure;
    }
  }

  #path(place: Place): string {
    return placePath(this.#root, place);
  }
}

/** Ids come from URLs too: nothing that could leave the directory. */
const isId = (id: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(id);

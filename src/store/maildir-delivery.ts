// One message on its way into a Maildir: small ones are written in one piece at the commit, large ones as they come.
// The order is the law "250 means stored": write < fsync(file) < link/rename < fsync(directory) < the commit resolves.
import { join } from 'node:path';
import { EhloError } from '../base/errors.ts';
import type { DirectorySync, Disk } from './disk.ts';
import { printEnvelopeFile } from './maildir-envelope.ts';
import type { Delivery, StoredMessage } from './store.ts';

export interface MaildirJob {
  disk: Disk;
  sync: DirectorySync;
  /** One Maildir a mailbox; the first holds the file in tmp, the others get links. */
  directories: string[];
  envelopes: string;
  message: Omit<StoredMessage, 'size'>;
  /** Called once at the end, with the message when it was stored. */
  done(message?: StoredMessage): void;
  /** The disk is not as it was taken to be. */
  failed(): void;
}

/** Up to here nothing is written before the commit: most messages then cost one write. */
const holdMax = 64 * 1024;

export class MaildirDelivery implements Delivery {
  readonly #job: MaildirJob;
  readonly #tmp: string;
  readonly #envelope: string;
  /** What exists on disk and must go if this fails. */
  readonly #made = new Set<string>();
  #held: Buffer[] = [];
  #heldBytes = 0;
  #size = 0;
  #fd: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #ended = false;

  constructor(job: MaildirJob) {
    this.#job = job;
    this.#tmp = join(this.#directory(), 'tmp', job.message.id);
    this.#envelope = join(job.envelopes, `${job.message.id}.json`);
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#ended) throw new EhloError('internal', 'the delivery of a message has ended already');
    if (this.#failure) throw this.#failure;
    this.#held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    this.#size += chunk.length;
    return this.#heldBytes > holdMax ? this.#spill() : undefined;
  }

  async commit(): Promise<StoredMessage> {
    const { disk, sync, directories, envelopes } = this.#job;
    const { id } = this.#job.message;
    const message: StoredMessage = { ...this.#job.message, size: this.#size };
    this.#ended = true;
    try {
      // The envelope first, so that a message which is there always has one.
      for (const step of await Promise.allSettled([this.#finish(), this.#writeEnvelope(message)])) {
        if (step.status === 'rejected') throw step.reason;
      }
      const [first, ...others] = directories.map((directory) => join(directory, 'new', id));
      for (const path of others) {
        await disk.link(this.#tmp, path);
        this.#made.add(path);
      }
      await disk.rename(this.#tmp, first ?? this.#tmp);
      this.#made.delete(this.#tmp);
      if (first) this.#made.add(first);
      await Promise.all([sync.sync(envelopes), ...directories.map((directory) => sync.sync(join(directory, 'new')))]);
    } catch (failure) {
      await this.#undo();
      this.#job.failed();
      throw failure;
    }
    this.#job.done(message);
    return message;
  }

  async abort(): Promise<void> {
    this.#ended = true;
    await this.#writing.catch(() => undefined);
    await this.#undo();
  }

  /** Writes what is held, after what is being written already. */
  #spill(): Promise<void> {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#job.disk.write(await this.#open(), bytes);
      } catch (failure) {
        this.#failure ??= failure;
        throw failure;
      }
    });
    return this.#writing;
  }

  async #finish(): Promise<void> {
    const { disk } = this.#job;
    await this.#spill();
    const fd = await this.#open();
    await disk.fsync(fd);
    this.#fd = undefined;
    // Synced already: nobody need wait for the handle to go.
    disk.close(fd).catch(() => undefined);
  }

  async #writeEnvelope(message: StoredMessage): Promise<void> {
    const { disk } = this.#job;
    const fd = await disk.open(this.#envelope, 'wx', 0o600);
    this.#made.add(this.#envelope);
    try {
      await disk.write(fd, printEnvelopeFile(message));
      await disk.fsync(fd);
    } finally {
      disk.close(fd).catch(() => undefined);
    }
  }

  async #open(): Promise<number> {
    if (this.#fd === undefined) {
      this.#fd = await this.#job.disk.open(this.#tmp, 'wx', 0o600);
      this.#made.add(this.#tmp);
    }
    return this.#fd;
  }

  async #undo(): Promise<void> {
    const { disk } = this.#job;
    const fd = this.#fd;
    this.#fd = undefined;
    this.#held = [];
    if (fd !== undefined) await disk.close(fd).catch(() => undefined);
    // What cannot be removed now is swept at the next start.
    for (const path of this.#made) await disk.unlink(path).catch(() => undefined);
    this.#made.clear();
    this.#job.done();
  }

  #directory(): string {
    const [first] = this.#job.directories;
    if (first === undefined) throw new EhloError('internal', 'a message without recipients cannot be stored');
    return first;
  }
}

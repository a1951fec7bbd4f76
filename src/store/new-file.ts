// A file that does not exist until it is whole: written under a temporary name (O_EXCL, 0600), synced, then given its name
// by whoever made it. Small content is written in one piece.
import type { Disk } from './disk.ts';

/** Up to here nothing is written before the end. */
const holdMax = 256 * 1024;

export class NewFile {
  readonly path: string;
  size = 0;
  readonly #disk: Disk;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #fd: number | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `path`: the temporary name, in the directory where the file will stay. */
  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.path = path;
  }

  write(chunk: Buffer): void | Promise<void> {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    this.size += chunk.length;
    return this.#heldBytes > holdMax ? this.#spill() : undefined;
  }

  /** Everything is on disk under the temporary name. */
  async finish(): Promise<void> {
    await this.#spill();
    const fd = await this.#open();
    await this.#disk.fsync(fd);
    this.#fd = undefined;
    await this.#disk.close(fd);
  }

  /** Takes the temporary name away. Never throws. */
  async discard(): Promise<void> {
    await this.#writing.catch(() => undefined);
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#disk.close(fd).catch(() => undefined);
    await this.#disk.unlink(this.path).catch(() => undefined);
  }

  /** One write after the other, however many are waiting. */
  #spill(): Promise<void> {
    const [only] = this.#held;
    const bytes = this.#held.length === 1 && only ? only : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#writing = this.#writing.then(async () => this.#disk.write(await this.#open(), bytes));
    return this.#writing;
  }

  async #open(): Promise<number> {
    this.#fd ??= await this.#disk.open(this.path, 'wx', 0o600);
    return this.#fd;
  }
}

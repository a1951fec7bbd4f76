// The few file operations of a Maildir, as promises over Node's callback calls (cheaper than fs.promises and its handles).
// An interface so that tests can watch the order of operations and let any of them fail. No policy here.
import fs from 'node:fs';
import { EhloError } from '../base/errors.ts';

export interface Disk {
  open(path: string, flags: 'r' | 'wx', mode?: number): Promise<number>;
  write(fd: number, bytes: Buffer): Promise<void>;
  fsync(fd: number): Promise<void>;
  close(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** True: it was not there before. The parent must exist. */
  mkdir(path: string, mode: number): Promise<boolean>;
  /** Names in a directory; none where it does not exist. */
  readdir(path: string): Promise<string[]>;
  readFile(path: string): Promise<Buffer>;
  stat(path: string): Promise<{ size: number; mtime: Date; isDirectory: boolean }>;
  /** Of the name itself: a symbolic link is not followed. */
  lstat(path: string): Promise<fs.Stats>;
  /** Up to `length` bytes from the current position; empty at the end. */
  read(fd: number, length: number): Promise<Buffer>;
}

type Done<T> = (failure: NodeJS.ErrnoException | null, value?: T) => void;

/** Each failure becomes one 'io' error that names the path; the system's error stays its cause. */
const call = <T>(what: string, path: string, run: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    // A call without a value has T = void.
    run((failure, value) => (failure ? reject(ioError(what, path, failure)) : resolve(value as T)));
  });

const words: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or directory',
  ENAMETOOLONG: 'the name is too long for the file system',
  EEXIST: 'it exists already',
  ENOTDIR: 'it is not a directory',
};

export const ioError = (what: string, path: string, cause: NodeJS.ErrnoException): EhloError =>
  new EhloError('io', `cannot ${what} ${path}: ${words[cause.code ?? ''] ?? cause.message}`, { cause });

export const systemCode = (thrown: unknown): string | undefined =>
  thrown instanceof EhloError && thrown.cause instanceof Error
    ? (thrown.cause as NodeJS.ErrnoException).code
    : undefined;

export const systemDisk: Disk = {
  open: (path, flags, mode = 0o600) => call<number>('open', path, (done) => fs.open(path, flags, mode, done)),
  async write(fd, bytes) {
    let at = 0;
    while (at < bytes.length) {
      at += await call<number>('write', 'the message', (done) =>
        fs.write(fd, bytes, at, bytes.length - at, null, done),
      );
    }
  },
  fsync: (fd) => call('sync', 'the message', (done) => fs.fsync(fd, done)),
  close: (fd) => call('close', 'the message', (done) => fs.close(fd, done)),
  rename: (from, to) => call('rename', from, (done) => fs.rename(from, to, done)),
  link: (from, to) => call('link', to, (done) => fs.link(from, to, done)),
  unlink: (path) => call('remove', path, (done) => fs.unlink(path, done)),
  async mkdir(path, mode) {
    try {
      await call<string | undefined>('create', path, (done) => fs.mkdir(path, { mode }, (failure) => done(failure)));
      return true;
    } catch (failure) {
      if (systemCode(failure) === 'EEXIST') return false;
      throw failure;
    }
  },
  async readdir(path) {
    try {
      return await call<string[]>('list', path, (done) => fs.readdir(path, done));
    } catch (failure) {
      if (systemCode(failure) === 'ENOENT') return [];
      throw failure;
    }
  },
  readFile: (path) => call<Buffer>('read', path, (done) => fs.readFile(path, done)),
  async stat(path) {
    const facts = await call<fs.Stats>('look at', path, (done) => fs.stat(path, done));
    return { size: facts.size, mtime: facts.mtime, isDirectory: facts.isDirectory() };
  },
  lstat: (path) => call<fs.Stats>('look at', path, (done) => fs.lstat(path, done)),
  async read(fd, length) {
    const bytes = Buffer.allocUnsafeSlow(length);
    const count = await call<number>('read', 'the message', (done) =>
      fs.read(fd, bytes, 0, length, null, (failure, read) => done(failure, read)),
    );
    return bytes.subarray(0, count);
  },
};

/** Directory fsyncs that are shared: all who wait while one runs are served together by the next one. */
export class DirectorySync {
  readonly #disk: Disk;
  readonly #directories = new Map<string, { fd: Promise<number>; running?: Promise<void>; next?: Promise<void> }>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Resolves after an fsync that began after this call. */
  sync(path: string): Promise<void> {
    let entry = this.#directories.get(path);
    if (!entry) {
      entry = { fd: this.#disk.open(path, 'r') };
      this.#directories.set(path, entry);
      // A directory that cannot be opened is tried again the next time.
      entry.fd.catch(() => this.#directories.delete(path));
    }
    const directory = entry;
    if (directory.next) return directory.next;
    const run = async () => this.#disk.fsync(await directory.fd);
    if (!directory.running) {
      directory.running = run();
      this.#after(directory, directory.running);
      return directory.running;
    }
    directory.next = directory.running.then(run, run);
    return directory.next;
  }

  /** Lets the handles go, once nobody waits for them any more; a later sync() opens new ones. Never throws. */
  async close(): Promise<void> {
    const open = [...this.#directories.values()];
    this.#directories.clear();
    for (const { fd, running, next } of open) {
      try {
        await Promise.allSettled([running, next]);
        await this.#disk.close(await fd);
      } catch {
        // Nothing depends on a directory handle that does not close.
      }
    }
  }

  #after(directory: { running?: Promise<void>; next?: Promise<void> }, done: Promise<void>): void {
    const advance = () => {
      const { next } = directory;
      delete directory.running;
      delete directory.next;
      if (!next) return;
      directory.running = next;
      this.#after(directory, next);
    };
    done.then(advance, advance);
  }
}

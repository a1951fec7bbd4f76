// Files that the user names, standard input, and streams that must be read twice: app/ports.ts `Files` over the file system.
// Over Node's callback calls: node:fs/promises costs a short run more to load than it reads.
import fs, { type Stats } from 'node:fs';
import type { Files } from '../app/ports.ts';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { spoolThreshold } from '../base/limits.ts';

const chunkSize = 128 * 1024;

/** `stdin` is opened when `-` is read; `signal` ends the waiting for it. */
export function createFiles(stdin: () => NodeJS.ReadableStream, signal?: AbortSignal): Files {
  let stdinTaken = false;

  const readStdin = async (): Promise<ByteSource & { name: string }> => {
    if (stdinTaken) {
      throw new EhloError('usage', 'standard input is asked for twice, but it can be read only once', {
        hint: 'give one of the two as a file',
      });
    }
    stdinTaken = true;
    return { ...(await spool(streamChunks(stdin(), 'standard input', signal))), name: '-' };
  };

  return {
    read: (path) => (path === '-' ? readStdin() : readFile(path)),
    spool,
  };
}

async function readFile(path: string): Promise<ByteSource & { name: string }> {
  const file = await openFile(path);
  try {
    const facts = await file.stat();
    if (facts.isDirectory()) throw new EhloError('io', `${path} is a directory, not a file`);
    if (facts.isFile()) {
      if (facts.size > spoolThreshold) return { ...fileSource(path, facts), name: path };
      const bytes = await readSmall(file, path, facts.size);
      if (bytes) return { ...bytesSource(bytes), name: path };
    } else if (!facts.isFIFO() && !facts.isSocket()) {
      throw new EhloError('io', `${path} is a device, not a file`, {
        hint: 'a device may never end; copy what you need to a file',
      });
    }
    // A pipe, or a file of /proc, which has content but no size.
    return { ...(await spool(fileChunks(file))), name: path };
  } finally {
    await file.close();
  }
}

/** A file open for reading. Errors: 'no-input', 'io'. */
class InputFile {
  readonly #fd: number;
  readonly #path: string;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  stat(): Promise<Stats> {
    return call(this.#path, (done) => fs.fstat(this.#fd, done));
  }

  /** Octets read; 0 at the end. `at` null: from where the last one ended. */
  read(into: Buffer, from: number, at: number | null): Promise<number> {
    return call(this.#path, (done) => fs.read(this.#fd, into, from, into.length - from, at, done));
  }

  close(): Promise<void> {
    return call(this.#path, (done) => fs.close(this.#fd, done));
  }
}

const call = <T>(path: string, run: (done: (failure: NodeJS.ErrnoException | null, value?: T) => void) => void) =>
  new Promise<T>((resolve, reject) => {
    // A call without a value has T = void.
    run((failure, value) => (failure ? reject(cannotRead(path, failure)) : resolve(value as T)));
  });

const openFile = async (path: string): Promise<InputFile> =>
  new InputFile(await call<number>(path, (done) => fs.open(path, 'r', done)), path);

/** Undefined where a file says it is empty and is not. */
async function readSmall(file: InputFile, path: string, size: number): Promise<Buffer | undefined> {
  // One byte more: a file that grows while it is read is noticed.
  const bytes = Buffer.allocUnsafe(size + 1);
  let filled = 0;
  for (;;) {
    const octets = await file.read(bytes, filled, filled);
    filled += octets;
    if (octets === 0 || filled > size) break;
  }
  if (size === 0 && filled > 0) return undefined;
  if (filled !== size) throw changed(path);
  return bytes.subarray(0, size);
}

/** Reads again from the path each time, and insists that it is still the same bytes as far as the system can tell. */
export const fileSource = (path: string, facts: Stats): ByteSource => ({
  size: facts.size,
  async *chunks() {
    const file = await openFile(path);
    try {
      const now = await file.stat();
      if (now.ino !== facts.ino || now.dev !== facts.dev || now.mtimeMs !== facts.mtimeMs) throw changed(path);
      let total = 0;
      for await (const chunk of fileChunks(file)) {
        total += chunk.length;
        if (total > facts.size) throw changed(path);
        yield chunk;
      }
      if (total !== facts.size) throw changed(path);
    } finally {
      await file.close();
    }
  },
});

/** A new buffer each: whoever gets a chunk may keep it. */
async function* fileChunks(file: InputFile): AsyncGenerator<Buffer> {
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(chunkSize);
    const octets = await file.read(buffer, 0, null);
    if (octets === 0) return;
    yield buffer.subarray(0, octets);
  }
}

async function* streamChunks(
  stream: NodeJS.ReadableStream,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const interrupted = (): EhloError => new EhloError('io', `interrupted while reading ${name}; nothing was sent`);
  const iterator = stream[Symbol.asyncIterator]();
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(interrupted());
  });
  // Nobody may be waiting for it when it comes.
  aborted.catch(() => {});
  signal?.addEventListener('abort', stop, { once: true });
  try {
    if (signal?.aborted) throw interrupted();
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done) return;
      yield typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
    }
  } catch (cause) {
    throw cause instanceof EhloError ? cause : new EhloError('io', `${name} cannot be read`, { cause });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

async function spool(chunks: AsyncIterable<Buffer>): Promise<ByteSource & { dispose(): Promise<void> }> {
  const parts: Buffer[] = [];
  let size = 0;
  const iterator = chunks[Symbol.asyncIterator]();
  for (;;) {
    const next = await iterator.next();
    if (next.done) return { ...bytesSource(Buffer.concat(parts, size)), dispose: async () => {} };
    parts.push(next.value);
    size += next.value.length;
    if (size > spoolThreshold) break;
  }
  const temporary = await (await import('./temporary.ts')).createTemporaryFile();
  try {
    for (const part of parts) await temporary.write(part);
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) await temporary.write(next.value);
    const facts = await temporary.finish();
    return { ...fileSource(temporary.path, facts), dispose: temporary.dispose };
  } catch (thrown) {
    await temporary.dispose();
    throw thrown;
  }
}

const changed = (path: string): EhloError =>
  new EhloError('io', `${path} changed while it was read`, { hint: 'try again when nothing writes to it' });

const reasons: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EISDIR: 'it is a directory',
  EMFILE: 'too many open files',
};

/** The error for a system call that failed on a file to be read. */
export const cannotRead = (path: string, cause: NodeJS.ErrnoException): EhloError =>
  cause.code === 'ENOENT' || cause.code === 'ENOTDIR'
    ? new EhloError('no-input', `${path} does not exist`, { cause })
    : new EhloError('io', `${path} cannot be read: ${reasons[cause.code ?? ''] ?? cause.message}`, { cause });

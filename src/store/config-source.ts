// A configuration file as the disk has it: its text, whose it is and who may read it. What it says is read in cli/.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { EhloError } from '../base/errors.ts';
import { configFileLimit } from '../base/limits.ts';

export interface ConfigSource {
  path: string;
  text: string;
  /** Neither ours nor root's. */
  foreign: boolean;
  /** Permission bits. */
  mode: number;
}

export type ConfigFound = { access: 'present'; source: ConfigSource } | { access: 'absent' | 'denied' };

/**
 * 'absent' where no such file is, 'denied' where we may not read it: whether that is an error depends on who named the file.
 * Throws 'config' where it is no file of text. Synchronous: most runs find nothing, and a failed open is all they pay.
 */
export function readConfigSource(path: string): ConfigFound {
  let file: number;
  try {
    // Not blocking: a pipe of that name must not hold us.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { access: 'absent' };
    if (code === 'EACCES' || code === 'EPERM') return { access: 'denied' };
    throw unreadable(path, thrown);
  }
  try {
    const facts = fstatSync(file);
    if (!facts.isFile()) {
      throw new EhloError('config', `${path} is ${facts.isDirectory() ? 'a directory' : 'no regular file'}`, {
        hint: 'a configuration is a regular file in TOML; ehlo config init writes one',
      });
    }
    const { uid, mode } = facts;
    return {
      access: 'present',
      source: {
        path,
        text: decode(path, readBounded(file, path, facts)),
        foreign: uid !== 0 && uid !== (process.getuid?.() ?? uid),
        mode: mode & 0o777,
      },
    };
  } finally {
    closeSync(file);
  }
}

function readBounded(file: number, path: string, { size }: Stats): Buffer {
  // One byte more than there should be: a file that grows is noticed, one that says it is empty (/proc) is read all the same.
  const buffer = Buffer.alloc(Math.min(Math.max(size, 4096), configFileLimit) + 1);
  let filled = 0;
  try {
    for (;;) {
      const count = readSync(file, buffer, filled, buffer.length - filled, null);
      filled += count;
      if (count === 0) return buffer.subarray(0, filled);
      if (filled === buffer.length) break;
    }
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  throw new EhloError('config', `${path} is too large to be a configuration (more than ${configFileLimit} bytes)`);
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new EhloError('config', `${path} is not valid UTF-8`, { cause, hint: 'save it as UTF-8' });
  }
}

const unreadable = (path: string, cause: unknown): EhloError =>
  new EhloError('config', `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });

// What an argument of --data, --body and --attach stands for: itself, standard input, or a file. Bytes as latin1 strings, so
// that a message can be put together as text and no byte changes.

import type { Files } from '../../app/ports.ts';
import { readAll } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import type { SwaksInput } from './swaks-input.ts';

export interface Content {
  bytes: Buffer;
  /** As given on the command line: escapes are its writer's. In a file or standard input they are content. */
  literal: boolean;
  /** Of a file: the name that the message tells. */
  fileName?: string;
}

export interface ContentSources {
  files: Pick<Files, 'read'>;
  input: SwaksInput;
  /** Takes one line of warning. */
  warn(text: string): void;
}

/**
 * `-`, `@FILE`, `@@text`, or the text itself. `guess`: what swaks 20201014 still takes for a file by itself: each --data
 * without a line end, and whatever names a file for the others.
 */
export async function readContent(
  option: string,
  argument: string,
  guess: 'must' | 'may',
  { files, input, warn }: ContentSources,
): Promise<Content> {
  if (argument === '-') return { bytes: await input.rest(), literal: false };
  if (argument.startsWith('@@')) return { bytes: Buffer.from(argument.slice(1)), literal: true };
  if (argument.startsWith('@')) return readFile(files, argument.slice(1));
  if (/\n|\\n|%NEWLINE%/.test(argument) || argument === '') return { bytes: Buffer.from(argument), literal: true };
  try {
    const found = await readFile(files, argument);
    warn(
      `--${option} takes "${argument}" for the name of a file; write @${argument}, as newer versions of swaks no longer guess`,
    );
    return found;
  } catch (thrown) {
    // What cannot be read is no file, whatever the reason.
    if (guess === 'must' || !(thrown instanceof EhloError)) throw thrown;
    return { bytes: Buffer.from(argument), literal: true };
  }
}

async function readFile(files: Pick<Files, 'read'>, path: string): Promise<Content> {
  const source = await files.read(path);
  return { bytes: await readAll(source), literal: false, fileName: path.replace(/^.*\//, '') };
}

/** `\n` of a command line, and every kind of line end, as CRLF. */
export const contentText = ({ bytes, literal }: Content): string => {
  const text = bytes.toString('latin1');
  return crlf(literal ? text.replaceAll('\\n', '\n') : text);
};

export const crlf = (text: string): string => text.replace(/\r\n|\r|\n/g, '\r\n');

/** Text of ours among bytes. */
export const asBytes = (text: string): string => Buffer.from(text).toString('latin1');

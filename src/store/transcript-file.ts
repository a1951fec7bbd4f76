// The file of --transcript: private, from the start on, each line written as it is said, so that a crash leaves what was.
import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { EhloError } from '../base/errors.ts';

export interface TranscriptFile {
  /** Throws 'io'. */
  write(text: string | Buffer): void;
  close(): void;
}

/** What was in the file before is gone. Throws 'cannot-create'. */
export function openTranscriptFile(path: string): TranscriptFile {
  const fail = (code: 'cannot-create' | 'io', what: string, cause: unknown): EhloError =>
    new EhloError(code, `cannot ${what} the transcript ${path}: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  let fd: number;
  try {
    fd = openSync(path, 'w', 0o600);
    // It may have been there with another mode; a terminal or pipe keeps its own.
    if (fstatSync(fd).isFile()) fchmodSync(fd, 0o600);
  } catch (cause) {
    throw fail('cannot-create', 'open', cause);
  }
  return {
    write(text) {
      try {
        writeSync(fd, Buffer.from(text));
      } catch (cause) {
        throw fail('io', 'write', cause);
      }
    },
    close: () => closeSync(fd),
  };
}

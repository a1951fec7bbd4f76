// Standard output as the place where fetched messages go: byte for byte, or, on a terminal, as text that is safe to look at.
import { TextDecoder } from 'node:util';
import type { FetchOutput } from '../app/fetch-output.ts';
import { writeHighWater } from '../base/limits.ts';
import { safeLines } from '../render/safe.ts';
import type { Output } from './command.ts';

/** Messages one behind the other. Nothing is durable, so nothing may be deleted for it. */
export function rawStdout(output: Output): FetchOutput {
  // Gathered first: dot-stuffing cuts messages into pieces, and each write costs a system call.
  let held: Buffer[] = [];
  let bytes = 0;
  const flush = (): Promise<void> | undefined => {
    output.write(Buffer.concat(held));
    held = [];
    bytes = 0;
    return output.drained?.();
  };
  const write = (chunk: Buffer): Promise<void> | undefined => {
    held.push(chunk);
    bytes += chunk.length;
    return bytes < writeHighWater ? undefined : flush();
  };
  return stream(() => ({ write, end() {} }), flush);
}

/** No control byte of a message reaches the terminal: they show as escapes. */
export function readableStdout(output: Output): FetchOutput {
  return stream(() => {
    const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
    let held = '';
    return {
      write(chunk) {
        const text = held + decoder.decode(chunk, { stream: true });
        const cut = text.lastIndexOf('\n') + 1;
        held = text.slice(cut);
        // A line without end is not held for ever; its last character may be half of CRLF.
        if (held.length > writeHighWater) {
          output.write(safeLines(text.slice(0, -1)));
          held = text.slice(-1);
        } else output.write(safeLines(text.slice(0, cut)));
        return output.drained?.();
      },
      end() {
        output.write(safeLines(held + decoder.decode()));
      },
    };
  });
}

interface Sink {
  write(chunk: Buffer): void | Promise<void>;
  end(): void;
}

const stream = (open: () => Sink, flush?: () => Promise<void> | undefined): FetchOutput => ({
  durable: false,
  begin() {
    const sink = open();
    return {
      write: (chunk) => sink.write(chunk),
      async commit() {
        sink.end();
        return { file: null };
      },
      // What is out is out; the error says that the message is not whole.
      async abort() {},
    };
  },
  async settle() {
    await flush?.();
    return true;
  },
});

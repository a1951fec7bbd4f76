// Ways to cut bytes into chunks, for "every split gives the same result".
import fc from 'fast-check';

/** Each cut of `bytes` into two, and byte by byte, and whole. */
export function* simpleSplits(bytes: Buffer): Generator<Buffer[]> {
  yield [bytes];
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}

/** Cuts `bytes` where the numbers say: each is the length of the next chunk; the rest comes last. */
export function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) break;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) chunks.push(bytes.subarray(at));
  return chunks;
}

export const cutLengths = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 60 });

/** Text made of what matters to line and dot readers. */
export const lineBytes = fc
  .array(fc.constantFrom('\r\n', '\r', '\n', '.', '..', 'a', 'text', '\0', '\xff', '\r\n.', '\r\n.\r\n'), {
    maxLength: 40,
  })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

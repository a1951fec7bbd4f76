// Bytes that can be read more than once, whole when small, in chunks when large.

export interface ByteSource {
  /** Known before reading, or undefined (a pipe, a message composed on the fly). */
  readonly size: number | undefined;
  /** Present when everything is in memory anyway: then no stream is needed at all. */
  readonly bytes?: Buffer;
  /** Starts reading from the beginning. Errors are ours ('io', 'no-input'). May be called again after the last use ended. */
  chunks(): AsyncIterable<Buffer>;
}

export const bytesSource = (bytes: Buffer): ByteSource => ({
  size: bytes.length,
  bytes,
  async *chunks() {
    yield bytes;
  },
});

export async function readAll(source: ByteSource): Promise<Buffer> {
  if (source.bytes) return source.bytes;
  const parts: Buffer[] = [];
  for await (const chunk of source.chunks()) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Text of bytes from a peer: UTF-8 where it is valid, latin1 otherwise, so that no byte is lost. Still untrusted. */
export const peerText = (bytes: Buffer): string => {
  const latin1 = bytes.toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether anything but ASCII is there
  if (/^[\x00-\x7f]*$/.test(latin1)) return latin1;
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') ? latin1 : text;
};

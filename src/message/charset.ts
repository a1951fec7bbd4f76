// Bytes of a named charset to text, through the platform's TextDecoder. Unknown names are the caller's to report.
import { TextDecoder } from 'node:util';

const decoders = new Map<string, TextDecoder | null>();
/** Names come from messages: the cache must not grow with them. */
const decodersKept = 64;

export const isKnownCharset = (charset: string): boolean => decoderOf(charset) !== null;

/** Undefined for a charset that the platform does not know. Bad sequences become U+FFFD. */
export const decodeCharset = (bytes: Buffer, charset: string): string | undefined => decoderOf(charset)?.decode(bytes);

function decoderOf(charset: string): TextDecoder | null {
  const label = charset.toLowerCase();
  let decoder = decoders.get(label);
  if (decoder === undefined) {
    decoder = makeDecoder(label);
    if (decoders.size < decodersKept) decoders.set(label, decoder);
  }
  return decoder;
}

function makeDecoder(label: string): TextDecoder | null {
  try {
    return new TextDecoder(label, { ignoreBOM: false });
  } catch {
    return null;
  }
}

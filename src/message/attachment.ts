// An attachment as a leaf of the message (RFC 2183): base64, byte for byte, encoded while it is read; a message stays a
// message (RFC 2046 5.2.1). Its charset is not claimed: nobody looked.
import { isAscii } from 'node:buffer';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { Base64Lines, base64Size } from './base64.ts';
import type { DraftAttachment } from './draft.ts';
import type { Leaf } from './leaf.ts';
import { LineScan } from './lines.ts';
import { parseParams } from './params.ts';
import { printParamField } from './print-params.ts';
import { fixEol } from './raw.ts';

/** `typeOf` says what an extension means. */
export async function attachmentLeaf(
  attachment: DraftAttachment,
  typeOf: (filename: string) => Promise<string>,
): Promise<Leaf> {
  const { source, filename } = attachment;
  const type = attachment.type ?? (await typeOf(filename));
  if (/^message\//i.test(type)) {
    const facts = await asMessage(source);
    if (facts) {
      return {
        ...head(attachment, type, '7bit'),
        ...facts,
        encode: () => checked(fixEol(source), attachment, facts.size),
      };
    }
    if (attachment.type !== undefined) {
      throw new EhloError(
        'bad-message',
        `the message ${JSON.stringify(filename)} cannot be attached as ${type}: it holds 8-bit characters, NUL or lines over 998 octets, and such a part cannot be encoded (RFC 2046 5.2.1)`,
        { hint: 'nothing was sent; attach it with ;type=application/octet-stream' },
      );
    }
  }
  return {
    // Without a type of the user, a message that is not 7-bit travels as mere data.
    ...head(attachment, /^message\//i.test(type) ? 'application/octet-stream' : type, 'base64'),
    size: source.size === undefined ? undefined : base64Size(source.size),
    endsInNewline: false,
    encode: () => encodeBase64(attachment),
  };
}

function head(attachment: DraftAttachment, written: string, encoding: '7bit' | 'base64') {
  const { filename, cid, inline } = attachment;
  const { value: type, params } = parseParams(written);
  const disposition = inline || cid !== undefined ? 'inline' : 'attachment';
  const fields = [
    printParamField('Content-Type', type, [...params], filename),
    `Content-Transfer-Encoding: ${encoding}\r\n`,
    printParamField('Content-Disposition', disposition, [['filename', filename]]),
    cid === undefined ? '' : `Content-ID: <${cid}>\r\n`,
  ];
  return { type, cid, fields: fields.join('') };
}

/** A message with its line ends put right; undefined when it is not 7-bit clean. */
async function asMessage(source: ByteSource): Promise<{ size: number; endsInNewline: boolean } | undefined> {
  const lines = new LineScan();
  let last: number | undefined;
  for await (const chunk of source.chunks()) {
    if (!isAscii(chunk) || chunk.includes(0)) return undefined;
    lines.feed(chunk);
    last = chunk.at(-1) ?? last;
  }
  lines.end();
  if (lines.longest > 998) return undefined;
  return { size: lines.size + lines.bareCrs + lines.bareLfs, endsInNewline: last === 0x0a || last === 0x0d };
}

async function* encodeBase64(attachment: DraftAttachment): AsyncIterable<Buffer> {
  const lines = new Base64Lines();
  for await (const chunk of checked(attachment.source, attachment, attachment.source.size)) {
    const encoded = lines.feed(chunk);
    if (encoded.length > 0) yield encoded;
  }
  const last = lines.end();
  if (last.length > 0) yield last;
}

/** A file that grows or shrinks between SIZE= and the last byte would make the message a lie. */
async function* checked(
  source: ByteSource,
  { filename }: DraftAttachment,
  size: number | undefined,
): AsyncIterable<Buffer> {
  let read = 0;
  for await (const chunk of source.chunks()) {
    read += chunk.length;
    yield chunk;
  }
  if (size === undefined || read === size) return;
  throw new EhloError(
    'io',
    `the attachment ${JSON.stringify(filename)} changed while it was read: ${read} bytes instead of ${size}`,
    { stage: 'body', hint: 'try again when nothing writes to it' },
  );
}

// `inspect` of a message: one pass over its bytes, then one plain report. Authentication is not evaluated here, and the
// report does not pretend that it was: it has no `auth`.
import { createHash } from 'node:crypto';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { type FailOn, type Finding, reaches } from '../base/finding.ts';
import { mimeLimits } from '../base/limits.ts';
import { parseHeaderAddresses } from '../message/addresses.ts';
import { decodePart } from '../message/body.ts';
import { parseDate } from '../message/date.ts';
import { bodyParts, humanText } from '../message/decode.ts';
import { messageFindings } from '../message/findings.ts';
import { fieldsNamed, firstField } from '../message/headers.ts';
import { type MimePart, scanMime } from '../message/mime.ts';
import { hops } from '../message/received.ts';
import { type ReportHead, reportHead } from './report.ts';

export interface OpenMessage {
  bytes: Buffer;
  root: MimePart;
  /** Messages in the mbox that it came from; 1 for a plain message. Only the first is looked at. */
  ofMbox: number;
}

export interface MimeNode {
  /** '' for the message, else as --part takes it. */
  path: string;
  type: string;
  /** Octets of the part with its header, and where it begins. */
  size: number;
  offset: number;
  bodyOffset: number;
  bodySize: number;
  encoding: string;
  filename: string | null;
  parts: MimeNode[];
}

export interface HopReport {
  n: number;
  from: string | null;
  by: string | null;
  with: string | null;
  id: string | null;
  for: string | null;
  /** ISO 8601 */
  date: string | null;
  /** Milliseconds since the hop before; negative where the clocks differ. */
  delay: number | null;
  skew: number | null;
  tls: string | null;
  ip: string | null;
}

export interface AttachmentReport {
  part: string;
  filename: string | null;
  type: string;
  /** Of the decoded content. */
  size: number;
  sha256: string;
  /** Where --save-attachments put it. */
  savedAs?: string;
}

export interface MessageReport extends ReportHead<'inspect'> {
  message: {
    id: string | null;
    subject: string | null;
    from: string[];
    to: string[];
    cc: string[];
    date: string | null;
    size: number;
    text?: string;
    html?: string;
  };
  mime: MimeNode;
  headers: { name: string; value: string; offset: number }[];
  hops: HopReport[];
  attachments: AttachmentReport[];
  findings: Finding[];
}

/** Errors: those of the source, and 'limit-reached' for a message that does not fit into memory. */
export async function openMessage(source: ByteSource): Promise<OpenMessage> {
  const bytes = await readBounded(source, mimeLimits.messageBytes);
  const first = bytes.subarray(0, 5).toString('latin1') === 'From ' ? firstOfMbox(bytes) : { bytes, count: 1 };
  return { bytes: first.bytes, root: scanMime(first.bytes), ofMbox: first.count };
}

async function readBounded(source: ByteSource, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of source.bytes ? [source.bytes] : source.chunks()) {
    size += chunk.length;
    if (size > limit) {
      throw new EhloError('limit-reached', `the message is larger than ${limit} bytes, and inspect reads it whole`, {
        hint: 'cut the attachments off, or inspect its header alone: head -c 1M FILE | ehlo inspect -',
      });
    }
    parts.push(chunk);
  }
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

/** Messages of an mbox begin with `From ` behind a blank line (RFC 4155). The separator stays, so that offsets are the file's. */
function firstOfMbox(bytes: Buffer): { bytes: Buffer; count: number } {
  let count = 1;
  let end = bytes.length;
  for (let at = bytes.indexOf('\nFrom '); at !== -1; at = bytes.indexOf('\nFrom ', at + 1)) {
    const before = bytes[at - 1] === 0x0d ? bytes[at - 2] : bytes[at - 1];
    if (before !== 0x0a) continue;
    if (count === 1) end = at + 1;
    count++;
  }
  return { bytes: bytes.subarray(0, end), count };
}

export async function inspectMessage(message: OpenMessage, options: { failOn?: FailOn } = {}): Promise<MessageReport> {
  const { bytes, root, ofMbox } = message;
  const human = await humanText(bytes, root);
  const path = hops(root.fields, mimeLimits.hops);
  const findings = messageFindings(bytes, root, path, human.defects);
  if (ofMbox > 1) findings.push(mboxFinding(ofMbox));
  const value = (name: string): string | null => firstField(root.fields, name)?.value ?? null;
  const date = value('Date');
  return {
    ...reportHead('inspect', reaches(findings, options.failOn) ? 'NO' : 'OK'),
    message: {
      id: value('Message-ID'),
      subject: value('Subject'),
      from: addresses(root, 'From'),
      to: addresses(root, 'To'),
      cc: addresses(root, 'Cc'),
      date: date === null ? null : (parseDate(date)?.toISOString() ?? null),
      size: bytes.length,
      ...(human.text === null ? {} : { text: human.text }),
      ...(human.html === null ? {} : { html: human.html }),
    },
    mime: mimeNode(root),
    headers: root.fields.map(({ name, value: text, offset }) => ({ name, value: text, offset })),
    hops: path.map(({ offset: _, date: at, ...hop }) => ({ ...hop, date: at?.toISOString() ?? null })),
    attachments: attachmentParts(root).map((part) => describe(bytes, part)),
    findings,
  };
}

const mboxFinding = (count: number): Finding => ({
  id: 'MBOX-SEVERAL',
  severity: 'info',
  message: `the file is an mbox of ${count} messages; only the first one was looked at`,
  rfc: 'RFC 4155',
  fix: 'take the others out into files of their own',
});

const addresses = (root: MimePart, name: string): string[] =>
  fieldsNamed(root.fields, name)
    .flatMap((field) => parseHeaderAddresses(field.rawValue))
    .flatMap(({ address }) => (address === '' ? [] : [address]));

const mimeType = (part: MimePart): string => `${part.type}/${part.subtype}`;

/** Recursion is bounded by the depth limit of the scanner. */
const mimeNode = (part: MimePart): MimeNode => ({
  path: part.path,
  type: mimeType(part),
  size: part.headerLength + part.bodyLength,
  offset: part.offset,
  bodyOffset: part.bodyOffset,
  bodySize: part.bodyLength,
  encoding: part.encoding,
  filename: part.filename,
  parts: part.parts.map(mimeNode),
});

/** All leaves but the bodies that are shown as text, and attached messages as wholes. */
export function attachmentParts(root: MimePart): MimePart[] {
  const { text, html } = bodyParts(root);
  const found: MimePart[] = [];
  const stack = [root];
  for (let part = stack.pop(); part; part = stack.pop()) {
    const inner = part.type === 'multipart' && part.parts.length > 0;
    if (inner) stack.push(...part.parts.toReversed());
    else if (part !== text && part !== html && !(part.type === 'text' && isPlainBody(part))) found.push(part);
  }
  return found;
}

/** Further text parts without a name, as mailing lists append them. */
const isPlainBody = (part: MimePart): boolean => part.disposition !== 'attachment' && part.filename === null;

/** The decoded content; of an attached message the message. */
export const partContent = ({ bytes }: OpenMessage, part: MimePart): Buffer =>
  part.parts.length > 0
    ? bytes.subarray(part.bodyOffset, part.bodyOffset + part.bodyLength)
    : decodePart(bytes, part).bytes;

/** By its path as in the tree; `1` is also the body of a message without parts. */
export function findPart(root: MimePart, path: string): MimePart | undefined {
  if (path === '' || (path === '1' && root.parts.length === 0)) return root;
  let part: MimePart | undefined = root;
  for (const number of path.split('.')) {
    part = /^[1-9]\d{0,5}$/.test(number) ? part?.parts[Number(number) - 1] : undefined;
  }
  return part;
}

const describe = (bytes: Buffer, part: MimePart): AttachmentReport => {
  const content = partContent({ bytes, root: part, ofMbox: 1 }, part);
  return {
    part: part.path === '' ? '1' : part.path,
    filename: part.filename,
    type: mimeType(part),
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
};

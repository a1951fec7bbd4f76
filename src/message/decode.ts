// The text of a message for people: its first text and HTML bodies, decoded. mailparser turns HTML into text and knows
// rare charsets; it is loaded only for that, sees one part at a time, and is never asked about structure.
import { peerText } from '../base/bytes.ts';
import { decodePart } from './body.ts';
import { decodeCharset } from './charset.ts';
import { type Defect, DefectLog } from './defects.ts';
import type { MimePart } from './mime.ts';

export interface HumanText {
  /** The text/plain body, else the text of the HTML body, else null. Untrusted. */
  text: string | null;
  /** Untrusted; never shown as HTML by us. */
  html: string | null;
  /** The text was made from the HTML. */
  fromHtml: boolean;
  defects: Defect[];
}

export interface HumanLimits {
  /** Octets of a body that are decoded; the rest is left out. */
  bodyBytes: number;
  /** Octets of HTML that are turned into text: the work is that of a browser. */
  htmlBytes: number;
}

const humanLimits: HumanLimits = { bodyBytes: 8 * 1024 * 1024, htmlBytes: 256 * 1024 };

export async function humanText(bytes: Buffer, root: MimePart, limits: HumanLimits = humanLimits): Promise<HumanText> {
  const log = new DefectLog();
  const bodies = bodyParts(root);
  const text = bodies.text && (await partText(bytes, bodies.text, limits, log));
  const html = bodies.html && (await partText(bytes, bodies.html, limits, log));
  const converted = text === undefined && html !== undefined ? await htmlToText(html, limits) : null;
  return { text: text ?? converted, html: html ?? null, fromHtml: converted !== null, defects: log.list };
}

/** The first of each kind that is not an attachment; what is inside of an attached message is not this message's text. */
export function bodyParts(root: MimePart): { text?: MimePart; html?: MimePart } {
  const found: { text?: MimePart; html?: MimePart } = {};
  const queue = [root];
  for (let part = queue.shift(); part; part = queue.shift()) {
    if (part.type === 'multipart') queue.unshift(...part.parts);
    if (part.type !== 'text' || part.disposition === 'attachment') continue;
    if (part.subtype === 'plain') found.text ??= part;
    if (part.subtype === 'html') found.html ??= part;
    if (found.text && found.html) break;
  }
  return found;
}

async function partText(bytes: Buffer, part: MimePart, limits: HumanLimits, log: DefectLog): Promise<string> {
  const bodyLength = Math.min(part.bodyLength, limits.bodyBytes);
  const decoded = decodePart(bytes, { ...part, bodyLength }).bytes;
  const charset = part.params.get('charset');
  if (charset === undefined) return peerText(decoded);
  const known = decodeCharset(decoded, charset);
  if (known !== undefined) return known;
  const rare = /^[\w.:-]{1,40}$/.test(charset)
    ? await parseAlone(`text/plain; charset=${charset}`, decoded)
    : undefined;
  if (rare !== undefined && !rare.includes('\ufffd')) return rare;
  log.note('unknown-charset', part.offset, charset);
  return decoded.toString('latin1');
}

const htmlToText = async (html: string, limits: HumanLimits): Promise<string | null> => {
  if (Buffer.byteLength(html) > limits.htmlBytes) return null;
  return (await parseAlone('text/html; charset=utf-8', Buffer.from(html))) ?? null;
};

/** One part as a message of its own; undefined when mailparser gives up. */
async function parseAlone(type: string, content: Buffer): Promise<string | undefined> {
  const { simpleParser } = await import('mailparser');
  const header = `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n`;
  try {
    const parsed = await simpleParser(Buffer.from(header + content.toString('base64')), {
      skipImageLinks: true,
      skipTextToHtml: true,
      skipTextLinks: true,
    });
    return parsed.text;
  } catch {
    // It throws on limits of its own; the message is shown without this text.
    return undefined;
  }
}

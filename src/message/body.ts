// Content-Transfer-Encodings back to bytes (RFC 2045 6.7, 6.8). What is wrong is named; only bytes that say what they
// are get decoded. Nothing is ever unpacked further: an archive stays an archive.
import { type Defect, DefectLog } from './defects.ts';
import type { MimePart } from './mime.ts';

const LF = 0x0a;
const CR = 0x0d;
const EQUALS = 0x3d;

export interface DecodedPart {
  bytes: Buffer;
  defects: Defect[];
}

/** The content of a leaf. An unknown encoding gives the bytes as they are (RFC 2045 6.4 calls that opaque). */
export function decodePart(bytes: Buffer, part: Pick<MimePart, 'bodyOffset' | 'bodyLength' | 'encoding'>): DecodedPart {
  const body = bytes.subarray(part.bodyOffset, part.bodyOffset + part.bodyLength);
  const log = new DefectLog();
  switch (part.encoding) {
    case 'base64':
      return { bytes: decodeBase64(body, part.bodyOffset, log), defects: log.list };
    case 'quoted-printable':
      return { bytes: decodeQuotedPrintable(body, part.bodyOffset, log), defects: log.list };
    default:
      return { bytes: body, defects: [] };
  }
}

function decodeBase64(body: Buffer, offset: number, log: DefectLog): Buffer {
  const text = body.toString('latin1');
  const bad = text.search(/[^A-Za-z0-9+/=\r\n\t ]/);
  if (bad !== -1) log.note('base64-bad-character', offset + bad);
  const padding = text.indexOf('=');
  const behind = padding === -1 ? -1 : text.slice(padding).search(/[A-Za-z0-9+/]/);
  if (behind !== -1) log.note('base64-bad-end', offset + padding + behind);
  // Readers differ in what comes behind the padding: what stands before it is what all of them see.
  const significant = (padding === -1 ? text : text.slice(0, padding)).replace(/[^A-Za-z0-9+/]+/g, '');
  const pads = padding === -1 ? 0 : (/^[=\s]*/.exec(text.slice(padding))?.[0].replace(/\s/g, '').length ?? 0);
  const wanted = (4 - (significant.length % 4)) % 4;
  if (behind === -1 && (wanted === 3 || pads !== wanted)) log.note('base64-bad-end', offset + body.length);
  return Buffer.from(significant, 'base64');
}

function decodeQuotedPrintable(body: Buffer, offset: number, log: DefectLog): Buffer {
  const out = Buffer.allocUnsafe(body.length);
  let size = 0;
  let at = 0;
  while (at < body.length) {
    const found = body.indexOf(LF, at);
    const lf = found === -1 ? body.length : found;
    const lineEnd = found === -1 ? lf : lf > at && body[lf - 1] === CR ? lf - 1 : lf;
    // White space at the end of a line was added on the way (RFC 2045 6.7 (3)).
    let end = lineEnd;
    while (end > at && (body[end - 1] === 0x20 || body[end - 1] === 0x09)) end--;
    const soft = end > at && body[end - 1] === EQUALS;
    size = decodeLine(body, at, soft ? end - 1 : end, out, size, offset, log);
    if (!soft && found !== -1) size += body.copy(out, size, lineEnd, lf + 1);
    at = lf + 1;
  }
  return out.subarray(0, size);
}

function decodeLine(
  body: Buffer,
  from: number,
  to: number,
  out: Buffer,
  size: number,
  offset: number,
  log: DefectLog,
): number {
  const line = body.subarray(from, to);
  let at = 0;
  for (;;) {
    const equals = line.indexOf(EQUALS, at);
    size += line.copy(out, size, at, equals === -1 ? line.length : equals);
    if (equals === -1) return size;
    const high = hexDigit(line[equals + 1]);
    const low = hexDigit(line[equals + 2]);
    if (high === undefined || low === undefined) {
      log.note('qp-bad-escape', offset + from + equals);
      out[size++] = EQUALS;
      at = equals + 1;
    } else {
      out[size++] = high * 16 + low;
      at = equals + 3;
    }
  }
}

/** Lower case is against the RFC and understood by everybody. */
function hexDigit(octet: number | undefined): number | undefined {
  if (octet === undefined) return undefined;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet & ~0x20;
  return letter >= 0x41 && letter <= 0x46 ? letter - 0x37 : undefined;
}

// quoted-printable bodies as we write them (RFC 2045 6.7), so that nothing on the way needs to touch them: no white space at
// line ends, no line that begins with "From " or a dot (RFC 2049 3). Reading is body.ts.

/** RFC 2045 6.7 (5), the `=` of a soft line break included. */
const lineMax = 76;
const LF = 0x0a;
const CR = 0x0d;
const EQUALS = 0x3d;
const FROM = Buffer.from('From ');
const hex = Buffer.from('0123456789ABCDEF');

/** `text` has CRLF line ends, which stay; any other octet is carried as it is or escaped. */
export function encodeQuotedPrintable(text: Buffer): Buffer {
  // Three octets for one, and a soft line break for at least 63 of them.
  const out = Buffer.allocUnsafe(text.length * 3 + Math.ceil(text.length / 20) * 3 + 3);
  let size = 0;
  for (let from = 0; from < text.length; ) {
    const lf = text.indexOf(LF, from);
    const end = lf === -1 ? text.length : text[lf - 1] === CR && lf > from ? lf - 1 : lf;
    size = encodeLine(text, from, end, out, size);
    if (lf === -1) break;
    size += text.copy(out, size, end, lf + 1);
    from = lf + 1;
  }
  return out.subarray(0, size);
}

function encodeLine(text: Buffer, from: number, end: number, out: Buffer, start: number): number {
  let size = start;
  let column = 0;
  for (let at = from; at < end; ) {
    const length = Math.min(characterLength(text[at] ?? 0), end - at);
    const width = plainAt(text, at, end, column) ? 1 : 3 * length;
    // The last character may stand where a soft line break would.
    if (column + width > lineMax - (at + length < end ? 1 : 0)) {
      out[size++] = EQUALS;
      out[size++] = CR;
      out[size++] = LF;
      column = 0;
      continue;
    }
    if (width === 1) out[size++] = text[at] ?? 0;
    else for (let octet = at; octet < at + length; octet++) size = escapeOctet(text[octet] ?? 0, out, size);
    column += width;
    at += length;
  }
  return size;
}

function plainAt(text: Buffer, at: number, end: number, column: number): boolean {
  const octet = text[at] ?? 0;
  if (octet === 0x20 || octet === 0x09) return at + 1 < end;
  if (octet < 0x21 || octet > 0x7e || octet === EQUALS) return false;
  if (column > 0) return true;
  return octet !== 0x2e && !text.subarray(at, at + FROM.length).equals(FROM);
}

function escapeOctet(octet: number, out: Buffer, size: number): number {
  out[size] = EQUALS;
  out[size + 1] = hex[octet >> 4] ?? 0;
  out[size + 2] = hex[octet & 15] ?? 0;
  return size + 3;
}

/** Octets of a UTF-8 character by its first: one that is cut by a soft line break is shown badly by some readers. */
const characterLength = (lead: number): number => (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

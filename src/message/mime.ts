// The structure of a message with the offset of each part (RFC 2045, 2046), in one pass over the lines, without recursion:
// the work is linear whatever the nesting. Where a message is ambiguous it says so; it never repairs.
import { mimeLimits } from '../base/limits.ts';
import { contentDisposition, contentType, single } from './content.ts';
import { type Defect, DefectLog } from './defects.ts';
import { firstField, type Header, type HeaderField, lineMax, parseHeaders, trimBlank } from './headers.ts';

export interface MimePart {
  /** '' for the message itself, then `1`, `1.2` ... as --part takes it. A message in part 2 is part 2.1. */
  path: string;
  /** Lower case. */
  type: string;
  subtype: string;
  /** Of Content-Type, names in lower case; untrusted. */
  params: Map<string, string>;
  /** `attachment`, `inline` or what was written, lower case; null without the field. */
  disposition: string | null;
  /** Lower case; `7bit` without the field. */
  encoding: string;
  filename: string | null;
  contentId: string | null;
  /** Where the header begins. */
  offset: number;
  headerLength: number;
  bodyOffset: number;
  /** Without the line end before a boundary, which belongs to the boundary (RFC 2046 5.1.1). */
  bodyLength: number;
  fields: HeaderField[];
  parts: MimePart[];
  defects: Defect[];
}

export interface MimeLimits {
  depth: number;
  parts: number;
  headerBytes: number;
}

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;
/** RFC 2046 5.1.1. Longer ones are read as long as they fit a line. */
const boundaryMax = 70;
/** Encodings under which the bytes are the content: a container may have no other (RFC 2045 6.4). */
const identity = new Set(['7bit', '8bit', 'binary']);
const encodings = new Set([...identity, 'quoted-printable', 'base64']);

/** A part that is still being read; the last one of the stack is the innermost. */
interface Open {
  part: MimePart;
  log: DefectLog;
  /** Of a multipart, while its closing line has not come. */
  boundary: string | null;
  /** Seen a boundary line. */
  begun: boolean;
}

export function scanMime(bytes: Buffer, limits: MimeLimits = mimeLimits): MimePart {
  return new Scanner(bytes, limits).run();
}

class Scanner {
  readonly #bytes: Buffer;
  readonly #limits: MimeLimits;
  readonly #stack: Open[] = [];
  /** Where in the stack the innermost open multipart with this boundary is. */
  readonly #boundaries = new Map<string, number[]>();
  #parts = 0;

  constructor(bytes: Buffer, limits: MimeLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  run(): MimePart {
    const root = this.#entity(0, '');
    let at = this.#stack.at(-1)?.part.bodyOffset ?? 0;
    // Only lines that begin with two dashes can be boundaries.
    for (;;) {
      at = this.#nextDashes(at);
      if (at === -1) break;
      const line = this.#boundaryAt(at);
      at = line ? this.#delimiter(line, at) : at + 2;
    }
    this.#closeDownTo(0, this.#bytes.length);
    return root;
  }

  /** The next `--` at the start of a line, from `at`, which is a line start or inside of a line that is no boundary. */
  #nextDashes(at: number): number {
    if (this.#boundaries.size === 0) return -1;
    if (this.#isLineStart(at) && this.#bytes[at] === DASH && this.#bytes[at + 1] === DASH) return at;
    const found = this.#bytes.indexOf('\n--', Math.max(0, at), 'latin1');
    return found === -1 ? -1 : found + 1;
  }

  #isLineStart(at: number): boolean {
    return at === 0 || this.#bytes[at - 1] === LF;
  }

  /** Which open multipart the line at `at` belongs to, and whether it closes it. */
  #boundaryAt(at: number): { index: number; close: boolean; next: number } | undefined {
    const lf = this.#bytes.subarray(at, at + lineMax + 2).indexOf(LF);
    const last = lf === -1 && at + lineMax + 2 >= this.#bytes.length;
    if (lf === -1 && !last) return undefined;
    const next = last ? this.#bytes.length : at + lf + 1;
    const line = this.#bytes.toString('latin1', at + 2, lineEnd(this.#bytes, at + 2, next));
    const indexOf = (text: string): number | undefined => this.#boundaries.get(text)?.at(-1);
    const open = indexOf(line);
    if (open !== undefined) return { index: open, close: false, next };
    const closed = line.endsWith('--') ? indexOf(line.slice(0, -2)) : undefined;
    return closed === undefined ? undefined : { index: closed, close: true, next };
  }

  /** Ends what is open inside of that multipart, then begins its next part or its epilogue; returns where to go on. */
  #delimiter(line: { index: number; close: boolean; next: number }, at: number): number {
    this.#closeDownTo(line.index + 1, this.#contentEnd(at));
    const open = this.#stack[line.index];
    if (!open) return line.next;
    open.begun = true;
    if (line.close) {
      this.#forget(open);
      return line.next;
    }
    if (this.#parts >= this.#limits.parts) {
      open.log.note('mime-too-many-parts', at);
      for (const each of this.#stack) this.#forget(each);
      return line.next;
    }
    const number = `${open.part.parts.length + 1}`;
    this.#entity(line.next, open.part.path === '' ? number : `${open.part.path}.${number}`);
    return this.#stack.at(-1)?.part.bodyOffset ?? line.next;
  }

  /** The line end before a boundary is part of the boundary. */
  #contentEnd(at: number): number {
    if (at === 0) return 0;
    return this.#bytes[at - 2] === CR ? at - 2 : at - 1;
  }

  /** Reads the header at `start`, and those of messages inside of it, and opens the parts. */
  #entity(start: number, path: string): MimePart {
    let first: MimePart | undefined;
    for (;;) {
      const parent = this.#stack.at(-1);
      const { part, log } = this.#part(start, path, parent?.part);
      first ??= part;
      parent?.part.parts.push(part);
      this.#parts++;
      const open: Open = { part, log, boundary: null, begun: false };
      this.#stack.push(open);
      const container = part.type === 'multipart' || isMessage(part);
      if (!container) return first;
      if (!identity.has(part.encoding)) {
        log.note('mime-encoded-container', part.offset);
        return first;
      }
      if (this.#stack.length > this.#limits.depth) {
        log.note('mime-too-deep', part.offset);
        return first;
      }
      if (part.type === 'multipart') {
        this.#openMultipart(open);
        return first;
      }
      if (this.#parts >= this.#limits.parts) {
        log.note('mime-too-many-parts', part.offset);
        return first;
      }
      start = part.bodyOffset;
      path = path === '' ? '1' : `${path}.1`;
    }
  }

  #openMultipart(open: Open): void {
    const boundary = trimBlank(open.part.params.get('boundary') ?? '');
    if (boundary === '' || boundary.length > lineMax - 4) {
      open.log.note('mime-no-boundary', open.part.offset);
      return;
    }
    if (boundary.length > boundaryMax) open.log.note('mime-long-boundary', open.part.offset);
    // Lines are compared as octets.
    const key = Buffer.from(boundary).toString('latin1');
    const indexes = this.#boundaries.get(key) ?? [];
    if (indexes.length > 0) open.log.note('mime-same-boundary', open.part.offset);
    indexes.push(this.#stack.indexOf(open));
    this.#boundaries.set(key, indexes);
    open.boundary = key;
  }

  #forget(open: Open): void {
    if (open.boundary === null) return;
    const indexes = this.#boundaries.get(open.boundary);
    indexes?.pop();
    if (indexes?.length === 0) this.#boundaries.delete(open.boundary);
    open.boundary = null;
  }

  #closeDownTo(depth: number, end: number): void {
    while (this.#stack.length > depth) {
      const open = this.#stack.pop();
      if (!open) return;
      if (open.boundary !== null) {
        if (!open.begun) open.log.note('mime-no-parts', open.part.offset);
        else open.log.note('mime-no-close', open.part.offset);
        this.#forget(open);
      }
      open.part.bodyLength = Math.max(0, end - open.part.bodyOffset);
      open.part.defects = open.log.list;
    }
  }

  #part(start: number, path: string, parent: MimePart | undefined): { part: MimePart; log: DefectLog } {
    const log = new DefectLog();
    const header = this.#header(start, parent !== undefined, log);
    for (const defect of header.defects) log.note(defect.id, defect.offset, defect.detail);
    const digest = parent?.type === 'multipart' && parent.subtype === 'digest';
    const content = contentType(header.fields, digest ? 'message/rfc822' : 'text/plain', log, start);
    const disposition = contentDisposition(header.fields, log);
    const encodingField = single(header.fields, 'Content-Transfer-Encoding', log);
    const encoding =
      encodingField?.rawValue
        .slice(0, 100)
        .replace(/\(.*\)/, '')
        .trim()
        .toLowerCase() || '7bit';
    if (!encodings.has(encoding)) log.note('mime-bad-encoding', encodingField?.offset ?? start, encoding);
    const part: MimePart = {
      path,
      ...content,
      disposition: disposition.value,
      encoding,
      filename: disposition.filename ?? content.params.get('name') ?? null,
      contentId: firstField(header.fields, 'Content-ID')?.rawValue.replace(/^<(.*)>$/, '$1') ?? null,
      offset: start,
      headerLength: header.bodyOffset - start,
      bodyOffset: header.bodyOffset,
      bodyLength: 0,
      fields: header.fields,
      parts: [],
      defects: [],
    };
    return { part, log };
  }

  /** A part's header ends at its blank line, or at a boundary of what is around it, whichever comes first. */
  #header(start: number, inside: boolean, log: DefectLog): Header {
    const limits = { headerBytes: this.#limits.headerBytes, start };
    if (!inside || this.#boundaries.size === 0) return parseHeaders(this.#bytes, limits);
    for (let at = start; at < this.#bytes.length; ) {
      if (this.#bytes[at] === DASH && this.#bytes[at + 1] === DASH && this.#boundaryAt(at)) {
        log.note('mime-part-header', start);
        return parseHeaders(this.#bytes, { ...limits, end: at });
      }
      const lf = this.#bytes.indexOf(LF, at);
      const next = lf === -1 ? this.#bytes.length : lf + 1;
      if (lf === at || (lf === at + 1 && this.#bytes[at] === CR))
        return parseHeaders(this.#bytes, { ...limits, end: next });
      at = next;
    }
    return parseHeaders(this.#bytes, limits);
  }
}

const isMessage = (part: MimePart): boolean =>
  part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global');

/** Where the text of a line ends: before its line end and padding (RFC 2046 5.1.1 transport-padding). */
function lineEnd(bytes: Buffer, from: number, to: number): number {
  while (to > from && ' \t\r\n'.includes(String.fromCharCode(bytes[to - 1] ?? 0))) to--;
  return to;
}

/** All parts, the message itself first, in the order of their bytes. */
export function* allParts(root: MimePart): Generator<MimePart> {
  const stack = [root];
  for (let part = stack.pop(); part; part = stack.pop()) {
    yield part;
    for (let at = part.parts.length - 1; at >= 0; at--) {
      const child = part.parts[at];
      if (child) stack.push(child);
    }
  }
}

// The header of a message or part, byte for byte (RFC 5322 2.2, RFC 6532): fields in order with their offsets, and what is
// wrong with them. Nothing is merged, repaired or dropped; the meaning of a field is for other files.
import { isAscii as isAsciiBytes, isUtf8 } from 'node:buffer';
import { peerText } from '../base/bytes.ts';
import { mimeLimits } from '../base/limits.ts';
import { type Defect, DefectLog } from './defects.ts';
import { decodeWords } from './encoded-words.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
/** RFC 5322 2.1.1, without CRLF. */
export const lineMax = 998;

export interface HeaderField {
  /** As written, without white space before the colon. */
  readonly name: string;
  /** The whole field with its line ends. */
  readonly raw: Buffer;
  /** From the start of the scanned bytes. */
  readonly offset: number;
  readonly length: number;
  /** Unfolded, without white space around it, encoded words decoded. Untrusted. */
  readonly value: string;
  /** Unfolded, without white space around it, UTF-8 where valid, else latin1. Untrusted. */
  readonly rawValue: string;
}

export interface Header {
  fields: HeaderField[];
  /** Behind the blank line; the end when there is none. */
  bodyOffset: number;
  /** A blank line ended the header. */
  terminated: boolean;
  defects: Defect[];
}

export interface HeaderLimits {
  headerBytes: number;
  /** Scan from here ... */
  start?: number;
  /** ... to here; the limits of a part inside a message. */
  end?: number;
}

class Field implements HeaderField {
  readonly name: string;
  readonly raw: Buffer;
  readonly offset: number;
  readonly #colon: number;
  #rawValue: string | undefined;

  constructor(raw: Buffer, offset: number, colon: number) {
    this.raw = raw;
    this.offset = offset;
    this.#colon = colon;
    this.name = trimBlank(raw.toString('latin1', 0, colon));
  }

  get length(): number {
    return this.raw.length;
  }

  get rawValue(): string {
    this.#rawValue ??= trimBlank(peerText(this.raw.subarray(this.#colon + 1)).replace(/\r?\n/g, ''));
    return this.#rawValue;
  }

  get value(): string {
    return decodeWords(this.rawValue);
  }
}

/** Spaces and tabs only; by hand, because `[ \t]+$` is quadratic on long runs. */
export function trimBlank(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

const isBlank = (code: number | undefined): boolean => code === 0x20 || code === 0x09;

/** One pass, linear in the header. Never throws. */
export function parseHeaders(bytes: Buffer, limits: HeaderLimits = mimeLimits): Header {
  const start = limits.start ?? 0;
  const view = bytes.subarray(0, limits.end ?? bytes.length);
  const log = new DefectLog();
  const fields: HeaderField[] = [];
  /** The lines of the field that is being read, from here; -1 when the last line was no field. */
  let open = -1;
  let colon = 0;
  let at = start;
  let terminated = false;

  const close = (end: number): void => {
    if (open >= 0) fields.push(new Field(view.subarray(open, end), open, colon - open));
    open = -1;
  };

  while (at < view.length) {
    const lf = view.indexOf(LF, at);
    const next = lf === -1 ? view.length : lf + 1;
    const crlf = lf > at && view[lf - 1] === CR;
    const textEnd = lf === -1 ? view.length : crlf ? lf - 1 : lf;
    if (lf === -1) log.note('header-cut', at);
    else if (!crlf) log.note('bare-lf', lf);
    if (textEnd === at && lf !== -1) {
      close(at);
      at = next;
      terminated = true;
      break;
    }
    if (next - start > limits.headerBytes) {
      log.note('header-too-large', at);
      close(at);
      return { fields, ...skipHeader(view, at), defects: inspectBlock(view, start, at, fields, log) };
    }
    if (textEnd - at > lineMax) log.note('long-line', at);
    if (isBlank(view[at])) {
      if (open < 0) log.note('header-no-colon', at);
      else if (onlyBlank(view, at, textEnd)) log.note('header-blank-fold', at);
    } else {
      close(at);
      colon = view.subarray(at, textEnd).indexOf(COLON) + at;
      if (at === start && start === 0 && isMboxLine(view, at, colon)) log.note('mbox-from', at);
      else if (colon <= at) log.note('header-no-colon', at);
      else {
        open = at;
        checkName(view, at, colon, log);
      }
    }
    at = next;
  }
  close(at);
  return { fields, bodyOffset: at, terminated, defects: inspectBlock(view, start, at, fields, log) };
}

/** `From sender date`; `From :` is a field with white space before its colon (RFC 5322 4.5). */
const isMboxLine = (view: Buffer, at: number, colon: number): boolean =>
  view.toString('latin1', at, at + 5) === 'From ' && (colon < at || !onlyBlank(view, at + 5, colon));

function checkName(view: Buffer, at: number, colon: number, log: DefectLog): void {
  const name = view.toString('latin1', at, Math.min(colon, at + lineMax));
  if (/^[!-9;-~]+$/.test(name)) return;
  log.note(/^[!-9;-~]+[ \t]+$/.test(name) ? 'header-space-before-colon' : 'header-bad-name', at);
}

function onlyBlank(view: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isBlank(view[at])) return false;
  return true;
}

/** Finds the end of a header that is too large without keeping any of it. */
function skipHeader(view: Buffer, at: number): { bodyOffset: number; terminated: boolean } {
  for (;;) {
    const lf = view.indexOf(LF, at);
    if (lf === -1) return { bodyOffset: view.length, terminated: false };
    if (lf === at || (lf === at + 1 && view[at] === CR)) return { bodyOffset: lf + 1, terminated: true };
    at = lf + 1;
  }
}

/** What is asked of the octets: one look at the whole block, and at single fields only when something is there. */
function inspectBlock(view: Buffer, start: number, end: number, fields: HeaderField[], log: DefectLog): Defect[] {
  const block = view.subarray(start, end);
  for (let cr = block.indexOf(CR); cr !== -1; cr = block.indexOf(CR, cr + 1)) {
    if (block[cr + 1] !== LF) log.note('bare-cr', start + cr);
  }
  const nul = block.indexOf(0);
  if (nul !== -1) log.note('nul', start + nul);
  if (!isAsciiBytes(block)) {
    for (const field of fields) {
      if (isAsciiBytes(field.raw)) continue;
      log.note(isUtf8(field.raw) ? 'header-eight-bit' : 'header-not-utf8', field.offset, field.name);
    }
  }
  return log.list;
}

/** The fields of a name, whatever its case, in order. */
export const fieldsNamed = (fields: readonly HeaderField[], name: string): HeaderField[] => {
  const wanted = name.toLowerCase();
  return fields.filter((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted);
};

export const firstField = (fields: readonly HeaderField[], name: string): HeaderField | undefined => {
  const wanted = name.toLowerCase();
  return fields.find((field) => field.name.length === wanted.length && field.name.toLowerCase() === wanted);
};

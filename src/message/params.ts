// Content-Type and Content-Disposition: the value and its parameters (RFC 2045 5.1), continuations, charset and percent
// form of RFC 2231. Linear, and a parameter name is only ever a Map key.
import { decodeCharset } from './charset.ts';
import type { DefectId } from './defects.ts';
import { decodeWords } from './encoded-words.ts';
import { trimBlank } from './headers.ts';

export interface Parameterized {
  /** Lower case: `text/plain`, `attachment`. */
  value: string;
  /** Names in lower case, values decoded. Untrusted. */
  params: Map<string, string>;
  defects: { id: DefectId; detail: string }[];
}

interface Piece {
  text: string;
  /** Percent-encoded: the `*` at the end of the name. */
  extended: boolean;
}

/** name, name*, name*0, name*0* */
const continuation = /^([^*]+)(?:\*(\d{1,6}))?(\*)?$/;

export function parseParams(text: string): Parameterized {
  const defects: Parameterized['defects'] = [];
  const pieces = new Map<string, Map<number, Piece>>();
  const cursor = new Cursor(text);
  const value = cursor.until(';').toLowerCase();
  while (cursor.skip(';')) {
    const rawName = cursor.until('=;').toLowerCase();
    if (!cursor.skip('=')) {
      if (rawName !== '') defects.push({ id: 'mime-bad-parameter', detail: rawName });
      continue;
    }
    const content = cursor.until(';');
    if (cursor.broken) defects.push({ id: 'mime-bad-parameter', detail: rawName });
    const found = continuation.exec(rawName);
    if (!found?.[1]) {
      defects.push({ id: 'mime-bad-parameter', detail: rawName });
      continue;
    }
    const [, name, number, star] = found;
    // Extended without a number is kept apart: `name*` wins over a `name` for old readers (RFC 2231 4, RFC 6266 4.3).
    const slot = number === undefined ? (star ? -1 : -2) : Number(number);
    const slots = pieces.get(name) ?? new Map<number, Piece>();
    pieces.set(name, slots);
    if (slots.has(slot)) defects.push({ id: 'mime-duplicate-parameter', detail: name });
    else slots.set(slot, { text: content, extended: star !== undefined });
  }
  const params = new Map<string, string>();
  for (const [name, slots] of pieces) {
    const joined = join(slots);
    if (joined.gap) defects.push({ id: 'mime-bad-parameter', detail: name });
    if (joined.words) defects.push({ id: 'mime-encoded-word-parameter', detail: name });
    params.set(name, joined.text);
  }
  return { value, params, defects };
}

function join(slots: Map<number, Piece>): { text: string; gap: boolean; words: boolean } {
  const single = slots.get(-1);
  if (single) return { text: decodeExtended([single]), gap: false, words: false };
  const numbered: Piece[] = [];
  for (let n = 0; ; n++) {
    const piece = slots.get(n);
    if (!piece) break;
    numbered.push(piece);
  }
  const plain = slots.get(-2);
  const gap = slots.size - (plain ? 1 : 0) > numbered.length;
  if (numbered.length > 0) return { text: decodeExtended(numbered), gap, words: false };
  const text = plain?.text ?? '';
  const decoded = decodeWords(text);
  return { text: decoded, gap, words: decoded !== text };
}

/** The charset stands once, in the first piece: `utf-8'en'%C3%BC`. Unknown charsets leave the text as written. */
function decodeExtended(pieces: Piece[]): string {
  const [first] = pieces;
  const prefix = first?.extended ? /^([^']{0,60})'[^']{0,60}'/.exec(first.text) : null;
  const octets: Buffer[] = [];
  for (const [at, piece] of pieces.entries()) {
    const text = at === 0 && prefix ? piece.text.slice(prefix[0].length) : piece.text;
    octets.push(piece.extended ? percentOctets(text) : Buffer.from(text));
  }
  const bytes = Buffer.concat(octets);
  return decodeCharset(bytes, prefix?.[1] || 'utf-8') ?? pieces.map((piece) => piece.text).join('');
}

const percentOctets = (text: string): Buffer =>
  Buffer.from(
    Buffer.from(text)
      .toString('latin1')
      .replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );

/** Walks the text once; comments are left out, quoted strings come unquoted. */
class Cursor {
  readonly #text: string;
  #at = 0;
  /** The last piece had a quoted string or comment without end, or text behind a quoted string. */
  broken = false;

  constructor(text: string) {
    this.#text = text;
  }

  skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** Up to one of `stops`, which stays. White space around it goes, inside quotes it is kept. */
  until(stops: string): string {
    this.broken = false;
    let out = '';
    let quoted = false;
    let from = this.#at;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (stops.includes(char)) break;
      if (char === '"') {
        out += trimBlank(this.#text.slice(from, this.#at));
        if (trimBlank(out) !== '' || quoted) this.broken = true;
        out += this.#quoted();
        quoted = true;
        from = this.#at;
      } else if (char === '(') {
        const before = this.#text.slice(from, this.#at);
        out += quoted ? trimBlank(before) : before;
        this.#comment();
        from = this.#at;
      } else this.#at++;
    }
    const rest = this.#text.slice(from, this.#at);
    if (quoted && trimBlank(rest) !== '') this.broken = true;
    return quoted ? out + trimBlank(rest) : trimBlank(out + rest);
  }

  #quoted(): string {
    let out = '';
    let from = ++this.#at;
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at];
      if (char === '"') return out + this.#text.slice(from, this.#at++);
      // Only quotes and backslashes are escaped: Windows paths are sent with single backslashes far too often.
      const next = this.#text[this.#at + 1];
      if (char === '\\' && (next === '"' || next === '\\')) {
        out += this.#text.slice(from, this.#at);
        from = ++this.#at;
      }
    }
    this.broken = true;
    return out + this.#text.slice(from);
  }

  #comment(): void {
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at];
      if (char === '\\') this.#at++;
      else if (char === '(') depth++;
      else if (char === ')' && --depth === 0) {
        this.#at++;
        return;
      }
    }
    this.broken = true;
  }
}

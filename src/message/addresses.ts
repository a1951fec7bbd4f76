// Address lists of received header fields (RFC 5322 3.4 and 4.4, RFC 2047, RFC 6854): loose, linear, never throws. For
// showing and for finding recipients; each address is still untrusted text until base/address.ts has read it.
import { decodeWords } from './encoded-words.ts';
import { trimBlank } from './headers.ts';

export interface HeaderAddress {
  /** Decoded; null when there is none. */
  name: string | null;
  /** As written, without white space, comments and brackets; '' for a name that has no address. */
  address: string;
  /** The group that it stands in, else null. */
  group: string | null;
}

/** Entries looked at; a field of a megabyte holds more. */
const entriesMax = 50_000;

/** `value` is a rawValue: unfolded, not decoded. */
export function parseHeaderAddresses(value: string): HeaderAddress[] {
  const list: HeaderAddress[] = [];
  let group: string | null = null;
  let entry = new Entry();
  const end = (): void => {
    const address = entry.finish(group);
    if (address) list.push(address);
    entry = new Entry();
  };
  for (let at = 0; at < value.length && list.length < entriesMax; ) {
    const char = value[at];
    if (char === ',') {
      end();
      at++;
    } else if (char === ';' && group !== null) {
      end();
      group = null;
      at++;
    } else if (char === ':' && group === null && !entry.literal && entry.angle === undefined) {
      group = entry.phrase();
      entry = new Entry();
      at++;
    } else at = entry.take(value, at);
  }
  end();
  return list;
}

/** What stands between two commas. */
class Entry {
  #text: string[] = [];
  #name: string[] = [];
  #comments: string[] = [];
  angle: string | undefined;
  /** Inside the brackets of a domain literal. */
  literal = false;

  /** One character, or one quoted string, comment or bracketed address; returns where to go on. */
  take(value: string, at: number): number {
    switch (value[at]) {
      case '"': {
        const end = quotedEnd(value, at);
        this.#text.push(value.slice(at, end));
        this.#name.push(
          value.slice(at + 1, value[end - 1] === '"' && end - at > 1 ? end - 1 : end).replace(/\\(.)/gs, '$1'),
        );
        return end;
      }
      case '(': {
        const end = commentEnd(value, at);
        this.#comments.push(value.slice(at + 1, end - 1));
        return end;
      }
      case '<': {
        const end = angleEnd(value, at);
        this.angle ??= value.slice(at + 1, value[end - 1] === '>' ? end - 1 : end);
        return end;
      }
      default: {
        const char = value[at] ?? '';
        if (char === '[') this.literal = true;
        if (char === ']') this.literal = false;
        const end = plainEnd(value, at);
        this.#text.push(value.slice(at, end));
        this.#name.push(decodeWords(value.slice(at, end)));
        return end;
      }
    }
  }

  phrase(): string {
    return trimBlank(this.#name.join(''));
  }

  finish(group: string | null): HeaderAddress | undefined {
    const text = trimBlank(this.#text.join(''));
    const comment = this.#comments.length > 0 ? decodeWords(trimBlank(this.#comments.join(' '))) : null;
    if (this.angle !== undefined) {
      // An obsolete route is not part of the address (RFC 5322 4.4).
      const address = withoutBlanks(this.angle.replace(/^\s*@[^:]*:/, ''));
      return { name: this.phrase() || comment, address, group };
    }
    if (text === '') return undefined;
    if (text.includes('@')) return { name: comment, address: withoutBlanks(text), group };
    return { name: this.phrase(), address: '', group };
  }
}

/** White space around dots and @ is obsolete syntax; inside quotes it counts. */
const withoutBlanks = (text: string): string =>
  text.startsWith('"') || text.includes(' "') ? trimBlank(text) : text.replace(/[ \t]/g, '');

function plainEnd(value: string, at: number): number {
  const first = value[at];
  if (first === '[' || first === ']') return at + 1;
  let end = at + 1;
  while (end < value.length && !'"(<,;:[]'.includes(value[end] ?? '')) end++;
  return end;
}

function quotedEnd(value: string, at: number): number {
  for (let end = at + 1; end < value.length; end++) {
    if (value[end] === '\\') end++;
    else if (value[end] === '"') return end + 1;
  }
  return value.length;
}

function angleEnd(value: string, at: number): number {
  for (let end = at + 1; end < value.length; end++) {
    if (value[end] === '"') end = quotedEnd(value, end) - 1;
    else if (value[end] === '>') return end + 1;
  }
  return value.length;
}

function commentEnd(value: string, at: number): number {
  let depth = 0;
  for (let end = at; end < value.length; end++) {
    if (value[end] === '\\') end++;
    else if (value[end] === '(') depth++;
    else if (value[end] === ')' && --depth === 0) return end + 1;
  }
  return value.length + 1;
}

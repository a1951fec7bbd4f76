// Address lists of received header fields (RFC 5322 3.4 and 4.4, RFC 2047, RFC 6854): loose and linear for showing them;
// for sending to them the same reading, where every defect is a refusal and base/address.ts has the last word.
import { type Mailbox, parseMailbox } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
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

/** Told in a clause what had to be guessed or left out. */
type OnDefect = (what: string) => void;

/**
 * Whom a field of a message names as recipients or authors. Comments and groups are read, an empty group names nobody.
 * What is malformed is refused with the name of the field: a guess would send mail to somebody else. Throws 'bad-address'.
 */
export function headerMailboxes(field: string, value: string): Mailbox[] {
  const refuse = (what: string): never => {
    throw new EhloError('bad-address', `the ${field} field cannot be read as a list of addresses: ${what}`, {
      hint: 'nothing was sent; correct the field, or name the recipients as arguments instead',
    });
  };
  return parseHeaderAddresses(value, refuse).map(({ name, address }) => {
    if (address === '') return refuse(`"${(name ?? '').slice(0, 80)}" is not an address`);
    try {
      return parseMailbox(address);
    } catch (thrown) {
      return refuse(thrown instanceof EhloError ? thrown.message : String(thrown));
    }
  });
}

/** `value` is a rawValue: unfolded, not decoded. */
export function parseHeaderAddresses(value: string, onDefect: OnDefect = () => undefined): HeaderAddress[] {
  const list: HeaderAddress[] = [];
  let group: string | null = null;
  let entry = new Entry(onDefect);
  const end = (): void => {
    const address = entry.finish(group);
    if (address) list.push(address);
    entry = new Entry(onDefect);
  };
  for (let at = 0; at < value.length; ) {
    if (list.length === entriesMax) {
      onDefect(`it has more than ${entriesMax} entries`);
      return list;
    }
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
      entry = new Entry(onDefect);
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
  readonly #onDefect: OnDefect;
  angle: string | undefined;
  /** Inside the brackets of a domain literal. */
  literal = false;

  constructor(onDefect: OnDefect) {
    this.#onDefect = onDefect;
  }

  /** One character, or one quoted string, comment or bracketed address; returns where to go on. */
  take(value: string, at: number): number {
    switch (value[at]) {
      case '"': {
        const end = quotedEnd(value, at);
        this.#expect(end - at > 1 && value[end - 1] === '"', 'a quoted string has no end');
        this.#behind('"');
        this.#text.push(value.slice(at, end));
        this.#name.push(
          value.slice(at + 1, value[end - 1] === '"' && end - at > 1 ? end - 1 : end).replace(/\\(.)/gs, '$1'),
        );
        return end;
      }
      case '(': {
        const end = commentEnd(value, at);
        this.#expect(end <= value.length, 'a comment has no end');
        this.#comments.push(value.slice(at + 1, end - 1));
        return end;
      }
      case '<': {
        const end = angleEnd(value, at);
        this.#expect(value[end - 1] === '>', 'a < has no >');
        this.#behind('<');
        this.angle ??= value.slice(at + 1, value[end - 1] === '>' ? end - 1 : end);
        return end;
      }
      default: {
        const char = value[at] ?? '';
        if (char === '[') this.literal = true;
        if (char === ']') this.literal = false;
        const end = plainEnd(value, at);
        this.#behind(value.slice(at, end));
        this.#text.push(value.slice(at, end));
        this.#name.push(decodeWords(value.slice(at, end)));
        return end;
      }
    }
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#onDefect(what);
  }

  /** Only comments and blanks may follow an address in angle brackets. */
  #behind(text: string): void {
    if (this.angle !== undefined && trimBlank(text) !== '')
      this.#onDefect('something follows an address without a comma');
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

/** White space around dots and @ is obsolete syntax (RFC 5322 4.4); elsewhere, and inside quotes, it counts. */
const withoutBlanks = (text: string): string =>
  text.includes('"')
    ? trimBlank(text)
    : trimBlank(text.replace(/(?<![ \t])[ \t]+(?=[.@])/g, '').replace(/(?<=[.@])[ \t]+/g, ''));

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

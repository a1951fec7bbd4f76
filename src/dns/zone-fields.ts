// The fields of one zone entry, taken one after the other: names completed with the origin, numbers in range, times, hex,
// strings with their escapes (RFC 1035 5.1). Which fields a record type has is zone-data.ts's.
import { EhloError } from '../base/errors.ts';
import { parseIp, printIp } from './ip.ts';
import { parseName, printName } from './name.ts';
import { packetName } from './packet-name.ts';
import { type Entry, type Position, type Token, zoneError } from './zone-tokens.ts';

/** Takes the tokens of one entry, one field after the other. */
export class Fields {
  /** Of the first token. */
  readonly position: Position;
  readonly #tokens: readonly Token[];
  readonly #origin: string | undefined;
  #at = 0;

  constructor(entry: Entry, origin: string | undefined) {
    this.position = entry.tokens[0] ?? entry;
    this.#tokens = entry.tokens;
    this.#origin = origin;
  }

  get more(): boolean {
    return this.#at < this.#tokens.length;
  }

  next(what: string): Token {
    const token = this.#tokens[this.#at++];
    if (!token) throw zoneError(this.#tokens.at(-1) ?? this.position, `${what} is missing behind this`);
    return token;
  }

  /** True, and taken, when the next token is this word. */
  skip(word: string): boolean {
    const found = this.#tokens[this.#at]?.text === word;
    if (found) this.#at += 1;
    return found;
  }

  end(what: string): void {
    const extra = this.#tokens[this.#at];
    if (extra) throw zoneError(extra, `${what} takes nothing more`, 'remove it, or quote what belongs together');
  }

  /** Relative names are completed. `check` refuses what could not be served. */
  name(what: string, check: (name: string) => string = packetName): string {
    const token = this.next(what);
    const absolute = token.text === '.' || /(?:^|[^\\])(?:\\\\)*\.$/.test(token.text);
    const origin = this.#origin;
    if (!absolute && origin === undefined) {
      throw zoneError(
        token,
        `${token.text} is relative, and there is no origin`,
        'end it with a dot, or write $ORIGIN before it',
      );
    }
    try {
      const own = token.text === '@' ? [] : parseName(token.text);
      const name = printName(absolute ? own : [...own, ...parseName(origin ?? '')]);
      check(name);
      return name;
    } catch (error) {
      if (error instanceof EhloError) throw zoneError(token, error.message, error.hint);
      throw error;
    }
  }

  integer(what: string, most: number): number {
    const token = this.next(what);
    const value = Number(token.text);
    if (!/^\d{1,10}$/.test(token.text) || value > most) {
      throw zoneError(token, `${what} must be a number from 0 to ${most}, not '${token.text}'`);
    }
    return value;
  }

  /** Seconds, or with units: `1h30m`. */
  seconds(what: string, most: number): number {
    const token = this.next(what);
    const value = parseSeconds(token.text);
    if (value === undefined || value > most) {
      throw zoneError(token, `${what} must be seconds or a time such as 1h30m, at most ${most} s, not '${token.text}'`);
    }
    return value;
  }

  address(family: 4 | 6): string {
    const token = this.next('the address');
    const bytes = parseIp(token.text);
    if (bytes?.length !== (family === 4 ? 4 : 16)) throw zoneError(token, `'${token.text}' is no IPv${family} address`);
    return printIp(bytes);
  }

  /** One <character-string>. Text outside ASCII goes in as UTF-8. */
  string(what: string, most: number): Buffer {
    const token = this.next(what);
    const bytes = unescaped(token);
    if (bytes.length > most) {
      throw zoneError(
        token,
        `${what} has ${bytes.length} bytes, at most ${most} fit`,
        'split it into several quoted strings',
      );
    }
    return bytes;
  }

  /** All that is left, as hex digits with blanks anywhere. */
  hex(what: string): Buffer {
    const first = this.next(what);
    let digits = first.text;
    while (this.more) digits += this.next(what).text;
    if (!/^(?:[0-9a-f]{2})+$/i.test(digits)) throw zoneError(first, `${what} must be pairs of hex digits`);
    return Buffer.from(digits, 'hex');
  }
}

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

export function parseSeconds(text: string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  if (!/^(?:\d{1,10}[smhdw])+$/i.test(text)) return undefined;
  const parts = text.toLowerCase().match(/\d+[smhdw]/g) ?? [];
  return parts.reduce((sum, part) => sum + Number(part.slice(0, -1)) * (unitSeconds[part.slice(-1)] ?? 0), 0);
}

function unescaped(token: Token): Buffer {
  if (!token.text.includes('\\')) return Buffer.from(token.text);
  const parts = token.text.match(/\\\d{3}|\\[\s\S]|[^\\]+/gu) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith('\\')) return Buffer.from(part);
      const rest = part.slice(1);
      if (rest.length < 3 && !/^\d/.test(rest)) return Buffer.from(rest);
      const code = Number(rest);
      if (rest.length === 3 && code < 256) return Buffer.of(code);
      throw zoneError(token, `\\${rest} is no escape`, 'write a backslash and three decimal digits below 256');
    }),
  );
}

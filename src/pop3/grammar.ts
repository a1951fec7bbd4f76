// The words of POP3 (RFC 1939, 2449, 2595, 3206, 5034): commands, responses, listing lines; parse and print, both ways.
// Strict: no leading zeros, no stray spaces, no lower-case status. What a line means in a session is not decided here.
import { Secret } from '../base/secret.ts';

export type Pop3Command =
  | { verb: 'STAT' | 'RSET' | 'NOOP' | 'QUIT' | 'CAPA' | 'STLS' }
  | { verb: 'USER'; name: string }
  | { verb: 'PASS'; password: Secret<string> }
  | { verb: 'APOP'; name: string; digest: string }
  /** `initial`: the initial response in base64, `=` for an empty one; undefined where there is none. */
  | { verb: 'AUTH'; mechanism: string; initial?: Secret<string> }
  | { verb: 'LIST' | 'UIDL'; number?: number }
  | { verb: 'RETR' | 'DELE'; number: number }
  | { verb: 'TOP'; number: number; lines: number };

export type Pop3Verb = Pop3Command['verb'];

/** Why a line is no command: a sentence that the server can send back. */
export interface BadCommand {
  verb: 'bad';
  problem: string;
}

const bad = (problem: string): BadCommand => ({ verb: 'bad', problem });

type ArgumentParser = (text: string) => Pop3Command | BadCommand;

const alone =
  (verb: 'STAT' | 'RSET' | 'NOOP' | 'QUIT' | 'CAPA' | 'STLS'): ArgumentParser =>
  (text) =>
    text === '' ? { verb } : bad(`${verb} takes no argument`);

const maybeNumbered =
  (verb: 'LIST' | 'UIDL'): ArgumentParser =>
  (text) => {
    if (text === '') return { verb };
    const number = parseMessageNumber(text);
    return number === undefined ? bad('that is not a message number') : { verb, number };
  };

const numbered =
  (verb: 'RETR' | 'DELE'): ArgumentParser =>
  (text) => {
    const number = parseMessageNumber(text);
    return number === undefined ? bad(`${verb} takes one message number`) : { verb, number };
  };

const argumentsOf: Record<Pop3Verb, ArgumentParser> = {
  STAT: alone('STAT'),
  RSET: alone('RSET'),
  NOOP: alone('NOOP'),
  QUIT: alone('QUIT'),
  CAPA: alone('CAPA'),
  STLS: alone('STLS'),
  // RFC 1939 has no quoting: a name or password is the rest of the line, spaces and all.
  USER: (text) => (text.trim() === '' ? bad('USER takes a user name') : { verb: 'USER', name: text }),
  PASS: (text) => (text === '' ? bad('PASS takes a password') : { verb: 'PASS', password: new Secret(text) }),
  APOP(text) {
    const [, name, digest] = /^(.*\S) ([0-9a-f]{32})$/.exec(text) ?? [];
    return name && digest ? { verb: 'APOP', name, digest } : bad('APOP takes a user name and 32 hex digits');
  },
  AUTH(text) {
    const [, mechanism, initial] = /^([A-Za-z0-9_-]{1,20})(?: (=|[A-Za-z0-9+/]+={0,2}))?$/.exec(text) ?? [];
    if (!mechanism) return bad('AUTH takes a mechanism and perhaps an initial response in base64');
    return { verb: 'AUTH', mechanism: mechanism.toUpperCase(), ...(initial ? { initial: new Secret(initial) } : {}) };
  },
  LIST: maybeNumbered('LIST'),
  UIDL: maybeNumbered('UIDL'),
  RETR: numbered('RETR'),
  DELE: numbered('DELE'),
  TOP(text) {
    const [, first = '', second = ''] = /^(\d+) (\d+)$/.exec(text) ?? [];
    const number = parseMessageNumber(first);
    const lines = parseCount(second);
    return number === undefined || lines === undefined
      ? bad('TOP takes a message number and a number of lines')
      : { verb: 'TOP', number, lines };
  },
};

/** One line without its line end. Verbs are case-insensitive; text is UTF-8 without control characters. */
export function parseCommand(line: Buffer): Pop3Command | BadCommand {
  const text = line.toString('utf8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: naming control characters is the purpose
  if (/[\x00-\x1f\x7f\ufffd]/.test(text)) return bad('control characters and broken UTF-8 are not allowed here');
  const space = text.indexOf(' ');
  const verb = (space === -1 ? text : text.slice(0, space)).toUpperCase();
  if (!isVerb(verb)) return bad('unknown command');
  if (space !== -1 && space === text.length - 1) return bad(`${verb}: nothing follows the space`);
  return argumentsOf[verb](space === -1 ? '' : text.slice(space + 1));
}

const isVerb = (text: string): text is Pop3Verb => Object.hasOwn(argumentsOf, text);

/** The line with its CRLF. With `mask`, as it may be shown. */
export function printCommand(command: Pop3Command, secrets: 'reveal' | 'mask' = 'reveal'): string {
  const tell = (secret: Secret<string>): string => (secrets === 'reveal' ? secret.reveal() : secret.toString());
  const words = (): string => {
    switch (command.verb) {
      case 'USER':
        return ` ${command.name}`;
      case 'PASS':
        return ` ${tell(command.password)}`;
      case 'APOP':
        return ` ${command.name} ${tell(new Secret(command.digest))}`;
      case 'AUTH':
        return ` ${command.mechanism}${command.initial === undefined ? '' : ` ${tell(command.initial)}`}`;
      case 'LIST':
      case 'UIDL':
        return command.number === undefined ? '' : ` ${command.number}`;
      case 'RETR':
      case 'DELE':
        return ` ${command.number}`;
      case 'TOP':
        return ` ${command.number} ${command.lines}`;
      default:
        return '';
    }
  };
  return `${command.verb}${words()}\r\n`;
}

/** 1 and up, without leading zeros. Ten digits are more than any maildrop has. */
export const parseMessageNumber = (text: string): number | undefined =>
  /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;

/** 0 and up, at most 2^53 - 1. */
export const parseCount = (text: string): number | undefined => {
  const value = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
};

export interface Pop3Response {
  ok: boolean;
  /** The response code of RFC 2449 8 in upper case and without brackets: IN-USE, AUTH, SYS/TEMP ... */
  code?: string;
  text: string;
}

export const ok = (text = ''): Pop3Response => ({ ok: true, text });
export const err = (text: string, code?: string): Pop3Response => ({ ok: false, text, ...(code ? { code } : {}) });

/** One line without its line end; undefined where it is neither +OK nor -ERR. */
export function parseResponse(line: string): Pop3Response | undefined {
  const match = /^(\+OK|-ERR)(?: (?:\[([A-Za-z0-9./_-]{1,60})\](?: |$))?(.*))?$/s.exec(line);
  if (!match) return undefined;
  const [, status, code, text = ''] = match;
  return { ok: status === '+OK', ...(code === undefined ? {} : { code: code.toUpperCase() }), text };
}

export function printResponse({ ok, code, text }: Pop3Response): string {
  const words = [ok ? '+OK' : '-ERR', ...(code === undefined ? [] : [`[${code}]`]), ...(text === '' ? [] : [text])];
  return `${words.join(' ')}\r\n`;
}

export interface ListEntry {
  number: number;
  size: number;
}

/** A scan listing, also the answer to STAT. RFC 1939 5: more may follow the size, behind a space. */
export function parseListing(line: string): ListEntry | undefined {
  const [, first = '', second = ''] = /^(\d+) (\d+)(?: .*)?$/.exec(line) ?? [];
  const number = parseMessageNumber(first);
  const size = parseCount(second);
  return number === undefined || size === undefined ? undefined : { number, size };
}

export function parseStat(text: string): { count: number; size: number } | undefined {
  const [, first = '', second = ''] = /^(\d+) (\d+)(?: .*)?$/.exec(text) ?? [];
  const count = parseCount(first);
  const size = parseCount(second);
  return count === undefined || size === undefined ? undefined : { count, size };
}

/** RFC 1939 7: 1 to 70 characters from 0x21 to 0x7e. */
export const isUid = (text: string): boolean => /^[\x21-\x7e]{1,70}$/.test(text);

/** A unique-id listing. `uid` is null where the number is good and the id is not one. */
export function parseUidListing(line: string): { number: number; uid: string | null } | undefined {
  const space = line.indexOf(' ');
  const number = parseMessageNumber(space === -1 ? line : line.slice(0, space));
  const uid = space === -1 ? '' : line.slice(space + 1);
  return number === undefined ? undefined : { number, uid: isUid(uid) ? uid : null };
}

/** Capability names in upper case, each with its arguments (RFC 2449 3). */
export type Capabilities = ReadonlyMap<string, readonly string[]>;

export function parseCapability(line: string): [name: string, values: string[]] | undefined {
  if (!/^[\x21-\x7e]+(?: +[\x21-\x7e]+)* *$/.test(line)) return undefined;
  const [name = '', ...values] = line.trimEnd().split(/ +/);
  return [name.toUpperCase(), values];
}

/** The timestamp of a greeting that offers APOP (RFC 1939 7): a msg-id and nothing looser, see CVE-2007-1558. */
export const parseTimestamp = (greeting: string): string | undefined =>
  /<[\x21-\x3b\x3d\x3f\x41-\x7e]+@[\x21-\x3b\x3d\x3f\x41-\x7e]+>/.exec(greeting)?.[0];

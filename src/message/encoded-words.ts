// Encoded words of header fields (RFC 2047, language of RFC 2231 5), both ways. What cannot be decoded stays as written.
import { decodeCharset, isKnownCharset } from './charset.ts';

const word = /=\?([^?\s]{1,80})\?([bq])\?([^?\s]*)\?=/gi;

/** Bytes of neighbouring words in one charset: a character may be cut between them, against the RFC but often. */
interface Run {
  charset: string;
  bytes: Buffer[];
}

/** Decodes the words of an unfolded value; white space between two words is not part of the text (RFC 2047 6.2). */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text;
  const out: string[] = [];
  let run: Run | undefined;
  let last = 0;
  const flush = (): void => {
    if (run) out.push(decodeCharset(Buffer.concat(run.bytes), run.charset) ?? '');
    run = undefined;
  };
  for (const match of text.matchAll(word)) {
    const [raw, label = '', encoding = '', payload = ''] = match;
    const bytes = encoding.toLowerCase() === 'b' ? decodeB(payload) : decodeQ(payload);
    const charset = label.replace(/\*.*$/, '').toLowerCase();
    if (!bytes || !isKnownCharset(charset)) continue;
    const between = text.slice(last, match.index);
    last = match.index + raw.length;
    const joined = run !== undefined && /^[ \t]*$/.test(between);
    if (run && joined && run.charset === charset) {
      run.bytes.push(bytes);
      continue;
    }
    flush();
    if (!joined) out.push(between);
    run = { charset, bytes: [bytes] };
  }
  flush();
  out.push(text.slice(last));
  return out.join('');
}

const decodeB = (payload: string): Buffer | undefined =>
  /^[A-Za-z0-9+/]*={0,2}$/.test(payload) && payload.replace(/=+$/, '').length % 4 !== 1
    ? Buffer.from(payload, 'base64')
    : undefined;

function decodeQ(payload: string): Buffer | undefined {
  if (/=(?![0-9a-f]{2})/i.test(payload)) return undefined;
  // Raw UTF-8 in a word is against the RFC; its octets are taken as they are.
  const octets = Buffer.from(payload.replaceAll('_', ' ')).toString('latin1');
  const decoded = octets.replace(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}

/** `=?utf-8?Q?` and `?=`. */
const overhead = 12;
/** RFC 2047 2: a word has at most 75 characters, a line with words at most 76. */
const wordMax = 75;

/** The words for a text, each at most 75 characters, the first `used` shorter. Never cuts a character. UTF-8 only. */
export function encodeWords(text: string, used = 0): string[] {
  const letters = text.match(/[A-Za-z0-9 ]/g)?.length ?? 0;
  const form = letters * 2 > text.length ? qForm : bForm;
  const words: string[] = [];
  let piece = '';
  let cost = 0;
  let room = wordMax - overhead - used;
  for (const char of text) {
    const more = form.cost(char);
    if (piece !== '' && form.total(cost + more) > room) {
      words.push(form.print(piece));
      piece = '';
      cost = 0;
      room = wordMax - overhead;
    }
    piece += char;
    cost += more;
  }
  return piece === '' && words.length > 0 ? words : [...words, form.print(piece)];
}

/** Only what is safe in a phrase too (RFC 2047 5 (3)) stays itself. */
const qPlain = /^[A-Za-z0-9!*+/-]$/;

const qForm = {
  cost: (char: string): number => (char === ' ' || qPlain.test(char) ? 1 : Buffer.byteLength(char) * 3),
  total: (cost: number): number => cost,
  print: (text: string): string => {
    let out = '';
    for (const octet of Buffer.from(text)) {
      const char = String.fromCharCode(octet);
      if (char === ' ') out += '_';
      else out += qPlain.test(char) ? char : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    }
    return `=?utf-8?Q?${out}?=`;
  },
};

const bForm = {
  cost: (char: string): number => Buffer.byteLength(char),
  total: (cost: number): number => Math.ceil(cost / 3) * 4,
  print: (text: string): string => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`,
};

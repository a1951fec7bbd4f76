// Parameters of Content-Type and Content-Disposition as we write them (RFC 2045 5.1, continuations and charset of RFC
// 2231), folded, and the `name` that readers from before RFC 2231 look for. Reading is params.ts.
import { encodeWords } from './encoded-words.ts';

/** RFC 5322 2.1.1 wants lines of at most 78. */
const lineWanted = 76;
const token = /^[\w!#$&+.^`{|}~-]+$/;
/** Quoted strings that every reader takes in the same way: many know no backslash, many decode encoded words in them. */
const quotable = /^(?!.*=\?)[ !#-[\]-~]*$/;

export type Param = readonly [name: string, value: string];

/** `Name: value; param=...` with CRLF, a parameter on a line of its own where the line would be too long. */
export function printParamField(name: string, value: string, params: readonly Param[], legacyName?: string): string {
  const pieces = params.flatMap(([key, text]) => printParam(key, text));
  if (legacyName !== undefined) pieces.push(printLegacyName(legacyName));
  let out = `${name}: ${value}`;
  let column = out.length;
  for (const piece of pieces) {
    const first = piece.split('\r\n', 1)[0]?.length ?? 0;
    const fits = column + 3 + first <= lineWanted;
    out += fits ? `; ${piece}` : `;\r\n ${piece}`;
    column = fits ? column + 2 + piece.length : piece.length + 1;
    if (piece.includes('\r\n')) column = lineWanted;
  }
  return `${out}\r\n`;
}

/** One parameter, or its continuations (RFC 2231 3 and 4). */
function printParam(name: string, value: string): string[] {
  const room = lineWanted - name.length - 8;
  const simple = token.test(value) ? value : quotable.test(value) ? `"${value}"` : undefined;
  if (simple !== undefined && simple.length <= room) return [`${name}=${simple}`];
  if (simple !== undefined) return cutText(value, room).map((piece, at) => `${name}*${at}="${piece}"`);
  const pieces = cutPercent(value, room - "utf-8''".length);
  if (pieces.length === 1) return [`${name}*=utf-8''${pieces[0]}`];
  return pieces.map((piece, at) => `${name}*${at}*=${at === 0 ? "utf-8''" : ''}${piece}`);
}

function cutText(text: string, room: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += room) pieces.push(text.slice(at, at + room));
  return pieces;
}

/** Percent form; no character is cut, since some readers decode piece by piece. */
function cutPercent(text: string, room: number): string[] {
  const pieces = [''];
  for (const char of text) {
    const printed = /^[\w.-]$/.test(char) ? char : percent(char);
    const last = pieces.at(-1) ?? '';
    if (last !== '' && last.length + printed.length > room) pieces.push(printed);
    else pieces[pieces.length - 1] = last + printed;
  }
  return pieces;
}

const percent = (char: string): string =>
  [...Buffer.from(char)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join('');

/** Encoded words in quotes are against RFC 2047 5 (3), and are what old readers know; the others look at `filename`. */
function printLegacyName(filename: string): string {
  if (filename.length <= lineWanted - 10) {
    if (token.test(filename)) return `name=${filename}`;
    if (quotable.test(filename)) return `name="${filename}"`;
  }
  return `name="${encodeWords(filename, 'name="";'.length).join('\r\n ')}"`;
}

// Cuts master file text (RFC 1035 5.1) into entries of tokens: lines, parentheses, comments, quoted strings. Every token
// knows its line and column. What the tokens mean is zone-parse.ts's.
import { EhloError } from '../base/errors.ts';

export interface Position {
  /** Both from 1. */
  line: number;
  column: number;
}

export interface Token extends Position {
  /** As written, escapes and all, without the quotes. */
  text: string;
  quoted: boolean;
}

export interface Entry extends Position {
  /** The line starts with a blank: the owner is the last one. */
  blankOwner: boolean;
  tokens: Token[];
  /** The text behind `;!` on a line of its own; then there are no tokens. */
  directive?: string;
}

export const zoneError = (at: Position, why: string, hint?: string): EhloError =>
  new EhloError('config', `zone text, line ${at.line}, column ${at.column}: ${why}`, { stage: 'dns', hint });

const word = /(?:[^\s();"\\]|\\[^\r\n])+/y;
const quotedString = /"((?:[^"\\\r\n]|\\[^\r\n])*)"/y;
const blanks = /[ \t\r\f\v\ufeff]+/y;
const comment = /;[^\n]*/y;

export function* zoneEntries(text: string): Generator<Entry> {
  let line = 1;
  let lineStart = 0;
  let depth = 0;
  let opened: Position = { line: 1, column: 1 };
  let entry: Entry = { line, column: 1, blankOwner: /^[ \t]/.test(text), tokens: [] };
  for (let at = 0; at < text.length; ) {
    const here: Position = { line, column: at - lineStart + 1 };
    const char = text[at];
    const match = (pattern: RegExp): RegExpExecArray | null => {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (found) at = pattern.lastIndex;
      return found;
    };
    if (char === '\n') {
      at += 1;
      line += 1;
      lineStart = at;
      if (depth > 0) continue;
      if (entry.tokens.length > 0) yield entry;
      entry = { line, column: 1, blankOwner: text[at] === ' ' || text[at] === '\t', tokens: [] };
    } else if (match(blanks)) {
    } else if (char === ';') {
      const found = match(comment)?.[0].trimEnd() ?? '';
      if (found.startsWith(';!') && here.column === 1 && depth === 0) {
        yield { ...here, blankOwner: false, tokens: [], directive: found.slice(2) };
      }
    } else if (char === '(') {
      if (depth++ === 0) opened = here;
      at += 1;
    } else if (char === ')') {
      if (depth-- === 0) throw zoneError(here, "')' without '('");
      at += 1;
    } else if (char === '"') {
      const found = match(quotedString);
      if (!found) throw zoneError(here, 'the quoted string does not end on its line', 'close it with a double quote');
      entry.tokens.push({ ...here, text: found[1] ?? '', quoted: true });
    } else {
      const found = match(word);
      if (!found) throw zoneError(here, 'a backslash ends the line');
      entry.tokens.push({ ...here, text: found[0], quoted: false });
    }
  }
  if (depth > 0) throw zoneError(opened, "'(' is never closed");
  if (entry.tokens.length > 0) yield entry;
}

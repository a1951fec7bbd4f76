// The .netrc format of ftp(1) and curl: who logs in where, and with what. Read only on request (--netrc). Unlike ftp(1), what
// is not understood is an error with its line, never skipped; and no word of the file is in any error, since it may be a secret.
import { EhloError } from '../base/errors.ts';

export interface NetrcEntry {
  /** Undefined: the `default` entry, which stands for every machine. */
  machine?: string;
  login?: string;
  password?: string;
}

interface Word {
  text: string;
  /** Where it begins, and where the next one may. */
  at: number;
  end: number;
}

/** Throws 'config'. `path` is for messages. */
export function parseNetrc(text: string, path: string): NetrcEntry[] {
  const entries: NetrcEntry[] = [];
  let at = 0;
  const refuse = (where: number, problem: string): EhloError =>
    new EhloError('config', `${path}, line ${lineOf(text, where)}: ${problem}`, {
      hint: 'the words are: machine NAME, default, login NAME, password SECRET, account NAME, macdef NAME',
    });
  const take = (): Word | undefined => {
    const word = wordAt(text, at);
    if (word === 'open') throw refuse(at + 1, 'a quotation mark is never closed');
    at = word?.end ?? text.length;
    return word;
  };
  const value = (keyword: Word): string => {
    const word = take();
    if (!word) throw refuse(keyword.at, `nothing follows "${keyword.text}"`);
    return word.text;
  };

  for (let word = take(); word; word = take()) {
    const entry = entries.at(-1);
    switch (word.text) {
      case 'machine':
      case 'default':
        if (entry && entry.machine === undefined) throw refuse(word.at, 'an entry behind "default" is never used');
        entries.push(word.text === 'machine' ? { machine: value(word) } : {});
        break;
      case 'login':
      case 'password':
        if (!entry) throw refuse(word.at, `"${word.text}" stands before any "machine"`);
        if (entry[word.text] !== undefined) throw refuse(word.at, `"${word.text}" stands twice in one entry`);
        entry[word.text] = value(word);
        break;
      case 'account':
        value(word);
        break;
      case 'macdef':
        at = endOfMacro(text, at);
        break;
      default:
        if (!word.text.startsWith('#')) throw refuse(word.at, 'a word that is none of the known ones');
        at = endOfLine(text, word.at);
    }
  }
  return entries;
}

/** The entry for a host (and for a user, where one is asked for): the first that fits, else the default. */
export function findNetrc(
  entries: readonly NetrcEntry[],
  host: string,
  user: string | undefined,
): NetrcEntry | undefined {
  return entries.find(
    ({ machine, login }) =>
      (machine === undefined || machine.toLowerCase() === host.toLowerCase()) &&
      (user === undefined || login === undefined || login === user),
  );
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t' };

/** The next word, plain or in quotation marks with backslashes; undefined at the end, 'open' without a closing mark. */
function wordAt(text: string, from: number): Word | 'open' | undefined {
  const at = from + (matchAt(/\s*/y, text, from)?.[0].length ?? 0);
  if (at === text.length) return undefined;
  if (text[at] !== '"') {
    const plain = matchAt(/\S+/y, text, at)?.[0] ?? '';
    return { text: plain, at, end: at + plain.length };
  }
  const quoted = matchAt(/"((?:[^"\\]|\\[\s\S])*)"/y, text, at);
  if (!quoted) return 'open';
  const inner = (quoted[1] ?? '').replace(/\\([\s\S])/g, (_, char: string) => escapes[char] ?? char);
  return { text: inner, at, end: at + quoted[0].length };
}

function matchAt(sticky: RegExp, text: string, at: number): RegExpExecArray | null {
  sticky.lastIndex = at;
  return sticky.exec(text);
}

const endOfLine = (text: string, from: number): number => {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
};

/** A macro goes to the next empty line. */
const endOfMacro = (text: string, from: number): number => {
  const end = /\n[^\S\n]*\n/.exec(text.slice(from));
  return end ? from + end.index + end[0].length : text.length;
};

const lineOf = (text: string, at: number): number => text.slice(0, at).split('\n').length;

// Header fields as we write them: folded, 7-bit clean by encoded words (RFC 5322 2.2.3, RFC 2047). Reading is headers.ts;
// control characters must have been refused before (compose.ts does).
import { domainToAscii, isAscii, type NamedMailbox, printMailbox } from '../base/address.ts';
import { encodeWords } from './encoded-words.ts';

/** RFC 5322 2.1.1 wants lines of at most 78; with encoded words 76 (RFC 2047 2). */
const lineWanted = 76;
/** RFC 5322 2.1.1. */
const lineMax = 998;
/** The longest word that a line of 998 octets holds behind the space of a fold (RFC 5322 2.1.1). */
export const wordMax = 997;

/**
 * `Name: value` with CRLF, folded at spaces. From the first to the last word that is not plain it is written in encoded
 * words: not ASCII, too long, like an encoded word, or a space at either end, which unfolding would take away.
 */
export function printField(name: string, value: string): string {
  // A space that follows another one belongs to the word: no line may end in white space.
  const words = value.split(/(?<=[^ ]) /);
  const odd = words.map((word, at) => !isPlain(word, at, words.length));
  const from = odd.indexOf(true);
  if (from === -1) return foldField(name, words);
  const to = odd.lastIndexOf(true) + 1;
  const encoded = encodeWords(words.slice(from, to).join(' '), from === 0 ? name.length + 2 : 0);
  return foldField(name, [...words.slice(0, from), ...encoded, ...words.slice(to)]);
}

const isPlain = (word: string, at: number, count: number): boolean =>
  (word === '' ? count === 1 : /^[ -~]*[!-~]$/.test(word)) &&
  !(at === 0 && word.startsWith(' ')) &&
  !word.includes('=?') &&
  word.length <= wordMax;

export const printAddressField = (name: string, list: readonly NamedMailbox[]): string =>
  foldField(
    name,
    list.flatMap((entry, at) => {
      const words = addressWords(entry, at === 0 ? name.length + 2 : 0);
      const last = words.pop() ?? '';
      return [...words, at < list.length - 1 ? `${last},` : last];
    }),
  );

/** Words that a fold may stand between. */
function addressWords({ name, mailbox }: NamedMailbox, used: number): string[] {
  // A domain beyond ASCII is written as A-labels, unless the local part needs SMTPUTF8 anyway.
  const domain = isAscii(mailbox.local) && mailbox.domain !== '' ? domainToAscii(mailbox.domain) : mailbox.domain;
  const address = printMailbox({ local: mailbox.local, domain });
  if (name === null || name === '') return [name === null && !address.startsWith('"') ? address : `<${address}>`];
  return [...phraseWords(name, used), `<${address}>`];
}

function phraseWords(name: string, used: number): string[] {
  if (/^[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*$/.test(name) && name.length < lineWanted) {
    return name.split(' ');
  }
  // Within quotes an encoded word is plain text (RFC 2047 5 (3)), but too many readers decode it there.
  if (/^[ -~]*$/.test(name) && !name.includes('=?') && name.length < lineWanted) {
    return [`"${name.replace(/["\\]/g, '\\$&')}"`];
  }
  return encodeWords(name, used);
}

/** Words joined by a space, or by a fold where the line would be longer than wanted. Unfolding gives single spaces. */
function foldField(name: string, words: readonly string[]): string {
  let out = `${name}:`;
  let column = out.length;
  for (const [at, word] of words.entries()) {
    const length = Buffer.byteLength(word);
    if (column + 1 + length > lineWanted && (at > 0 || column + 1 + length > lineMax)) {
      out += '\r\n';
      column = 0;
    }
    out += ` ${word}`;
    column += 1 + length;
  }
  return `${out}\r\n`;
}

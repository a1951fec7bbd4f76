// Header fields as we write them: folded, 7-bit clean by encoded words (RFC 5322 2.2.3, RFC 2047). Reading is headers.ts;
// control characters must have been refused before (compose.ts does).
import { domainToAscii, isAscii, type NamedMailbox, printMailbox } from '../base/address.ts';
import { encodeWords } from './encoded-words.ts';

/** RFC 5322 2.1.1 wants lines of at most 78; with encoded words 76 (RFC 2047 2). */
const lineWanted = 76;
/** A word that no fold can shorten must still fit the hard limit of 998 with its field name. */
const wordLongest = 800;

/** Words of printable ASCII with single spaces between: what folding and unfolding cannot change. */
const plainText = /^(?:[!-~]+(?: [!-~]+)*)?$/;

/** `Name: value` with CRLF. A value that unfolding or a decoder could read in another way is written in encoded words. */
export function printField(name: string, value: string): string {
  const words = value.split(' ');
  const plain = plainText.test(value) && !value.includes('=?') && words.every((word) => word.length < wordLongest);
  return foldField(name, plain ? words : encodeWords(value, name.length + 2));
}

export const printAddressField = (name: string, list: readonly NamedMailbox[]): string =>
  foldField(
    name,
    list.flatMap((entry, at) => {
      const words = addressWords(entry);
      const last = words.pop() ?? '';
      return [...words, at < list.length - 1 ? `${last},` : last];
    }),
  );

/** Words that a fold may stand between. */
function addressWords({ name, mailbox }: NamedMailbox): string[] {
  // A domain beyond ASCII is written as A-labels, unless the local part needs SMTPUTF8 anyway.
  const domain = isAscii(mailbox.local) && mailbox.domain !== '' ? domainToAscii(mailbox.domain) : mailbox.domain;
  const address = printMailbox({ local: mailbox.local, domain });
  if (name === null || name === '') return [name === null && !address.startsWith('"') ? address : `<${address}>`];
  return [...phraseWords(name), `<${address}>`];
}

function phraseWords(name: string): string[] {
  if (/^[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*$/.test(name) && name.length < lineWanted) {
    return name.split(' ');
  }
  // Within quotes an encoded word is plain text (RFC 2047 5 (3)), but too many readers decode it there.
  if (/^[ -~]*$/.test(name) && !name.includes('=?') && name.length < lineWanted) {
    return [`"${name.replace(/["\\]/g, '\\$&')}"`];
  }
  return encodeWords(name);
}

/** Words joined by a space, or by a fold where the line would be longer than wanted. Unfolding gives single spaces. */
function foldField(name: string, words: readonly string[]): string {
  let out = `${name}:`;
  let column = out.length;
  for (const [at, word] of words.entries()) {
    const length = Buffer.byteLength(word);
    if (column + 1 + length > lineWanted && (at > 0 || column + 1 + length > 900)) {
      out += '\r\n';
      column = 0;
    }
    out += ` ${word}`;
    column += 1 + length;
  }
  return `${out}\r\n`;
}

// Makes untrusted text visible and harmless: no control, bidi or invisible character of a peer or a message reaches the
// terminal or the JSON raw. Law 7 tests it over every code point.

// Controls with tab and newline, format characters (bidi, joiners, tags), lone surrogates, separators, and all that shows as
// nothing. The last two ranges are reserved for such characters: a newer Unicode must not open a hole in an older Node.
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Most text is this; asking it first is cheaper than any replacement. */
const plain = /^[\x20-\x7e]*$/;

/** `\x1b`, `\u{202e}` ... in place of what a terminal would act on or not show. Newlines and tabs too: the result is one line. */
export const safe = (text: string): string =>
  plain.test(text)
    ? text
    : text.replace(unsafe, (char) => {
        const code = char.codePointAt(0) ?? 0;
        return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
      });

/** For bodies: newlines and tabs stay. */
export const safeLines = (text: string): string =>
  text
    .split(/\r?\n/)
    .map((line) => line.split('\t').map(safe).join('\t'))
    .join('\n');

/** Shortens by the number of left-out characters, said in the text. */
export const clip = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max)}… (+${text.length - max} characters)`;

// User names and passwords in the form that both ends hash: SASLprep (RFC 4013) as far as Unicode's NFKC goes. Unassigned
// code points and the right-to-left rules of RFC 3454 are not checked; what differs then is a refused login, nothing worse.
import { EhloError } from '../base/errors.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: naming control characters is the purpose
const controls = /[\x00-\x1f\x7f-\x9f\ud800-\udfff]/u;

// RFC 3454 table B.1: mapped to nothing.
const nothing = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;

// RFC 3454 table C.1.2: mapped to a space.
const spaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;

export const saslPrep = (text: string): string => text.replace(nothing, '').replace(spaces, ' ').normalize('NFKC');

/** The prepared text, or undefined where it holds a control character, which no login may. */
export const prepared = (text: string): string | undefined => (controls.test(text) ? undefined : saslPrep(text));

/** For our own credentials: the text unchanged when no control character is in it. Never echoes a secret. */
export function refuseControls(text: string, what: 'user name' | 'password' | 'token'): string {
  const found = controls.exec(text);
  if (!found) return text;
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw new EhloError('usage', `the ${what} holds the control character U+${code} at position ${found.index}`, {
    stage: 'auth',
    hint: `check the source of the ${what}: a line end at its end is the usual cause`,
  });
}

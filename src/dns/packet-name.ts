// Names as dns-packet can write them: the guard in front of its encoder, which cuts text at dots and writes it as UTF-8.
import { EhloError } from '../base/errors.ts';
import { parseName, printName } from './name.ts';

/** What dns-packet writes as it is: it cuts text at dots, strips dots beside line ends, and writes text as UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: hostile labels are sent on purpose by labs
const packetLabel = /^[\x00-\x09\x0b\x0c\x0e-\x2d\x2f-\x5b\x5d-\x7f]+$/;

/** A name as dns-packet wants it, or 'bad-address' where it would write another one. */
export function packetName(name: string): string {
  const labels = parseName(name).map((label) => label.toString('latin1'));
  if (!labels.every((label) => packetLabel.test(label))) {
    throw new EhloError(
      'bad-address',
      `the domain name '${name}' has a label with a dot, a backslash, a line end or a byte above 127: it is not asked`,
      {
        stage: 'dns',
        hint: 'no host has such a name; look for a stray escape where it comes from',
      },
    );
  }
  return labels.length === 0 ? '.' : labels.join('.');
}

/** The mailbox of a SOA record: its first label may hold dots (RFC 1035 8). */
export function packetMailName(name: string): string {
  const [local, ...domain] = parseName(name);
  const text = local?.toString('latin1') ?? '';
  if (!text.includes('.') || text.startsWith('.')) return packetName(name);
  packetName(printName([Buffer.from(text.replaceAll('.', ''), 'latin1'), ...domain]));
  return [text.replaceAll('.', '\\.'), ...domain.map((label) => label.toString('latin1'))].join('.');
}

/** Whether a name from an answer can be asked for in turn. */
export function isAskable(name: string): boolean {
  try {
    packetName(name);
    return true;
  } catch (error) {
    if (error instanceof EhloError) return false;
    throw error;
  }
}

// The part behind the @: domain names, U-labels and address literals (RFC 5321 4.1.2 and 4.1.3, RFC 5890, RFC 6531 3.3).
// Syntax only: whether a domain exists is for dns/.
import { domainToASCII } from 'node:url';
import { EhloError } from './errors.ts';
import { ipFamily } from './ip.ts';

/** RFC 1035 2.3.4 and RFC 5321 4.5.3.1.2, in octets. */
const labelMax = 63;
const domainMax = 255;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether anything but ASCII is there
export const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

export interface AddressLiteral {
  family: 4 | 6;
  /** Without brackets and without the `IPv6:` tag, as written. */
  address: string;
}

/** What no address may hold, in any part: controls, line and paragraph separators, bidi overrides, halves of surrogates. */
const forbidden = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/u;

/** The first character that no address may hold, as `U+000A at character 3`; undefined when all are fine. */
export const forbiddenCharacter = (text: string): string | undefined => {
  const found = forbidden.exec(text);
  if (!found) return undefined;
  const code = found[0].codePointAt(0) ?? 0;
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')} at character ${found.index + 1}`;
};

/** Text inside our own sentences: one line, bounded, what is not printable as U+XXXX. */
export const shown = (text: string): string => {
  const cut = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  const all = new RegExp(forbidden.source, 'gu');
  return `'${cut.replace(all, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)}'`;
};

const refuse = (domain: string, why: string, hint?: string): never => {
  throw new EhloError('bad-address', `the domain ${shown(domain)} is not valid: ${why}`, { hint });
};

/** Let-dig [Ldh-str], or anything beyond ASCII that is not white space: domainToASCII judges that. */
const label =
  /^(?:[A-Za-z0-9]|[^\p{ASCII}\p{White_Space}])(?:(?:[A-Za-z0-9-]|[^\p{ASCII}\p{White_Space}])*(?:[A-Za-z0-9]|[^\p{ASCII}\p{White_Space}]))?$/u;

/** Domain or address-literal. Returns it as written, so printing is the identity; throws 'bad-address'. */
export function parseDomain(text: string): string {
  const control = forbiddenCharacter(text);
  if (control) refuse(text, `it holds ${control}`);
  if (text.startsWith('[')) {
    parseAddressLiteral(text);
    return text;
  }
  if (text === '') refuse(text, 'it is empty');
  if (text.endsWith('.')) refuse(text, 'it ends in a dot', 'leave the last dot out; mail domains are always absolute');
  if (Buffer.byteLength(text) > domainMax) refuse(text, `it is longer than ${domainMax} octets (RFC 5321 4.5.3.1.2)`);
  for (const part of text.split('.')) {
    if (part === '') refuse(text, 'two dots follow each other or a dot comes first');
    if (part.includes('_')) refuse(text, 'a mail domain has no underscore (RFC 5321 4.1.2)');
    if (!label.test(part))
      refuse(text, `'${shown(part).slice(1, -1)}' is not a label of letters, digits and inner hyphens`);
    if (isAscii(part) && part.length > labelMax)
      refuse(text, `a label is longer than ${labelMax} octets (RFC 1035 2.3.4)`);
  }
  const ascii = isAscii(text) ? text : toAscii(text);
  // An all-digit last label cannot be a name (RFC 3696 2); resolvers would take the whole for an address.
  if (/(?:^|\.)[0-9]+$/.test(ascii))
    refuse(text, 'it looks like an IP address', `an address goes in brackets: [${ascii}]`);
  return text;
}

function toAscii(domain: string): string {
  const ascii = domainToASCII(domain);
  if (ascii === '' || !isAscii(ascii)) refuse(domain, 'it has no ASCII form (IDNA, UTS 46)');
  // Mapping turns other full stops into dots and wide digits into addresses: then what is looked up is not what is written.
  const labels = ascii.split('.');
  if (labels.length !== domain.split('.').length) refuse(domain, "its labels are not separated by '.' alone");
  for (const part of labels) {
    if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(part))
      refuse(domain, 'its ASCII form (IDNA, UTS 46) is not a domain');
    if (part.length > labelMax) refuse(domain, `the ASCII form of a label is longer than ${labelMax} octets`);
  }
  if (ascii.length > domainMax) refuse(domain, `its ASCII form is longer than ${domainMax} octets`);
  return ascii;
}

/** U-labels to A-labels, as DNS and servers without SMTPUTF8 need them. ASCII and literals come back as they are. */
export const domainToAscii = (domain: string): string => {
  parseDomain(domain);
  return isAscii(domain) ? domain : toAscii(domain);
};

/** The same domain, whatever its case, U-labels or A-labels; literals by the address they mean. Never throws. */
export const sameDomain = (a: string, b: string): boolean => canonical(a) === canonical(b);

function canonical(domain: string): string {
  if (domain === '') return '';
  try {
    if (!domain.startsWith('[')) return domainToAscii(domain).toLowerCase();
    const literal = parseAddressLiteral(domain);
    // The URL parser writes each IPv6 address in one way.
    return literal.family === 4 ? domain : new URL(`http://[${literal.address}]/`).hostname;
  } catch {
    return domain.toLowerCase();
  }
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3). Other tags were never registered and are refused. */
export function parseAddressLiteral(text: string): AddressLiteral {
  const inner = /^\[([^[\]]*)\]$/.exec(text)?.[1];
  if (inner === undefined) return refuse(text, 'an address literal is one address in brackets');
  const family = ipFamily(inner);
  if (family === 4) return { family, address: inner };
  if (family === 6) return refuse(text, 'an IPv6 literal needs its tag', `write [IPv6:${inner}]`);
  const tagged = /^IPv6:(.*)$/i.exec(inner)?.[1];
  if (tagged === undefined) return refuse(text, 'it is neither an IPv4 nor an IPv6 address');
  if (ipFamily(tagged) === 6) return { family: 6, address: tagged };
  return refuse(text, 'what follows IPv6: is not an IPv6 address');
}

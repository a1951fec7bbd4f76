// Mailboxes, paths and lists of them: strict parse and print (RFC 5321 4.1.2, RFC 6531 3.3). Not for header fields of
// received mail, which are looser (message/addresses.ts), and no judgement of whether anybody lives there.
import { forbiddenCharacter, parseDomain, shown } from './domain.ts';
import { EhloError } from './errors.ts';

export { type AddressLiteral, domainToAscii, isAscii, parseAddressLiteral, sameDomain } from './domain.ts';
export { decodeXtext, encodeXtext } from './xtext.ts';

export interface Mailbox {
  /** Unquoted. */
  local: string;
  /** As written: literals keep their brackets, IDN its letters. '' only for `<Postmaster>` (RFC 5321 4.5.1). */
  domain: string;
}

export interface NamedMailbox {
  name: string | null;
  mailbox: Mailbox;
}

export interface Path {
  /** Null is `<>`. */
  mailbox: Mailbox | null;
  /** `@a,@b` of a source route, which may be ignored (RFC 5321 4.1.1.3) but not unnoticed. */
  route: string | null;
  /** What follows `>`: '' or a space and more. */
  rest: string;
}

/** RFC 5321 4.5.3.1.1 and 4.5.3.1.3, in octets; the path's brackets count. */
const localMax = 64;
const pathMax = 256;

const atext = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\\p{ASCII}\\p{White_Space}]";
const dotString = new RegExp(`^(?:${atext})+(?:\\.(?:${atext})+)*$`, 'u');
/** QcontentSMTP: no control character, not even a tab. */
const quotedContent = /^(?:[^\p{Cc}"\\]|\\[ -~])*$/u;

const refuse = (text: string, why: string, hint?: string): never => {
  throw new EhloError('bad-address', `the address ${shown(text)} is not valid: ${why}`, { hint });
};

const addrSpec = 'write one address as local@domain';

/** Outside of quotes these mean something that an address for the envelope cannot have. Tried in order. */
const oddities: [RegExp, string, string?][] = [
  [/[()]/, 'comments in parentheses are not accepted', addrSpec],
  [/[<>]/, 'angle brackets and names do not belong here', addrSpec],
  [/^[^@[]*:/, 'groups and prefixes with a colon are not accepted', addrSpec],
  [/[,;]/, 'it holds more than one address', addrSpec],
  [/\p{White_Space}/u, 'it holds white space outside of quotes', addrSpec],
  [/@[^@]*@/, 'it has more than one @', 'quote a local part that holds an @: "a@b"@domain'],
  [/\\/, 'a backslash stands outside of quotes', 'quote the local part: "a\\\\b"@domain'],
];

/** One mailbox, without brackets or name. Throws 'bad-address'. */
export function parseMailbox(text: string): Mailbox {
  const control = forbiddenCharacter(text);
  if (control) return refuse(text, `it holds ${control}`, 'remove that character; it is never sent');
  if (text === '') return refuse(text, 'it is empty', addrSpec);
  if (/^<?\s*@.*:/s.test(text))
    return refuse(text, 'source routes are not accepted (RFC 5321 C)', 'leave the route out');
  const quotes = text.startsWith('"') ? closingQuote(text) : 0;
  if (quotes === -1) return refuse(text, 'its quoted local part has no end');
  const written = quotes > 0 ? text.slice(0, quotes) : (/^[^@]*/.exec(text)?.[0] ?? '');
  const unquoted = text.slice(quotes);
  for (const [pattern, why, hint] of oddities) if (pattern.test(unquoted)) return refuse(text, why, hint);
  const after = text.slice(written.length);
  if (after === '') return refuse(text, 'it has no @ and no domain', addrSpec);
  if (!after.startsWith('@')) return refuse(text, 'something stands between the quoted local part and the @');
  if (written === '') return refuse(text, 'its local part is empty', addrSpec);
  if (Buffer.byteLength(written) > localMax) {
    return refuse(text, `its local part is longer than ${localMax} octets (RFC 5321 4.5.3.1.1)`);
  }
  const local = parseLocal(text, written);
  if (after === '@') return refuse(text, 'its domain is empty', addrSpec);
  const domain = parseDomain(after.slice(1));
  if (Buffer.byteLength(text) > pathMax - 2)
    return refuse(text, `it is longer than ${pathMax} octets (RFC 5321 4.5.3.1.3)`);
  return { local, domain };
}

function parseLocal(text: string, written: string): string {
  if (written.startsWith('"')) {
    const content = written.slice(1, -1);
    if (!quotedContent.test(content)) return refuse(text, 'its quoted local part holds a wrong escape');
    return content.replace(/\\(.)/gu, '$1');
  }
  if (!dotString.test(written)) {
    const dots = /^\.|\.\.|\.$/.test(written);
    return refuse(
      text,
      dots ? 'dots in the local part stand only between other characters' : 'its local part needs quotes',
      `quote the local part: ${quote(written.slice(0, localMax))}@domain`,
    );
  }
  return written;
}

/** Where the quoted string at the start ends (behind its quote); -1 when it does not. */
function closingQuote(text: string): number {
  for (let at = 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return -1;
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

export const printMailbox = (mailbox: Mailbox): string => {
  const local = dotString.test(mailbox.local) ? mailbox.local : quote(mailbox.local);
  return mailbox.domain === '' ? local : `${local}@${mailbox.domain}`;
};

/** The argument of MAIL FROM: or RCPT TO:, from its `<` on; parameters stay in `rest`. Throws 'bad-address'. */
export function parsePath(text: string): Path {
  if (!text.startsWith('<')) return refuse(text, 'a path starts with < (RFC 5321 4.1.2)', 'write <local@domain>');
  const end = closingBracket(text);
  if (end === -1) return refuse(text, 'its closing > is missing');
  const rest = text.slice(end + 1);
  if (rest !== '' && !rest.startsWith(' ')) return refuse(text, 'something follows > without a space');
  const inner = text.slice(1, end);
  if (Buffer.byteLength(inner) > pathMax - 2) {
    return refuse(text, `the path is longer than ${pathMax} octets (RFC 5321 4.5.3.1.3)`);
  }
  if (inner === '') return { mailbox: null, route: null, rest };
  if (/^postmaster$/i.test(inner)) return { mailbox: { local: inner, domain: '' }, route: null, rest };
  const colon = inner.startsWith('@') ? inner.search(/(?<!IPv6[^\]]*):/i) : -1;
  if (colon === -1) return { mailbox: parseMailbox(inner), route: null, rest };
  const route = inner.slice(0, colon);
  for (const hop of route.split(',')) {
    if (!hop.startsWith('@')) return refuse(text, 'its source route is malformed');
    parseDomain(hop.slice(1));
  }
  return { mailbox: parseMailbox(inner.slice(colon + 1)), route, rest };
}

/** The first > outside of quotes; -1 when there is none. */
function closingBracket(text: string): number {
  let quoted = false;
  for (let at = 1; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++;
    else if (text[at] === '"') quoted = !quoted;
    else if (text[at] === '>' && !quoted) return at;
  }
  return -1;
}

/** What a user types where several are allowed: `"Doe, J" <a@b>, c@d`. At least one; no groups, no comments. */
export function parseMailboxList(text: string): NamedMailbox[] {
  const control = forbiddenCharacter(text);
  if (control) return refuse(text, `it holds ${control}`, 'remove that character; it is never sent');
  return splitList(text).map((entry) => parseEntry(entry.trim(), text));
}

/** Cuts at commas outside of quotes, brackets and angle brackets. */
function splitList(text: string): string[] {
  const entries: string[] = [];
  let from = 0;
  let quoted = false;
  let angle = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted && char === '\\') at++;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === '<') angle = true;
    else if (char === '>') angle = false;
    else if (char === ',' && !angle) {
      entries.push(text.slice(from, at));
      from = at + 1;
    }
  }
  if (quoted) return refuse(text, 'a quoted string has no end');
  return [...entries, text.slice(from)];
}

/** Ends at white space, a quote or the bracket, so that a failing match is not tried again word by word. */
const phraseWord = `(?:"(?:[^"\\\\]|\\\\.)*"|(?:${atext}|\\.)+)(?:\\s+|(?=["<]))`;
/** Dots in a name are obsolete syntax (RFC 5322 4.1) that everybody types: `J. Doe <j@x>`. */
const nameAddr = new RegExp(`^(?<name>(?:${phraseWord})*)<(?<addr>.*)>$`, 'su');

function parseEntry(entry: string, list: string): NamedMailbox {
  if (entry === '') return refuse(list, 'an entry of the list is empty', 'separate addresses with one comma');
  const bare = entry.replace(/"(?:[^"\\]|\\.)*"/gs, '""');
  if (/[()]/.test(bare)) return refuse(entry, 'comments in parentheses are not accepted');
  if (/^[^<@]*:|;/.test(bare)) return refuse(entry, 'groups are not accepted', 'list the members themselves');
  if (!bare.includes('<')) return { name: null, mailbox: parseMailbox(entry) };
  const found = nameAddr.exec(entry)?.groups;
  if (!found)
    return refuse(
      entry,
      'it is not a name followed by <local@domain>',
      'put a name with special characters in double quotes',
    );
  const words = (found['name'] ?? '').trim();
  return { name: words === '' ? null : unquotePhrase(words), mailbox: parseMailbox(found['addr'] ?? '') };
}

const unquotePhrase = (words: string): string =>
  words.replace(/"((?:[^"\\]|\\.)*)"/gs, (_all, content: string) => content.replace(/\\(.)/gsu, '$1'));

/** A name and address as parseMailboxList reads them back. */
export const printNamedMailbox = ({ name, mailbox }: NamedMailbox): string => {
  if (name === null) return printMailbox(mailbox);
  const plain = new RegExp(`^(?:${atext})+(?: (?:${atext})+)*$`, 'u').test(name);
  return `${plain ? name : quote(name)} <${printMailbox(mailbox)}>`;
};

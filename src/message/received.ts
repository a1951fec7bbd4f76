// Received fields (RFC 5321 4.4) as the usual servers write them, and the hops they tell of. Each field but those of
// servers that one trusts is a claim of whoever sent the message.
import { ipFamily } from '../base/ip.ts';
import { parseDate } from './date.ts';
import { fieldsNamed, type HeaderField, trimBlank } from './headers.ts';

export interface Received {
  /** What the client called itself. */
  from: string | null;
  by: string | null;
  with: string | null;
  id: string | null;
  for: string | null;
  date: Date | null;
  /** Protocol version where it is told, else `yes` when the protocol says TLS (RFC 3848); null: none told. */
  tls: string | null;
  /** The address that the connection came from. */
  ip: string | null;
}

export interface Hop extends Received {
  /** 1 is the oldest. */
  n: number;
  /** Milliseconds since the hop before, null when a date is missing. Negative: the clocks differ. */
  delay: number | null;
  /** How far the clocks of this hop and the one before differ at least, when time seems to go back; else null. */
  skew: number | null;
  /** The field's place in the message. */
  offset: number;
}

/** Longer values are cut before they are read: no server writes that, and each hop costs time. */
const valueMax = 10_000;

type Token = { kind: 'word' | 'comment' | 'end'; text: string };

const clauses = new Set(['from', 'by', 'via', 'with', 'id', 'for']);
type Clause = 'from' | 'by' | 'via' | 'with' | 'id' | 'for';
const isClause = (text: string): text is Clause => clauses.has(text);

export function parseReceived(value: string): Received {
  const tokens = tokenize(value.slice(0, valueMax));
  const words = new Map<Clause, string[]>();
  const comments = new Map<Clause | 'start', string[]>();
  let clause: Clause | 'start' = 'start';
  for (const token of tokens.list) {
    const word = token.text.toLowerCase();
    if (token.kind === 'comment') comments.set(clause, [...(comments.get(clause) ?? []), token.text]);
    // A clause word opens a clause once, and only where the clause before has its word: a host may be called `by`.
    else if (isClause(word) && !words.has(word) && (clause === 'start' || words.get(clause)?.length !== 0)) {
      clause = word;
      words.set(word, []);
    } else if (clause !== 'start') words.get(clause)?.push(token.text);
  }
  const first = (name: Clause): string | null => words.get(name)?.[0] ?? null;
  // Exim puts its TLS clause behind the protocol.
  const protocol =
    words
      .get('with')
      ?.join(' ')
      .replace(/ tls \S+$/, '') || null;
  const said = [...comments.values()].flat();
  return {
    from: first('from'),
    by: first('by'),
    with: protocol,
    id: first('id')?.replace(/^<(.*)>$/, '$1') ?? null,
    for: first('for')?.replace(/^<(.*)>$/, '$1') ?? null,
    date: parseDate(tokens.date),
    tls: tlsVersion(said, words.get('with') ?? [], words.get('id') ?? []),
    ip: clientAddress(words.get('from') ?? [], comments.get('from') ?? []),
  };
}

/** Words, comments (nesting), and the date behind the last semicolon outside of comments. One pass. */
function tokenize(value: string): { list: Token[]; date: string } {
  const list: Token[] = [];
  let dateFrom = value.length;
  let tokensAtDate = 0;
  let at = 0;
  while (at < value.length) {
    const char = value[at] ?? '';
    if (/\s/.test(char)) at++;
    else if (char === ';') {
      dateFrom = ++at;
      tokensAtDate = list.length;
    } else if (char === '(') {
      const end = commentEnd(value, at);
      list.push({ kind: 'comment', text: value.slice(at + 1, end - 1) });
      at = end;
    } else {
      const from = at;
      while (at < value.length && !/[\s;(]/.test(value[at] ?? '')) at++;
      list.push({ kind: 'word', text: value.slice(from, at) });
    }
  }
  return { list: dateFrom < value.length ? list.slice(0, tokensAtDate) : list, date: trimBlank(value.slice(dateFrom)) };
}

function commentEnd(value: string, at: number): number {
  let depth = 0;
  for (; at < value.length; at++) {
    if (value[at] === '\\') at++;
    else if (value[at] === '(') depth++;
    else if (value[at] === ')' && --depth === 0) return at + 1;
  }
  return value.length + 1;
}

/** Postfix `using TLSv1.3 with cipher`, sendmail and Gmail `version=TLS1_3`, Exim `(TLS1.3) tls TLS_AES`. */
function tlsVersion(comments: string[], protocol: string[], id: string[]): string | null {
  for (const text of [...comments, ...protocol, ...id]) {
    const found = /\b(?:TLS|SSL)v?(\d)(?:[._](\d))?\b/i.exec(text);
    if (found) return /^ssl/i.test(found[0]) ? `SSLv${found[1]}` : `TLSv${found[1]}${found[2] ? `.${found[2]}` : ''}`;
  }
  // RFC 3848: ESMTPS, ESMTPSA, LMTPS ...; RFC 6531: UTF8SMTPS ...
  return protocol.some((word) => /^(?:E?SMTP|LMTP|UTF8SMTP|UTF8LMTP|HTTP)SA?$/i.test(word)) ? 'yes' : null;
}

function clientAddress(words: string[], comments: string[]): string | null {
  // In brackets first: that is what the server saw. A name in the comment may look like an address.
  for (const text of [...comments, ...words]) {
    for (const [, inner = ''] of text.matchAll(/\[([^[\]]{2,60})\]/g)) {
      const address = inner.replace(/^ipv6:/i, '');
      if (ipFamily(address)) return address;
    }
  }
  for (const text of [...comments, ...words]) {
    for (const word of text.split(/[\s@,;=()]+/, 20)) if (ipFamily(word)) return word;
  }
  return null;
}

/** Oldest first, at most `limit` of the newest. */
export function hops(fields: readonly HeaderField[], limit = Number.POSITIVE_INFINITY): Hop[] {
  const received = fieldsNamed(fields, 'Received').slice(0, limit).reverse();
  const list: Hop[] = [];
  let before: Date | null = null;
  for (const [at, field] of received.entries()) {
    const hop = parseReceived(field.rawValue);
    const delay = before && hop.date ? hop.date.getTime() - before.getTime() : null;
    list.push({ n: at + 1, ...hop, delay, skew: delay !== null && delay < 0 ? delay : null, offset: field.offset });
    before = hop.date;
  }
  return list;
}

// The EHLO extensions that ehlo knows, as one table, and the answer to EHLO as a value (RFC 5321 4.1.1.1).

/** Keyword in upper case -> its parameter as sent ('' where it has none). Unknown keywords are kept. */
export type Extensions = ReadonlyMap<string, string>;

interface ExtensionRow {
  rfc: string;
  /** What it lets a client do, for `inspect`. */
  means: string;
}

export const extensionTable: Record<string, ExtensionRow> = {
  PIPELINING: { rfc: 'RFC 2920', means: 'several commands in one write' },
  SIZE: { rfc: 'RFC 1870', means: 'the largest message it takes' },
  '8BITMIME': { rfc: 'RFC 6152', means: '8-bit text in bodies' },
  SMTPUTF8: { rfc: 'RFC 6531', means: 'UTF-8 in addresses and headers' },
  STARTTLS: { rfc: 'RFC 3207', means: 'TLS on the same port' },
  AUTH: { rfc: 'RFC 4954', means: 'logging in' },
  ENHANCEDSTATUSCODES: { rfc: 'RFC 2034', means: 'codes like 5.1.1 in replies' },
  DSN: { rfc: 'RFC 3461', means: 'delivery notifications on request' },
  CHUNKING: { rfc: 'RFC 3030', means: 'BDAT: bodies by length, without dots' },
  BINARYMIME: { rfc: 'RFC 3030', means: 'binary bodies' },
  REQUIRETLS: { rfc: 'RFC 8689', means: 'TLS on every further hop' },
  DELIVERBY: { rfc: 'RFC 2852', means: 'a deadline for delivery' },
  'MT-PRIORITY': { rfc: 'RFC 6710', means: 'priorities' },
  LIMITS: { rfc: 'RFC 9422', means: 'limits told in advance' },
  XCLIENT: { rfc: 'Postfix XCLIENT_README', means: "a trusted proxy may tell the client's address" },
  PRDR: { rfc: 'draft-hall-prdr', means: 'a verdict for each recipient after the data' },
  VRFY: { rfc: 'RFC 5321 3.5', means: 'VRFY' },
  ETRN: { rfc: 'RFC 1985', means: 'starting a remote queue' },
  HELP: { rfc: 'RFC 5321 4.1.1.8', means: 'HELP' },
};

/** From the lines of a 250 reply to EHLO. The first is the greeting and holds no keyword. Keywords are case-insensitive. */
export function parseExtensions(lines: readonly string[]): Extensions {
  const found = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/.exec(line.trim());
    if (!match?.[1]) continue;
    const keyword = match[1].toUpperCase();
    const value = (match[2] ?? '').trim();
    // `AUTH=LOGIN` is the pre-standard form; some servers send both.
    const known = found.get(keyword);
    found.set(keyword, known ? `${known} ${value}` : value);
  }
  return found;
}

export const printExtensions = (extensions: Extensions): string[] =>
  [...extensions].map(([keyword, value]) => (value === '' ? keyword : `${keyword} ${value}`));

/** The limit of SIZE in bytes; undefined when absent, without a number, or 0 (no limit told). */
export const sizeLimit = (extensions: Extensions): number | undefined => {
  const value = extensions.get('SIZE');
  return value !== undefined && /^[1-9]\d{0,18}$/.test(value) ? Number(value) : undefined;
};

/** SASL mechanisms offered, upper case, each once. */
export const authOffers = (extensions: Extensions): string[] => [
  ...new Set(
    (extensions.get('AUTH') ?? '')
      .toUpperCase()
      .split(/\s+/)
      .filter((name) => name !== ''),
  ),
];

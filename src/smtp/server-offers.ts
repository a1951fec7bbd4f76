// What a server offers in EHLO, as one table: a row tells the keyword's line for this session, or that it is left out.

import { exposureOf, serverMechanisms } from '../sasl/mechanisms.ts';
import type { Accounts } from '../sasl/sasl.ts';
import type { SmtpServerOptions } from './server-policy.ts';

interface Offer {
  keyword: string;
  /** Undefined: not now. '' is the keyword alone. */
  value(options: SmtpServerOptions, secure: boolean): string | undefined;
}

const always = () => '';

const offers: Offer[] = [
  { keyword: 'PIPELINING', value: always },
  { keyword: 'SIZE', value: ({ limits }) => String(limits.messageBytes) },
  { keyword: '8BITMIME', value: always },
  { keyword: 'SMTPUTF8', value: always },
  // RFC 3207 4.2: not once TLS is there.
  { keyword: 'STARTTLS', value: ({ tls }, secure) => (tls && !secure ? '' : undefined) },
  { keyword: 'AUTH', value: (options, secure) => offeredMechanisms(options, secure).join(' ') || undefined },
  { keyword: 'ENHANCEDSTATUSCODES', value: always },
  { keyword: 'DSN', value: always },
  { keyword: 'CHUNKING', value: always },
  { keyword: 'HELP', value: always },
];

/** Every keyword that can be hidden. */
export const offerNames: readonly string[] = offers.map(({ keyword }) => keyword);

/** The keyword lines, in the order of the table. */
export const ehloKeywords = (options: SmtpServerOptions, secure: boolean): string[] =>
  offers.flatMap(({ keyword, value }) => {
    if (options.hidden?.has(keyword)) return [];
    const parameter = value(options, secure);
    return parameter === undefined ? [] : [parameter === '' ? keyword : `${keyword} ${parameter}`];
  });

/** Mechanisms that may be used on this connection. */
export const offeredMechanisms = ({ accounts, allowInsecureAuth }: SmtpServerOptions, secure: boolean): string[] =>
  accounts ? mechanismsOf(accounts).filter((name) => secure || allowInsecureAuth || exposureOf(name) !== 'clear') : [];

/** Every mechanism that these accounts can serve, safe here or not. */
export const mechanismsOf = (accounts: Accounts): string[] => {
  const known = mechanismCache.get(accounts);
  if (known) return known;
  const mechanisms = serverMechanisms(accounts);
  mechanismCache.set(accounts, mechanisms);
  return mechanisms;
};

const mechanismCache = new WeakMap<Accounts, string[]>();

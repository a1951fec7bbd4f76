// What `inspect` finds out about a server, whatever it speaks, and the rules that it is judged by. One rule a row.
import type { EhloError } from '../base/errors.ts';
import type { Finding } from '../base/finding.ts';
import type { Scrubber } from '../base/secret.ts';
import type { TlsFacts } from '../wire/channel.ts';
import type { Transcript } from '../wire/transcript.ts';
import type { Connection, ServerUrl } from './connection.ts';
import type { SessionTimings, Target } from './session.ts';

export interface OfferedExtension {
  keyword: string;
  value: string;
  rfc: string | null;
  means: string | null;
}

export interface ServerInspection {
  connection: Connection;
  server: ServerUrl;
  /** Trouble with TLS is what is looked for, so it does not end the session: `required` is no mode here. */
  mode: 'off' | 'opportunistic' | 'implicit';
  transcript: Transcript;
  scrubber: Scrubber;
  signal: AbortSignal;
}

/** What the two inspectors (smtp, pop3) bring home; `error` says why they got no further. */
export interface ServerFacts {
  protocol: 'smtp' | 'lmtp' | 'pop3';
  target: Target | null;
  banner: string | null;
  /** It told what it can do (EHLO, CAPA). */
  asked: boolean;
  /** After TLS where there is TLS. */
  extensions: OfferedExtension[];
  /** Ways to log in; null where the server was not asked in that state. */
  auth: { plain: string[] | null; tls: string[] | null };
  /** TLS from the first byte, or STARTTLS or STLS among the offers. */
  offeredTls: boolean;
  tls: TlsFacts | null;
  timings: SessionTimings;
  notes: string[];
  error: EhloError | null;
}

interface ServerRule {
  id: string;
  severity: Finding['severity'];
  rfc: string | null;
  fix: string | null;
  /** What is wrong, or null. */
  finds(facts: ServerFacts, now: Date): string | null;
}

const day = 86_400_000;
/** Shorter than this, somebody should have renewed it. */
const daysLeft = 14;

/** Ways to log in that send the password itself. */
const clear = new Set(['PLAIN', 'LOGIN', 'USER']);

const upgrade = ({ protocol }: ServerFacts): string => (protocol === 'pop3' ? 'STLS' : 'STARTTLS');

const rules: readonly ServerRule[] = [
  {
    id: 'TLS-NONE',
    severity: 'warning',
    rfc: 'RFC 8314 3',
    fix: 'give it a certificate, and turn TLS on',
    finds: (facts) => (facts.asked && !facts.offeredTls ? `the server does not offer ${upgrade(facts)}` : null),
  },
  {
    id: 'TLS-CERTIFICATE',
    severity: 'warning',
    rfc: 'RFC 6125',
    fix: 'renew or replace the certificate, or trust it with --ca',
    finds: ({ tls }) => (tls && !tls.authorized ? (tls.error ?? 'the certificate is not verified') : null),
  },
  {
    id: 'TLS-EXPIRES',
    severity: 'warning',
    rfc: null,
    fix: 'renew it',
    finds: ({ tls }, now) => {
      const left = tls?.validTo ? Math.floor((Date.parse(tls.validTo) - now.getTime()) / day) : null;
      return left !== null && left >= 0 && left < daysLeft ? `the certificate expires in ${left} days` : null;
    },
  },
  {
    id: 'TLS-OLD',
    severity: 'error',
    rfc: 'RFC 8996',
    fix: 'offer TLS 1.2 and 1.3',
    finds: ({ tls }) => (tls && /^TLSv1(\.1)?$/.test(tls.protocol) ? `${tls.protocol} is obsolete` : null),
  },
  {
    id: 'AUTH-PLAINTEXT',
    severity: 'warning',
    rfc: 'RFC 4954 4, RFC 8314 4.1',
    fix: 'offer logins only under TLS',
    finds: ({ auth }) => {
      const found = auth.plain?.filter((name) => clear.has(name)) ?? [];
      return found.length > 0 ? `passwords are accepted without TLS (${found.join(', ')})` : null;
    },
  },
  {
    id: 'NO-PIPELINING',
    severity: 'info',
    rfc: 'RFC 2920, RFC 2449 6.6',
    fix: null,
    finds: ({ asked, extensions }) =>
      asked && !extensions.some(({ keyword }) => keyword === 'PIPELINING')
        ? 'no PIPELINING: every command costs a round trip'
        : null,
  },
];

export const serverFindings = (facts: ServerFacts, now: Date): Finding[] =>
  rules.flatMap(({ finds, ...rule }) => {
    const message = finds(facts, now);
    return message === null ? [] : [{ ...rule, message }];
  });

// What a walk and its hops show that somebody should know or mend: rule id, severity, RFC, fix. One rule a row.
import type { Finding } from '../base/finding.ts';
import type { MxWalk } from '../dns/walk.ts';
import type { Attempt } from './attempt.ts';

export const walkFindings = (walk: MxWalk): Finding[] =>
  [...walk.notes, ...walk.hosts.flatMap((host) => host.notes)].map((note) => ({
    id: note.id,
    severity: note.severity,
    message: note.message,
    rfc: note.rfc ?? null,
    fix: note.fix ?? null,
  }));

interface HopRule {
  id: string;
  severity: Finding['severity'];
  rfc: string | null;
  /** What is wrong at this hop, or null. */
  finds(attempt: Attempt): { message: string; fix: string | null } | null;
}

const name = ({ host, address, port }: Attempt): string => `${host} [${address}]:${port}`;

/** Words that servers use for greylisting; the enhanced codes are those seen with it. */
const greylistWords = /gr[ae]y-?list|try again|temporar(?:y|ily) (?:rejected|deferred|unavailable)|4\.7\.1|4\.2\.0/i;

const hopRules: readonly HopRule[] = [
  {
    id: 'HOST-UNREACHABLE',
    severity: 'warning',
    rfc: 'RFC 5321 5.1',
    finds: (attempt) =>
      attempt.error?.stage === 'connect'
        ? {
            message: attempt.error.message,
            fix: `start the server on ${attempt.host}, open port ${attempt.port} to it, or let nothing point at it`,
          }
        : null,
  },
  {
    id: 'HOST-REFUSES',
    severity: 'warning',
    rfc: 'RFC 5321 3.1',
    finds: (attempt) => {
      const banner = attempt.steps.find((step) => step.stage === 'banner' && step.code >= 400);
      return banner
        ? {
            message: `${name(attempt)} greets with ${banner.code} ${banner.text}`,
            fix: 'senders go on to the next host; look at its log',
          }
        : null;
    },
  },
  {
    id: 'HOST-PROTOCOL',
    severity: 'error',
    rfc: 'RFC 5321 4.2',
    finds: (attempt) =>
      attempt.error?.kind === 'protocol'
        ? { message: attempt.error.message, fix: 'the server breaks the protocol; look at what listens there' }
        : null,
  },
  {
    id: 'TLS-NONE',
    severity: 'warning',
    rfc: 'RFC 3207',
    finds: (attempt) =>
      attempt.extensions.length > 0 && !attempt.tls && !attempt.extensions.includes('STARTTLS')
        ? {
            message: `${name(attempt)} does not offer STARTTLS: mail to it crosses the network in the clear`,
            fix: 'give the server a certificate and turn STARTTLS on',
          }
        : null,
  },
  {
    id: 'TLS-CERTIFICATE',
    severity: 'warning',
    rfc: 'RFC 7435',
    finds: (attempt) =>
      attempt.tls && !attempt.tls.authorized
        ? {
            message: `${name(attempt)}: ${attempt.tls.error ?? 'the certificate is not verified'}`,
            fix: 'senders that require verified TLS will not deliver; renew or replace the certificate',
          }
        : null,
  },
  {
    id: 'GREYLIST',
    severity: 'info',
    rfc: 'RFC 6647',
    finds: (attempt) => {
      const step = attempt.steps.find(({ stage, code }) => stage === 'rcpt' && code >= 400 && code < 500);
      const text = step ? `${step.enhanced ?? ''} ${step.text}` : '';
      return step && greylistWords.test(text)
        ? {
            message: `${name(attempt)} deferred the recipient (${step.code} ${text.trim()}): this looks like greylisting, not a rejection`,
            fix: 'a mail server tries again after some minutes, and then gets through',
          }
        : null;
    },
  },
];

export const attemptFindings = (attempts: readonly Attempt[]): Finding[] => [
  ...attempts.flatMap(hopFindings),
  ...blockedFindings(attempts),
];

/** Many networks let nobody but their own mail servers out on port 25: then every host looks dead. */
function blockedFindings(attempts: readonly Attempt[]): Finding[] {
  const silent = attempts.filter(
    ({ error, port }) => error?.stage === 'connect' && error.code === 'timeout' && port === 25,
  );
  if (silent.length === 0 || silent.length < attempts.length) return [];
  return [
    {
      id: 'PORT-25-BLOCKED',
      severity: 'warning',
      message: 'no host answered on port 25 at all: this network may block it on the way out',
      rfc: null,
      fix: 'try from another network, or ask the provider to open outbound port 25',
    },
  ];
}

const hopFindings = (attempt: Attempt): Finding[] =>
  hopRules.flatMap(({ id, severity, rfc, finds }) => {
    const found = finds(attempt);
    return found ? [{ id, severity, rfc, ...found }] : [];
  });

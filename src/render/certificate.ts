// A certificate for people, below an error that is about it or in a report: who, by whom, when, for which names, which one.
// Everything in it was written by the other side.
import type { TlsSummary } from '../app/tls-policy.ts';
import { clip, safe } from './safe.ts';
import type { Style } from './style.ts';

/** Names of a certificate may be hundreds. */
const namesMax = 600;
const day = 86_400_000;

type Shown = Pick<
  TlsSummary,
  'cause' | 'subject' | 'issuer' | 'validFrom' | 'validTo' | 'altNames' | 'fingerprint' | 'key'
>;

/** Empty where no certificate was shown. */
export function renderCertificate(certificate: Shown, now: Date, style: Style): string {
  const { subject, issuer, altNames, fingerprint, key, cause } = certificate;
  if (fingerprint === null) return '';
  const rows: [name: string, value: string, about: readonly Shown['cause'][]][] = [
    ['subject', subject ?? 'none', ['self-signed']],
    ['issuer', issuer ?? 'none', ['self-signed', 'unknown-ca']],
    ['valid', printValidity(certificate, now), ['expired', 'not-yet-valid']],
    ['names', clip(altNames.join(', '), namesMax) || 'none', ['name']],
    // As `openssl x509 -noout -fingerprint -sha256` has it; --pin takes it so.
    ['sha256', fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:'), ['pin']],
    ['key', key ?? 'unknown', []],
  ];
  const lines = rows.map(([name, value, about]) => {
    const text = safe(value);
    return `    ${name.padEnd(8)}${about.includes(cause) ? style('warn', text) : text}\n`;
  });
  return `${style('dim', '  the certificate:')}\n${lines.join('')}`;
}

/** `2024-01-01 to 2025-01-01 (12 days left)` */
function printValidity({ validFrom, validTo }: Shown, now: Date): string {
  const dates = `${validFrom?.slice(0, 10) ?? 'unreadable'} to ${validTo?.slice(0, 10) ?? 'unreadable'}`;
  const from = validFrom === null ? null : Date.parse(validFrom) - now.getTime();
  const to = validTo === null ? null : Date.parse(validTo) - now.getTime();
  if (from !== null && from > 0) return `${dates} (begins in ${days(from)})`;
  if (to === null) return dates;
  return to < 0 ? `${dates} (expired ${days(-to)} ago)` : `${dates} (${days(to)} left)`;
}

const days = (ms: number): string => {
  const count = Math.floor(ms / day);
  return count === 0 ? 'less than a day' : count === 1 ? '1 day' : `${count} days`;
};

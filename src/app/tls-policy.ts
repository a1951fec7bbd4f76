// Whether a TLS layer is good enough: for going on at all, and for letting a secret out. And how a report shows it.
import { EhloError } from '../base/errors.ts';
import type { TlsFacts } from '../wire/channel.ts';
import type { Connection } from './connection.ts';

export type TlsVerify = Connection['tlsVerify'];

/** The certificate passes what was asked for. With `none` that is any certificate, but for one that a pin speaks against. */
export const tlsAccepted = (tls: TlsFacts, verify: TlsVerify): boolean =>
  (verify === 'none' && tls.cause !== 'pin') || tlsVerified(tls, verify);

/** The other end is who it should be: what a secret needs. */
export const tlsVerified = (tls: TlsFacts, verify: TlsVerify): boolean =>
  tls.authorized || (verify === 'ca' && tls.cause === 'name');

export const certificateError = (tls: TlsFacts, host: string, peer: string): EhloError =>
  new EhloError('tls-certificate', `the certificate of ${host} is not good: ${tls.error ?? 'it was not accepted'}`, {
    stage: 'starttls',
    side: 'remote',
    peer,
    hint: hints[tls.cause ?? 'other'],
  });

const hints: Record<NonNullable<TlsFacts['cause']>, string> = {
  expired: 'the certificate must be renewed; to accept exactly this one use --pin sha256:HEX',
  'not-yet-valid': 'check the clocks of both machines',
  'self-signed': 'trust it with --ca FILE or --pin sha256:HEX',
  'unknown-ca': 'name the authority with --ca FILE, or trust this certificate with --pin sha256:HEX',
  name: 'connect by a name that the certificate holds, or say which name to expect with --tls-name',
  pin: 'the server shows another certificate than the pinned one: find out why before changing the pin',
  other: 'look at the certificate with ehlo inspect, or keep it with --tls-get-cert FILE',
};

export interface TlsSummary {
  protocol: string;
  cipher: string;
  authorized: boolean;
  error: string | null;
  cause: TlsFacts['cause'];
  subject: string | null;
  issuer: string | null;
  validFrom: string | null;
  validTo: string | null;
  altNames: string[];
  /** SHA-256, lower-case hex without colons. */
  fingerprint: string | null;
  key: string | null;
}

export const tlsSummary = (tls: TlsFacts | null): TlsSummary | null =>
  tls && {
    protocol: tls.protocol,
    cipher: tls.cipher,
    authorized: tls.authorized,
    error: tls.error,
    cause: tls.cause,
    subject: tls.subject,
    issuer: tls.issuer,
    validFrom: tls.validFrom,
    validTo: tls.validTo,
    altNames: tls.altNames,
    fingerprint: tls.fingerprint,
    key: tls.key ?? null,
  };

// Extended DNS errors (RFC 8914 and the IANA registry) as text: why a resolver did not answer as one hoped.
import { peerText } from '../base/bytes.ts';

const infoCodes: readonly string[] = [
  'Other Error',
  'Unsupported DNSKEY Algorithm',
  'Unsupported DS Digest Type',
  'Stale Answer',
  'Forged Answer',
  'DNSSEC Indeterminate',
  'DNSSEC Bogus',
  'Signature Expired',
  'Signature Not Yet Valid',
  'DNSKEY Missing',
  'RRSIGs Missing',
  'No Zone Key Bit Set',
  'NSEC Missing',
  'Cached Error',
  'Not Ready',
  'Blocked',
  'Censored',
  'Filtered',
  'Prohibited',
  'Stale NXDOMAIN Answer',
  'Not Authoritative',
  'Not Supported',
  'No Reachable Authority',
  'Network Error',
  'Invalid Data',
  'Signature Expired before Valid',
  'Too Early',
  'Unsupported NSEC3 Iterations Value',
  'Unable to conform to policy',
  'Synthesized',
  'Invalid Query Type',
];

/** `7 (Signature Expired): text of the server`. The text is the server's: untrusted. */
export function printEde(option: Buffer): string {
  const code = option.readUInt16BE(0);
  const name = infoCodes[code];
  // RFC 8914 2: a trailing NUL may be there and must be borne.
  const text = peerText(option.subarray(2)).replace(/\0$/, '');
  return `${code}${name === undefined ? '' : ` (${name})`}${text === '' ? '' : `: ${text}`}`;
}

// What a certificate says of itself, and the chain that came with it, as text. No judgement: that is tls.ts.
import { createHash, type X509Certificate } from 'node:crypto';

/** Longer chains are a server's mistake, or meant to keep us busy. */
const chainMax = 20;

/** PEM, the leaf first. A self-issued certificate may name itself as its issuer for ever: each is taken once. */
export function chainOf(leaf: X509Certificate | undefined): string[] {
  const chain: string[] = [];
  const seen = new Set<string>();
  for (let one = leaf; one && chain.length < chainMax; one = one.issuerCertificate) {
    const digest = createHash('sha256').update(one.raw).digest('hex');
    if (seen.has(digest)) break;
    seen.add(digest);
    chain.push(one.toString());
  }
  return chain;
}

/** `RSA 2048 bit`, `EC prime256v1`, `ED25519`; null for a key that OpenSSL does not know. */
export function keyOf(leaf: X509Certificate | undefined): string | null {
  if (!leaf) return null;
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = leaf.publicKey;
    const size = details?.modulusLength ? `${details.modulusLength} bit` : details?.namedCurve;
    return [type?.toUpperCase(), size].filter(Boolean).join(' ') || null;
  } catch {
    return null;
  }
}

/** Node gives undefined for an empty name (RFC 5280 4.1.2.6 allows one), whatever its types say. */
export const oneLineName = (name: string | undefined): string | null => name?.split('\n').join(', ') ?? null;

/** Null for what OpenSSL calls a bad time value. */
export const isoTime = (text: string | undefined): string | null => {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
};

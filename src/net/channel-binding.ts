// Channel bindings of a TLS connection (RFC 5056): tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929 4). Not
// tls-unique: with TLS 1.2 it is safe only where the extended master secret is in use, which Node does not tell.
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ChannelBinding } from '../wire/channel.ts';

/** The preferred first. `certificate` is the server's, at either end. */
export function channelBindings(socket: TLSSocket, certificate: X509Certificate | undefined): ChannelBinding[] {
  const bindings: ChannelBinding[] = [];
  // RFC 9266 4.2: for earlier versions the exporter is not unique to the connection.
  if (socket.getProtocol() === 'TLSv1.3' && !socket.destroyed) {
    const bytes = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
    bindings.push({ type: 'tls-exporter', bytes });
  }
  const hash = certificate && signatureHash(certificate.raw);
  if (hash) {
    bindings.push({ type: 'tls-server-end-point', bytes: createHash(hash).update(certificate.raw).digest() });
  }
  return bindings;
}

/** signatureAlgorithm (RFC 3279, RFC 4055, RFC 5758), as the hex of its OBJECT IDENTIFIER, and the hash for the binding. */
const signatureHashes: Record<string, string> = {
  // RFC 5929 4.1: in place of MD5 and SHA-1, SHA-256.
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a8648ce3d0401': 'sha256',
  '2a864886f70d01010e': 'sha224',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};

/** Undefined for algorithms without one hash of their own (RSASSA-PSS, Ed25519): there the binding is not defined. */
export function signatureHash(certificate: Buffer): string | undefined {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm OBJECT IDENTIFIER ... } ... }
  const outer = element(certificate, 0);
  const tbs = outer && element(certificate, outer.start);
  const algorithm = tbs && element(certificate, tbs.end);
  const oid = algorithm && element(certificate, algorithm.start);
  return oid && signatureHashes[certificate.toString('hex', oid.start, oid.end)];
}

/** Where the content of the DER element at `at` begins and ends; undefined behind the end of the bytes. */
function element(der: Buffer, at: number): { start: number; end: number } | undefined {
  const first = der[at + 1];
  if (first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  if (lengthBytes > 4 || start > der.length) return undefined;
  const end = start + (lengthBytes === 0 ? first : der.readUIntBE(at + 2, lengthBytes));
  return end > der.length ? undefined : { start, end };
}

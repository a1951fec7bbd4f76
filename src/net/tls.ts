// TLS on a connected socket, as client or server: the handshake under a deadline, and the facts of the certificate.
// Nothing here refuses a certificate: the verdict is told, and whoever holds the policy decides before a byte goes out.
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, TLSSocket } from 'node:tls';
import { EhloError } from '../base/errors.ts';
import type { TlsClientOptions, TlsFacts, TlsOptions } from '../wire/channel.ts';
import { chainOf, isoTime, keyOf, oneLineName } from './certificate.ts';
import { channelBindings } from './channel-binding.ts';

export async function secureSocket(
  plain: Socket,
  options: TlsOptions,
  peer: string,
  deadlineMs: number,
): Promise<{ socket: TLSSocket; facts: TlsFacts }> {
  let socket: TLSSocket;
  try {
    socket =
      options.role === 'client'
        ? connect(clientOptions(plain, options))
        : new TLSSocket(plain, {
            isServer: true,
            secureContext: createSecureContext({ cert: options.cert, key: options.key, ...version(options) }),
          });
  } catch (cause) {
    plain.destroy();
    throw new EhloError('config', `the TLS settings cannot be used: ${text(cause)}`, { cause });
  }
  await handshake(socket, options.role === 'client' ? 'secureConnect' : 'secure', peer, deadlineMs);
  return { socket, facts: options.role === 'client' ? clientFacts(socket, options) : serverFacts(socket) };
}

function clientOptions(socket: Socket, options: TlsClientOptions): ConnectionOptions {
  const isAddress = /^[\d.]+$|:/.test(options.servername);
  return {
    socket,
    // SNI carries no addresses (RFC 6066 3).
    ...(isAddress ? {} : { servername: options.servername }),
    // Said here so that NODE_TLS_REJECT_UNAUTHORIZED has no say; the chain verdict is read from the socket.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(options.ca ? { ca: options.ca } : {}),
    ...(options.cert ? { cert: options.cert } : {}),
    ...(options.key ? { key: options.key } : {}),
    ...(options.ciphers ? { ciphers: options.ciphers } : {}),
    ...version(options),
  };
}

const version = (options: TlsOptions) => (options.minVersion ? { minVersion: options.minVersion } : {});

function handshake(
  socket: TLSSocket,
  event: 'secureConnect' | 'secure',
  peer: string,
  deadlineMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: EhloError) => {
      clearTimeout(timer);
      socket.off('error', onError).off('close', onClose).off(event, onDone);
      if (error) {
        // A late error of a socket that we gave up must not end the process.
        socket.on('error', () => undefined);
        socket.destroy();
        reject(error);
      } else resolve();
    };
    const facts = { stage: 'starttls', peer, side: 'remote' as const };
    const timer = setTimeout(
      () => settle(new EhloError('timeout', `the TLS handshake with ${peer} took longer than ${deadlineMs} ms`, facts)),
      deadlineMs,
    );
    const onDone = () => settle();
    const onClose = () =>
      settle(new EhloError('lost', `${peer} closed the connection during the TLS handshake`, facts));
    const onError = (cause: NodeJS.ErrnoException) => {
      const lost = cause.code === 'ECONNRESET' || cause.code === 'EPIPE';
      if (lost) return onClose();
      if (cause.code === 'ERR_SSL_WRONG_VERSION_NUMBER' || cause.code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
        const message = `${peer} answered the TLS handshake with something that is not TLS`;
        return settle(new EhloError('reply-unexpected', message, { ...facts, cause }));
      }
      const message = `the TLS handshake with ${peer} failed: ${opensslReason(cause)}`;
      return settle(new EhloError('tls-handshake', message, { ...facts, cause }));
    };
    socket.on('error', onError).on('close', onClose).on(event, onDone);
  });
}

const opensslReason = (cause: NodeJS.ErrnoException & { reason?: string }): string =>
  cause.reason ?? cause.code ?? cause.message;

function clientFacts(socket: TLSSocket, options: TlsClientOptions): TlsFacts {
  // Only the X509 form: getPeerCertificate(true) comes back empty once the other was asked for.
  const leaf = socket.getPeerX509Certificate();
  const fingerprint = leaf ? leaf.fingerprint256.replaceAll(':', '').toLowerCase() : null;
  return {
    ...layer(socket),
    ...verdict(socket, leaf, fingerprint, options),
    subject: oneLineName(leaf?.subject),
    issuer: oneLineName(leaf?.issuer),
    validFrom: isoTime(leaf?.validFrom),
    validTo: isoTime(leaf?.validTo),
    altNames: leaf?.subjectAltName?.split(', ') ?? [],
    fingerprint,
    chain: chainOf(leaf),
    key: keyOf(leaf),
    channelBindings: () => channelBindings(socket, leaf),
  };
}

const serverFacts = (socket: TLSSocket): TlsFacts => ({
  ...layer(socket),
  authorized: true,
  error: null,
  cause: null,
  subject: null,
  issuer: null,
  validFrom: null,
  validTo: null,
  altNames: [],
  fingerprint: null,
  channelBindings: () => channelBindings(socket, socket.getX509Certificate()),
});

const layer = (socket: TLSSocket) => ({
  protocol: socket.getProtocol() ?? 'unknown',
  cipher: socket.getCipher().name,
});

type Verdict = Pick<TlsFacts, 'authorized' | 'error' | 'cause'>;

function verdict(
  socket: TLSSocket,
  leaf: X509Certificate | undefined,
  fingerprint: string | null,
  options: TlsClientOptions,
): Verdict {
  if (!leaf) return { authorized: false, error: 'the server showed no certificate', cause: 'other' };
  if (options.pin) {
    return options.pin === fingerprint
      ? { authorized: true, error: null, cause: null }
      : { authorized: false, error: `the certificate's SHA-256 is ${fingerprint}, not the pinned one`, cause: 'pin' };
  }
  const code = String(socket.authorizationError ?? '');
  if (code !== '') {
    const [cause, words] = chainProblems[code] ?? ['other', `certificate not accepted (${code})`];
    return { authorized: false, error: words, cause };
  }
  const name = options.name ?? options.servername;
  // RFC 9525 6.3: names come from subjectAltName alone, a CN is not one, and a wildcard is a whole label.
  const matches = isIp(name) ? leaf.checkIP(name) : leaf.checkHost(name, { subject: 'never', partialWildcards: false });
  if (matches) return { authorized: true, error: null, cause: null };
  const names = leaf.subjectAltName ?? 'no names at all';
  return { authorized: false, error: `the certificate is for ${names}, not for ${name}`, cause: 'name' };
}

const isIp = (name: string): boolean => name.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(name);

const chainProblems: Record<string, [NonNullable<TlsFacts['cause']>, string]> = {
  CERT_HAS_EXPIRED: ['expired', 'the certificate has expired'],
  CERT_NOT_YET_VALID: ['not-yet-valid', 'the certificate is not valid yet'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['self-signed', 'the certificate is self-signed'],
  ERROR_IN_CERT_NOT_BEFORE_FIELD: ['other', 'the date from which the certificate is valid cannot be read'],
  ERROR_IN_CERT_NOT_AFTER_FIELD: ['other', 'the date until which the certificate is valid cannot be read'],
  SELF_SIGNED_CERT_IN_CHAIN: ['unknown-ca', 'the chain ends in a root that is not trusted here'],
  UNABLE_TO_GET_ISSUER_CERT: ['unknown-ca', 'the issuer of the certificate is not known here'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['unknown-ca', 'the issuer of the certificate is not trusted here'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'unknown-ca',
    'the issuer is unknown, or the server left an intermediate certificate out',
  ],
};

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

// Whether the TLS files and ciphers that a user gave can be used, asked before anything is connected to: OpenSSL itself
// leaves out silently what it cannot read among authorities and ciphers, and speaks of the rest in its own words.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { EhloError } from '../base/errors.ts';
import type { TlsClientOptions } from '../wire/channel.ts';

/** The paths, for messages. */
export type TlsFileNames = Partial<Record<'ca' | 'cert' | 'key', string>>;

/** Throws 'config' naming the option and the file. */
export function checkTlsClient(
  options: Pick<TlsClientOptions, 'ca' | 'cert' | 'key' | 'ciphers' | 'minVersion'>,
  names: TlsFileNames,
): void {
  const { ca, cert, key, ciphers, minVersion } = options;
  if (ca) certificatesOf('ca', ca, names.ca);
  const [leaf] = cert ? certificatesOf('cert', cert, names.cert) : [];
  const privateKey = key && keyOf(key, names.key);
  if (leaf && privateKey && !leaf.checkPrivateKey(privateKey)) {
    throw new EhloError('config', `--key: ${names.key} is not the key of the certificate in ${names.cert}`, {
      hint: 'the first certificate of --cert must be your own; the authorities come behind it',
    });
  }
  if (ciphers !== undefined) checkCiphers(ciphers);
  try {
    createSecureContext({
      ...(cert && { cert }),
      ...(key && { key }),
      ...(ciphers !== undefined && { ciphers }),
      ...(minVersion && { minVersion }),
    });
  } catch (cause) {
    throw new EhloError('config', `the TLS options cannot be used: ${reason(cause)}`, { cause });
  }
}

const block = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*(?:-----END \1-----)?/g;

function certificatesOf(option: 'ca' | 'cert', pem: Buffer, path: string | undefined): X509Certificate[] {
  const blocks = pem.toString('latin1').match(block) ?? [];
  if (blocks.length === 0) {
    throw new EhloError('config', `--${option}: ${path} holds no certificate (no "-----BEGIN CERTIFICATE-----")`, {
      hint: option === 'cert' ? 'were --cert and --key exchanged?' : 'give the certificates of the authorities as PEM',
    });
  }
  return blocks.map((text, index) => {
    try {
      return new X509Certificate(text);
    } catch (cause) {
      const which = blocks.length === 1 ? 'the certificate' : `certificate ${index + 1} of ${blocks.length}`;
      throw new EhloError('config', `--${option}: ${which} in ${path} cannot be read: ${reason(cause)}`, {
        hint: `openssl x509 -noout -subject -in ${path} says more`,
        cause,
      });
    }
  });
}

/** PKCS #8 (RFC 5958 3) and the older form of OpenSSL (RFC 1421 4.6.1.1); the errors differ from version to version. */
const encrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m;

function keyOf(pem: Buffer, path: string | undefined): KeyObject {
  if (encrypted.test(pem.toString('latin1'))) {
    throw new EhloError('config', `--key: ${path} is encrypted, and there is no way to give its passphrase`, {
      hint: `openssl pkey -in ${path} -out plain.pem takes it off; keep that file private (chmod 600)`,
    });
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new EhloError('config', `--key: ${path} holds no private key that can be read: ${reason(cause)}`, {
      hint: 'a key is PEM with "-----BEGIN PRIVATE KEY-----"; were --cert and --key exchanged?',
      cause,
    });
  }
}

/** A word that OpenSSL does not know is left out by it without a word, as long as there is one that it knows. */
function checkCiphers(list: string): void {
  const words = list.split(/[:, ]/).filter((word) => word !== '');
  for (const word of words.length === 0 ? [list] : words) {
    const bare = word.replace(/^[!+-]/, '');
    if (bare.startsWith('@')) continue;
    try {
      if (bare === '') throw new Error('empty');
      createSecureContext({ ciphers: bare });
    } catch (cause) {
      throw new EhloError('config', `--ciphers: "${bare}" is no cipher or group of ciphers that OpenSSL knows here`, {
        hint: 'openssl ciphers -v lists them',
        cause,
      });
    }
  }
}

const reason = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause);
  return 'reason' in cause && typeof cause.reason === 'string' ? cause.reason : cause.message;
};

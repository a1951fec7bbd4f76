// A key that signs for a domain (RFC 6376 3.3 and 3.6.1, RFC 8301, RFC 8463): PEM in, a key of which it is known that it
// signs out. Reading the file is for whoever names it.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { domainToAscii } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';

export interface DkimKey {
  /** A-labels, as they stand in s= and d= and in DNS. */
  selector: string;
  domain: string;
  algorithm: 'rsa-sha256' | 'ed25519-sha256';
  key: Secret<KeyObject>;
  /** What is weak about it, for people. */
  notes: string[];
}

/** RFC 8301 3.2: signers MUST use 1024 bits and SHOULD use 2048; verifiers need not take more than 4096. */
const bits = { least: 1024, wanted: 2048, most: 4096 };

const refuse = (message: string, hint?: string, cause?: unknown): EhloError =>
  new EhloError('config', message, { hint: hint ?? 'nothing was sent', cause });

/** `where` names the key in errors: the file. Throws 'usage' for the names and 'config' for the key. */
export function parseDkimKey(names: { selector: string; domain: string }, pem: string, where: string): DkimKey {
  const { selector, domain } = parseNames(names);
  const key = readPem(pem, where);
  const { algorithm, notes } = judge(key, where);
  const probe = Buffer.from('ehlo');
  // A key file can be well-formed and still not hold a key: then this is the place to notice.
  const holds = (): boolean =>
    verify(hashOf(algorithm), probe, createPublicKey(key), signDigest(algorithm, key, probe));
  if (!attempt(holds, where)) throw refuse(`${where} holds a key that cannot sign: its parts do not belong together`);
  return { selector, domain, algorithm, key: new Secret(key), notes };
}

/** The signature over the hashed header (RFC 6376 3.3.1); Ed25519 signs the hash itself (RFC 8463 3). */
export const signDigest = (algorithm: DkimKey['algorithm'], key: KeyObject, data: Buffer): Buffer =>
  sign(hashOf(algorithm), data, key);

const hashOf = (algorithm: DkimKey['algorithm']): 'sha256' | null => (algorithm === 'rsa-sha256' ? 'sha256' : null);

function attempt<T>(work: () => T, where: string): T {
  try {
    return work();
  } catch (cause) {
    throw refuse(`${where} holds a key that cannot sign`, undefined, cause);
  }
}

/** RFC 6376 3.1: a selector is one or more labels, which may be all digits. */
function parseNames(names: { selector: string; domain: string }): { selector: string; domain: string } {
  const domain = asDomain(names.domain, 'domain');
  const whole = asDomain(`${names.selector}.${domain}`, 'selector');
  return { selector: whole.slice(0, -domain.length - 1), domain };
}

function asDomain(text: string, what: 'domain' | 'selector'): string {
  const problem = (why: string, cause?: unknown) =>
    new EhloError('usage', `the DKIM ${what} is not valid: ${why}`, {
      hint: 'it is written as SELECTOR:DOMAIN:KEYFILE, for example mail2026:example.com:/etc/dkim/mail2026.pem',
      cause,
    });
  if (text.startsWith('[')) throw problem('an address literal has no DNS records');
  try {
    return domainToAscii(text).toLowerCase();
  } catch (cause) {
    throw problem(cause instanceof EhloError ? cause.message : String(cause), cause);
  }
}

function readPem(pem: string, where: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    throw refuse(
      `${where} holds an encrypted key, and there is nobody to ask for its passphrase`,
      'write it without one: openssl pkey -in FILE -out PLAIN, and chmod 600 PLAIN',
    );
  }
  const kind = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(pem)?.[1];
  if (kind === undefined) {
    throw refuse(
      `${where} holds no key in PEM form`,
      'make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048',
    );
  }
  if (!pem.includes('PRIVATE KEY-----')) {
    throw refuse(
      `${where} holds "${kind}", but a private key signs`,
      'the public key goes into DNS; name the file of the private key',
    );
  }
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw refuse(`${where} holds a damaged key`, undefined, cause);
  }
}

function judge(key: KeyObject, where: string): Pick<DkimKey, 'algorithm' | 'notes'> {
  if (key.asymmetricKeyType === 'ed25519') return { algorithm: 'ed25519-sha256', notes: [] };
  if (key.asymmetricKeyType !== 'rsa') {
    throw refuse(`${where} holds a key of the kind ${key.asymmetricKeyType}, and DKIM signs with RSA and Ed25519 only`);
  }
  const length = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (length < bits.least) {
    throw refuse(
      `${where} holds an RSA key of ${length} bits; with fewer than ${bits.least} a signature counts nowhere (RFC 8301 3.2)`,
      `make a new one of ${bits.wanted} bits and publish it`,
    );
  }
  const notes: string[] = [];
  if (length < bits.wanted)
    notes.push(`the DKIM key in ${where} has ${length} bits; ${bits.wanted} are wanted (RFC 8301 3.2)`);
  if (length > bits.most)
    notes.push(
      `the DKIM key in ${where} has ${length} bits; receivers need not verify more than ${bits.most} (RFC 8301 3.2)`,
    );
  return { algorithm: 'rsa-sha256', notes };
}

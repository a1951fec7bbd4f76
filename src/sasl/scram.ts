// SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: proves that we know the password without telling
// it, and makes the server prove that it knows it too; the -PLUS forms also that nobody stands between the two TLS ends.
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { EhloError } from '../base/errors.ts';
import { saslLimits } from '../base/limits.ts';
import { fromBase64 } from './base64.ts';
import { checkSize, noMoreSteps, passwordFrom, remoteError, utf8 } from './exchange.ts';
import { refuseControls, saslPrep } from './prep.ts';
import type { ChannelBinding, Credentials, SaslClient } from './sasl.ts';

export type ScramHash = 'sha1' | 'sha256';
export const scramName = { sha1: 'SCRAM-SHA-1', sha256: 'SCRAM-SHA-256' } as const;

/** What the client says of channel binding (RFC 5802 6 and 7, gs2-cbind-flag). */
export type Binding =
  /** The -PLUS form: bound to this TLS connection. */
  | { kind: 'bound'; to: ChannelBinding }
  /** `y`: we could, but the server does not offer it. One that does offer it then knows that somebody took the offer out. */
  | { kind: 'not-offered' }
  /** `n`: there is nothing to bind to, or it is not wanted. */
  | { kind: 'none' };

/** The gs2-header without an authorization identity, and what follows it in `c=`. */
function gs2Of(binding: Binding): { header: string; data: Buffer } {
  switch (binding.kind) {
    case 'bound':
      return { header: `p=${binding.to.type},,`, data: binding.to.bytes };
    case 'not-offered':
      return { header: 'y,,', data: Buffer.alloc(0) };
    case 'none':
      return { header: 'n,,', data: Buffer.alloc(0) };
  }
}

/** A nonce is printable ASCII without comma. */
export const freshNonce = (): string => randomBytes(18).toString('base64');

export const hmac = (hash: ScramHash, key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();

export const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)));

/** What both ends derive from the password (RFC 5802 3). */
export function scramKeys(hash: ScramHash, password: string, salt: Buffer, iterations: number) {
  const length = hash === 'sha1' ? 20 : 32;
  const salted = pbkdf2Sync(saslPrep(password), salt, iterations, length, hash);
  const client = hmac(hash, salted, 'Client Key');
  const stored = createHash(hash).update(client).digest();
  return { client, stored, server: hmac(hash, salted, 'Server Key') };
}

/** RFC 5802 5.1: `=` and `,` are quoted in a user name. */
export const printScramName = (name: string): string => name.replaceAll('=', '=3D').replaceAll(',', '=2C');
export const parseScramName = (text: string): string | undefined =>
  /^(?:[^=,]|=2C|=3D)+$/.test(text) ? text.replaceAll('=2C', ',').replaceAll('=3D', '=') : undefined;

/** As fromBase64, but not empty: neither a salt nor a signature is. */
export const strictBase64 = (text: string): Buffer | undefined => (text === '' ? undefined : fromBase64(text));

export interface ScramClientOptions {
  nonce?: (() => string) | undefined;
  binding?: Binding | undefined;
}

export function scramClient(
  hash: ScramHash,
  credentials: Credentials,
  { nonce = freshNonce, binding = { kind: 'none' } }: ScramClientOptions = {},
): SaslClient {
  const mechanism = binding.kind === 'bound' ? (`${scramName[hash]}-PLUS` as const) : scramName[hash];
  const gs2 = gs2Of(binding);
  const user = saslPrep(refuseControls(credentials.user, 'user name'));
  const password = refuseControls(passwordFrom(credentials, mechanism), 'password');
  const ours = nonce();
  const firstBare = `n=${printScramName(user)},r=${ours}`;
  let expectedSignature: Buffer | undefined;
  let state: 'first' | 'final' | 'over' = 'first';

  const answerFirst = (text: string): Buffer => {
    const { combined, salt, iterations } = parseServerFirst(mechanism, text, ours);
    const keys = scramKeys(hash, password, salt, iterations);
    const bound = Buffer.concat([Buffer.from(gs2.header), gs2.data]).toString('base64');
    const withoutProof = `c=${bound},r=${combined}`;
    const authMessage = `${firstBare},${text},${withoutProof}`;
    const proof = xor(keys.client, hmac(hash, keys.stored, authMessage));
    expectedSignature = hmac(hash, keys.server, authMessage);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  };

  const checkFinal = (text: string): Buffer => {
    const refusal = /^e=([^,]+)/.exec(text)?.[1];
    if (refusal !== undefined) {
      throw new EhloError('auth-rejected', `${mechanism}: the server refused the login (${refusal.slice(0, 100)})`, {
        stage: 'auth',
        hint: refusals[refusal] ?? 'check the user name and the password',
      });
    }
    const signature = strictBase64(/^v=([^,]+)/.exec(text)?.[1] ?? '');
    const expected = expectedSignature;
    if (!signature || !expected || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw remoteError(
        'peer-lied',
        mechanism,
        'the server could not prove that it knows the password',
        'this may not be the server that it claims to be; nothing more was said to it',
      );
    }
    return Buffer.alloc(0);
  };

  return {
    mechanism,
    initial: Buffer.from(gs2.header + firstBare),
    next(challenge) {
      checkSize(mechanism, challenge);
      const text = utf8(challenge);
      if (text === undefined) throw remoteError('reply-malformed', mechanism, 'the challenge is not UTF-8');
      switch (state) {
        case 'first':
          state = 'final';
          return answerFirst(text);
        case 'final': {
          const answer = checkFinal(text);
          state = 'over';
          return answer;
        }
        case 'over':
          throw noMoreSteps(mechanism);
      }
    },
    finish() {
      if (state === 'over') return;
      throw remoteError(
        'peer-lied',
        mechanism,
        'the server said yes without proving that it knows the password',
        'this may not be the server that it claims to be',
      );
    },
  };
}

/** What to do about an e= of the server (RFC 5802 7, server-error-value) that is not about the password. */
const refusals: Record<string, string> = {
  'channel-bindings-dont-match':
    'the server sees another TLS connection than this one: something in between ends TLS, or means harm',
  'server-does-support-channel-binding':
    'somebody between the server and here took the -PLUS mechanisms out of its offer, or the server does not list them',
  'channel-binding-not-supported': 'leave the -PLUS mechanism out: --auth SCRAM-SHA-256',
  'unsupported-channel-binding-type':
    'the server binds to TLS in another way than we do; leave it out: --auth SCRAM-SHA-256',
};

/** `r=<our nonce and more>,s=<salt>,i=<count>`, perhaps with extensions behind it (RFC 5802 7, server-first-message). */
function parseServerFirst(mechanism: string, text: string, ours: string) {
  const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,9})(?:,|$)/.exec(text);
  if (text.startsWith('m=')) {
    throw remoteError('reply-malformed', mechanism, 'the server demands an extension that does not exist here');
  }
  const [, combined = '', saltText = '', count = ''] = match ?? [];
  const salt = strictBase64(saltText);
  if (!match || !salt)
    throw remoteError('reply-malformed', mechanism, 'the first challenge is not nonce, salt and count');
  if (!combined.startsWith(ours) || combined.length === ours.length) {
    throw remoteError('peer-lied', mechanism, "the server's nonce does not continue ours; it may be a replay");
  }
  const iterations = Number(count);
  const { minIterations, maxIterations } = saslLimits;
  if (iterations < minIterations || iterations > maxIterations) {
    throw remoteError(
      'reply-unexpected',
      mechanism,
      `the server asks for ${count} hash rounds; ${minIterations} to ${maxIterations} are accepted`,
    );
  }
  return { combined, salt, iterations };
}

// SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side over accounts that know the password itself.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { challenge, failed, utf8 } from './exchange.ts';
import { prepared } from './prep.ts';
import type { Accounts, ChannelBinding, SaslServer, SaslStep } from './sasl.ts';
import { freshNonce, hmac, parseScramName, type ScramHash, scramKeys, scramName, strictBase64, xor } from './scram.ts';

export interface ScramServerOptions {
  nonce?: (() => string) | undefined;
  iterations?: number | undefined;
  /** Default: the same for one user as long as the process lives, known users or not. */
  salt?: ((user: string) => Buffer) | undefined;
  /** Those of this TLS connection, where the -PLUS forms are offered. */
  bindings?: readonly ChannelBinding[] | undefined;
  /** This is the -PLUS form: the client must bind. */
  plus?: boolean | undefined;
}

const saltKey = randomBytes(32);
/** An unknown user gets a salt too, and always the same, or the salt would tell who is known (RFC 5802 9). */
const saltOf = (user: string): Buffer => createHmac('sha256', saltKey).update(user).digest().subarray(0, 16);

interface Exchange {
  user: string;
  /** What c= must be. */
  gs2: string;
  nonce: string;
  /** client-first-message-bare "," server-first-message */
  messages: string;
  keys: ReturnType<typeof scramKeys>;
  known: boolean;
}

/** The bytes that the client must name beside its gs2-header, or why its flag is refused (RFC 5802 6). */
function boundBytes(flag: string, { bindings = [], plus = false }: ScramServerOptions): Buffer | string {
  if (flag === 'y' && bindings.length > 0) return 'channel binding is offered here, and the client was told it is not';
  if (!flag.startsWith('p=')) return plus ? 'the -PLUS form without channel binding' : Buffer.alloc(0);
  if (!plus) return 'channel binding is not offered';
  return bindings.find(({ type }) => flag === `p=${type}`)?.bytes ?? 'this type of channel binding is not known here';
}

export function scramServer(hash: ScramHash, accounts: Accounts, options: ScramServerOptions = {}): SaslServer {
  const nonce = options.nonce ?? freshNonce;
  const iterations = options.iterations ?? 4096;
  let state: 'first' | 'final' | 'over' = 'first';
  let exchange: Exchange | undefined;
  let identity = '';

  const first = (text: string): SaslStep => {
    const match = /^([ny]|p=[A-Za-z0-9.-]+),(?:a=([^,]+))?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/su.exec(text);
    if (!match) return failed('a malformed first message');
    const [, flag = '', authorize, bare = '', quotedUser = '', theirs = ''] = match;
    const bound = boundBytes(flag, options);
    if (typeof bound === 'string') return failed(bound);
    const user = prepared(parseScramName(quotedUser) ?? '');
    if (!user) return failed('a malformed user name');
    if (authorize !== undefined && parseScramName(authorize) !== user)
      return failed('acting for another user is not allowed');
    const salt = (options.salt ?? saltOf)(user);
    const password = accounts.passwordOf(user);
    // 'any' cannot work here: without the password there is no server signature to give.
    const known = password !== undefined && password !== 'any';
    const secret = known ? password.reveal() : freshNonce();
    const combined = theirs + nonce();
    const reply = `r=${combined},s=${salt.toString('base64')},i=${iterations}`;
    const header = Buffer.from(`${flag},${authorize === undefined ? '' : `a=${authorize}`},`);
    const gs2 = Buffer.concat([header, bound]).toString('base64');
    const keys = scramKeys(hash, secret, salt, iterations);
    exchange = { user, gs2, nonce: combined, messages: `${bare},${reply}`, keys, known };
    state = 'final';
    return challenge(reply);
  };

  const final = (text: string, { user, gs2, nonce: combined, messages, keys, known }: Exchange): SaslStep => {
    const match = /^((?:c=([A-Za-z0-9+/=]+)),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/s.exec(text);
    const [, withoutProof = '', binding, theirNonce, proofText = ''] = match ?? [];
    const proof = strictBase64(proofText);
    if (!match || !proof || binding !== gs2 || theirNonce !== combined) return failed('a malformed final message');
    const authMessage = `${messages},${withoutProof}`;
    if (proof.length !== keys.stored.length) return failed('wrong user name or password');
    const clientKey = xor(proof, hmac(hash, keys.stored, authMessage));
    const stored = createHash(hash).update(clientKey).digest();
    if (!timingSafeEqual(stored, keys.stored) || !known) return failed('wrong user name or password');
    state = 'over';
    identity = user;
    return challenge(`v=${hmac(hash, keys.server, authMessage).toString('base64')}`);
  };

  const next = (response: Buffer): SaslStep => {
    const text = utf8(response);
    if (text === undefined || text.includes('\0')) return failed('the message is not UTF-8 text');
    if (state === 'first') return first(text);
    if (state === 'final') {
      // One try for each nonce.
      const current = exchange;
      exchange = undefined;
      return current ? final(text, current) : failed('a second final message');
    }
    return text === '' ? { kind: 'done', identity } : failed('the last answer must be empty');
  };

  return {
    mechanism: options.plus ? `${scramName[hash]}-PLUS` : scramName[hash],
    start: (initial) => (initial ? next(initial) : challenge('')),
    next,
  };
}

// CRAM-MD5 (RFC 2195): the password keys an HMAC over the server's challenge. Proves nothing about the server.
import { createHmac, randomBytes } from 'node:crypto';
import { challenge, checkSize, failed, noMoreSteps, passwordFrom, remoteError, sameSecret, utf8 } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Accounts, Credentials, SaslClient, SaslServer } from './sasl.ts';

const digest = (password: string, text: Buffer | string): string =>
  createHmac('md5', password).update(text).digest('hex');

export function cramMd5Client(credentials: Credentials): SaslClient {
  const user = refuseControls(credentials.user, 'user name');
  const password = refuseControls(passwordFrom(credentials, 'CRAM-MD5'), 'password');
  let answered = false;
  return {
    mechanism: 'CRAM-MD5',
    initial: undefined,
    next(text) {
      checkSize('CRAM-MD5', text);
      if (answered) throw noMoreSteps('CRAM-MD5');
      // RFC 2195 2 wants a msg-id; servers exist that leave out the brackets, none sends anything but printable ASCII.
      if (!/^[\x21-\x7e]+$/.test(text.toString('latin1'))) {
        throw remoteError('reply-malformed', 'CRAM-MD5', 'the challenge is not one word of printable ASCII');
      }
      answered = true;
      return Buffer.from(`${user} ${digest(password, text)}`);
    },
    finish() {
      // Without a challenge there was no proof of anything, and a success means nothing.
      if (!answered) throw remoteError('reply-out-of-turn', 'CRAM-MD5', 'the server said yes before any challenge');
    },
  };
}

export interface CramMd5Options {
  hostname?: string | undefined;
  /** Printable, never the same twice. */
  nonce?: (() => string) | undefined;
}

export function cramMd5Server(accounts: Accounts, options: CramMd5Options = {}): SaslServer {
  const nonce = options.nonce ?? (() => randomBytes(18).toString('base64url'));
  const text = `<${nonce()}@${options.hostname ?? 'localhost'}>`;
  return {
    mechanism: 'CRAM-MD5',
    start: (initial) => (initial ? failed('CRAM-MD5 has no initial response') : challenge(text)),
    next(response) {
      // The user name may hold spaces: the digest is what follows the last one.
      const match = /^(.+) ([0-9a-f]{32})$/s.exec(utf8(response) ?? '');
      const [, user = '', answer = ''] = match ?? [];
      if (!match || user.includes('\0')) return failed('an answer is the user name, a space and 32 hex digits');
      const expected = accounts.passwordOf(user);
      if (expected === 'any') return { kind: 'done', identity: user };
      if (expected && sameSecret(digest(expected.reveal(), text), answer)) return { kind: 'done', identity: user };
      return failed('wrong user name or password');
    },
  };
}

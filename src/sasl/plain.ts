// PLAIN (RFC 4616): one message with user name and password in clear. Only for a protected channel; the caller sees to that.
import { checkSize, failed, judgePassword, noMoreSteps, passwordFrom, utf8 } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Accounts, Credentials, SaslClient, SaslServer, SaslStep } from './sasl.ts';

export function plainClient(credentials: Credentials): SaslClient {
  return {
    mechanism: 'PLAIN',
    initial: plainMessage(credentials.user, passwordFrom(credentials, 'PLAIN')),
    next(challenge) {
      checkSize('PLAIN', challenge);
      throw noMoreSteps('PLAIN');
    },
    finish() {},
  };
}

/** authorization identity (left empty), NUL, user, NUL, password */
export const plainMessage = (user: string, password: string): Buffer =>
  Buffer.from(`\0${refuseControls(user, 'user name')}\0${refuseControls(password, 'password')}`);

export function plainServer(accounts: Accounts): SaslServer {
  const next = (response: Buffer): SaslStep => {
    const parts = utf8(response)?.split('\0');
    if (parts?.length !== 3) return failed('a PLAIN message is three parts with NUL between');
    const [authorize = '', user = '', password = ''] = parts;
    // RFC 4616 2: acting as somebody else needs a right that nobody has here.
    if (authorize !== '' && authorize !== user) return failed('acting for another user is not allowed');
    return judgePassword(accounts, user, password);
  };
  return {
    mechanism: 'PLAIN',
    start: (initial) => (initial ? next(initial) : { kind: 'challenge', bytes: Buffer.alloc(0) }),
    next,
  };
}

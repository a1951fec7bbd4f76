// XOAUTH2: the token mechanism of Google and Microsoft, older than OAUTHBEARER. The token crosses in clear.
import { checkSize, failed, judgePassword, noMoreSteps, tokenFrom, utf8 } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Accounts, Credentials, SaslClient, SaslServer, SaslStep } from './sasl.ts';

export const xoauth2Message = (user: string, token: string): Buffer =>
  Buffer.from(`user=${refuseControls(user, 'user name')}\x01auth=Bearer ${refuseControls(token, 'token')}\x01\x01`);

export function xoauth2Client(credentials: Credentials): SaslClient {
  let refused = false;
  return {
    mechanism: 'XOAUTH2',
    initial: xoauth2Message(credentials.user, tokenFrom(credentials, 'XOAUTH2')),
    // The one challenge there is carries the error as JSON; an empty answer lets the server refuse properly.
    next(challenge) {
      checkSize('XOAUTH2', challenge);
      if (refused) throw noMoreSteps('XOAUTH2');
      refused = true;
      return Buffer.alloc(0);
    },
    finish() {},
  };
}

/** The account's password is the token that is right. */
export function xoauth2Server(accounts: Accounts): SaslServer {
  const next = (response: Buffer): SaslStep => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the mechanism's separator is U+0001
    const match = /^user=([^\x00-\x1f]+)\x01auth=Bearer ([\x21-\x7e]+)\x01\x01$/i.exec(utf8(response) ?? '');
    const [, user = '', token = ''] = match ?? [];
    const step = match ? judgePassword(accounts, user, token) : failed('a malformed XOAUTH2 message');
    if (step.kind !== 'failed') return step;
    return { ...step, bytes: Buffer.from('{"status":"401","schemes":"bearer","scope":"mail"}') };
  };
  return {
    mechanism: 'XOAUTH2',
    start: (initial) => (initial ? next(initial) : { kind: 'challenge', bytes: Buffer.alloc(0) }),
    next,
  };
}

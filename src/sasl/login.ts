// LOGIN: never standardised (draft-murchison-sasl-login), still the only offer of some servers. Two answers in clear.
import { challenge, checkSize, failed, judgePassword, noMoreSteps, passwordFrom, utf8 } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Accounts, Credentials, SaslClient, SaslServer, SaslStep } from './sasl.ts';

export function loginClient(credentials: Credentials): SaslClient {
  const answers = [
    refuseControls(credentials.user, 'user name'),
    refuseControls(passwordFrom(credentials, 'LOGIN'), 'password'),
  ];
  return {
    mechanism: 'LOGIN',
    initial: undefined,
    // The texts of the challenges differ from server to server: only their number counts.
    next(prompt) {
      checkSize('LOGIN', prompt);
      const answer = answers.shift();
      if (answer === undefined) throw noMoreSteps('LOGIN');
      return Buffer.from(answer);
    },
    finish() {},
  };
}

export function loginServer(accounts: Accounts): SaslServer {
  let user: string | undefined;
  const next = (response: Buffer): SaslStep => {
    const text = utf8(response);
    if (text === undefined || text.includes('\0')) return failed('the answer is not UTF-8 text');
    if (user !== undefined) return judgePassword(accounts, user, text);
    user = text;
    return challenge('Password:');
  };
  return {
    mechanism: 'LOGIN',
    start: (initial) => (initial ? next(initial) : challenge('Username:')),
    next,
  };
}

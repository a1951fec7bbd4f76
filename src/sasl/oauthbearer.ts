// OAUTHBEARER (RFC 7628): an OAuth 2 bearer token. It crosses in clear, like a password would.
import { checkSize, failed, judgePassword, noMoreSteps, tokenFrom, utf8 } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Accounts, Credentials, SaslClient, SaslServer, SaslStep } from './sasl.ts';
import { parseScramName, printScramName } from './scram.ts';

/** RFC 7628 3.1: the gs2 header names the user, then key=value pairs, each closed by U+0001. */
export function oauthBearerMessage(user: string, token: string, server?: { host: string; port: number }): Buffer {
  const name = printScramName(refuseControls(user, 'user name'));
  const where = server ? `host=${server.host}\x01port=${server.port}\x01` : '';
  return Buffer.from(`n,a=${name},\x01${where}auth=Bearer ${refuseControls(token, 'token')}\x01\x01`);
}

export function oauthBearerClient(credentials: Credentials, server?: { host: string; port: number }): SaslClient {
  let refused = false;
  return {
    mechanism: 'OAUTHBEARER',
    initial: oauthBearerMessage(credentials.user, tokenFrom(credentials, 'OAUTHBEARER'), server),
    // RFC 7628 3.2.3: the server's error comes as a challenge, and U+0001 acknowledges it.
    next(challenge) {
      checkSize('OAUTHBEARER', challenge);
      if (refused) throw noMoreSteps('OAUTHBEARER');
      refused = true;
      return Buffer.from('\x01');
    },
    finish() {},
  };
}

/** The account's password is the token that is right. */
export function oauthBearerServer(accounts: Accounts): SaslServer {
  const next = (response: Buffer): SaslStep => {
    const step = judge(accounts, utf8(response) ?? '');
    return step.kind === 'failed' ? { ...step, bytes: Buffer.from('{"status":"invalid_token"}') } : step;
  };
  return {
    mechanism: 'OAUTHBEARER',
    start: (initial) => (initial ? next(initial) : { kind: 'challenge', bytes: Buffer.alloc(0) }),
    next,
  };
}

function judge(accounts: Accounts, text: string): SaslStep {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the mechanism's separator is U+0001
  const match = /^[ny],a=([^,\x00-\x1f]+),\x01((?:[A-Za-z]+=[^\x00\x01]*\x01)+)\x01$/.exec(text);
  const user = parseScramName(match?.[1] ?? '');
  const auth = match?.[2]?.split('\x01').find((pair) => pair.startsWith('auth='));
  const token = /^auth=Bearer ([\x21-\x7e]+)$/i.exec(auth ?? '')?.[1];
  return user && token ? judgePassword(accounts, user, token) : failed('a malformed OAUTHBEARER message');
}

// EXTERNAL (RFC 4422 appendix A): who we are was proved outside, by the client certificate of the TLS layer.
import { checkSize, noMoreSteps } from './exchange.ts';
import { refuseControls } from './prep.ts';
import type { Credentials, SaslClient } from './sasl.ts';

export function externalClient(credentials: Credentials): SaslClient {
  return {
    mechanism: 'EXTERNAL',
    // The identity to act as; empty leaves it to the server.
    initial: Buffer.from(refuseControls(credentials.user, 'user name')),
    next(challenge) {
      checkSize('EXTERNAL', challenge);
      throw noMoreSteps('EXTERNAL');
    },
    finish() {},
  };
}

// The shape of a SASL mechanism (RFC 4422): pure steps, no transport. Base64 and framing belong to smtp/ and pop3/.
import type { Secret } from '../base/secret.ts';

export type { ChannelBinding } from '../wire/channel.ts';

export interface Credentials {
  user: string;
  password?: Secret<string>;
  /** OAuth2 access token, for XOAUTH2 and OAUTHBEARER. */
  token?: Secret<string>;
}

/** One exchange on the client's side. A fresh object for each login. */
export interface SaslClient {
  readonly mechanism: string;
  /** The initial response, or undefined where the server speaks first. An empty Buffer is an empty response ("="). */
  readonly initial: Buffer | undefined;
  /** Answers a challenge. Throws 'reply-unexpected' for a challenge that the mechanism does not allow. */
  next(challenge: Buffer): Buffer;
  /** After the server's success: throws 'peer-lied' where the mechanism proves the server (SCRAM) and it did not. */
  finish(): void;
}

export type SaslStep =
  | { kind: 'challenge'; bytes: Buffer }
  | { kind: 'done'; identity: string }
  /** `bytes`: a last challenge to send before the refusal (XOAUTH2's JSON). */
  | { kind: 'failed'; reason: string; bytes?: Buffer };

/** One exchange on the server's side. */
export interface SaslServer {
  readonly mechanism: string;
  /** `initial` is undefined where the client sent no initial response. */
  start(initial: Buffer | undefined): SaslStep;
  next(response: Buffer): SaslStep;
}

/** Who may log in. */
export interface Accounts {
  /** The password of a user, 'any' where every password is right, undefined for an unknown user. */
  passwordOf(user: string): Secret<string> | 'any' | undefined;
}

// An access token for a refresh token (RFC 6749 6), by nodemailer's XOAuth2, under a deadline of ours. What the token is good
// for is sasl/'s business; where the refresh token comes from is the caller's.
import type XOAuth2 from 'nodemailer/lib/xoauth2';
import type { Clock } from '../base/clock.ts';
import { EhloError, type ErrorCode } from '../base/errors.ts';
import { type Scrubber, Secret } from '../base/secret.ts';

export interface RefreshGrant {
  clientId: string;
  /** Public clients have none. */
  clientSecret?: Secret<string>;
  refreshToken: Secret<string>;
  /** https, or http on this machine: the caller has checked it. */
  tokenUrl: URL;
}

export interface RefreshOptions {
  clock: Clock;
  deadlineMs: number;
  signal: AbortSignal;
  /** Knows the secrets of the grant, which a server may echo. */
  scrubber: Scrubber;
}

/** Errors: 'auth-rejected' with the server's reason, 'auth-temporary', 'connect-failed', 'timeout', 'reply-malformed'. */
export async function refreshAccessToken(grant: RefreshGrant, options: RefreshOptions): Promise<Secret<string>> {
  const { default: Refresher } = await import('nodemailer/lib/xoauth2');
  const { clientId, clientSecret, refreshToken, tokenUrl } = grant;
  const settings = {
    clientId,
    refreshToken: refreshToken.reveal(),
    accessUrl: tokenUrl.href,
    // Ends the request itself where it stalls; ours below is for all of it.
    requestTimeout: options.deadlineMs,
    ...(clientSecret && { clientSecret: clientSecret.reveal() }),
  };
  const xoauth2 = new Refresher(settings);
  if (!clientSecret) leaveOutSecret(xoauth2);
  const peer = tokenUrl.host;
  const token = await new Promise<string>((resolve, reject) => {
    const cancel = options.clock.after(options.deadlineMs, () =>
      settle(new EhloError('timeout', `${peer} gave no access token within ${options.deadlineMs} ms`, facts(peer))),
    );
    const onAbort = (): void => settle(new EhloError('interrupted', 'interrupted while asking for an access token'));
    const settle = (error: EhloError | undefined, token = ''): void => {
      cancel();
      options.signal.removeEventListener('abort', onAbort);
      if (error) reject(error);
      else resolve(token);
    };
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) return onAbort();
    xoauth2.getToken(true, (failure, token) =>
      settle(failure ? tokenError(failure, peer, options.scrubber) : undefined, String(token)),
    );
  });
  return new Secret(token);
}

/** An empty client_secret is not the same as none: some servers refuse a public client that shows one. */
function leaveOutSecret(xoauth2: XOAuth2): void {
  const post = xoauth2.postRequest.bind(xoauth2);
  xoauth2.postRequest = (url, payload, params, callback) => {
    if (typeof payload === 'string' || !('client_secret' in payload)) return post(url, payload, params, callback);
    const { client_secret: _, ...rest } = payload;
    post(url, rest, params, callback);
  };
}

/** RFC 6749 5.2 has no such words for the token endpoint, but servers use those of 4.1.2.1 there. */
const temporary = /^(?:server_error|temporarily_unavailable|internal_failure|slow_down|rate_limit_exceeded)\b/;
/** The server's description may go on and on. */
const reasonMax = 300;

function tokenError(failure: Error & { code?: string }, peer: string, scrubber: Scrubber): EhloError {
  const text = scrubber.scrub(failure.message).slice(0, reasonMax);
  const make = (code: ErrorCode, message: string, hint: string): EhloError =>
    new EhloError(code, message, { ...facts(peer), hint, cause: failure });
  if (failure.code !== undefined && failure.code !== 'EOAUTH2') {
    return make('connect-failed', `${peer} cannot be asked for an access token: ${text}`, 'try again later');
  }
  if (failure instanceof SyntaxError || /^(?:Invalid authentication response|No access token)$/.test(text)) {
    const message = `${peer} answered the request for an access token with something else`;
    return make('reply-malformed', message, 'check tokenUrl in the file of --oauth2');
  }
  if (temporary.test(text)) {
    return make('auth-temporary', `${peer} gives no access token for now: ${text}`, 'try again later');
  }
  return make(
    'auth-rejected',
    `${peer} refused the refresh token: ${text}`,
    'the consent may have been withdrawn or have run out: ask for a new refresh token, and check clientId and clientSecret',
  );
}

const facts = (peer: string) => ({ stage: 'auth', peer, side: 'remote' as const });

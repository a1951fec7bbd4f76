// What the mechanisms share: the errors of a client whose server misbehaves, and the checks of a server. No transport.
import { createHash, timingSafeEqual } from 'node:crypto';
import { EhloError, type ErrorCode } from '../base/errors.ts';
import { saslLimits } from '../base/limits.ts';
import type { Secret } from '../base/secret.ts';
import type { Accounts, Credentials, SaslStep } from './sasl.ts';

export const remoteError = (code: ErrorCode, mechanism: string, problem: string, hint?: string): EhloError =>
  new EhloError(code, `${mechanism}: ${problem}`, { side: 'remote', stage: 'auth', hint });

/** For mechanisms that are over: the server asks once more than the mechanism has steps. */
export const noMoreSteps = (mechanism: string): EhloError =>
  remoteError('reply-unexpected', mechanism, 'the server asked for more than the mechanism has to say');

export function checkSize(mechanism: string, challenge: Buffer): void {
  if (challenge.length <= saslLimits.message) return;
  throw remoteError(
    'reply-too-long',
    mechanism,
    `the server's challenge has ${challenge.length} bytes; ${saslLimits.message} are allowed`,
  );
}

/** Text of a message from the other end, or undefined where it is not UTF-8. */
export function utf8(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return Buffer.compare(Buffer.from(text), bytes) === 0 ? text : undefined;
}

export const passwordFrom = (credentials: Credentials, mechanism: string): string =>
  reveal(credentials.password, `${mechanism} needs a password`, '--password-file');

export const tokenFrom = (credentials: Credentials, mechanism: string): string =>
  reveal(credentials.token, `${mechanism} needs an access token`, '--token-command or --oauth2');

function reveal(secret: Secret<string> | undefined, problem: string, flag: string): string {
  if (secret) return secret.reveal();
  throw new EhloError('usage', problem, { stage: 'auth', hint: `give one with ${flag}` });
}

/** Compares without telling by its time where the difference is, also for different lengths. */
export const sameSecret = (a: string | Buffer, b: string | Buffer): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** One refusal for an unknown user and for a wrong password: the difference is nobody's business. */
export function judgePassword(accounts: Accounts, user: string, password: string): SaslStep {
  if (user === '') return failed('the user name is empty');
  const expected = accounts.passwordOf(user);
  if (expected === 'any') return { kind: 'done', identity: user };
  if (expected && sameSecret(expected.reveal(), password)) return { kind: 'done', identity: user };
  return failed('wrong user name or password');
}

export const failed = (reason: string): SaslStep => ({ kind: 'failed', reason });
export const challenge = (text: string | Buffer): SaslStep => ({
  kind: 'challenge',
  bytes: typeof text === 'string' ? Buffer.from(text) : text,
});

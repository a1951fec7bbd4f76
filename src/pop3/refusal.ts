// What a -ERR means (RFC 2449 8, RFC 3206): the response code decides between "wrong password", "later" and "never".
import type { EhloError, ErrorCode } from '../base/errors.ts';
import type { Wire } from '../wire/wire.ts';
import type { Pop3Response } from './grammar.ts';

interface RefusalRow {
  code: ErrorCode;
  hint: string;
}

const table: Record<string, RefusalRow> = {
  'IN-USE': { code: 'mailbox-locked', hint: 'another session has the mailbox open; try again when it has ended' },
  'LOGIN-DELAY': { code: 'mailbox-locked', hint: 'the server wants more time between two logins; try again later' },
  'SYS/TEMP': { code: 'deferred', hint: 'the server has a problem that passes; try again later' },
  'SYS/PERM': { code: 'rejected', hint: 'the server has a problem that needs its operator' },
  AUTH: { code: 'auth-rejected', hint: 'check the user name and the password' },
};

/** The error for a -ERR at this stage. During a login the plain refusal is about the credentials, and later is 'auth-temporary'. */
export function refusal(wire: Wire, response: Pop3Response, stage: string, during: 'login' | 'session'): EhloError {
  const row = response.code === undefined ? undefined : table[response.code];
  const plain: RefusalRow =
    during === 'login'
      ? { code: 'auth-rejected', hint: 'check the user name and the password' }
      : { code: 'rejected', hint: 'see what the server says; -v shows the whole conversation' };
  const { code, hint } = row ?? plain;
  const what = stage === 'banner' ? 'the session' : stage.toUpperCase();
  const tag = response.code === undefined ? '' : ` [${response.code}]`;
  return wire.error(
    during === 'login' && code === 'deferred' ? 'auth-temporary' : code,
    `${wire.peer} refused ${what}${tag}: ${response.text || 'no reason given'}`,
    { stage, hint },
  );
}

// Who may log in at `serve`: anybody, or the users of --auth. `user:password`, the first colon parts them.
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import type { Accounts } from '../sasl/sasl.ts';

export const anyAccount: Accounts = { passwordOf: () => 'any' };

export type AccountList = readonly { user: string; password: Secret<string> }[];

export function parseAccount(text: string): AccountList[number] {
  const colon = text.indexOf(':');
  // The text may be a password: it is not shown.
  if (colon < 1 || colon === text.length - 1) throw new EhloError('usage', 'an account is written user:password');
  return { user: text.slice(0, colon), password: new Secret(text.slice(colon + 1)) };
}

/** One account a line; empty lines and lines that begin with # are left out. */
export const parseAccountFile = (text: string): AccountList =>
  text
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseAccount);

export function namedAccounts(list: AccountList): Accounts {
  const passwords = new Map(list.map(({ user, password }) => [user, password]));
  return { passwordOf: (user) => passwords.get(user) };
}

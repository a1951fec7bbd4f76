// The userinfo of a URL (RFC 3986 3.2.1), `user:password@`, read the same way by all who use it, compare it or hide it. A user
// may be an address and a password may hold anything, so it ends at the last "@". Percent-encoding is not decoded here.
import { mask } from './secret.ts';

export interface Userinfo {
  /** With its `://`. */
  scheme: string;
  user: string;
  password: string | undefined;
  /** What follows the "@". */
  rest: string;
}

/** A user with one of `/ ? # :` or a blank in it would be a host to some readers and a user to others: it is none. */
const withUserinfo = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#:\s]*)(?::(.*))?@([^@]*)$/is;

/** Undefined where there is none. */
export function splitUserinfo(url: string): Userinfo | undefined {
  const [, scheme, user, password, rest] = withUserinfo.exec(url) ?? [];
  return scheme === undefined || user === undefined || rest === undefined
    ? undefined
    : { scheme, user, password, rest };
}

/** For messages about a URL that may be malformed: what could be a password is masked, a forgotten scheme or not. */
export function maskUserinfo(url: string): string {
  const at = url.lastIndexOf('@');
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url)?.[0] ?? '';
  const colon = url.indexOf(':', scheme.length);
  return colon === -1 || colon > at ? url : `${url.slice(0, colon + 1)}${mask}${url.slice(at)}`;
}

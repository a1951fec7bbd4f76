// The value of --server: a URL of one of our schemes, or a bare host. Not the WHATWG parser: that one repairs what it is given.
import type { ServerScheme, ServerUrl } from '../app/connection.ts';
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { maskUserinfo, splitUserinfo, type Userinfo } from '../base/userinfo.ts';
import { parseHostPort, printHostPort } from '../base/values.ts';

const schemes: readonly ServerScheme[] = ['smtp', 'smtps', 'lmtp', 'lmtp+unix', 'pop3', 'pop3s', 'mx'];

/** Ports where TLS comes first (RFC 8314 3.3, and 993 for the day of IMAP). */
const implicitPorts: ReadonlySet<number> = new Set([465, 993, 995]);

/** `bare` is the scheme of a host without one. Throws 'usage'; a password in the URL is in no error text. */
export function parseServerUrl(text: string, bare: ServerScheme): ServerUrl {
  const [, word, rest] = /^([a-z][a-z0-9+.-]*):(\/.*)$/is.exec(text) ?? /^(mx|lmtp\+unix):(.*)$/is.exec(text) ?? [];
  if (word === undefined || rest === undefined) {
    if (text.includes('@')) throw refuse(text, 'a user needs a scheme before it');
    return { scheme: bare, ...parseHostPort(text) };
  }
  const scheme = schemes.find((one) => one === word.toLowerCase());
  if (!scheme) throw refuse(text, `the scheme "${word}" is none of ${schemes.join(', ')}`);
  if (scheme === 'lmtp+unix') return parseSocketPath(text, rest);
  if (scheme === 'mx') return { scheme, host: rest.replace(/^\/\//, '') === '' ? '' : mxDomain(text, rest) };
  if (!rest.startsWith('//')) throw refuse(text, `write ${scheme}://host`);
  const userinfo = splitUserinfo(text);
  if (!userinfo && rest.includes('@')) {
    throw refuse(text, 'a user holds no slash, question mark, number sign or blank; write %2F, %3F, %23, %20');
  }
  const authority = (userinfo?.rest ?? rest.slice(2)).replace(/\/$/, '');
  if (/[/?#]/.test(authority)) throw refuse(text, 'nothing may follow the host and port');
  return { scheme, ...hostOf(text, authority), ...(userinfo && userOf(text, userinfo)) };
}

/** A bare word such as `gmail` is the server of that service; smtp://gmail and gmail:25 stay hosts. Unknown words do, too. */
export async function serverOfService(server: ServerUrl, text: string): Promise<ServerUrl> {
  if (server.scheme !== 'smtp' || !/^[a-z0-9-]+$/i.test(text) || text.toLowerCase() === 'localhost') return server;
  const { findService } = await import('../message/well-known.ts');
  const found = await findService(text);
  if (!found) return server;
  return {
    scheme: found.implicitTls ? 'smtps' : 'smtp',
    host: found.host,
    ...(found.port !== undefined && { port: found.port }),
    service: text.toLowerCase(),
  };
}

const hostOf = (text: string, hostPort: string): ReturnType<typeof parseHostPort> => {
  try {
    return parseHostPort(hostPort);
  } catch (thrown) {
    throw refuse(text, thrown instanceof EhloError ? thrown.message : 'the host is not valid');
  }
};

function userOf(text: string, userinfo: Userinfo): { user: string; password?: Secret<string> } {
  try {
    const user = decodeURIComponent(userinfo.user);
    const { password } = userinfo;
    return password === undefined ? { user } : { user, password: new Secret(decodeURIComponent(password)) };
  } catch {
    throw refuse(text, 'the user or password has a % that is no percent-encoding; write %25');
  }
}

function parseSocketPath(text: string, rest: string): ServerUrl {
  const path = rest.replace(/^\/\/\//, '/');
  if (path.startsWith('//') || !path.startsWith('/')) throw refuse(text, 'write lmtp+unix:/absolute/path');
  return { scheme: 'lmtp+unix', host: '', path };
}

function mxDomain(text: string, rest: string): string {
  const { host, port } = hostOf(text, rest.replace(/^\/\//, ''));
  if (port !== undefined) throw refuse(text, 'MX records name no port; use --mx-port');
  return host;
}

export const impliesTls = ({ scheme, port }: ServerUrl): boolean =>
  scheme === 'smtps' || scheme === 'pop3s' || (port !== undefined && implicitPorts.has(port));

/** Without the password: for messages and reports. */
export function printServerUrl(server: ServerUrl): string {
  if (server.scheme === 'lmtp+unix') return `lmtp+unix:${server.path ?? ''}`;
  if (server.scheme === 'mx') return `mx:${server.host}`;
  const user = server.user === undefined ? '' : `${encodeURIComponent(server.user)}@`;
  return `${server.scheme}://${user}${printHostPort(server)}`;
}

const refuse = (text: string, why: string): EhloError =>
  new EhloError('usage', `"${maskUserinfo(text)}" is not a server URL: ${why}`, {
    hint: 'for example smtp://host:587, smtps://host, pop3s://host, mx:, or host:port',
  });

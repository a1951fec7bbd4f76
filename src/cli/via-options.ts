// The options that say how a server is reached when not straight: --proxy, --pipe, --connect-to, --hosts.
import type { Connection, ConnectTo } from '../app/connection.ts';
import { parseHostsFile } from '../app/overrides.ts';
import type { ProxyServer } from '../app/ports.ts';
import { readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { maskUserinfo, splitUserinfo, type Userinfo } from '../base/userinfo.ts';
import { parseHostPort, parsePort } from '../base/values.ts';
import type { Context } from './command.ts';
import type { OptionValues } from './option-values.ts';
import { warn } from './warn.ts';

export async function readVia(
  values: OptionValues,
  context: Context,
): Promise<Pick<Connection, 'proxy' | 'pipe' | 'connectTo' | 'hosts'>> {
  const proxy = values.parsed('proxy', parseProxyUrl);
  const pipe = values.text('pipe');
  if (pipe !== undefined) checkPipe(pipe, values);
  if (proxy) checkProxy(proxy, values, context);
  const connectTo = values.list('connect-to').map((text) => values.check('connect-to', text, parseConnectTo));
  const path = values.text('hosts');
  const hosts = path === undefined ? undefined : await readHosts(path, values, context);
  return {
    ...(proxy && { proxy }),
    ...(pipe !== undefined && { pipe }),
    ...(connectTo.length > 0 && { connectTo }),
    ...(hosts && { hosts }),
  };
}

/** What looks for a server, and so has no say over a command. */
const withoutPipe = ['server', 'proxy', 'connect-to', 'resolve', 'hosts', 'dns', 'mx-port', 'local-address'];

function checkPipe(command: string, values: OptionValues): void {
  if (command.trim() === '') throw new EhloError('usage', '--pipe: the command is empty');
  if (command.includes('\0')) throw new EhloError('usage', '--pipe: a command holds no U+0000');
  // What a configuration says for every run is no contradiction.
  const given = (name: string) =>
    (values.layered('pipe') !== undefined || values.layered(name) === undefined) &&
    (values.text(name) !== undefined || values.list(name).length > 0 || values.flag(name));
  const clash = [...withoutPipe, 'ipv4', 'ipv6'].find(given);
  if (clash === undefined) return;
  throw new EhloError('usage', `--pipe speaks to a command and connects to nothing, so --${clash} has no say`, {
    hint: 'give one of the two',
  });
}

function checkProxy({ kind, password }: ProxyServer, values: OptionValues, context: Context): void {
  if (password) {
    context.scrubber.add(password.reveal());
    const instead = 'put proxy = "..." into a configuration file that only you can read';
    if (!values.layered('proxy'))
      warn(`a password in --proxy shows in shell history and process lists; ${instead}`, context);
  }
  const family = ['ipv4', 'ipv6'].find((name) => values.flag(name));
  if (family !== undefined && kind !== 'socks5') {
    throw new EhloError('usage', `--${family} cannot be kept: a ${kind} proxy looks up the name of the server itself`, {
      hint: 'use socks5://, for which we look it up',
    });
  }
}

const kinds = ['socks5h', 'socks5', 'http'] as const;

/** `socks5h://[user:password@]host[:port]`; not the WHATWG parser, which repairs. Throws 'usage' without the password. */
export function parseProxyUrl(text: string): ProxyServer {
  const refuse = (why: string) =>
    new EhloError('usage', `"${maskUserinfo(text)}" is not a proxy URL: ${why}`, {
      hint: 'for example socks5h://127.0.0.1:1080, http://user:password@proxy.example:3128',
    });
  const [, word, authority] = /^([a-z][a-z0-9+.-]*):\/\/(.*?)\/?$/is.exec(text) ?? [];
  if (word === undefined || authority === undefined) throw refuse('it has no scheme');
  const kind = kinds.find((one) => one === word.toLowerCase());
  if (!kind) throw refuse(`the scheme "${word}" is none of ${kinds.join(', ')}`);
  const userinfo = splitUserinfo(text);
  if (!userinfo && authority.includes('@')) throw refuse('a user holds no slash or blank; write %2F, %20');
  const { host, port } = hostPortOf(userinfo?.rest.replace(/\/$/, '') ?? authority, refuse);
  // 1080 is registered for SOCKS; what an HTTP proxy listens on is anybody's guess.
  if (port === undefined && kind === 'http') throw refuse('it names no port');
  return { kind, host, port: port ?? 1080, ...(userinfo && loginOf(kind, userinfo, refuse)) };
}

type Refuse = (why: string) => EhloError;

function hostPortOf(text: string, refuse: Refuse): ReturnType<typeof parseHostPort> {
  try {
    return parseHostPort(text);
  } catch {
    throw refuse('behind the scheme stands no host:port');
  }
}

function loginOf(
  kind: ProxyServer['kind'],
  userinfo: Userinfo,
  refuse: Refuse,
): { user: string; password?: Secret<string> } {
  const user = decode(userinfo.user, refuse);
  const password = userinfo.password === undefined ? undefined : decode(userinfo.password, refuse);
  if (user === '') throw refuse('the user is empty');
  // RFC 1929 2 has one octet for each length, RFC 7617 2 parts user and password at the colon.
  const parts = [user, password ?? ''];
  if (kind !== 'http' && parts.some((part) => Buffer.byteLength(part) > 255)) {
    throw refuse('user and password have at most 255 octets each with SOCKS');
  }
  if (kind === 'http' && user.includes(':')) throw refuse('a user of an HTTP proxy has no colon');
  return password === undefined ? { user } : { user, password: new Secret(password) };
}

function decode(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse('the user or password has a % that is no percent-encoding; write %25');
  }
}

/** curl's HOST:PORT:HOST2:PORT2; each part may be empty. */
function parseConnectTo(text: string): ConnectTo {
  const host = '(\\[[^\\]]*\\]|[^:[\\]]*)';
  const [whole, from = '', port = '', to = '', toPort = ''] =
    new RegExp(`^${host}:(\\d*):${host}:(\\d*)$`).exec(text) ?? [];
  if (whole === undefined) {
    throw new EhloError('usage', `"${text}" is not HOST:PORT:HOST2:PORT2`, {
      hint: 'for example mx.example:25:127.0.0.1:2525, or ::127.0.0.1:2525 for every host and port',
    });
  }
  const hostOf = (part: string) => (part === '' ? null : parseHostPort(part).host);
  const portOf = (part: string) => (part === '' ? null : parsePort(part));
  return { host: hostOf(from), port: portOf(port), toHost: hostOf(to), toPort: portOf(toPort) };
}

async function readHosts(path: string, values: OptionValues, context: Context): Promise<Connection['hosts']> {
  const text = (await readAll(await context.ports.files.read(path))).toString('utf8');
  return values.check('hosts', text, (content) => {
    try {
      return parseHostsFile(content);
    } catch (thrown) {
      throw thrown instanceof EhloError
        ? new EhloError(thrown.code, `${path}, ${thrown.message}`, { hint: thrown.hint })
        : thrown;
    }
  });
}

// How layers come together: the strongest that names an option wins; what contradicts a stronger layer goes; and a login goes
// to no other server than the one that it was written for.
import { splitUserinfo } from '../base/userinfo.ts';
import type { Setting } from './setting.ts';

export type Layer = ReadonlyMap<string, Setting>;

export interface Settled {
  settings: Map<string, Setting>;
  /** What would have followed to a server that it is not for; `because` names that server. */
  leftOut: { setting: Setting; because: Setting }[];
}

const passwordSources = ['password', 'password-file', 'password-command', 'password-env', 'password-fd', 'keyring'];

/** Options that make a message, and so have no say in one that is sent as it is (--raw). */
const composing = [
  ...['subject', 'body', 'html', 'in-reply-to', 'priority', 'attach', 'inline', 'header', 'reply-to'],
  ...['ical', 'template'],
];

/** What is asked of one session cannot be kept for a later one. */
const oneSession = ['quit-after', 'drop-after', 'cmd', 'expect', 'xclient', 'proxy-protocol', 'raw-bytes'];

/** A row has sides that exclude each other: one that a stronger layer names takes the others of weaker layers away. */
const exclusive: readonly (readonly (readonly string[])[])[] = [
  [...passwordSources.map((name) => [name]), ['netrc', 'netrc-file'], ['token-command'], ['oauth2']],
  [['raw'], ['raw-bytes'], composing],
  [['raw-bytes'], ['dkim']],
  [oneSession, ['queue']],
  [['quit-after'], ['drop-after']],
  [['pipe'], ['server', 'proxy', 'connect-to']],
  [['ipv4'], ['ipv6']],
  [['keep'], ['delete']],
  [['json'], ['ndjson']],
  [['quiet'], ['verbose']],
];

/** Where a stronger layer names one, weaker layers lose all. */
const together: readonly (readonly string[])[] = [['cert', 'key']];

/** What means nothing without another option; from a layer it then waits for a run that has it. */
export const needs: readonly { name: string; other: string }[] = [
  { name: 'fix-eol', other: 'raw' },
  { name: 'read-recipients', other: 'raw' },
  { name: 'retry-delay', other: 'retry' },
  { name: 'spool', other: 'queue' },
  { name: 'expire', other: 'queue' },
];

const login = [...passwordSources, 'token-command', 'oauth2', 'user', 'auth', 'cert', 'key'];

/** Whatever is about one server. The keyring and netrc are asked by host anyway; what makes TLS strict may stay. */
export const isAboutServer = ({ name, value }: Setting): boolean =>
  (login.includes(name) && name !== 'keyring') ||
  name === 'tls-name' ||
  name === 'pin' ||
  (name === 'tls' && (value === 'off' || value === 'opportunistic')) ||
  (name === 'tls-verify' && value !== 'full') ||
  (name === 'allow-plaintext-auth' && value === true);

/**
 * Options that mean something else at this command than at the others, or that must not reach it by chance: only the table of
 * the command itself sets them. relay-test walks what any sender would, so it takes no smarthost and no login of ours.
 */
export const ownMeaning: Readonly<Record<string, readonly string[]>> = {
  serve: ['auth', 'tls', 'dns', 'expect'],
  wait: ['expect'],
  // `force` of send is about extensions; here it sends again, or drops, what may have arrived.
  queue: ['force'],
  // `from` of send is the author, often with a name; here it is the reverse-path alone.
  'relay-test': ['server', 'pipe', 'netrc', 'netrc-file', 'from', ...login],
  inspect: ['mail-from', 'ip', 'netrc', 'netrc-file', ...login],
};

/** Weakest first. */
export function settleLayers(layers: readonly Layer[]): Settled {
  const held = new Map<string, Setting>();
  const leftOut: Settled['leftOut'] = [];
  for (const layer of layers) {
    bindLogin(held, layer, leftOut);
    for (const name of excludedBy(layer)) held.delete(name);
    for (const [name, setting] of layer) held.set(name, setting);
  }
  const server = held.get('server');
  // MX hosts are strangers: none of them has an account of ours.
  if (server && /^mx:/i.test(textOf(server))) dropLogin(held, server, leftOut);
  return { settings: held, leftOut };
}

/** Two options of one layer of which a command could take one only. A token beside a password is none: servers differ. */
export function contradictions(layer: Layer): [Setting, Setting][] {
  const found: [Setting, Setting][] = [];
  for (const sides of exclusive) {
    const named = sides.flatMap((side) => side.flatMap((name) => layer.get(name) ?? []).slice(0, 1));
    const [one, other] = named.filter(
      ({ name, value }) => value !== false && name !== 'token-command' && name !== 'oauth2',
    );
    if (one && other) found.push([one, other]);
  }
  return found;
}

function excludedBy(layer: Layer): string[] {
  const names = (side: readonly string[]): boolean => side.some((name) => (layer.get(name)?.value ?? false) !== false);
  const rows = exclusive.map((sides) => (sides.some(names) ? sides.filter((side) => !names(side)).flat() : []));
  const whole = together.filter((group) => group.some((name) => layer.has(name)));
  return [...rows, ...whole].flat().filter((name) => !layer.has(name));
}

/** A stronger layer that names another server, or another user, takes what was for the weaker one away. */
function bindLogin(held: Map<string, Setting>, layer: Layer, leftOut: Settled['leftOut']): void {
  const before = held.get('pipe') ?? held.get('server');
  const now = layer.get('pipe') ?? layer.get('server');
  if (before && now && placeOf(before) !== placeOf(now)) {
    dropLogin(held, now, leftOut);
    return;
  }
  const given = now && userinfoOf(now);
  if (given?.user !== undefined) {
    const option = held.get('user');
    const user = option ? textOf(option) : before && userinfoOf(before)?.user;
    if (user !== undefined && user !== given.user) for (const name of login) held.delete(name);
  }
  if (given?.password) for (const name of passwordSources) held.delete(name);
  // smtps:// says it all; a weaker "off" would contradict it.
  if (now && /^(?:smtps|pop3s|imaps):/i.test(textOf(now))) {
    const tls = held.get('tls');
    if (tls && isAboutServer(tls)) held.delete('tls');
  }
  const url = held.get('server');
  if (!url || now) return;
  const user = layer.get('user');
  if (user && userinfoOf(url)?.user !== textOf(user))
    held.set('server', { ...url, value: withoutUserinfo(textOf(url)) });
  else if (passwordSources.some((name) => layer.has(name))) {
    const { scheme, user: name, rest } = splitUserinfo(textOf(url)) ?? {};
    if (name !== undefined) held.set('server', { ...url, value: `${scheme}${name}@${rest}` });
  }
}

function dropLogin(held: Map<string, Setting>, because: Setting, leftOut: Settled['leftOut']): void {
  for (const [name, setting] of held) {
    if (setting.from === 'flags' || !isAboutServer(setting)) continue;
    held.delete(name);
    leftOut.push({ setting, because });
  }
}

const textOf = ({ value }: Setting): string => (typeof value === 'string' ? value : '');

/** The host, for a socket its path; for a pipe the whole command. Port and scheme may differ: it is the same machine. */
function placeOf(route: Setting): string {
  const text = textOf(route);
  if (route.name === 'pipe' || /^(?:lmtp\+unix|mx):/i.test(text)) return `${route.name} ${text}`;
  const authority = withoutUserinfo(text)
    .replace(/^[a-z0-9+.-]+:\/\//i, '')
    .replace(/[/?#].*$/s, '');
  const host =
    /^\[([^\]]*)\]/.exec(authority)?.[1] ?? (/^[^:]*:[^:]*$/.test(authority) ? authority.split(':')[0] : authority);
  return (host ?? '').toLowerCase().replace(/\.$/, '');
}

function withoutUserinfo(text: string): string {
  const split = splitUserinfo(text);
  return split ? split.scheme + split.rest : text;
}

function userinfoOf(route: Setting): { user: string; password: boolean } | undefined {
  const split = splitUserinfo(textOf(route));
  if (!split) return undefined;
  const password = split.password !== undefined;
  try {
    return { user: decodeURIComponent(split.user), password };
  } catch {
    return { user: split.user, password };
  }
}

// The route of a queued message: no secret may be in it, and there must be a way to come by the secret again without
// asking anybody.
import { EhloError } from '../base/errors.ts';
import { splitUserinfo } from '../base/userinfo.ts';
import type { ProtocolControl } from './control.ts';
import type { KeptControl, Route } from './spool.ts';

/** Options that say where a password or token comes from, each time anew. */
const sources = [
  'password-file',
  'password-command',
  'password-env',
  'token-command',
  'oauth2',
  'netrc',
  'netrc-file',
  'keyring',
];

const hint = 'use --password-command, --password-env or --password-file; a queued message keeps no password';

/** Throws 'usage' where a later try would need something that only this run knows. */
export function checkRoute(route: Route): void {
  const { options } = route;
  const secret = ['password', 'password-fd'].find((name) => options[name] !== undefined);
  if (secret !== undefined) throw refuse(`--${secret}`, hint);
  for (const [name, value] of Object.entries(options)) {
    const texts = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [];
    if (texts.some((text) => splitUserinfo(text)?.password !== undefined))
      throw refuse(`a password in the URL of --${name}`, hint);
    if (value === '-') throw refuse(`--${name} -`, 'standard input can be read only now; give a file');
  }
  const auth = typeof options['auth'] === 'string' ? options['auth'].toUpperCase() : '';
  if (auth === 'NONE' || auth === 'EXTERNAL') return;
  const server = typeof options['server'] === 'string' ? options['server'] : '';
  const logsIn = options['user'] !== undefined || Boolean(splitUserinfo(server)?.user);
  if (logsIn && !sources.some((name) => options[name] !== undefined))
    throw refuse('a password that is asked for', hint);
}

/** To the MX hosts of each recipient, one domain after the other. */
export const alongMx = ({ options }: Route): boolean => /^mx:(\/\/)?$/i.test(String(options['server']));

const refuse = (what: string, next: string): EhloError =>
  new EhloError('usage', `${what} cannot be kept for a later try, so the message cannot be queued`, { hint: next });

/** The part of --quit-after and its like that a later try keeps; the rest is for one session under one's eyes: 'usage'. */
export function keptControl(control: ProtocolControl): KeptControl {
  const { stop, commands, expect, xclient, proxyHeader, ...kept } = control;
  const once = stop ?? commands[0] ?? expect[0] ?? xclient[0] ?? proxyHeader;
  if (once === undefined) return kept;
  throw new EhloError(
    'usage',
    'what is asked of one session (where it stops, what it says) cannot be kept for later tries',
    {
      hint: 'leave --queue out, or those options',
    },
  );
}

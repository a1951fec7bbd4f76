// Who logs in, how, and when that is asked for: --auth and its kin.
import type { Connection } from '../../app/connection.ts';
import { EhloError } from '../../base/errors.ts';
import { Secret } from '../../base/secret.ts';
import type { Context } from '../command.ts';
import { notYet, type SwaksSettings, usage } from './swaks-settings.ts';
import type { Transport } from './swaks-transport.ts';

/** What swaks tries by itself, and what must be asked for by name. */
const known = ['CRAM-MD5', 'LOGIN', 'PLAIN'];
const more = ['SCRAM-SHA-256', 'SCRAM-SHA-1'];
/** Those of swaks that are missing here. */
const missing = ['CRAM-SHA1', 'DIGEST-MD5', 'NTLM', 'SPA', 'MSN'];

export interface SwaksLogin {
  user: string;
  password: string;
  mechanisms: string[];
  /** Whether the run goes on without: wherever it fails, or only where it is not offered. */
  optional?: 'accepted' | 'offered';
}

/** Every option that means "log in". */
const wishes = ['auth', 'auth-optional', 'auth-optional-strict', 'auth-user', 'auth-password'];

export async function readLogin(
  settings: SwaksSettings,
  transport: Transport,
  ask: (question: string, sensitive: boolean) => Promise<string>,
): Promise<SwaksLogin | undefined> {
  if (!transport.auth && !wishes.some((name) => settings.has(name))) return undefined;
  if (transport.mx) throw notYet('a login at MX hosts', 'name the server with --server');
  for (const option of ['auth-extra', 'auth-map']) {
    if (settings.has(option)) throw notYet(`--${option}`, `the mechanisms here (${known.join(', ')}) need none`);
  }
  const wish = ['auth', 'auth-optional-strict', 'auth-optional'].find((name) => settings.has(name)) ?? 'auth';
  const asked = settings.text(wish) ?? '';
  const names = asked === '' ? known : asked.split(',').map((name) => name.trim().toUpperCase());
  const mechanisms = names.filter((name) => known.includes(name) || more.includes(name));
  const wrong = names.find((name) => !mechanisms.includes(name));
  if (wrong !== undefined && !missing.includes(wrong))
    throw usage(`--auth: "${wrong}" is no mechanism`, `there are ${[...known, ...more].join(', ')}`);
  if (mechanisms.length === 0) throw noMechanism(names);
  if (wrong !== undefined) throw notYet(`--auth ${wrong}`, `there are ${[...known, ...more].join(', ')}`);
  const value = async (option: string, question: string, sensitive: boolean) => {
    const text = settings.text(option) ?? (await ask(question, sensitive));
    return text === '<>' ? '' : text;
  };
  return {
    user: await value('auth-user', 'Username', false),
    password: await value('auth-password', 'Password', true),
    mechanisms,
    ...(wish === 'auth' ? {} : { optional: wish === 'auth-optional' ? 'accepted' : 'offered' }),
  };
}

/** Exit code 10 of swaks: a prerequisite is missing. */
export const noMechanism = (names: readonly string[]): EhloError =>
  new EhloError('auth-unavailable', `none of ${names.join(', ')} is available`, { side: 'local' });

/** swaks logs in wherever it is told to; who can listen there is said by the caller. */
export function loginConnection(
  login: SwaksLogin | undefined,
  context: Context,
): Pick<Connection, 'credentials' | 'mechanisms' | 'allowPlaintextAuth' | 'authOptional'> {
  if (!login) return { mechanisms: 'none', allowPlaintextAuth: false };
  context.scrubber.add(login.password);
  return {
    credentials: { user: login.user, password: new Secret(login.password) },
    mechanisms: login.mechanisms,
    ...(login.optional && { authOptional: login.optional }),
    allowPlaintextAuth: true,
  };
}

// Who logs in and with what: a password from one source (password-source.ts), an access token, or both. Never the command line
// unless the user insists.
import type { Connection, ServerUrl } from '../app/connection.ts';
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import type { Credentials } from '../sasl/sasl.ts';
import type { Context } from './command.ts';
import type { OAuth2File } from './oauth2-file.ts';
import type { OptionValues } from './option-values.ts';
import { passwordSource, runSecretCommand } from './password-source.ts';
import { askPassword } from './prompts.ts';
import { warn } from './warn.ts';

export function readMechanisms(values: OptionValues): Connection['mechanisms'] {
  const text = values.text('auth');
  if (text === undefined) return undefined;
  if (text.toLowerCase() === 'none') return 'none';
  return text.split(',').map((one) => {
    const mechanism = one.trim().toUpperCase();
    // RFC 4422 3.1
    if (!/^[A-Z0-9_-]{1,20}$/.test(mechanism)) {
      throw new EhloError('usage', `--auth: "${one}" is not the name of a mechanism`, {
        hint: 'for example --auth PLAIN,LOGIN or --auth none',
      });
    }
    return mechanism;
  });
}

/** What of the connection decides who logs in, and how long a token server may take. */
export interface LoginFacts {
  server: ServerUrl | undefined;
  mechanisms: Connection['mechanisms'];
  replyMs: number;
}

/** Undefined: nobody logs in. Every secret is known to the scrubber before this returns. */
export async function readCredentials(
  values: OptionValues,
  { server, mechanisms, replyMs }: LoginFacts,
  context: Context,
): Promise<Credentials | undefined> {
  warnOfVisibleSecrets(values, server, context);
  if (mechanisms === 'none') return undefined;
  const source = passwordSource(values, server, context);
  const named = userName(values, server);
  // RFC 4422 appendix A: the certificate says who we are.
  if (mechanisms?.every((one) => one === 'EXTERNAL')) return { user: named ?? '' };
  const tokens = await tokenSource(values, replyMs, context);
  const wanted = oneUser(named, tokens?.user, '--user (or the URL)', '--oauth2');
  if (wanted === undefined && !source?.namesUsers) {
    const needing = source?.name ?? tokens?.name ?? (mechanisms && '--auth');
    if (needing === undefined) return undefined;
    throw new EhloError('usage', `${needing} is given, but not who logs in`, {
      hint: 'add --user NAME, or put it into the URL: smtp://name@host',
    });
  }
  const found = await source?.read({ user: wanted, server });
  const user = wanted ?? found?.user;
  if (user === undefined) {
    throw new EhloError('usage', `${source?.name} gives a password, but not who logs in`, {
      hint: 'add --user NAME, or "login NAME" to the entry',
    });
  }
  const password = found && keep(found.password, context);
  if (tokens) return { user, token: keep(await tokens.read(), context), ...(password && { password }) };
  return { user, password: password ?? (await ask(user, server, context)) };
}

interface TokenSource {
  name: string;
  /** The file of --oauth2 may name one. */
  user?: string | undefined;
  read(): Promise<string>;
}

async function tokenSource(values: OptionValues, replyMs: number, context: Context): Promise<TokenSource | undefined> {
  const command = values.text('token-command');
  const path = values.text('oauth2');
  if (command !== undefined && path !== undefined) {
    throw new EhloError('usage', '--token-command and --oauth2 both give a token', { hint: 'give one of them' });
  }
  if (command !== undefined) {
    // It makes the token; the password that another variable holds is none of its business.
    const { [values.text('password-env') ?? '']: _, ...env } = context.env;
    const { signal } = context;
    return { name: '--token-command', read: () => runSecretCommand('token-command', command, { env, signal }) };
  }
  if (path === undefined) return undefined;
  const { readSecretFile } = await import('../store/secret-file.ts');
  const { parseOAuth2File } = await import('./oauth2-file.ts');
  const file = parseOAuth2File((await readSecretFile(path, 'an OAuth2 refresh token')).toString('utf8'), path);
  if (values.text('proxy') !== undefined)
    warn(`${file.tokenUrl.host} is asked for a token straight, not by --proxy`, context);
  return { name: '--oauth2', user: file.user, read: () => refresh(file, replyMs, context) };
}

async function refresh(file: OAuth2File, deadlineMs: number, context: Context): Promise<string> {
  keep(file.refreshToken.reveal(), context);
  if (file.clientSecret) keep(file.clientSecret.reveal(), context);
  const { refreshAccessToken } = await import('../net/oauth2.ts');
  const { scrubber, signal } = context;
  const token = await refreshAccessToken(file, { clock: context.ports.clock, deadlineMs, signal, scrubber });
  return token.reveal();
}

const userName = (values: OptionValues, server: ServerUrl | undefined): string | undefined =>
  oneUser(values.text('user'), server?.user, '--user', 'the URL');

function oneUser(
  one: string | undefined,
  other: string | undefined,
  nameOne: string,
  nameOther: string,
): string | undefined {
  if (one !== undefined && other !== undefined && one !== other) {
    throw new EhloError('usage', `${nameOne} and ${nameOther} name different users: "${one}" and "${other}"`);
  }
  return one ?? other;
}

async function ask(user: string, server: ServerUrl | undefined, context: Context): Promise<Secret<string>> {
  const where = server?.host ? ` at ${server.host}` : '';
  return keep(await askPassword(`Password of ${user}${where}:`, context), context);
}

const keep = (text: string, context: Context): Secret<string> => {
  context.scrubber.add(text);
  return new Secret(text);
};

function warnOfVisibleSecrets(values: OptionValues, server: ServerUrl | undefined, context: Context): void {
  const password = values.text('password');
  if (password !== undefined) context.scrubber.add(password);
  // What stands in a file or a variable shows nowhere.
  const typed = password !== undefined && !values.layered('password');
  const where = typed
    ? '--password'
    : server?.password && !values.layered('server')
      ? 'a password in the URL'
      : undefined;
  if (where === undefined) return;
  const instead = 'use --password-file, --password-command or --password-env';
  warn(`${where} shows in shell history and process lists; ${instead}`, context);
}

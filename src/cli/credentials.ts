// Who logs in and with what: exactly one source for the password, never the command line unless the user insists.
import type { Connection, ServerUrl } from '../app/connection.ts';
import { readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import type { Credentials } from '../sasl/sasl.ts';
import type { Context } from './command.ts';
import type { OptionValues } from './option-values.ts';
import { askPassword } from './prompts.ts';

const maxSecret = 64 * 1024;

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

/** Undefined: nobody logs in. Every secret is known to the scrubber before this returns. */
export async function readCredentials(
  values: OptionValues,
  server: ServerUrl | undefined,
  mechanisms: Connection['mechanisms'],
  context: Context,
): Promise<Credentials | undefined> {
  warnOfVisibleSecrets(values, server, context);
  if (mechanisms === 'none') return undefined;
  const source = passwordSource(values, server);
  const user = userName(values, server);
  const tokenCommand = values.text('token-command');
  // RFC 4422 appendix A: the certificate says who we are.
  if (mechanisms?.every((one) => one === 'EXTERNAL')) return { user: user ?? '' };
  if (user === undefined) {
    const needing = source?.name ?? (tokenCommand === undefined ? mechanisms && '--auth' : '--token-command');
    if (needing === undefined) return undefined;
    throw new EhloError('usage', `${needing} is given, but not who logs in`, {
      hint: 'add --user NAME, or put it into the URL: smtp://name@host',
    });
  }
  if (tokenCommand !== undefined) {
    const token = keep(await runSecretCommand('token-command', tokenCommand, context), context);
    return source ? { user, token, password: await readPassword(source, user, server, context) } : { user, token };
  }
  return { user, password: await readPassword(source, user, server, context) };
}

interface PasswordSource {
  name: string;
  read(context: Context): Promise<string>;
}

/** The one source asked for; two are a usage error, since one of them would be ignored. */
function passwordSource(values: OptionValues, server: ServerUrl | undefined): PasswordSource | undefined {
  const sources: PasswordSource[] = [];
  const add = (option: string, read: (value: string, context: Context) => Promise<string>): void => {
    const value = values.text(option);
    if (value !== undefined) sources.push({ name: `--${option}`, read: (context) => read(value, context) });
  };
  add('password-file', readSecretFileOrStdin);
  add('password-command', (command, context) => runSecretCommand('password-command', command, context));
  add('password-env', async (name, context) => fromEnvironment(name, context));
  add('password', async (value) => value);
  const inUrl = server?.password;
  if (inUrl) sources.push({ name: 'the password in the URL', read: async () => inUrl.reveal() });
  const [first, second] = sources;
  if (first && second) {
    throw new EhloError('usage', `${first.name} and ${second.name} both give a password`, { hint: 'give one of them' });
  }
  return first;
}

function userName(values: OptionValues, server: ServerUrl | undefined): string | undefined {
  const option = values.text('user');
  if (option !== undefined && server?.user !== undefined && option !== server.user) {
    throw new EhloError('usage', `--user and the URL name different users: "${option}" and "${server.user}"`);
  }
  return option ?? server?.user;
}

async function readPassword(
  source: PasswordSource | undefined,
  user: string,
  server: ServerUrl | undefined,
  context: Context,
): Promise<Secret<string>> {
  if (source) return keep(await source.read(context), context);
  const where = server?.host ? ` at ${server.host}` : '';
  return keep(await askPassword(`Password of ${user}${where}:`, context), context);
}

const keep = (text: string, context: Context): Secret<string> => {
  context.scrubber.add(text);
  return new Secret(text);
};

async function readSecretFileOrStdin(path: string, context: Context): Promise<string> {
  const bytes =
    path === '-'
      ? await readAll(await context.ports.files.read('-'))
      : await (await import('../store/secret-file.ts')).readSecretFile(path);
  return oneLine(bytes, `--password-file ${path}`);
}

async function runSecretCommand(option: string, command: string, context: Context): Promise<string> {
  const { commandOutput } = await import('../net/command-output.ts');
  const { env, signal } = context;
  return oneLine(await commandOutput(command, { env, signal, maxBytes: maxSecret }), `--${option}`);
}

function fromEnvironment(name: string, context: Context): string {
  const value = context.env[name];
  if (value) return value;
  throw new EhloError(
    'usage',
    `--password-env: the environment variable ${name} is ${value === '' ? 'empty' : 'not set'}`,
  );
}

/** The line end that every editor and command adds is not part of the secret; a second line would be dropped, so it is refused. */
function oneLine(bytes: Buffer, source: string): string {
  const text = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (text === '') throw new EhloError('config', `${source} gave nothing; a password is one line`);
  if (/[\r\n]/.test(text)) {
    throw new EhloError('config', `${source} gave more than one line; a password is one line`, {
      hint: 'for the first line only: --password-command "head -n 1 FILE"',
    });
  }
  return text;
}

function warnOfVisibleSecrets(values: OptionValues, server: ServerUrl | undefined, context: Context): void {
  const password = values.text('password');
  if (password !== undefined) context.scrubber.add(password);
  if (context.verbosity < 0) return;
  const where = password !== undefined ? '--password' : server?.password ? 'a password in the URL' : undefined;
  if (where === undefined) return;
  const style = context.stderr.style;
  context.stderr.write(
    `${style('warn', 'ehlo: warning:')} ${where} shows in shell history and process lists; ` +
      'use --password-file, --password-command or --password-env\n',
  );
}

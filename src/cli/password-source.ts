// Where a password comes from: the table of the options that name a source. One source a run; two are an error, since one of
// them would be ignored. Whether a password is needed at all is decided in credentials.ts.
import { join } from 'node:path';
import type { ServerUrl } from '../app/connection.ts';
import { readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { Context } from './command.ts';
import { homeDirectory } from './home.ts';
import type { OptionValues } from './option-values.ts';

const maxSecret = 64 * 1024;

/** Whose password is looked for. */
export interface Wanted {
  /** Undefined only where the source names users. */
  user: string | undefined;
  server: ServerUrl | undefined;
}

export interface PasswordSource {
  name: string;
  /** It can say who logs in, too. */
  namesUsers?: true;
  read(wanted: Wanted): Promise<{ password: string; user?: string }>;
}

export function passwordSource(
  values: OptionValues,
  server: ServerUrl | undefined,
  context: Context,
): PasswordSource | undefined {
  const sources: PasswordSource[] = [];
  const add = (option: string, read: (value: string) => Promise<string>): void => {
    const value = values.text(option);
    if (value !== undefined) {
      sources.push({ name: `--${option}`, read: async () => ({ password: await read(value) }) });
    }
  };
  add('password-file', (path) => readSecretFileOrStdin(path, context));
  add('password-fd', (text) => readDescriptor(values.check('password-fd', text, parseDescriptor), context));
  add('password-command', (command) => runSecretCommand('password-command', command, context));
  add('password-env', async (name) => fromEnvironment(name, context));
  if (values.flag('keyring')) {
    sources.push({ name: '--keyring', read: async (wanted) => ({ password: await fromKeyring(wanted, context) }) });
  }
  const netrcFile = values.text('netrc-file');
  if (netrcFile !== undefined || values.flag('netrc')) {
    const name = netrcFile === undefined ? '--netrc' : '--netrc-file';
    const path = netrcFile ?? netrcAtHome(context);
    sources.push({ name, namesUsers: true, read: (wanted) => fromNetrc(name, path, wanted) });
  }
  add('password', async (value) => value);
  const inUrl = server?.password;
  if (inUrl) sources.push({ name: 'the password in the URL', read: async () => ({ password: inUrl.reveal() }) });
  const [first, second] = sources;
  if (first && second) {
    throw new EhloError('usage', `${first.name} and ${second.name} both give a password`, { hint: 'give one of them' });
  }
  return first;
}

/** What a command prints, for a password or a token. */
export async function runSecretCommand(
  option: string,
  command: string,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
): Promise<string> {
  const { commandOutput } = await import('../net/command-output.ts');
  return oneLine(await commandOutput(command, { env, signal, maxBytes: maxSecret }), `--${option}`);
}

async function readSecretFileOrStdin(path: string, context: Context): Promise<string> {
  const bytes =
    path === '-'
      ? await readAll(await context.ports.files.read('-'))
      : await (await import('../store/secret-file.ts')).readSecretFile(path);
  return oneLine(bytes, `--password-file ${path}`);
}

/** 1 and 2 are our own output. */
function parseDescriptor(text: string): number {
  const fd = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (fd === 0 || fd >= 3) return fd;
  throw new EhloError('usage', `"${text}" is not the number of a descriptor: 0, or 3 and more`);
}

async function readDescriptor(fd: number, context: Context): Promise<string> {
  if (fd === 0) return oneLine(await readAll(await context.ports.files.read('-')), '--password-fd 0');
  const { readSecretDescriptor } = await import('../store/secret-file.ts');
  return oneLine(await readSecretDescriptor(fd), `--password-fd ${fd}`);
}

function fromEnvironment(name: string, context: Context): string {
  const value = context.env[name];
  if (value) return value;
  // `--password-env "$PW"` gives the password in place of its name: only what looks like a variable is shown.
  const shown = /^[A-Z_][A-Z0-9_]*$/.test(name) ? `variable ${name}` : 'variable that it names';
  throw new EhloError('usage', `--password-env: the environment ${shown} is ${value === '' ? 'empty' : 'not set'}`, {
    hint: 'it takes the name of the variable, not what is in it: --password-env PW',
  });
}

async function fromKeyring({ user = '', server }: Wanted, context: Context): Promise<string> {
  const { scheme, host } = namedServer('--keyring', server);
  const { keyringQuery } = await import('./keyring.ts');
  const { program, args, store } = keyringQuery(process.platform, scheme, host, user);
  const { run } = await import('../net/command-output.ts');
  const { env, signal } = context;
  const ran = await run(program, args, { env, signal, maxBytes: maxSecret });
  if (ran.kind === 'exit' && ran.code === 0) return oneLine(ran.stdout, '--keyring');
  if (ran.kind === 'not-run') {
    const why = ran.cause.code === 'ENOENT' ? 'is not installed' : `cannot be run: ${ran.cause.message}`;
    throw new EhloError('config', `--keyring: ${program}, which asks the keyring, ${why}`, {
      hint: `with it installed, store the password by: ${store}`,
      cause: ran.cause,
    });
  }
  if (ran.kind === 'exit') {
    // secret-tool says nothing, and security says "could not be found", where there is no such item.
    throw new EhloError('config', `--keyring: the keyring gives no password of ${user} at ${host}`, {
      hint: `store it by: ${store}`,
    });
  }
  const how = ran.kind === 'signal' ? `was ended by ${ran.signal}` : `printed more than ${maxSecret} bytes`;
  throw new EhloError('io', `--keyring: ${program} ${how}`);
}

function netrcAtHome({ env }: Context): string {
  const home = homeDirectory(env);
  if (home !== undefined) return join(home, '.netrc');
  throw new EhloError('config', '--netrc: there is no home directory to look in', { hint: 'give --netrc-file FILE' });
}

async function fromNetrc(name: string, path: string, { user, server }: Wanted) {
  const { host } = namedServer(name, server);
  const { readSecretFile } = await import('../store/secret-file.ts');
  const { findNetrc, parseNetrc } = await import('./netrc.ts');
  const text = (await readSecretFile(path, 'passwords')).toString('utf8');
  const entry = findNetrc(parseNetrc(text, path), host, user);
  if (!entry) {
    const whom = user === undefined ? host : `${user} at ${host}`;
    throw new EhloError('config', `${name}: ${path} has no entry for ${whom}`, {
      hint: `add a line: machine ${host} login ${user ?? 'NAME'} password SECRET`,
    });
  }
  if (entry.password === undefined || entry.password === '') {
    throw new EhloError('config', `${name}: the entry for ${host} in ${path} has no password`);
  }
  return { password: entry.password, ...(entry.login !== undefined && { user: entry.login }) };
}

/** Sources that know passwords by host need one. */
function namedServer(option: string, server: ServerUrl | undefined): ServerUrl {
  if (server && server.host !== '' && server.scheme !== 'mx') return server;
  throw new EhloError('usage', `${option} looks a password up by the name of the server, and none is named`, {
    hint: 'add --server smtp://host',
  });
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

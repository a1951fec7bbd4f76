// Where sendmail's mail goes and whom it is from by default: all of it from the configuration, nothing from the command
// line but -f and -F. The one place of the front that knows of configuration layers.
import { userInfo } from 'node:os';
import type { Connection } from '../../app/connection.ts';
import type { ProtocolControl } from '../../app/control.ts';
import type { MessageInput } from '../../app/message-input.ts';
import type { Retry } from '../../app/retry.ts';
import { type NamedMailbox, parseMailbox, parseMailboxList } from '../../base/address.ts';
import { EhloError } from '../../base/errors.ts';
import type { Context } from '../command.ts';
import { parseConnection } from '../connection.ts';
import { readControl, readRetry } from '../control-options.ts';
import { findLayers, layeredOptions, readLayers } from '../layers.ts';
import { messageInput, readDkim } from '../message-options.ts';
import { type OptionValues, optionValues } from '../option-values.ts';

export interface SendmailRoute {
  /** As the layers have them. */
  options: Record<string, unknown>;
  connection: Connection;
  /** What the configuration adds to every message: notifications, parameters, a signature. */
  input: MessageInput;
  control: ProtocolControl;
  retry: Retry | undefined;
  onReject: 'continue' | 'abort';
  /** Who sends where nobody says otherwise: `from` of the configuration, else the user at this host. */
  author: NamedMailbox;
  /** `mail-from` of the configuration; '' is the null sender. */
  mailFrom: string | undefined;
  /** What stands behind names without one: the domain of `from`, else the name of this host. */
  domain: string;
}

/** Throws 'config' where it names no server, and for everything that is wrong with it. */
export const sendmailRoute = (context: Context): Promise<SendmailRoute> => configured(() => readRoute(context));

/** Reads values that nobody typed now: where one is wrong, it is not the caller's usage. */
export async function configured<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    if (!(thrown instanceof EhloError) || thrown.code !== 'usage') throw thrown;
    throw new EhloError('config', thrown.message, { hint: thrown.hint, cause: thrown });
  }
}

async function readRoute(context: Context): Promise<SendmailRoute> {
  const raw = await sendmailLayers('send', context);
  const options = optionValues(raw);
  const test = forTests.find((name) => options.flag(name) || options.text(name) !== undefined || options.list(name)[0]);
  if (test) throw new EhloError('config', `${test} is for tests: with it, sendmail would not send what it is given`);
  // A program that calls sendmail cannot answer questions.
  const connection = await parseConnection(raw, { ...context, interactive: false });
  const { server } = connection;
  if (!server) {
    throw new EhloError('config', 'no mail server is configured', {
      hint: 'write server = "smtp://user@mail.example.com:587" and password-command = "..." into ~/.config/ehlo/config.toml or /etc/ehlo/config.toml, or set EHLO_SERVER',
    });
  }
  const from = options.parsed('from', oneMailbox);
  const domain = from?.mailbox.domain || context.ports.hostname();
  const added = Object.fromEntries(Object.entries(raw).filter(([key]) => aboutMessage.has(key)));
  return {
    options: raw,
    connection,
    input: {
      ...messageInput([], optionValues({ ...added, raw: standardInput }), context, undefined),
      dkim: await readDkim(options, context),
    },
    control: await readControl(options),
    retry: readRetry(options),
    onReject: options.oneOf('on-reject', ['continue', 'abort']) ?? 'continue',
    author: from ?? { name: null, mailbox: parseMailbox(`${userName(context)}@${domain}`) },
    mailFrom: readMailFrom(options),
    domain,
  };
}

/** What errors call the message. */
export const standardInput = 'standard input';

/** Options (keys as commander has them) that mean something for a message as it is; what composes one has no say here. */
const aboutMessage: ReadonlySet<string> = new Set(['dsn', 'dsnRet', 'mailParam', 'rcptParam', 'dkim']);

/** With these in force nothing, or not the message, would be sent. */
const forTests = ['dry-run', 'quit-after', 'drop-after', 'expect', 'cmd', 'raw-bytes'];

const oneMailbox = (text: string): NamedMailbox => {
  const [one, ...more] = parseMailboxList(text);
  if (one && more.length === 0) return one;
  throw new EhloError('usage', `"${text}" is more than one address`);
};

const readMailFrom = (options: OptionValues): string | undefined => {
  const text = options.text('mail-from');
  return text === '<>' ? '' : text;
};

function userName({ env }: Context): string {
  const name = env['LOGNAME'] || env['USER'];
  if (name) return name;
  try {
    return userInfo().username;
  } catch (cause) {
    // A uid of a container without an entry in passwd.
    throw new EhloError('usage', 'nobody knows who sends this', { hint: 'give -f ADDRESS, or configure from', cause });
  }
}

/** The options of a command as the layers have them; the profile `sendmail` where there is one and EHLO_PROFILE names no other. */
export async function sendmailLayers(
  command: 'send' | 'queue',
  { env, scrubber }: Context,
): Promise<Record<string, unknown>> {
  const found = findLayers({}, env);
  if (!found) return {};
  const named = found.profile === undefined && found.sources.length > 0;
  const own = named && (await readLayers(found, env)).files.some(({ profiles }) => profiles.has('sendmail'));
  return layeredOptions(command, own ? { profile: 'sendmail' } : {}, { env, scrubber });
}

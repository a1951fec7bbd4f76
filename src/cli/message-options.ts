// The options of `send` that make the message and its envelope, and what they come to.
import type { AttachmentInput, MessageInput, TextInput } from '../app/message-input.ts';
import { addressBeforeOptions, parseNotify } from '../app/outgoing-envelope.ts';
import { forbiddenCharacter } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { parseSize } from '../base/values.ts';
import type { DkimKey } from '../policy/dkim-key.ts';
import { type EsmtpParam, printParams } from '../smtp/params.ts';
import type { Context } from './command.ts';
import type { OptionGroup } from './option-rows.ts';
import type { OptionValues } from './option-values.ts';

export const messageGroups: readonly OptionGroup[] = [
  {
    heading: 'Message:',
    rows: [
      {
        flags: '--from <address>',
        says: 'From header, and the envelope sender unless --mail-from says otherwise',
      },
      { flags: '--to <address>', says: 'a recipient in To (repeatable; lists are taken apart)', repeatable: true },
      { flags: '--cc <address>', says: 'a recipient in Cc', repeatable: true },
      { flags: '--bcc <address>', says: 'a recipient that no header names', repeatable: true },
      { flags: '-s, --subject <text>', says: 'Subject' },
      {
        flags: '--body <text|@file|->',
        says: 'the text; @FILE reads a file, - reads standard input (the default)',
      },
      { flags: '--html <text|@file|->', says: 'an HTML version' },
      { flags: '-a, --attach <file[;name=N][;type=T]>', says: 'attach a file (repeatable)', repeatable: true },
      {
        flags: '--inline <cid=file>',
        says: 'a file that the HTML shows as cid:CID (repeatable)',
        repeatable: true,
      },
      { flags: '--ical <file>', says: 'an invitation (iCalendar), shown by calendars and attached' },
      {
        flags: "-H, --header <'name: value'>",
        says: 'a header field more, or in place of ours (repeatable)',
        repeatable: true,
      },
      { flags: '--reply-to <address>', says: 'Reply-To', repeatable: true },
      { flags: '--in-reply-to <message-id>', says: 'In-Reply-To and References' },
      { flags: '--priority <level>', says: 'high, normal or low' },
      { flags: '--raw <file|->', says: 'the message as it is, byte for byte, instead of all of the above' },
      { flags: '--fix-eol', says: 'with --raw: make every line end CRLF instead of refusing others' },
      {
        flags: '--expect-bytes <n>',
        says: 'refuse standard input that has not so many bytes: its producer may have died',
      },
      {
        flags: '--raw-bytes <file|->',
        says: 'malformed on purpose: these bytes after DATA, neither stuffed nor checked',
      },
      {
        flags: '--dkim <selector:domain:keyfile>',
        says: 'sign with this key, RSA or Ed25519 (repeatable)',
        repeatable: true,
      },
    ],
  },
  {
    heading: 'Envelope:',
    rows: [
      { flags: '--mail-from <address|<>>', says: "envelope sender; '<>' is the null sender" },
      {
        flags: '--rcpt <address>',
        says: "envelope only; as in --to, options may follow: 'a@x?notify=success&orcpt=rfc822;b@y'",
        repeatable: true,
      },
      { flags: '--read-recipients', says: 'take recipients from the headers of --raw; Bcc is then removed' },
      { flags: '--dsn <never|success,failure,delay>', says: 'ask for delivery notifications' },
      { flags: '--dsn-ret <full|hdrs>', says: 'how much of the message a notification brings back' },
      { flags: '--envid <id>', says: 'the envelope id that a notification repeats' },
      { flags: '--mail-param <keyword[=value]>', says: 'a parameter more for MAIL (repeatable)', repeatable: true },
      {
        flags: '--rcpt-param <keyword[=value]>',
        says: 'a parameter more for each RCPT (repeatable)',
        repeatable: true,
      },
      {
        flags: '--require <extension[,extension]>',
        says: 'dsn, smtputf8, requiretls, starttls, 8bitmime ...: exit 69 where the server lacks it',
      },
    ],
  },
];

/** Options that make a message, and so have no say in one that is sent as it is. */
const composing = [
  'subject',
  'body',
  'html',
  'in-reply-to',
  'priority',
  'attach',
  'inline',
  'ical',
  'header',
  'reply-to',
];

/** `user` is who logs in, where that is known. */
export function messageInput(
  args: string[],
  options: OptionValues,
  context: Context,
  user: string | undefined,
): MessageInput {
  const raw = rawInput(options);
  const named = [...options.list('to'), ...args];
  return {
    from: options.text('from') ?? (raw === undefined ? defaultFrom(context, user) : ''),
    mailFrom: options.text('mail-from'),
    to: named.map((text) => addressBeforeOptions(text) ?? text),
    cc: options.list('cc'),
    bcc: options.list('bcc'),
    rcpt: [...options.list('rcpt'), ...named.filter((text) => addressBeforeOptions(text) !== undefined)],
    readRecipients: options.flag('read-recipients'),
    subject: options.text('subject'),
    text: raw === undefined ? (options.parsed('body', textInput) ?? implicitBody(options, context)) : undefined,
    html: options.parsed('html', textInput),
    attachments: [...options.list('attach').map(attachment), ...options.list('inline').map(inlineFile)],
    ical: options.text('ical'),
    headers: options.list('header').map(headerField),
    replyTo: options.list('reply-to'),
    inReplyTo: options.text('in-reply-to'),
    priority: options.oneOf('priority', ['high', 'normal', 'low']),
    raw,
    inputBytes: options.parsed('expect-bytes', parseSize),
    notify: options.parsed('dsn', parseNotify),
    ret: options.oneOf('dsn-ret', ['full', 'hdrs']),
    envid: options.parsed('envid', visible),
    mailParams: options.list('mail-param').map((text) => options.check('mail-param', text, param)),
    rcptParams: options.list('rcpt-param').map((text) => options.check('rcpt-param', text, param)),
  };
}

/** Read apart from the rest: it opens files. */
export async function readDkim(options: OptionValues, context: Context): Promise<DkimKey[] | undefined> {
  const given = options.list('dkim');
  if (given.length === 0) return undefined;
  const { parseDkimOption } = await import('./dkim-option.ts');
  return Promise.all(given.map((text) => parseDkimOption(text, context.scrubber)));
}

function rawInput(options: OptionValues): MessageInput['raw'] {
  const name = ['raw', 'raw-bytes'].find((one) => options.text(one) !== undefined);
  if (name === undefined) {
    const needsRaw = ['read-recipients', 'fix-eol'].find((one) => options.flag(one));
    if (needsRaw) throw new EhloError('usage', `--${needsRaw} needs --raw`);
    return undefined;
  }
  const clash = composing.find((one) => options.text(one) !== undefined || options.list(one).length > 0);
  if (clash) throw new EhloError('usage', `--${name} sends a message as it is, so --${clash} cannot change it`);
  const path = options.text(name) ?? '';
  if (name === 'raw') return { path, fixEol: options.flag('fix-eol') };
  const other = ['raw', 'dkim'].find((one) => options.text(one) !== undefined || options.list(one).length > 0);
  const flag = ['fix-eol', 'read-recipients'].find((one) => options.flag(one));
  if (other ?? flag) throw new EhloError('usage', `--raw-bytes and --${other ?? flag} exclude each other`);
  return { path, fixEol: false, verbatim: true };
}

export function param(text: string): EsmtpParam {
  const [keyword = '', value] = visible(text).split(/=(.*)/s);
  const made = { keyword: keyword.toUpperCase(), ...(value === undefined ? {} : { value }) };
  // Refuses what cannot stand in a command, before anything is connected to.
  printParams([made]);
  return made;
}

/** A control character in a command would begin another one. */
export function visible(text: string): string {
  const found = forbiddenCharacter(text);
  if (found) throw new EhloError('usage', `it holds ${found}`, { hint: 'remove that character; it is never sent' });
  return text;
}

/** Standard input is the body, unless HTML is the message or nobody is piping anything and files are. */
function implicitBody(options: OptionValues, context: Context): TextInput | undefined {
  if (options.text('html') !== undefined) return undefined;
  const parts = options.list('attach').length > 0 || options.text('ical') !== undefined;
  if (parts && context.stdin.isTTY) return undefined;
  // A session that ends before the message needs none.
  const stop = options.text('quit-after') ?? options.text('drop-after');
  if (stop !== undefined && stop !== 'dot') return { kind: 'text', text: '' };
  return { kind: 'file', path: '-' };
}

const textInput = (value: string): TextInput => {
  if (value === '-') return { kind: 'file', path: '-' };
  return value.startsWith('@') ? { kind: 'file', path: value.slice(1) } : { kind: 'text', text: value };
};

/** `FILE[;name=N][;type=T]`; a file name that holds such words is given with a path in front, as nothing else ends them. */
function attachment(value: string): AttachmentInput {
  const input: AttachmentInput = { path: value };
  for (;;) {
    const match = /^(.+);(name|type)=([^;]*)$/s.exec(input.path);
    if (!match?.[1]) return input;
    input.path = match[1];
    if (match[2] === 'name') input.name ??= match[3] ?? '';
    else input.type ??= match[3] ?? '';
  }
}

function inlineFile(value: string): AttachmentInput {
  const [cid, path] = value.split(/=(.*)/s);
  if (!cid || !path) throw new EhloError('usage', `--inline takes CID=FILE, not "${value}"`);
  return { ...attachment(path), cid };
}

function headerField(value: string): { name: string; value: string } {
  const [name, content] = value.split(/:(.*)/s);
  if (!name || content === undefined) {
    throw new EhloError('usage', `--header takes 'Name: value', not "${value}"`);
  }
  // Spaces alone: a line end at either end is refused with the rest, not trimmed away.
  return { name, value: content.replace(/^ +| +$/g, '') };
}

/** The user of the login where that is an address, else who runs this on this machine, as mail programs do. */
function defaultFrom(context: Context, user: string | undefined): string {
  if (user?.includes('@')) return user;
  const name = context.env['LOGNAME'] ?? context.env['USER'];
  if (!name) throw new EhloError('usage', 'no sender was given', { hint: 'add --from ADDRESS' });
  return `${name}@${context.ports.hostname()}`;
}

// `ehlo send`: options to a request, the report to the terminal. The work is in app/send.ts.
import type { Command } from 'commander';
import { type AttachmentInput, type MessageInput, parseNotify, type TextInput } from '../../app/outgoing.ts';
import { forbiddenCharacter } from '../../base/domain.ts';
import { EhloError } from '../../base/errors.ts';
import { type EsmtpParam, printParams } from '../../smtp/params.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
import { addConnectionOptions, collect, parseConnection } from '../options.ts';
import { showError } from '../show-error.ts';

export const sendCommand: OptionCommand = {
  define(command: Command): void {
    introduce(command, 'send a message, with an exit code that a script can trust', [
      {
        line: 'echo hello | ehlo send --server localhost:1025 --from me@example.com you@example.org',
        says: 'body from standard input',
      },
      {
        line: 'ehlo send --server smtp://me@smtp.example.com:587 --password-env MAIL_PW -s Report --body @report.txt -a data.csv boss@example.com',
        says: 'submission with a login (TLS is then required and verified), a subject and an attachment',
      },
      {
        line: 'ehlo send --server mx: --raw message.eml --from me@example.com you@example.org',
        says: 'straight to the MX hosts, a message byte for byte',
      },
      {
        line: 'ehlo send --server localhost:1025 --from me@example.com --body hi -v you@example.org',
        says: 'watch the conversation',
      },
    ]);
    command.argument('[recipient...]', 'recipients: in the To header and in the envelope');
    command
      .optionsGroup('Message:')
      .option('--from <address>', 'From header, and the envelope sender unless --mail-from says otherwise')
      .option('--to <address>', 'a recipient in To (repeatable; lists are taken apart)', collect)
      .option('--cc <address>', 'a recipient in Cc', collect)
      .option('--bcc <address>', 'a recipient that no header names', collect)
      .option('-s, --subject <text>', 'Subject')
      .option('--body <text|@file|->', 'the text; @FILE reads a file, - reads standard input (the default)')
      .option('--html <text|@file|->', 'an HTML version')
      .option('-a, --attach <file[;name=N][;type=T]>', 'attach a file (repeatable)', collect)
      .option('--inline <cid=file>', 'a file that the HTML shows as cid:CID (repeatable)', collect)
      .option("-H, --header <'name: value'>", 'a header field more, or in place of ours (repeatable)', collect)
      .option('--reply-to <address>', 'Reply-To', collect)
      .option('--in-reply-to <message-id>', 'In-Reply-To and References')
      .option('--priority <level>', 'high, normal or low')
      .option('--raw <file|->', 'the message as it is, byte for byte, instead of all of the above')
      .option('--fix-eol', 'with --raw: make every line end CRLF instead of refusing others')
      .optionsGroup('Envelope:')
      .option('--mail-from <address|<>>', "envelope sender; '<>' is the null sender")
      .option('--rcpt <address>', "envelope only; options as in 'a@x?notify=success&orcpt=rfc822;b@y'", collect)
      .option('--read-recipients', 'take recipients from the headers of --raw; Bcc is then removed')
      .option('--dsn <never|success,failure,delay>', 'ask for delivery notifications')
      .option('--dsn-ret <full|hdrs>', 'how much of the message a notification brings back')
      .option('--envid <id>', 'the envelope id that a notification repeats')
      .option('--mail-param <keyword[=value]>', 'a parameter more for MAIL (repeatable)', collect)
      .option('--rcpt-param <keyword[=value]>', 'a parameter more for each RCPT (repeatable)', collect)
      .optionsGroup('Protocol:')
      .option(
        '--on-reject <continue|abort>',
        'when some recipients are refused: send to the others (exit 3, the default), or to nobody',
      )
      .option('--no-pipelining', 'one command a write, even where the server could take more')
      .option('--dry-run', 'print the message (with --json the plan) and connect to nothing')
      .option('--print <message-id|queue-id|response>', 'print only this on success');
    addConnectionOptions(command, 'send');
  },

  async run(args, raw, context) {
    const options = optionValues(raw);
    const connection = await parseConnection(raw, context);
    if (!connection.server && !options.flag('dry-run')) {
      throw new EhloError('usage', 'no server was given', {
        hint: 'add --server HOST[:PORT], or --server mx: to deliver to the MX hosts of each recipient',
      });
    }
    const human = context.format === 'human';
    const live = human && context.verbosity > 0;
    // Only what this run shows: start-up time is what a script that sends one message pays for.
    const [{ send }, json, transcripts] = await Promise.all([
      import('../../app/send.ts'),
      human ? undefined : import('../../render/json.ts'),
      live ? import('../../render/transcript.ts') : undefined,
    ]);
    const print = options.oneOf('print', ['message-id', 'queue-id', 'response']);
    const result = await send(
      {
        connection,
        input: messageInput(args, options, context, connection.credentials?.user),
        onReject: options.oneOf('on-reject', ['continue', 'abort']) ?? 'continue',
        pipelining: raw['pipelining'] !== false,
        dryRun: options.flag('dry-run'),
      },
      context.ports,
      {
        scrubber: context.scrubber,
        signal: context.signal,
        onEvent: (event) => {
          if (transcripts)
            context.stderr.write(
              transcripts.renderEvent(event, context.stderr.style, { times: context.verbosity > 1 }),
            );
          else if (json && context.format === 'ndjson')
            context.stdout.write(json.jsonLine({ event: 'transcript', ...event }));
        },
      },
    );
    const { report, error } = result;
    if (json) {
      const { transcript, ...rest } = report;
      const document = context.verbosity > 0 ? report : rest;
      context.stdout.write(
        context.format === 'json' ? json.jsonDocument(document) : json.jsonLine({ event: 'report', ...rest }),
      );
      return report.exit.code;
    }
    if (report.dryRun && result.message) {
      for await (const chunk of result.message.chunks()) context.stdout.write(chunk);
      return report.exit.code;
    }
    await show(report, error, print, context);
    return report.exit.code;
  },
};

type Result = Awaited<ReturnType<typeof import('../../app/send.ts').send>>;

type Printed = 'message-id' | 'queue-id' | 'response';

async function show(report: Result['report'], error: EhloError | null, print: Printed | undefined, context: Context) {
  const { renderFate, renderNotes, renderSend } = await import('../../render/send.ts');
  const { safe } = await import('../../render/safe.ts');
  if (context.verbosity >= 0) context.stderr.write(renderNotes(report.notes, context.stderr.style));
  if (print !== undefined && report.ok) {
    const value = { 'message-id': report.messageId, 'queue-id': report.queueId, response: report.response }[print];
    context.stdout.write(`${safe(value ?? '')}\n`);
  } else if (context.verbosity >= 0) {
    context.stdout.write(renderSend(report, context.stdout.style, context.verbosity > 1));
  }
  if (!error) return;
  await showError(error, context, renderFate(report));
}

/** Options that make a message, and so have no say in one that is sent as it is. */
const composing = ['subject', 'body', 'html', 'in-reply-to', 'priority', 'attach', 'inline', 'header', 'reply-to'];

function messageInput(args: string[], options: OptionValues, context: Context, user: string | undefined): MessageInput {
  const raw = options.text('raw');
  const clash = composing.find((name) => options.text(name) !== undefined || options.list(name).length > 0);
  if (raw !== undefined && clash) {
    throw new EhloError('usage', `--raw sends a message as it is, so --${clash} cannot change it`);
  }
  const needsRaw = ['read-recipients', 'fix-eol'].find((name) => options.flag(name));
  if (raw === undefined && needsRaw) throw new EhloError('usage', `--${needsRaw} needs --raw`);
  return {
    from: options.text('from') ?? (raw === undefined ? defaultFrom(context, user) : ''),
    mailFrom: options.text('mail-from'),
    to: [...options.list('to'), ...args],
    cc: options.list('cc'),
    bcc: options.list('bcc'),
    rcpt: options.list('rcpt'),
    readRecipients: options.flag('read-recipients'),
    subject: options.text('subject'),
    text: raw === undefined ? (options.parsed('body', textInput) ?? implicitBody(options, context)) : undefined,
    html: options.parsed('html', textInput),
    attachments: [...options.list('attach').map(attachment), ...options.list('inline').map(inlineFile)],
    headers: options.list('header').map(headerField),
    replyTo: options.list('reply-to'),
    inReplyTo: options.text('in-reply-to'),
    priority: options.oneOf('priority', ['high', 'normal', 'low']),
    raw: raw === undefined ? undefined : { path: raw, fixEol: options.flag('fix-eol') },
    notify: options.parsed('dsn', parseNotify),
    ret: options.oneOf('dsn-ret', ['full', 'hdrs']),
    envid: options.parsed('envid', visible),
    mailParams: options.list('mail-param').map((text) => options.check('mail-param', text, param)),
    rcptParams: options.list('rcpt-param').map((text) => options.check('rcpt-param', text, param)),
  };
}

function param(text: string): EsmtpParam {
  const [keyword = '', value] = visible(text).split(/=(.*)/s);
  const made = { keyword: keyword.toUpperCase(), ...(value === undefined ? {} : { value }) };
  // Refuses what cannot stand in a command, before anything is connected to.
  printParams([made]);
  return made;
}

/** A control character in a command would begin another one. */
function visible(text: string): string {
  const found = forbiddenCharacter(text);
  if (found) throw new EhloError('usage', `it holds ${found}`, { hint: 'remove that character; it is never sent' });
  return text;
}

/** Standard input is the body, unless HTML is the message or nobody is piping anything and files are. */
function implicitBody(options: OptionValues, context: Context): TextInput | undefined {
  if (options.text('html') !== undefined) return undefined;
  if (options.list('attach').length > 0 && context.stdin.isTTY) return undefined;
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

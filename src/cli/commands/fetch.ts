// `ehlo fetch`: options to a request, the report or the messages to the terminal. The work is in app/fetch.ts.
import type { Command } from 'commander';
import type { FetchAction, FetchedMessage, FetchReport } from '../../app/fetch.ts';
import type { FetchOutput } from '../../app/fetch-output.ts';
import { EhloError } from '../../base/errors.ts';
import { pop3Limits } from '../../base/limits.ts';
import { parseSize } from '../../base/values.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
import { addConnectionOptions, parseConnection } from '../options.ts';
import { showError } from '../show-error.ts';

const actions: readonly FetchAction[] = ['list', 'get', 'top', 'stat', 'delete'];
const formats = ['eml', 'maildir', 'raw'] as const;

/** What is asked for, checked before anything is connected to or any password is read. */
interface Plan {
  action: FetchAction;
  numbers: number[] | undefined;
  format: (typeof formats)[number];
  /** The value of -o; undefined where nothing is written to files. */
  target: string | undefined;
  delete: boolean;
  max: number | undefined;
  maxSize: number;
  maxMessages: number;
  topLines: number;
  forceRaw: boolean;
}

/** The URL is the first argument, unless --server (of a profile) gives it and the first argument is what to do. */
const serverAndRest = (args: string[], named: string | undefined): string[] => {
  const [first] = args;
  const isAction = first === undefined || /^\d+$/.test(first) || actions.some((one) => one === first);
  return named !== undefined && isAction ? [named, ...args] : args;
};

export const fetchCommand: OptionCommand = {
  define(command: Command): void {
    introduce(command, 'list, fetch or delete the messages of a POP3 mailbox', [
      { line: 'ehlo fetch pop3s://me@pop.example.com list', says: 'what is there (asks for the password)' },
      {
        line: 'ehlo fetch pop3s://me@pop.example.com --password-env PW -o mail',
        says: 'every message into a folder, kept on the server',
      },
      { line: 'ehlo fetch pop3://me@127.0.0.1:1110 --password-file pw get 3', says: 'message 3 to standard output' },
      { line: 'ehlo fetch -P home list', says: 'server and login from a profile of the configuration' },
      {
        line: 'ehlo fetch pop3s://me@pop.example.com --password-command "pass mail" --format maildir -o Maildir --delete',
        says: 'into a Maildir, and off the server once it is safe on disk',
      },
    ]);
    command
      .argument(
        '[url]',
        'pop3://user@host[:port] (TLS by STLS), pop3s://user@host[:port], or host[:port]; or -P PROFILE',
      )
      .argument('[action]', `${actions.join(', ')} (default get)`)
      .argument('[number...]', 'only these messages')
      .optionsGroup('Messages:')
      .option('--format <format>', 'eml (a file a message), maildir, or raw (one stream)', 'eml')
      .option('-o, --output <dir|file|->', 'a folder (made if missing), a file, or - for standard output (the default)')
      .option('--keep', 'leave the messages on the server (the default)')
      .option('--delete', 'delete what was stored and synced, with QUIT')
      .option('--max <n>', 'at most so many messages, the oldest first')
      .option('--max-size <size>', 'leave larger messages on the server (default 100M)')
      .option('--max-messages <n>', 'the largest mailbox to look at (default 10000)')
      .option('--lines <n>', 'top: lines of the body (default 10)')
      .option('--force-raw', 'write messages to a terminal as they are, escapes and all');
    addConnectionOptions(command, 'fetch');
  },

  async run(args, options, context): Promise<number> {
    const [url, ...rest] = serverAndRest(args, optionValues(options).text('server'));
    if (url === undefined) {
      throw new EhloError('usage', 'no server was given', { hint: 'give a pop3:// URL, or -P PROFILE with a server' });
    }
    const plan = readPlan(rest, optionValues(options), context);
    const connection = await parseConnection({ ...options, server: url }, context, { scheme: 'pop3' });
    if (connection.server?.scheme !== 'pop3' && connection.server?.scheme !== 'pop3s') {
      throw new EhloError('usage', `fetch speaks POP3, not ${connection.server?.scheme}`, {
        hint: 'give a pop3:// or pop3s:// URL',
      });
    }
    const [{ fetchMail }, { jsonLine }, { renderEvent }] = await Promise.all([
      import('../../app/fetch.ts'),
      import('../../render/json.ts'),
      import('../../render/transcript.ts'),
    ]);
    const output = await openOutput(plan, context);
    const live = context.format === 'human' && context.verbosity > 0;
    const { report, error } = await fetchMail(
      {
        connection,
        action: plan.action,
        ...(plan.numbers ? { numbers: plan.numbers } : {}),
        ...(plan.max === undefined ? {} : { max: plan.max }),
        maxSize: plan.maxSize,
        maxMessages: plan.maxMessages,
        topLines: plan.topLines,
        delete: plan.delete,
        headers: context.format !== 'human' || (plan.target !== undefined && context.verbosity >= 0),
        ...(output ? { output } : {}),
      },
      context.ports,
      {
        scrubber: context.scrubber,
        signal: context.signal,
        transcript: context.verbosity > 0,
        onEvent: (event) => {
          if (live) context.stderr.write(renderEvent(event, context.stderr.style, { times: context.verbosity > 1 }));
        },
        onMessage: (message: FetchedMessage) => {
          if (context.format === 'ndjson') context.stdout.write(jsonLine({ event: 'message', ...message }));
        },
      },
    );
    await show(report, error, plan, context);
    return report.exit.code;
  },
};

function readPlan(words: string[], values: OptionValues, context: Context): Plan {
  const [word = 'get', ...rest] = /^\d+$/.test(words[0] ?? '') ? ['get', ...words] : words;
  const action = actions.find((one) => one === word);
  if (!action) {
    throw new EhloError('usage', `"${word}" is no action of fetch`, { hint: `the actions are ${actions.join(', ')}` });
  }
  const numbers = rest.map((text) => count('a message number', text, 1));
  const format = values.oneOf('format', formats) ?? 'eml';
  // What a configuration says for every get is nothing to the other actions.
  const hasSay = (name: string): boolean => action === 'get' || values.layered(name) === undefined;
  const target = hasSay('output') ? values.text('output') : undefined;
  const removing = hasSay('delete') && values.flag('delete');
  if (removing && values.flag('keep')) throw new EhloError('usage', '--keep and --delete exclude each other');
  if (action !== 'get' && (target !== undefined || removing)) {
    throw new EhloError('usage', `${target === undefined ? '--delete' : '-o'} belongs to get, not to ${action}`, {
      hint: action === 'delete' ? 'to store messages first: ehlo fetch URL get -o DIR --delete' : undefined,
    });
  }
  if (action === 'stat' && numbers.length > 0) throw new EhloError('usage', 'stat takes no message numbers');
  const toFiles = target !== undefined && target !== '-';
  if (action === 'get' && !toFiles) {
    if (context.format !== 'human') {
      throw new EhloError('usage', 'get needs a place for the messages: standard output is for JSON', {
        hint: 'add -o DIR, or use list to see what is there',
      });
    }
    if (removing) {
      throw new EhloError('usage', '--delete needs the messages in files first', { hint: 'add -o DIR' });
    }
    if (format === 'maildir') throw new EhloError('usage', 'a Maildir is a folder', { hint: 'add -o DIR' });
  }
  return {
    action,
    numbers: numbers.length > 0 ? numbers : undefined,
    format,
    target: toFiles ? target : undefined,
    delete: removing,
    max: values.parsed('max', (text) => count('a number of messages', text, 1)),
    maxSize: values.parsed('max-size', parseSize) ?? pop3Limits.messageBytes,
    maxMessages: values.parsed('max-messages', (text) => count('a number of messages', text, 1)) ?? pop3Limits.messages,
    topLines: values.parsed('lines', (text) => count('a number of lines', text, 0)) ?? 10,
    forceRaw: values.flag('force-raw'),
  };
}

function count(what: string, text: string, least: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new EhloError('usage', `"${text}" is not ${what}`);
}

async function openOutput(plan: Plan, context: Context): Promise<FetchOutput | undefined> {
  if (plan.action === 'get' && plan.target !== undefined) return openFiles(plan, plan.target, context);
  if ((plan.action !== 'get' && plan.action !== 'top') || context.format !== 'human') return undefined;
  const { rawStdout, readableStdout } = await import('../message-stdout.ts');
  return context.stdout.isTTY && !plan.forceRaw ? readableStdout(context.stdout) : rawStdout(context.stdout);
}

/** eml: a folder, unless the name ends in .eml; raw: always one file. */
async function openFiles(plan: Plan, target: string, context: Context): Promise<FetchOutput> {
  const { kindOfPath, openFolder, openMaildirOutput, openSingleFile } = await import('../../store/output.ts');
  if (plan.format === 'maildir') {
    const { clock, hostname } = context.ports;
    return openMaildirOutput(target, { clock, hostname: hostname(), pid: process.pid });
  }
  const there = await kindOfPath(target);
  if (plan.format === 'raw') {
    if (there === 'folder') {
      throw new EhloError('usage', `${target} is a folder; raw is one stream`, {
        hint: 'use --format eml for a folder',
      });
    }
    return openSingleFile(target);
  }
  if (there === 'folder' || !target.toLowerCase().endsWith('.eml')) return openFolder(target);
  if (plan.numbers?.length === 1 || plan.max === 1) return openSingleFile(target);
  throw new EhloError('usage', `${target} is one file, and every message was asked for`, {
    hint: 'name one message (get 3), or give a folder',
  });
}

async function show(report: FetchReport, error: EhloError | null, plan: Plan, context: Context): Promise<void> {
  if (context.format !== 'human') {
    const { jsonDocument, jsonLine } = await import('../../render/json.ts');
    const { transcript, ...rest } = report;
    const document = context.verbosity > 0 ? report : rest;
    context.stdout.write(
      context.format === 'json' ? jsonDocument(document) : jsonLine({ event: 'report', ...document }),
    );
    return;
  }
  const { renderDeleted, renderFetched, renderFetchNotes, renderMailbox, renderTotals } = await import(
    '../../render/fetch.ts'
  );
  const { stdout, stderr, verbosity } = context;
  if (verbosity >= 0) stderr.write(renderFetchNotes(report.notes, stderr.style));
  if (plan.action === 'list' && report.mailbox) stdout.write(renderMailbox(report, stdout.style));
  if (plan.action === 'stat') stdout.write(renderTotals(report));
  if (plan.action === 'delete' && report.mailbox && verbosity >= 0) stdout.write(renderDeleted(report));
  if (plan.target !== undefined && report.mailbox && verbosity >= 0) {
    stdout.write(renderFetched(report, plan.target, stdout.style));
  }
  const shows = plan.action === 'get' && plan.target === undefined;
  if (shows && !error && report.messages.length === 0 && verbosity >= 0) stderr.write('no messages in the mailbox\n');
  if (!error) return;
  await showError(error, context);
}

// `ehlo inspect`: tells what the target is, and shows the report on it. The work is in app/inspect-*.ts.
import type { Command } from 'commander';
import type { MessageReport, OpenMessage } from '../../app/inspect-message.ts';
import type { ByteSource } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import { type FailOn, failOnWords } from '../../base/finding.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
import { addConnectionOptions, parseConnection } from '../options.ts';

const kinds = ['message', 'domain', 'server'] as const;

type Target = { kind: 'message'; source: ByteSource } | { kind: 'domain' | 'server'; name: string };

export const inspectCommand: OptionCommand = {
  define(command: Command): void {
    introduce(command, 'take a message or a server apart, and say what is wrong with it', [
      { line: 'ehlo inspect message.eml', says: 'a message: summary, parts with offsets, hops with delays, findings' },
      { line: 'ehlo inspect --text - < message.eml', says: 'only the text, from standard input' },
      { line: 'ehlo inspect --part 1.2 message.eml > picture.png', says: 'one part, decoded' },
      { line: 'ehlo inspect --save-attachments out message.eml', says: 'all attachments, under names that are safe' },
      { line: 'ehlo inspect smtp://mail.example.org:25', says: 'a server: banner, extensions, TLS, logins, times' },
      { line: 'ehlo inspect pop3s://pop.example.org', says: 'the same for a POP3 server; nobody logs in' },
      { line: 'ehlo inspect --fail-on warn --json message.eml', says: 'in CI: exit 1 when anything is wrong' },
    ]);
    command.argument(
      '<target>',
      'a message (a file, or - for standard input), or a server URL (smtp, smtps, lmtp, pop3, pop3s)',
    );
    command
      .optionsGroup('Target:')
      .option('--as <message|domain|server>', 'what the target is, where that is not plain')
      .optionsGroup('Output:')
      .option('--headers', 'only the header fields, in order, decoded')
      .option('--text', 'only the text')
      .option('--part <number>', 'only this part, decoded, byte for byte: 1, 1.2 ...')
      .option('--save-attachments <directory>', 'also write the attachments there; nothing is overwritten')
      .option('--fail-on <warn|error>', 'exit 1 where a finding reaches this');
    addConnectionOptions(command, 'inspect');
  },

  async run([target = ''], raw, context) {
    const options = optionValues(raw);
    const failOn = options.oneOf('fail-on', failOnWords);
    const found = await targetOf(target, options.oneOf('as', kinds), context);
    if (found.kind === 'message') return runMessage(found.source, options, failOn, context);
    if (found.kind === 'server') return runServer(found.name, raw, failOn, context);
    throw noDomainsYet(found.name);
  },
};

async function runServer(
  target: string,
  raw: Record<string, unknown>,
  failOn: FailOn | undefined,
  context: Context,
): Promise<number> {
  // Nobody logs in, so nobody is asked for a password.
  const scheme = /:(?:110|995)$/.test(target) ? 'pop3' : 'smtp';
  const connection = await parseConnection({ ...raw, server: target, auth: 'none' }, context, { scheme });
  const { server } = connection;
  if (!server) throw new EhloError('usage', 'no server was given', { hint: 'write smtp://host:port' });
  const [{ inspectServer }, { renderEvent }] = await Promise.all([
    import('../../app/inspect-server.ts'),
    import('../../render/transcript.ts'),
  ]);
  const { format, scrubber, signal, stdout, stderr, verbosity } = context;
  const written = server.password ? target.replace(/:\/\/.*@/s, '://') : target;
  const { report, error } = await inspectServer({ connection, server, written, failOn }, context.ports, {
    scrubber,
    signal,
    onEvent: (event) => {
      if (format === 'human' && verbosity > 0) stderr.write(renderEvent(event, stderr.style, { times: verbosity > 1 }));
    },
  });
  if (format !== 'human') {
    await writeJson(report, context);
    return report.exit.code;
  }
  // What was learned before it broke is worth showing; then main says what broke.
  if (verbosity >= 0 && (report.banner !== null || report.tls)) {
    const { renderServer } = await import('../../render/inspect-server.ts');
    stdout.write(renderServer(report, stdout.style));
  }
  if (error) throw error;
  return report.exit.code;
}

/** Where `inspect` of domains belongs: import its use case and renderer here, lazily. */
const noDomainsYet = (name: string): EhloError =>
  new EhloError('usage', `inspect cannot look at a domain yet: ${name}`, {
    hint: `ehlo relay-test ${name} walks its DNS and its servers`,
  });

/** A URL is a server, what is there as a file a message; a name that is no file may be a server or a domain. */
async function targetOf(name: string, as: (typeof kinds)[number] | undefined, context: Context): Promise<Target> {
  if (as === 'domain' || as === 'server') return { kind: as, name };
  if (as === undefined && /^(?:[a-z][a-z0-9+.-]*:\/\/|mx:|lmtp\+unix:)/i.test(name)) return { kind: 'server', name };
  try {
    return { kind: 'message', source: await context.ports.files.read(name) };
  } catch (thrown) {
    if (as === 'message' || !(thrown instanceof EhloError) || thrown.code !== 'no-input') throw thrown;
    if (/^(?:\[[0-9a-f:.]+\]|[^:/\s]+):\d{1,5}$/i.test(name)) return { kind: 'server', name };
    if (/^[^/\\\s]+\.[^/\\\s.]{2,}\.?$/.test(name) && !/\.(?:eml|msg|mbox|txt|mime|mht)$/i.test(name))
      return { kind: 'domain', name };
    throw thrown;
  }
}

async function runMessage(
  source: ByteSource,
  options: OptionValues,
  failOn: FailOn | undefined,
  context: Context,
): Promise<number> {
  const part = options.text('part');
  const directory = options.text('save-attachments');
  const { inspectMessage, openMessage } = await import('../../app/inspect-message.ts');
  const message = await openMessage(source);
  if (part !== undefined) return writePart(message, part, context);
  const report = await inspectMessage(message, failOn === undefined ? {} : { failOn });
  if (directory !== undefined) await save(message, report, directory);
  await show(report, options, context);
  return report.exit.code;
}

async function writePart(message: OpenMessage, path: string, { format, stdout }: Context): Promise<number> {
  if (format !== 'human') {
    throw new EhloError('usage', '--part writes the bytes of the part, not a report', {
      hint: 'leave --json and --ndjson out',
    });
  }
  const { findPart, partContent } = await import('../../app/inspect-message.ts');
  const part = findPart(message.root, path);
  if (!part) {
    throw new EhloError('usage', `the message has no part ${JSON.stringify(path.slice(0, 40))}`, {
      hint: 'ehlo inspect FILE lists the parts',
    });
  }
  // Whatever is in it: a terminal would act on it.
  if (stdout.isTTY) {
    throw new EhloError('usage', '--part writes raw bytes, and standard output is a terminal', {
      hint: 'send it to a file or a program: > FILE; --text shows the text safely',
    });
  }
  stdout.write(partContent(message, part));
  return 0;
}

async function save(message: OpenMessage, report: MessageReport, directory: string): Promise<void> {
  const [{ attachmentParts, partContent }, { saveAttachments }] = await Promise.all([
    import('../../app/inspect-message.ts'),
    import('../../store/attachments.ts'),
  ]);
  const files = attachmentParts(message.root).map((part) => ({
    filename: part.filename,
    content: () => partContent(message, part),
  }));
  const paths = await saveAttachments(directory, files);
  for (const [at, path] of paths.entries()) {
    const attachment = report.attachments[at];
    if (attachment) attachment.savedAs = path;
  }
}

async function show(report: MessageReport, options: OptionValues, context: Context): Promise<void> {
  const { format, stdout, verbosity } = context;
  if (format !== 'human') {
    await writeJson(report, context);
    return;
  }
  const { renderHeaders, renderMessage, renderText } = await import('../../render/inspect.ts');
  if (options.flag('headers')) stdout.write(renderHeaders(report, stdout.style));
  if (options.flag('text')) stdout.write(renderText(report));
  if (!options.flag('headers') && !options.flag('text') && verbosity >= 0)
    stdout.write(renderMessage(report, stdout.style));
}

async function writeJson(report: object, { format, stdout }: Context): Promise<void> {
  const { jsonDocument, jsonLine } = await import('../../render/json.ts');
  stdout.write(format === 'json' ? jsonDocument(report) : jsonLine({ event: 'report', ...report }));
}

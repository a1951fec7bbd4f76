// `ehlo send`: options to a request, the report to the terminal. The work is in app/send.ts.
import type { Command } from 'commander';
import { EhloError } from '../../base/errors.ts';
import type { Context, OptionCommand } from '../command.ts';
import { controlGroup, readControl, readRetry } from '../control-options.ts';
import { introduce } from '../help.ts';
import { messageGroups, messageInput, readDkim } from '../message-options.ts';
import { addOptionGroups } from '../option-rows.ts';
import { optionValues } from '../option-values.ts';
import { addConnectionOptions, parseConnection } from '../options.ts';
import { queueGroup, readQueue } from '../queue-options.ts';
import { openRecords, recordGroup } from '../send-records.ts';
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
    addOptionGroups(command, [...messageGroups, controlGroup, queueGroup, recordGroup]);
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
    const control = await readControl(options);
    const retry = readRetry(options);
    const print = options.oneOf('print', ['message-id', 'queue-id', 'response']);
    const dkim = await readDkim(options, context);
    const queue = await readQueue(raw, control, context);
    const records = await openRecords(options, context);
    const sending = send(
      {
        connection,
        input: { ...messageInput(args, options, context, connection.credentials?.user), dkim },
        onReject: options.oneOf('on-reject', ['continue', 'abort']) ?? 'continue',
        pipelining: raw['pipelining'] !== false,
        dryRun: options.flag('dry-run'),
        control,
        ...(retry ? { retry } : {}),
        ...(queue ? { queue } : {}),
      },
      context.ports,
      {
        scrubber: context.scrubber,
        signal: context.signal,
        ...(records.onSent ? { onSent: records.onSent } : {}),
        onEvent: (event) => {
          records.onEvent?.(event);
          if (transcripts)
            context.stderr.write(
              transcripts.renderEvent(event, context.stderr.style, { times: context.verbosity > 1 }),
            );
          else if (json && context.format === 'ndjson')
            context.stdout.write(json.jsonLine({ event: 'transcript', ...event }));
        },
      },
    );
    const result = await sending.finally(async () => {
      records.close();
      await queue?.spool.close();
    });
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
  const tls = report.server?.tls;
  const certificate =
    error.code === 'tls-certificate' && tls
      ? (await import('../../render/certificate.ts')).renderCertificate(
          tls,
          context.ports.clock.date(),
          context.stderr.style,
        )
      : '';
  await showError(error, context, renderFate(report) + certificate);
}

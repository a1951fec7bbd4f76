// `ehlo send`: options to a request, the report to the terminal. The work is in app/send.ts.
import type { Command } from 'commander';
import type { MessageInput } from '../../app/message-input.ts';
import type { ByteSource } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import type { Context, OptionCommand } from '../command.ts';
import { refuseConflicts } from '../control-conflicts.ts';
import { controlGroup, readControl, readRetry } from '../control-options.ts';
import { introduce } from '../help.ts';
import { mergeOptionRows, wantsMerge, wantsTemplate } from '../merge-options.ts';
import { messageGroups, messageInput, readDkim } from '../message-options.ts';
import { addOptionGroups } from '../option-rows.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
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
    addOptionGroups(command, [...messageGroups, mergeOptionRows, controlGroup, queueGroup, recordGroup]);
    addConnectionOptions(command, 'send');
  },

  async run(args, raw, context) {
    const options = optionValues(raw);
    const plan = await readPlan(raw, options, context);
    try {
      if (!wantsMerge(options)) return await sendOne(args, options, plan, context);
      const { runMerge } = await import('../merge.ts');
      const { onSent, onEvent } = plan.records;
      const hooks = { scrubber: context.scrubber, ...(onSent ? { onSent } : {}), ...(onEvent ? { onEvent } : {}) };
      return await runMerge(args, options, { request: plan.request, hooks, input: plan.input }, context);
    } finally {
      await plan.close();
    }
  },
};

/** All that is the same for each message, checked before any is made. */
async function readPlan(raw: Record<string, unknown>, options: OptionValues, context: Context) {
  const dryRun = options.flag('dry-run');
  // Nobody is logged in to, so no secret is fetched and nobody is asked for one.
  const connection = await parseConnection(dryRun ? { ...raw, auth: 'none' } : raw, context);
  const user = options.text('user') ?? connection.server?.user ?? connection.credentials?.user;
  if (!connection.server && !dryRun) {
    throw new EhloError('usage', 'no server was given', {
      hint: 'add --server HOST[:PORT], or --server mx: to deliver to the MX hosts of each recipient',
    });
  }
  const control = await readControl(options);
  refuseConflicts({ options, control, connection });
  const retry = readRetry(options);
  const dkim = await readDkim(options, context);
  const queue = await readQueue(raw, control, context);
  const records = await openRecords(options, context);
  return {
    request: {
      connection,
      onReject: options.oneOf('on-reject', ['continue', 'abort']) ?? ('continue' as const),
      pipelining: raw['pipelining'] !== false,
      dryRun,
      control,
      ...(retry ? { retry } : {}),
      ...(queue ? { queue } : {}),
    },
    input: (args: string[], values: OptionValues): MessageInput => ({
      ...messageInput(args, values, context, user),
      dkim,
    }),
    records,
    async close() {
      records.close();
      await queue?.spool.close();
    },
  };
}

async function sendOne(
  args: string[],
  options: OptionValues,
  { request, input, records }: Awaited<ReturnType<typeof readPlan>>,
  context: Context,
): Promise<number> {
  const print = options.oneOf('print', ['message-id', 'queue-id', 'response']);
  const human = context.format === 'human';
  // Only what this run shows: start-up time is what a script that sends one message pays for.
  const [{ send }, json, transcripts] = await Promise.all([
    import('../../app/send.ts'),
    human ? undefined : import('../../render/json.ts'),
    human && context.verbosity > 0 ? import('../../render/transcript.ts') : undefined,
  ]);
  const message = wantsTemplate(options)
    ? await (await import('../template-options.ts')).templatedInput(args, options, input, context.ports)
    : input(args, options);
  const times = context.verbosity > 1;
  const result = await send({ ...request, input: message }, context.ports, {
    scrubber: context.scrubber,
    signal: context.signal,
    ...(records.onSent ? { onSent: records.onSent } : {}),
    ...(human && print === undefined ? { onPlanned: (planned) => printMessage(planned, context) } : {}),
    onEvent: (event) => {
      records.onEvent?.(event);
      if (transcripts) context.stderr.write(transcripts.renderEvent(event, context.stderr.style, { times }));
      else if (json && context.format === 'ndjson') {
        context.stdout.write(json.jsonLine({ event: 'transcript', ...event }));
      }
    },
  });
  const { report, error } = result;
  if (json) {
    const { transcript, ...rest } = report;
    const document = context.verbosity > 0 ? report : rest;
    context.stdout.write(
      context.format === 'json' ? json.jsonDocument(document) : json.jsonLine({ event: 'report', ...rest }),
    );
  } else if (!report.dryRun || print !== undefined) await show(report, error, print, context);
  return report.exit.code;
}

async function printMessage(message: ByteSource, { stdout }: Context): Promise<void> {
  for await (const chunk of message.chunks()) {
    stdout.write(chunk);
    await stdout.drained?.();
  }
}

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

// Sends what sendmail took along the configured route, as `ehlo send --raw` would.
import { type SendResult, send } from '../../app/send.ts';
import type { ByteSource } from '../../base/bytes.ts';
import type { TranscriptEvent } from '../../wire/transcript.ts';
import type { Context } from '../command.ts';
import { optionValues } from '../option-values.ts';
import { openRecords } from '../send-records.ts';
import type { SendmailRequest } from './sendmail-arguments.ts';
import { queueRequest } from './sendmail-queue.ts';
import { type SendmailRoute, standardInput } from './sendmail-route.ts';

export interface Submission extends Pick<SendmailRequest, 'notify' | 'ret' | 'envid' | 'verbose'> {
  sender: string;
  recipients: string[];
  source: ByteSource;
  onReject: 'continue' | 'abort';
}

/** What happened is in the result; throws before anything is connected to. The source is disposed of. */
export async function submit(submission: Submission, route: SendmailRoute, context: Context): Promise<SendResult> {
  const { sender, recipients, source, onReject, notify, ret, envid, verbose } = submission;
  const { connection, input, control, retry, options } = route;
  const [queue, records, shown] = await Promise.all([
    queueRequest(route, context),
    openRecords(optionValues(options), context),
    verbose ? transcriptTo(context) : undefined,
  ]);
  const sending = send(
    {
      connection,
      input: {
        ...input,
        mailFrom: sender,
        to: recipients,
        raw: { path: standardInput, given: source, fixEol: false },
        notify: notify ?? input.notify,
        ret: ret ?? input.ret,
        envid: envid ?? input.envid,
      },
      onReject,
      pipelining: options['pipelining'] !== false,
      dryRun: false,
      control,
      ...(retry && { retry }),
      // All or nobody is for the one reply of -bs; whom the queue has taken on is each on his own again.
      ...(queue && { queue: { ...queue, onReject: onReject === 'abort' ? route.onReject : onReject } }),
    },
    context.ports,
    {
      scrubber: context.scrubber,
      signal: context.signal,
      onEvent(event) {
        records.onEvent?.(event);
        shown?.(event);
      },
      ...(records.onSent && { onSent: records.onSent }),
    },
  );
  return sending.finally(async () => {
    records.close();
    await queue?.spool.close();
  });
}

/** -v: the conversation on standard error, as it happens. */
export async function transcriptTo(context: Context): Promise<(event: TranscriptEvent) => void> {
  const { renderEvent } = await import('../../render/transcript.ts');
  return (event) => context.stderr.write(renderEvent(event, context.stderr.style, { times: false }));
}

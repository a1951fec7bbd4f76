// `sendmail -bv`: asks the server of the route about each recipient (MAIL and RCPT, never DATA) and says what it answered.
import type { DeliveredRecipient } from '../../app/delivery-outcome.ts';
import { EhloError } from '../../base/errors.ts';
import { exitCodes } from '../../base/exit.ts';
import { safe } from '../../render/safe.ts';
import { replyLine } from '../../smtp/reply.ts';
import type { Context } from '../command.ts';
import type { SendmailRequest } from './sendmail-arguments.ts';
import { readEnvelope } from './sendmail-draft.ts';
import { callersCode } from './sendmail-exit.ts';
import { sendmailRoute } from './sendmail-route.ts';
import { transcriptTo } from './sendmail-submit.ts';

const words: Record<DeliveredRecipient['status'], string> = {
  accepted: 'deliverable',
  rejected: 'undeliverable',
  deferred: 'deferred',
  unknown: 'unknown',
};

/** One line for each recipient on standard output, which is the result here. */
export async function verify(request: SendmailRequest, context: Context): Promise<number> {
  if (request.readRecipients) {
    throw new EhloError('usage', '-bv and -t exclude each other', { hint: 'name the addresses behind -bv' });
  }
  const route = await sendmailRoute(context);
  const { sender, recipients } = readEnvelope(request, route);
  const [{ deliver }, { deliveryError }] = await Promise.all([
    import('../../app/deliver.ts'),
    import('../../app/delivery-outcome.ts'),
  ]);
  const onEvent = request.verbose ? await transcriptTo(context) : undefined;
  const delivered = await deliver(
    {
      connection: route.connection,
      envelope: { from: sender, to: recipients.map((address) => ({ address })) },
      message: null,
      onReject: 'continue',
      pipelining: route.options['pipelining'] !== false,
      control: route.control,
      until: 'rcpt',
    },
    context.ports,
    {
      resolver: async () => (await import('../../app/mx.ts')).resolverFor(route.connection, context.ports),
      scrubber: context.scrubber,
      signal: context.signal,
      ...(onEvent && { onEvent }),
    },
  );
  for (const { address, status, reply, error } of delivered.recipients) {
    const why = reply ? replyLine(reply) : (error?.message ?? '');
    context.stdout.write(context.scrubber.scrub(`${safe(address)}... ${words[status]}: ${safe(why)}\n`));
  }
  const error = deliveryError(delivered.recipients);
  return error ? callersCode(error.exit) : exitCodes.OK;
}

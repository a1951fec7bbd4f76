// The one door from sendmail to the queue: `queue = "on-temp"` of the configuration hands over what was deferred, -bp and
// mailq list, -q tries what is due. What the queue does is app/queue.ts and commands/queue.ts.
import type { QueueRequest } from '../../app/send.ts';
import type { Context } from '../command.ts';
import type { SendmailRequest } from './sendmail-arguments.ts';
import { callersNumber } from './sendmail-exit.ts';
import { configured, type SendmailRoute, sendmailLayers } from './sendmail-route.ts';

/** Undefined: what cannot be sent now stays with the caller. Throws 'config' for a route that holds a password, 'io'. */
export async function queueRequest(route: SendmailRoute, context: Context): Promise<QueueRequest | undefined> {
  const { options, control } = route;
  if (options['queue'] === undefined) return undefined;
  const { readQueue } = await import('../queue-options.ts');
  return configured(() => readQueue(options, control, context));
}

export const listQueue = (_request: SendmailRequest, context: Context): Promise<number> => onQueue('list', context);

/** Says nothing without -v: it is called by cron. */
export const runQueue = ({ verbose }: SendmailRequest, context: Context): Promise<number> =>
  onQueue('run', { ...context, verbosity: verbose ? 1 : -1 });

async function onQueue(action: 'list' | 'run', context: Context): Promise<number> {
  const { queueCommand } = await import('../commands/queue.ts');
  const { spool } = await sendmailLayers('queue', context);
  return callersNumber(await queueCommand.run([action], spool === undefined ? {} : { spool }, context));
}

// The options of `send` that hand a message to the queue, and what they come to.
import type { ProtocolControl } from '../app/control.ts';
import type { QueueRequest } from '../app/send.ts';
import { EhloError } from '../base/errors.ts';
import { parseDuration } from '../base/values.ts';
import type { Context } from './command.ts';
import type { OptionGroup } from './option-rows.ts';
import { optionValues } from './option-values.ts';

export const queueGroup: OptionGroup = {
  heading: 'Queue:',
  rows: [
    {
      flags: '--queue <on-temp|always>',
      says: 'keep what was deferred, or everything untried, for ehlo queue run (exit 0: it is safe on disk)',
    },
    { flags: '--spool <dir>', says: 'where the queue is (default $XDG_STATE_HOME/ehlo/spool)' },
    { flags: '--expire <time>', says: 'give up and notify the sender after this (default 5d)' },
  ],
};

/** `raw` as commander leaves it. Throws 'usage' for what no later try can repeat. The caller closes the spool. */
export async function readQueue(
  raw: Record<string, unknown>,
  control: ProtocolControl,
  context: Context,
): Promise<QueueRequest | undefined> {
  const options = optionValues(raw);
  const when = options.oneOf('queue', ['on-temp', 'always']);
  const expiresMs = options.parsed('expire', parseDuration);
  if (!when) {
    const alone = ['spool', 'expire'].find((name) => options.text(name) !== undefined);
    if (alone !== undefined) throw new EhloError('usage', `--${alone} needs --queue`);
    return undefined;
  }
  if (options.text('raw-bytes') !== undefined) {
    throw new EhloError('usage', '--raw-bytes is for one session under your eyes; it cannot be queued');
  }
  const [{ routeOf }, { openSpoolFor }] = await Promise.all([import('./route.ts'), import('./spool-directory.ts')]);
  const route = routeOf(raw, control);
  const spool = await openSpoolFor(options.text('spool'), context);
  return { when, spool, route, ...(expiresMs === undefined ? {} : { expiresMs }) };
}

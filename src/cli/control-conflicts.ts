// Options of `send` that cannot be together: one of the two would be left out in silence. What each means is control-options.ts.
import type { Connection } from '../app/connection.ts';
import { type ProtocolControl, type StopStage, stopStages } from '../app/control.ts';
import { EhloError } from '../base/errors.ts';
import type { OptionValues } from './option-values.ts';

interface Facts {
  options: OptionValues;
  control: ProtocolControl;
  connection: Connection;
}

interface Conflict {
  found(facts: Facts): boolean;
  why: string;
  hint: string;
}

const stopsBefore = (stage: StopStage, { stop }: ProtocolControl): boolean =>
  stop !== undefined && stopStages.indexOf(stop.after) < stopStages.indexOf(stage);

const isLmtp = ({ server }: Connection): boolean => server?.scheme === 'lmtp' || server?.scheme === 'lmtp+unix';

const conflicts: readonly Conflict[] = [
  {
    found: ({ control, connection }) => control.prdr && isLmtp(connection),
    why: '--prdr is for SMTP, and the server is spoken to in LMTP',
    hint: 'leave it out: over LMTP each recipient has a verdict of its own in any case',
  },
  {
    found: ({ control, options }) => control.bdat !== 'off' && options.text('raw-bytes') !== undefined,
    why: '--raw-bytes goes out behind DATA, so --bdat cannot carry it',
    hint: 'use --raw, or --bdat off',
  },
  {
    found: ({ control }) => control.bdat !== 'off' && control.stop?.after === 'data',
    why: 'with --bdat there is no DATA behind which the session could end',
    hint: 'end it behind rcpt, or use --bdat off',
  },
  {
    found: ({ control }) => control.commands.length > 0 && stopsBefore('mail', control),
    why: '--cmd is said before MAIL, and the session would have ended by then',
    hint: 'end it behind mail or later: nothing is sent before dot',
  },
  {
    found: ({ control }) => control.xclient.length > 0 && stopsBefore('auth', control),
    why: '--xclient is said behind EHLO and TLS, and the session would have ended by then',
    hint: 'end it behind auth or later: nothing is sent before dot',
  },
  {
    found: ({ control }) => control.require.length > 0 && stopsBefore('auth', control),
    why: '--require looks at what is offered behind TLS, and the session would have ended by then',
    hint: 'end it behind auth or later: nothing is sent before dot',
  },
  {
    found: ({ control, connection: { proxy, pipe, server } }) =>
      control.proxyHeader?.addresses === 'connection' &&
      (proxy !== undefined || pipe !== undefined || server?.path !== undefined),
    why: 'the addresses of such a connection are not known here, so --proxy-protocol cannot tell them',
    hint: 'say them (v1:SOURCE:PORT:DESTINATION:PORT), or tell none (v1:unknown, v2:local)',
  },
  {
    found: ({ options }) => options.text('queue') === 'always' && options.text('retry') !== undefined,
    why: '--queue always tries nothing now, so there is nothing for --retry to repeat',
    hint: 'use --queue on-temp, or leave --retry out: the queue tries again by itself',
  },
];

/** Throws 'usage', before anything is opened or connected to. */
export function refuseConflicts(facts: Facts): void {
  const conflict = conflicts.find(({ found }) => found(facts));
  if (conflict) throw new EhloError('usage', conflict.why, { hint: conflict.hint });
}

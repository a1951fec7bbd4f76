// One run of the engine with everybody who watches it: the transcript, and what ends it early (--drop-after-send, strict TLS).
import { type SendResult, send } from '../../app/send.ts';
import { asEhloError, EhloError } from '../../base/errors.ts';
import type { TranscriptEvent } from '../../wire/transcript.ts';
import type { Context } from '../command.ts';
import { complain } from './swaks-complaint.ts';
import { codeOfReport, swaksExitCodes } from './swaks-exit.ts';
import type { SwaksPrinter } from './swaks-printer.ts';
import type { SwaksRequest } from './swaks-request.ts';
import type { SwaksSettings } from './swaks-settings.ts';
import { connectLines, SwaksTranscript } from './swaks-transcript.ts';
import { watchedDial } from './swaks-watch.ts';

export async function runSwaks(
  built: SwaksRequest,
  settings: SwaksSettings,
  printer: SwaksPrinter,
  context: Context,
): Promise<number> {
  const { request, transport, tls, message } = built;
  const { scrubber, ports } = context;
  const transcript = new SwaksTranscript({ settings, transport, tls, message, printer, scrubber });
  const ending = new AbortController();
  const outer = (): void => ending.abort(context.signal.reason);
  if (context.signal.aborted) outer();
  else context.signal.addEventListener('abort', outer, { once: true });
  const strict = transport.tls === 'optional-strict';
  let dials = 0;
  let hangUp = (): void => undefined;
  const drop: { state: 'no' | 'now' | 'done' } = { state: 'no' };
  const dial = watchedDial(ports.dial, {
    trying(target) {
      dials++;
      transcript.trying(target);
    },
    connected(target, end) {
      hangUp = end;
      transcript.connected(target);
    },
    failed(_, thrown) {
      for (const line of connectLines(transport, asEhloError(thrown))) transcript.error(line);
    },
    secured: (facts) => transcript.secured(facts),
    ...(printer.raw
      ? {
          sent: (bytes: Buffer) => transcript.raw('raw-sent', bytes),
          received: (bytes: Buffer) => transcript.raw('raw-received', bytes),
        }
      : {}),
    dropsNow: () => drop.state === 'now',
    dropped() {
      if (drop.state === 'done') return;
      drop.state = 'done';
      transcript.info('Dropping connection');
      transcript.over = true;
      ending.abort(new EhloError('interrupted', 'dropped behind a command, as asked'));
    },
  });
  let tlsBegun = false;
  const dropsAt = dropPoint(built);
  const result = await send(
    { ...request, connection: { ...request.connection, ...chainTo(built) } },
    {
      ...ports,
      dial: (target) => {
        // Strict: once TLS was begun it must succeed; the engine would go on in the clear on a new connection.
        if (strict && tlsBegun) throw strictError();
        return dial(target);
      },
    },
    {
      scrubber,
      signal: ending.signal,
      onEvent(event) {
        transcript.event(event);
        if (event.dir === 'out' && event.stage === 'starttls') tlsBegun = true;
        if (event.tls) tlsBegun = false;
        const refused = event.dir === 'in' && event.stage === 'starttls' && !event.text.startsWith('220');
        if (strict && refused) {
          transcript.over = true;
          hangUp();
          ending.abort(strictError());
        }
        if (dropsAt(event) && drop.state === 'no') drop.state = 'now';
      },
    },
  );
  context.signal.removeEventListener('abort', outer);
  return conclude(result, built, { transcript, dials, dropped: drop.state === 'done', printer, context });
}

/** Told before the bytes are on their way; the engine itself stops behind the reply, should the command never be said. */
function dropPoint({ stop, transport }: SwaksRequest): (event: TranscriptEvent) => boolean {
  if (stop?.how !== 'drop-after-send') return () => false;
  const { sends, noLogin } = stop;
  // The last EHLO is the one under TLS, where that is required.
  const underTls = sends === 'ehlo' && noLogin === true && transport.tls === 'required';
  return ({ dir, stage, tls }) => stage === sends && (dir === 'out' || sends === 'body') && (tls || !underTls);
}

const strictError = (): EhloError =>
  new EhloError(
    'tls-unavailable',
    'the server offers STARTTLS but TLS did not begin, and --tls-optional-strict wants it then',
    {
      stage: 'starttls',
      side: 'remote',
    },
  );

/** --tls-get-peer-cert FILE; without a file the transcript shows it. */
function chainTo({ tls }: SwaksRequest) {
  const path = tls.peerCertificate;
  if (typeof path !== 'string') return {};
  return {
    onChain: async (chain: readonly string[]) => {
      const { saveChain } = await import('../../store/chain-file.ts');
      await saveChain(path, chain.slice(0, 1));
    },
  };
}

interface Conclusion {
  transcript: SwaksTranscript;
  dials: number;
  dropped: boolean;
  printer: SwaksPrinter;
  context: Context;
}

function conclude({ report, error }: SendResult, built: SwaksRequest, told: Conclusion): number {
  const { transcript, dials, dropped, printer, context } = told;
  const { transport, stop } = built;
  if (dropped) return swaksExitCodes.OK;
  if (!transcript.over) for (const note of report.notes) transcript.error(note);
  if (error && dials === 0) {
    // The name has no address: nobody was dialled, but somebody was to be.
    transcript.info(`Trying ${transport.trying}...`);
    for (const line of connectLines(transport, error)) transcript.error(line);
  } else if (error && !isShown(error)) {
    if (error.kind === 'timeout') {
      const seconds = built.request.connection.deadlines.reply / 1000;
      const text = `Timeout (${seconds} secs) waiting for server response`;
      printer.line({ kind: 'received', text, tls: false, expected: false });
    }
    complain(error, printer, context);
  }
  if (stop && stop.how !== 'quit' && !error) transcript.info('Dropping connection');
  const code = codeOfReport(report, error, transcript.progress);
  const polite = transcript.progress.connected && (!stop || stop.how === 'quit');
  if (code !== swaksExitCodes.OK || !polite || transcript.quit) return code;
  // The message is accepted all the same; swaks calls this 6.
  transcript.error('the connection was closed instead of an answer to QUIT');
  return swaksExitCodes.CLOSED;
}

/** A refusal is in the transcript already, and so is why nobody was reached; of XCLIENT swaks complains all the same. */
const isShown = ({ kind, stage }: EhloError): boolean =>
  kind === 'connect' || (kind === 'refused' && stage !== 'xclient');

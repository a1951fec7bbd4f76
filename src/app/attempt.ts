// One attempt at one address: a session, then a transaction or a probe, then QUIT, with everything that a report tells of it.
// Which addresses are tried, and what follows from an attempt, is deliver.ts's business.
import type { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { SmtpClient, Step } from '../smtp/client.ts';
import type { Envelope, OutgoingMessage } from '../smtp/envelope.ts';
import type { Stage } from '../smtp/phases.ts';
import type { Reply } from '../smtp/reply.ts';
import { type TransactionOutcome, transaction } from '../smtp/transaction.ts';
import type { TlsFacts } from '../wire/channel.ts';
import { Transcript, type TranscriptEvent } from '../wire/transcript.ts';
import type { Connection } from './connection.ts';
import { normalControl, type ProtocolControl } from './control.ts';
import type { Ports } from './ports.ts';
import { openSession, planFor, type Session, type SessionTimings, type Target } from './session.ts';
import { endsWith } from './session-end.ts';
import type { SessionPool } from './session-pool.ts';

export interface AttemptRequest {
  connection: Connection;
  envelope: Envelope;
  /** Null for a probe. */
  message: OutgoingMessage | null;
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  /** Present: a probe that goes no further; `accepted` then means "would go on". */
  until?: Stage;
  control?: ProtocolControl;
}

export interface AttemptHooks {
  /** Knows every secret of this run; each transcript is scrubbed with it. */
  scrubber: Scrubber;
  onEvent?: ((event: TranscriptEvent) => void) | undefined;
  onStep?: ((step: Step) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Awaited before QUIT, which may take seconds: whoever keeps records has them by then. */
  onOutcome?: ((outcome: TransactionOutcome, host: string) => Promise<void>) | undefined;
  /** Sessions to go on with, and where they are left for the next message. */
  pool?: SessionPool | undefined;
}

/** One address of one host, tried. */
export interface Attempt extends Target {
  recipients: string[];
  steps: Step[];
  tls: TlsFacts | null;
  extensions: string[];
  timings: SessionTimings & { envelope: number | null; data: number | null };
  transcript: TranscriptEvent[];
  notes: string[];
  /** The verdict on the message. */
  final: Reply | null;
  error: EhloError | null;
}

/** Does not reject for what the peer does. `result` is null where no transaction was begun. */
export async function attemptAt(
  request: AttemptRequest,
  target: Target,
  route: 'server' | 'mx',
  ports: Ports,
  hooks: AttemptHooks,
): Promise<Tried> {
  const kept = hooks.pool?.take(target);
  if (kept) {
    // It was opened for another message, whose caller listened to it and could end it.
    kept.transcript.listener = hooks.onEvent;
    if (kept.client) kept.client.onStep = hooks.onStep;
    const letGo = kept.wire ? endsWith(kept.wire, hooks.signal) : undefined;
    const tried = await converse(request, target, kept, hooks).finally(letGo);
    // The server may be done with a session that it has had for a while; before MAIL was taken nothing was begun.
    if (!endedWhileWaiting(tried)) return tried;
  }
  const control = request.control ?? normalControl;
  const plan = {
    ...planFor(request.connection, target, route, ports.hostname(), control),
    ...(request.until ? { stopAt: request.until } : {}),
  };
  const transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
  const inClear = { ...plan, tls: { ...plan.tls, mode: 'off' as const } };
  let session = await openSession(plan, ports.dial, ports.clock, { transcript, ...hooks });
  if (session.error?.code === 'tls-handshake' && plan.tls.mode === 'opportunistic') {
    // Opportunistic means: better in the clear than not at all (RFC 7435 3), and said.
    const why = `${session.error.message}; connected again without TLS, as opportunistic TLS allows`;
    const before = [...session.notes, why];
    session.wire?.destroy();
    session = await openSession(inClear, ports.dial, ports.clock, { transcript, ...hooks });
    session.notes.unshift(...before);
  }
  return converse(request, target, session, hooks);
}

interface Tried {
  attempt: Attempt;
  result: TransactionOutcome | null;
}

const endedWhileWaiting = ({ attempt: { error, steps } }: Tried): boolean => {
  const mail = steps.find((step) => step.stage === 'mail');
  if (mail || !error) return mail?.code === 421;
  return (error.kind === 'lost' || error.reply?.code === 421) && !error.mayDuplicate;
};

/** The transaction or the probe of an open session, and its end. */
async function converse(
  request: AttemptRequest,
  target: Target,
  session: Session,
  hooks: AttemptHooks,
): Promise<Tried> {
  const control = request.control ?? normalControl;
  const { client, wire, timings } = session;
  const notes = session.notes.splice(0);
  let result: TransactionOutcome | null = null;
  if (client && session.stopped) result = stoppedAt(client, request);
  else if (client && !session.error) {
    const { until } = request;
    result = await transaction(client, request.envelope, request.message, {
      onReject: request.onReject,
      // With a group on its way nothing can be stopped at the reply that was not expected.
      pipelining: request.pipelining && control.expect.length === 0,
      bdat: control.bdat,
      prdr: control.prdr,
      force: control.force,
      requireTls: control.require.includes('REQUIRETLS'),
      ...(until === 'mail' || until === 'rcpt' || until === 'data' ? { until } : {}),
      ...(control.stop ? { leave: 'as-is' } : {}),
    });
    notes.push(...result.notes);
    await hooks.onOutcome?.(result, target.host);
  }
  let error = session.error ?? result?.error ?? null;
  const keep = !error && result?.usable && !request.until && !control.stop && hooks.pool?.keep(target, session);
  if (!keep) {
    if (control.stop?.how === 'drop' && !error) {
      wire?.info(`closed without QUIT after ${control.stop.after}, as asked`);
      wire?.destroy();
    } else if (wire?.ended && wire.buffered === 0) {
      if (control.stop?.how === 'quit' && !error)
        notes.push(`closed without QUIT: after ${control.stop.after} none can be said`);
    } else if (client && (!error || politeKinds.has(error.kind))) {
      const late = await client.goodbye();
      // Only where nobody can tell any more which reply was the verdict does a late extra reply undo it.
      if (late && result?.final) {
        error = late.with({ mayDuplicate: true, retryable: false });
        result.recipients = result.recipients.map((one) =>
          one.status === 'accepted' ? { ...one, status: 'unknown', reply: null } : one,
        );
      }
    }
    wire?.close();
  }
  // What was told is not told again where the session goes on.
  const events = session.transcript.events.splice(0);
  const steps = client?.steps.splice(0) ?? [];
  return {
    attempt: {
      ...target,
      recipients: request.envelope.to.map((one) => one.address),
      steps,
      tls: session.tls,
      extensions: [...(client?.offers ?? [])],
      timings: {
        ...timings,
        envelope: span(events, ['mail', 'rcpt', 'data']),
        data: span(events, ['bdat', 'body', 'dot', 'prdr']),
      },
      transcript: events,
      notes,
      final: result?.final ?? null,
      error,
    },
    result,
  };
}

/** A probe that ended before a transaction: the last reply stands for what the host would say. */
const stoppedAt = (client: SmtpClient, request: AttemptRequest): TransactionOutcome => ({
  recipients: request.envelope.to.map(({ address }) => ({
    address,
    status: 'accepted',
    reply: client.lastReply ?? null,
    stage: client.steps.at(-1)?.stage ?? 'banner',
  })),
  final: null,
  error: null,
  usable: true,
  notes: [],
});

/** After these the session still stands and the peer is owed a QUIT. */
const politeKinds: ReadonlySet<EhloError['kind']> = new Set(['refused', 'tls', 'auth', 'input', 'policy', 'answer']);

/** From the first to the last event of some stages, in milliseconds; null where there was none. */
function span(events: readonly TranscriptEvent[], of: readonly Stage[]): number | null {
  const times = events.filter((event) => of.some((stage) => stage === event.stage)).map((event) => event.t);
  const [first, last] = [times[0], times.at(-1)];
  return first === undefined || last === undefined ? null : Math.round((last - first) * 10) / 10;
}

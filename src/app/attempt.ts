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
import type { Ports } from './ports.ts';
import { openSession, planFor, type SessionTimings, type Target } from './session.ts';

export interface AttemptRequest {
  connection: Connection;
  envelope: Envelope;
  /** Null for a probe. */
  message: OutgoingMessage | null;
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  /** Present: a probe that goes no further; `accepted` then means "would go on". */
  until?: Stage;
}

export interface AttemptHooks {
  /** Knows every secret of this run; each transcript is scrubbed with it. */
  scrubber: Scrubber;
  onEvent?: ((event: TranscriptEvent) => void) | undefined;
  onStep?: ((step: Step) => void) | undefined;
  signal?: AbortSignal | undefined;
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
): Promise<{ attempt: Attempt; result: TransactionOutcome | null }> {
  const plan = {
    ...planFor(request.connection, target, route, ports.hostname()),
    ...(request.until ? { stopAt: request.until } : {}),
  };
  const transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
  const inClear = { ...plan, tls: { ...plan.tls, mode: 'off' as const } };
  let session = await openSession(plan, ports.dial, ports.clock, { transcript, ...hooks });
  const notes = [...session.notes];
  if (session.error?.code === 'tls-handshake' && plan.tls.mode === 'opportunistic') {
    // Opportunistic means: better in the clear than not at all (RFC 7435 3), and said.
    notes.push(`${session.error.message}; connected again without TLS, as opportunistic TLS allows`);
    session.wire?.destroy();
    session = await openSession(inClear, ports.dial, ports.clock, { transcript, ...hooks });
    notes.push(...session.notes);
  }
  const { client, wire, timings } = session;
  let result: TransactionOutcome | null = null;
  if (client && session.stopped) result = stoppedAt(client, request);
  else if (client && !session.error) {
    const { until } = request;
    result = await transaction(client, request.envelope, request.message, {
      onReject: request.onReject,
      pipelining: request.pipelining,
      ...(until === 'mail' || until === 'rcpt' || until === 'data' ? { until } : {}),
    });
    notes.push(...result.notes);
  }
  let error = session.error ?? result?.error ?? null;
  if (client && (!error || politeKinds.has(error.kind))) {
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
  return {
    attempt: {
      ...target,
      recipients: request.envelope.to.map((one) => one.address),
      steps: client?.steps ?? [],
      tls: session.tls,
      extensions: [...(client?.offers ?? [])],
      timings: {
        ...timings,
        envelope: span(transcript.events, ['mail', 'rcpt', 'data']),
        data: span(transcript.events, ['body', 'dot']),
      },
      transcript: transcript.events,
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
const politeKinds: ReadonlySet<EhloError['kind']> = new Set(['refused', 'tls', 'auth', 'input']);

/** From the first to the last event of some stages, in milliseconds; null where there was none. */
function span(events: readonly TranscriptEvent[], of: readonly Stage[]): number | null {
  const times = events.filter((event) => of.some((stage) => stage === event.stage)).map((event) => event.t);
  const [first, last] = [times[0], times.at(-1)];
  return first === undefined || last === undefined ? null : Math.round((last - first) * 10) / 10;
}

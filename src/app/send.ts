// The use case of `ehlo send`: a message, an envelope and a route in; one report out. What is sent is made in outgoing.ts.
import type { ByteSource } from '../base/bytes.ts';
import { asEhloError, type EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import type { Connection } from './connection.ts';
import { type ProtocolControl, stageOf } from './control.ts';
import type { Delivered } from './deliver.ts';
import { deliveryError, notAll } from './delivery-outcome.ts';
import { judgeExpectations } from './expectations.ts';
import type { MessageInput, Outgoing } from './message-input.ts';
import { prepareMessage } from './outgoing.ts';
import type { Ports } from './ports.ts';
import { deliverWithRetry, type Retry } from './retry.ts';
import { decisiveOf, plannedReport, type SendReport, sendReport } from './send-report.ts';
import type { SessionPool } from './session-pool.ts';
import type { Route, Spool } from './spool.ts';
import { endingError, unlessAborted, withTimeLimit } from './time-limit.ts';

export type { SendReport } from './send-report.ts';

export interface SendRequest {
  connection: Connection;
  input: MessageInput;
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  dryRun: boolean;
  control?: ProtocolControl;
  retry?: Retry;
  queue?: QueueRequest;
}

export interface QueueRequest {
  /** What was deferred, or everything, untried. */
  when: 'on-temp' | 'always';
  spool: Spool;
  route: Route;
  /** Milliseconds until what still waits is given up. */
  expiresMs?: number;
  /** Of the tries of the queue; default: as of this run. */
  onReject?: 'continue' | 'abort';
}

export interface SendHooks {
  scrubber: Scrubber;
  onEvent?: (event: TranscriptEvent) => void;
  signal: AbortSignal;
  /** Takes the message, byte for byte, once somebody (the queue too) has accepted it or may have. What it throws becomes a note. */
  onSent?: (message: ByteSource) => Promise<void>;
  /** Takes what would be sent, with --dry-run. */
  onPlanned?: (message: ByteSource) => Promise<void>;
  /** Sessions to go on with: for whoever sends many messages. */
  pool?: SessionPool;
}

export interface SendResult {
  report: SendReport;
  /** What was sent. Null where it went through a temporary file, which is gone. Of a --dry-run see `onPlanned`. */
  message: ByteSource | null;
  error: EhloError | null;
}

/** Errors before anything is connected to (a bad address, a missing file) are thrown; everything later is in the report. */
export async function send(request: SendRequest, ports: Ports, hooks: SendHooks): Promise<SendResult> {
  const began = ports.clock.now();
  const limited = withTimeLimit(hooks.signal, request.connection.maxTimeMs, ports.clock);
  try {
    const preparing = prepareMessage(request.input, ports);
    const outgoing = await unlessAborted(preparing, limited.signal, (late) => void late.dispose());
    try {
      const { source } = outgoing.message;
      const message = source.bytes ? source : null;
      if (request.dryRun) {
        await hooks.onPlanned?.(source);
        return { report: plannedReport(outgoing), message: source, error: null };
      }
      const { control, queue } = request;
      if (queue?.when === 'always') {
        const queued = await enqueueFor(queue, request, outgoing, undefined, ports, hooks);
        outgoing.notes.push(...(await keepCopy(source, hooks)));
        return { report: { ...plannedReport(outgoing), dryRun: false, queued }, message, error: null };
      }
      const until = control?.stop && control.stop.after !== 'dot' ? stageOf(control.stop.after) : undefined;
      const delivered = await deliverWithRetry(
        { ...request, envelope: outgoing.envelope, message: outgoing.message, ...(until ? { until } : {}) },
        request.retry,
        ports,
        {
          resolver: async () => (await import('./mx.ts')).resolverFor(request.connection, ports),
          scrubber: hooks.scrubber,
          onEvent: hooks.onEvent,
          signal: limited.signal,
          pool: hooks.pool,
        },
      );
      const sent = delivered.recipients.some((one) => one.status === 'accepted' || one.status === 'unknown');
      // All or nobody: whom the refusal of another held back must not be sent to later.
      const mayQueue = queue && !until && !notAll(request.onReject, delivered.recipients);
      const queued = mayQueue ? await enqueueRest(queue, request, outgoing, delivered, ports, hooks) : null;
      if ((sent && !until) || queued) outgoing.notes.push(...(await keepCopy(source, hooks)));
      // Whom the queue has taken on needs nothing from the caller any more.
      const open = queued ? delivered.recipients.filter((one) => one.status !== 'deferred') : delivered.recipients;
      const refused = unlessEnded(deliveryError(open), hooks.signal);
      const error = control ? judgeExpectations(control.expect, decisiveOf(delivered), refused, open) : refused;
      const total = Math.round((ports.clock.now() - began) * 10) / 10;
      return {
        report: {
          ...sendReport(outgoing, delivered, error, total, until !== undefined),
          stoppedAfter: error === null && until ? (control?.stop?.after ?? null) : null,
          queued,
        },
        message,
        error,
      };
    } finally {
      await outgoing.dispose();
    }
  } finally {
    limited.cancel();
  }
}

/** A signal may come while nobody was talked to (before a retry) or behind the last word: the document says so, as the exit code does. */
function unlessEnded(error: EhloError | null, signal: AbortSignal): EhloError | null {
  if (!error || !signal.aborted || error.kind === 'interrupted' || error.exit === 'PARTIAL' || error.mayDuplicate) {
    return error;
  }
  const { stage, peer, reply, message } = error;
  return endingError(signal).with({ stage, peer, reply, hint: message });
}

/** Sent is sent: a copy that cannot be kept is no reason to send again, so it is a note and no error. */
async function keepCopy(message: ByteSource, { onSent }: SendHooks): Promise<string[]> {
  try {
    await onSent?.(message);
    return [];
  } catch (thrown) {
    return [`the message was sent, but no copy was kept: ${asEhloError(thrown).message}`];
  }
}

/** A spool that fails must not hide what was accepted: its error becomes a note, and the deferral stays one. */
async function enqueueRest(
  queue: QueueRequest,
  request: SendRequest,
  outgoing: Outgoing,
  delivered: Delivered,
  ports: Ports,
  hooks: SendHooks,
): Promise<{ id: string } | null> {
  try {
    return await enqueueFor(queue, request, outgoing, delivered, ports, hooks);
  } catch (thrown) {
    outgoing.notes.push(`not queued: ${asEhloError(thrown).message}`);
    return null;
  }
}

async function enqueueFor(
  queue: QueueRequest,
  request: SendRequest,
  { envelope, message, messageId }: Outgoing,
  delivered: Delivered | undefined,
  ports: Ports,
  { scrubber }: SendHooks,
): Promise<{ id: string } | null> {
  const { enqueue } = await import('./queue.ts');
  const entry = await enqueue(
    queue.spool,
    {
      envelope,
      message,
      messageId,
      route: queue.route,
      onReject: request.onReject,
      ...(queue.onReject === undefined ? {} : { laterOnReject: queue.onReject }),
      ...(queue.expiresMs === undefined ? {} : { expiresMs: queue.expiresMs }),
      ...(delivered ? { tried: delivered.recipients } : {}),
      scrub: (text) => scrubber.scrub(text),
    },
    ports.clock,
  );
  return entry && { id: entry.id };
}

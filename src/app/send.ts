// The use case of `ehlo send`: a message, an envelope and a route in; one report out. What is sent is made in outgoing.ts.
import type { ByteSource } from '../base/bytes.ts';
import { asEhloError, type EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { Step } from '../smtp/client.ts';
import type { Envelope } from '../smtp/envelope.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { RecipientStatus } from '../smtp/transaction.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import type { Attempt } from './attempt.ts';
import type { Connection } from './connection.ts';
import { type Delivered, deliver } from './deliver.ts';
import { deliveryError } from './delivery-outcome.ts';
import { type MessageInput, type Outgoing, prepareMessage } from './outgoing.ts';
import type { Ports } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import { unlessAborted, withTimeLimit } from './time-limit.ts';
import { type TlsSummary, tlsSummary } from './tls-policy.ts';

export interface SendRequest {
  connection: Connection;
  input: MessageInput;
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  dryRun: boolean;
}

export interface SendReport extends ReportHead<'send'> {
  messageId: string | null;
  envelope: { from: string; to: string[] };
  /** Null where it is not known before sending (a large attachment, encoded on the way). */
  size: number | null;
  /** Of the attempt that decided, else the last one; null where nothing was connected to. */
  server: { host: string; address: string; port: number; tls: TlsSummary | null } | null;
  extensions: string[];
  recipients: RecipientReport[];
  /** The verdict on the message as the server put it. */
  response: string | null;
  queueId: string | null;
  attempts: AttemptReport[];
  timings: Record<'dns' | 'connect' | 'banner' | 'tls' | 'auth' | 'envelope' | 'data' | 'total', number | null>;
  notes: string[];
  dryRun: boolean;
  transcript?: TranscriptEvent[];
}

export interface RecipientReport {
  address: string;
  status: RecipientStatus;
  code: number | null;
  enhanced: string | null;
  text: string | null;
  host: string | null;
  /** Where it was decided. */
  stage: string;
}

export interface AttemptReport {
  host: string;
  address: string;
  port: number;
  recipients: string[];
  ok: boolean;
  steps: Step[];
  tls: TlsSummary | null;
  notes: string[];
  error: { code: string; message: string } | null;
}

export interface SendHooks {
  scrubber: Scrubber;
  onEvent?: (event: TranscriptEvent) => void;
  signal: AbortSignal;
}

export interface SendResult {
  report: SendReport;
  /** What was (or with --dry-run would be) sent. Null where it went through a temporary file, which is gone. */
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
      if (request.dryRun) return { report: dryReport(outgoing), message: outgoing.message.source, error: null };
      const delivered = await deliver({ ...request, envelope: outgoing.envelope, message: outgoing.message }, ports, {
        resolver: async () => (await import('./mx.ts')).resolverFor(request.connection, ports),
        scrubber: hooks.scrubber,
        onEvent: hooks.onEvent,
        signal: limited.signal,
      });
      const error = deliveryError(delivered.recipients);
      const total = Math.round((ports.clock.now() - began) * 10) / 10;
      const { source } = outgoing.message;
      const report = sendReport(outgoing, delivered, error, total);
      return { report, message: source.bytes ? source : null, error };
    } finally {
      await outgoing.dispose();
    }
  } finally {
    limited.cancel();
  }
}

function dryReport(outgoing: Outgoing): SendReport {
  return {
    ...reportHead('send', 'OK'),
    ...messageFacts(outgoing),
    server: null,
    extensions: [],
    recipients: [],
    response: null,
    queueId: null,
    attempts: [],
    timings: { dns: null, connect: null, banner: null, tls: null, auth: null, envelope: null, data: null, total: null },
    notes: outgoing.notes,
    dryRun: true,
  };
}

function sendReport(outgoing: Outgoing, delivered: Delivered, error: EhloError | null, total: number): SendReport {
  const { attempts } = delivered;
  const decisive = attempts.findLast((attempt) => attempt.final !== null) ?? attempts.at(-1);
  const timings = decisive?.timings ?? {
    connect: null,
    banner: null,
    tls: null,
    auth: null,
    envelope: null,
    data: null,
  };
  return {
    ...reportHead('send', error ?? 'OK'),
    ...messageFacts(outgoing),
    server: decisive
      ? { host: decisive.host, address: decisive.address, port: decisive.port, tls: tlsSummary(decisive.tls) }
      : null,
    extensions: decisive?.extensions ?? [],
    recipients: delivered.recipients.map((one) => {
      const facts = one.reply && replyFacts(one.reply);
      return {
        address: one.address,
        status: one.status,
        code: facts?.code ?? null,
        enhanced: facts?.enhanced ?? null,
        text: facts?.text ?? one.error?.message ?? null,
        host: one.host,
        stage: one.stage,
      };
    }),
    response: decisive?.final ? replyLine(decisive.final) : null,
    queueId: decisive?.final && decisive.final.code < 300 ? queueIdOf(replyLine(decisive.final)) : null,
    attempts: attempts.map(attemptReport),
    timings: { dns: delivered.dnsMs, ...timings, total },
    notes: [...outgoing.notes, ...attempts.flatMap((attempt) => attempt.notes)],
    dryRun: false,
    transcript: attempts.flatMap((attempt) => attempt.transcript),
  };
}

const messageFacts = ({ messageId, envelope, message }: Outgoing) => ({
  messageId,
  envelope: envelopeReport(envelope),
  size: message.source.size ?? null,
});

const envelopeReport = (envelope: Envelope) => ({ from: envelope.from, to: envelope.to.map((one) => one.address) });

const attemptReport = (attempt: Attempt): AttemptReport => ({
  host: attempt.host,
  address: attempt.address,
  port: attempt.port,
  recipients: attempt.recipients,
  ok: attempt.error === null && attempt.final !== null && attempt.final.code < 300,
  steps: attempt.steps,
  tls: tlsSummary(attempt.tls),
  notes: attempt.notes,
  error: attempt.error && { code: attempt.error.code, message: asEhloError(attempt.error).message },
});

/** How servers name the queue entry in their final reply; tried in order. */
const queueIdForms = [
  // Postfix, ehlo and many more
  /\bqueued as <?([A-Za-z0-9._-]+)>?/i,
  // Exim
  /\bid=([A-Za-z0-9-]+)/,
  // Sendmail
  /\b([A-Za-z0-9]{8,}) Message accepted for delivery/,
  // Gmail, Exchange and kin
  /\bOK:?\s+(?:id=)?<?([A-Za-z0-9._-]{8,})>?/i,
];

export function queueIdOf(response: string): string | null {
  for (const form of queueIdForms) {
    const id = form.exec(response)?.[1];
    if (id) return id;
  }
  return null;
}

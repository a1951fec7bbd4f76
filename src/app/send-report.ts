// What `send` tells of a message: the document of --json, which the renderer also reads.
import { asEhloError, type EhloError } from '../base/errors.ts';
import type { Step } from '../smtp/client.ts';
import type { Envelope } from '../smtp/envelope.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { RecipientStatus } from '../smtp/transaction.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import type { Attempt } from './attempt.ts';
import type { StopStage } from './control.ts';
import type { Delivered } from './deliver.ts';
import type { Outgoing } from './message-input.ts';
import { type ReportHead, reportHead } from './report.ts';
import { type TlsSummary, tlsSummary } from './tls-policy.ts';

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
  /** The stage behind which the session ended as asked (--quit-after, --drop-after); nothing was sent before `dot`. */
  stoppedAfter: StopStage | null;
  /** The entry of the queue that waits for whoever was not reached. */
  queued: { id: string } | null;
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

/** Before anything was connected to. */
export function plannedReport(outgoing: Outgoing): SendReport {
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
    stoppedAfter: null,
    queued: null,
  };
}

export const decisiveOf = ({ attempts }: Delivered): Attempt | undefined =>
  attempts.findLast((attempt) => attempt.final !== null) ?? attempts.at(-1);

export function sendReport(
  outgoing: Outgoing,
  delivered: Delivered,
  error: EhloError | null,
  total: number,
  stopped: boolean,
): Omit<SendReport, 'stoppedAfter' | 'queued'> {
  const { attempts } = delivered;
  const decisive = decisiveOf(delivered);
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
        // A session that ended before the message has a yes from nobody.
        status: stopped && one.status === 'accepted' ? 'deferred' : one.status,
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

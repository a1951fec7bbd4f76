// What a server session is told: its options, and the policy that may refuse at each stage. An absent method accepts.
// Faults, greylists and local domains are policies; the session itself refuses only what the RFCs and the limits do.
import type { EhloError } from '../base/errors.ts';
import type { SmtpServerLimits } from '../base/limits.ts';
import type { Accounts } from '../sasl/sasl.ts';
import type { Delivery, EnvelopeParam, ReceivedEnvelope } from '../store/store.ts';
import type { TlsServerOptions } from '../wire/channel.ts';
import type { Shutdown } from '../wire/shutdown.ts';
import type { Reply } from './reply.ts';

/** A reply refuses; 421 also ends the session. Undefined accepts. A policy that need not wait should not be async. */
export type PolicyAnswer = Reply | undefined | Promise<Reply | undefined>;

/** What is known of the client at the time of a question. */
export interface ClientFacts {
  address: string;
  /** '' before EHLO. */
  helo: string;
  tls: { protocol: string; cipher: string } | null;
  auth: { mechanism: string; identity: string } | null;
}

export interface ServerPolicy {
  /** Before the greeting; a refusal is the greeting, and the end. */
  connect?(client: ClientFacts): PolicyAnswer;
  helo?(helo: { verb: 'helo' | 'ehlo' | 'lhlo'; domain: string }, client: ClientFacts): PolicyAnswer;
  starttls?(client: ClientFacts): PolicyAnswer;
  /** After the mechanism has succeeded. */
  auth?(auth: { mechanism: string; identity: string }, client: ClientFacts): PolicyAnswer;
  mail?(mail: { address: string; params: EnvelopeParam[] }, client: ClientFacts): PolicyAnswer;
  rcpt?(rcpt: { address: string; params: EnvelopeParam[] }, client: ClientFacts): PolicyAnswer;
  /** At DATA, or the first BDAT. */
  data?(envelope: ReceivedEnvelope): PolicyAnswer;
  /** After the true end of data, before the message is stored. */
  message?(envelope: ReceivedEnvelope, message: { size: number }): PolicyAnswer;
}

export interface SmtpServerOptions {
  /** In the greeting and in EHLO. */
  hostname: string;
  protocol: 'smtp' | 'lmtp';
  client: { address: string };
  policy: ServerPolicy;
  limits: SmtpServerLimits;
  /** Where a message goes (Store.begin). 'io' errors become 452 4.3.1. */
  begin(envelope: ReceivedEnvelope): Promise<Delivery>;
  /** EHLO keywords in upper case that this server does without: neither offered nor taken. */
  hidden?: ReadonlySet<string>;
  tls?: TlsServerOptions;
  /** Offers AUTH. */
  accounts?: Accounts;
  requireTls?: boolean;
  requireAuth?: boolean;
  /** Mechanisms that show the password are taken without TLS too. */
  allowInsecureAuth?: boolean;
  shutdown?: Shutdown;
  /** What went wrong on our side (a full disk): the client gets a 4xx, the operator this. */
  onProblem?(error: EhloError): void;
}

// Every error that leaves a function of ours: one class, one table. The table says what kind a code is, which exit code
// it means and whether trying again can help; the facts (stage, peer, reply) come from where it happened.
import type { ExitName } from './exit.ts';

export type ErrorKind =
  | 'usage' // the options or arguments are wrong
  | 'input' // a message, an address or a file is wrong
  | 'dns'
  | 'connect'
  | 'timeout'
  | 'lost' // the connection ended where it must not
  | 'interrupted' // a signal ended the run
  | 'protocol' // the peer broke the protocol
  | 'refused' // the peer said no
  | 'tls'
  | 'auth'
  | 'policy'
  | 'io'
  | 'config'
  | 'answer' // everything ran; the answer is no
  | 'internal';

interface ErrorRow {
  kind: ErrorKind;
  exit: ExitName;
  /** Trying the same again later can succeed. */
  retryable?: true;
}

const table = {
  usage: { kind: 'usage', exit: 'USAGE' },
  'bad-address': { kind: 'input', exit: 'DATA' },
  'bad-message': { kind: 'input', exit: 'DATA' },
  'bare-line-end': { kind: 'input', exit: 'DATA' },
  'message-too-large': { kind: 'input', exit: 'DATA' },
  'needs-8bitmime': { kind: 'input', exit: 'DATA' },
  'needs-smtputf8': { kind: 'input', exit: 'DATA' },
  'limit-reached': { kind: 'input', exit: 'DATA' },
  'no-input': { kind: 'input', exit: 'NOINPUT' },
  'missing-extension': { kind: 'policy', exit: 'REJECTED' },
  'no-such-domain': { kind: 'dns', exit: 'NOHOST' },
  'null-mx': { kind: 'dns', exit: 'NOHOST' },
  'no-address': { kind: 'dns', exit: 'NOHOST' },
  'dns-failure': { kind: 'dns', exit: 'TEMP', retryable: true },
  'dns-malformed': { kind: 'dns', exit: 'TEMP', retryable: true },
  'connect-failed': { kind: 'connect', exit: 'TEMP', retryable: true },
  timeout: { kind: 'timeout', exit: 'TEMP', retryable: true },
  lost: { kind: 'lost', exit: 'TEMP', retryable: true },
  /** Ended from outside before the work was done. */
  interrupted: { kind: 'interrupted', exit: 'SIGINT', retryable: true },
  terminated: { kind: 'interrupted', exit: 'SIGTERM', retryable: true },
  'outcome-unknown': { kind: 'lost', exit: 'UNKNOWN' },
  'line-too-long': { kind: 'protocol', exit: 'PROTO' },
  'reply-too-long': { kind: 'protocol', exit: 'PROTO' },
  'reply-malformed': { kind: 'protocol', exit: 'PROTO' },
  'reply-out-of-turn': { kind: 'protocol', exit: 'PROTO' },
  'reply-unexpected': { kind: 'protocol', exit: 'PROTO' },
  'starttls-injection': { kind: 'protocol', exit: 'PROTO' },
  /** More bytes than were announced or allowed: taken no further, and worth another try with a higher limit. */
  'size-exceeded': { kind: 'protocol', exit: 'TEMP', retryable: true },
  'peer-lied': { kind: 'protocol', exit: 'PROTO' },
  rejected: { kind: 'refused', exit: 'REJECTED' },
  deferred: { kind: 'refused', exit: 'TEMP', retryable: true },
  partial: { kind: 'refused', exit: 'PARTIAL' },
  'tls-unavailable': { kind: 'tls', exit: 'NOPERM' },
  'tls-handshake': { kind: 'tls', exit: 'NOPERM' },
  'tls-certificate': { kind: 'tls', exit: 'NOPERM' },
  'auth-unavailable': { kind: 'auth', exit: 'NOPERM' },
  'auth-rejected': { kind: 'auth', exit: 'NOPERM' },
  'auth-temporary': { kind: 'auth', exit: 'TEMP', retryable: true },
  'auth-plaintext': { kind: 'auth', exit: 'NOPERM' },
  'mailbox-locked': { kind: 'refused', exit: 'TEMP', retryable: true },
  io: { kind: 'io', exit: 'IO' },
  /** Another process has it in hand. */
  'in-use': { kind: 'io', exit: 'TEMP', retryable: true },
  'cannot-create': { kind: 'io', exit: 'CANTCREATE' },
  config: { kind: 'config', exit: 'CONFIG' },
  'answer-no': { kind: 'answer', exit: 'NO' },
  internal: { kind: 'internal', exit: 'INTERNAL' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof table;

/** The reply that led to an error, as text for people (secrets already taken out). */
export interface ReplyFacts {
  code: number;
  enhanced: string | null;
  text: string;
}

export interface ErrorFacts {
  /** Who broke the rule: we (or our user), or the other end. Default: local for usage, input, io, config, internal. */
  side?: 'local' | 'remote';
  /** Where in the conversation: a stage of smtp/phases.ts, a POP3 command in lower case, 'dns', 'connect' ... */
  stage?: string | undefined;
  /** The other end as `host[:port]` or a name. */
  peer?: string | undefined;
  reply?: ReplyFacts | undefined;
  /** What to do next: one sentence, for people. */
  hint?: string | undefined;
  retryable?: boolean;
  /** Doing the same again may deliver a second copy. */
  mayDuplicate?: boolean;
  cause?: unknown;
}

export class EhloError extends Error {
  override readonly name = 'EhloError';
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly exit: ExitName;
  readonly side: 'local' | 'remote';
  readonly stage: string | undefined;
  readonly peer: string | undefined;
  readonly reply: ReplyFacts | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly mayDuplicate: boolean;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    const row: ErrorRow = table[code];
    this.code = code;
    this.kind = row.kind;
    this.exit = row.exit;
    this.side = facts.side ?? (localKinds.has(row.kind) ? 'local' : 'remote');
    this.stage = facts.stage;
    this.peer = facts.peer;
    this.reply = facts.reply;
    this.hint = facts.hint;
    this.retryable = facts.retryable ?? row.retryable === true;
    this.mayDuplicate = facts.mayDuplicate ?? code === 'outcome-unknown';
  }

  /** The same error with facts that only an outer layer knows; what is already known stays. */
  with(facts: ErrorFacts): EhloError {
    return new EhloError(this.code, this.message, {
      side: this.side,
      stage: this.stage ?? facts.stage,
      peer: this.peer ?? facts.peer,
      reply: this.reply ?? facts.reply,
      hint: this.hint ?? facts.hint,
      retryable: facts.retryable ?? this.retryable,
      mayDuplicate: facts.mayDuplicate ?? this.mayDuplicate,
      cause: this.cause,
    });
  }
}

const localKinds: ReadonlySet<ErrorKind> = new Set([
  'usage',
  'input',
  'io',
  'config',
  'answer',
  'interrupted',
  'internal',
]);

/** The `error` field of every JSON document (the contract's names). */
export interface ErrorJson {
  code: ErrorCode;
  kind: ErrorKind;
  stage: string | null;
  message: string;
  hint: string | null;
  retryable: boolean;
  mayDuplicate: boolean;
  smtp?: ReplyFacts;
}

export const errorJson = (error: EhloError): ErrorJson => ({
  code: error.code,
  kind: error.kind,
  stage: error.stage ?? null,
  message: error.message,
  hint: error.hint ?? null,
  retryable: error.retryable,
  mayDuplicate: error.mayDuplicate,
  ...(error.reply ? { smtp: error.reply } : {}),
});

/** One of ours stays itself; anything else is a bug or an unforeseen system error, kept as the cause. */
export const asEhloError = (thrown: unknown): EhloError =>
  thrown instanceof EhloError
    ? thrown
    : new EhloError('internal', `unexpected error: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
        cause: thrown,
        hint: 'this is a bug in ehlo; please report it with the command that you ran',
      });

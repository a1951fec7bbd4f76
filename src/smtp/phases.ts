// The phases of an SMTP session (RFC 5321 4.1.4, 4.3.2) as one table for both roles: which replies a client may take at
// each stage, which deadline counts, and in which state a server allows each verb. Codes and order live here, not in branches.
import type { ClientDeadlines } from '../base/limits.ts';
import type { Reply } from './reply.ts';

/**
 * In the order of a session. `command` is a raw command of the user's, `bdat` a chunk that is not the last, `body` the
 * message itself, `dot` its end, `prdr` the replies to it for each recipient.
 */
export const stages = [
  'connect',
  'banner',
  'ehlo',
  'starttls',
  'xclient',
  'auth',
  'command',
  'mail',
  'rcpt',
  'data',
  'bdat',
  'body',
  'dot',
  'prdr',
  'rset',
  'quit',
] as const;
export type Stage = (typeof stages)[number];

interface Phase {
  /** Success codes; 'any' of 2xx and 3xx. */
  yes: readonly number[] | 'any';
  /** "Go on" codes. */
  more?: readonly number[];
  deadline: keyof ClientDeadlines;
  /** For errors: what was being done, in words. */
  doing: string;
}

/** RFC 5321 4.3.2. Codes of another phase are not "close enough": they mean that replies and commands are out of step. */
export const phases = {
  banner: { yes: [220], deadline: 'greeting', doing: 'waiting for the greeting' },
  ehlo: { yes: [250], deadline: 'reply', doing: 'saying EHLO' },
  starttls: { yes: [220], deadline: 'reply', doing: 'asking for TLS' },
  // Postfix XCLIENT_README: 220, and the session begins anew.
  xclient: { yes: [220, 250], deadline: 'reply', doing: 'telling the address of the client (XCLIENT)' },
  auth: { yes: [235], more: [334], deadline: 'reply', doing: 'logging in' },
  mail: { yes: [250], deadline: 'reply', doing: 'naming the sender' },
  rcpt: { yes: [250, 251, 252], deadline: 'reply', doing: 'naming a recipient' },
  data: { yes: [], more: [354], deadline: 'reply', doing: 'asking to send the message' },
  bdat: { yes: [250], deadline: 'dataVerdict', doing: 'sending a chunk of the message' },
  body: { yes: [], deadline: 'writeStall', doing: 'sending the message' },
  dot: { yes: [250], deadline: 'dataVerdict', doing: 'waiting for the verdict after the end of data' },
  // draft-hall-prdr: 353, a reply for each recipient, and one for the message.
  prdr: { yes: [250], more: [353], deadline: 'dataVerdict', doing: 'waiting for the verdict on each recipient' },
  rset: { yes: [250], deadline: 'reply', doing: 'resetting' },
  // Whatever a user's own command is, its reply is of its phase.
  command: { yes: 'any', deadline: 'reply', doing: 'running a command' },
  // Some servers answer 250 to QUIT; nothing depends on it any more.
  quit: { yes: [221, 250], deadline: 'quit', doing: 'saying QUIT' },
} as const satisfies Partial<Record<Stage, Phase>>;

export type ReplyStage = keyof typeof phases;

export type Verdict = 'yes' | 'more' | 'later' | 'no' | 'wrong-phase';

/** What a reply means at a stage. 4xx and 5xx are possible everywhere (RFC 5321 4.2.1). */
export function verdictOf(stage: ReplyStage, value: Reply): Verdict {
  const phase: Phase = phases[stage];
  if (phase.yes === 'any' ? value.code < 400 : phase.yes.includes(value.code)) return 'yes';
  if (phase.more?.includes(value.code)) return 'more';
  if (value.code >= 500) return 'no';
  if (value.code >= 400) return 'later';
  return 'wrong-phase';
}

/** A server's state between commands: nothing yet, after EHLO, after MAIL, after an accepted RCPT. */
export type ServerState = 'start' | 'ready' | 'mail' | 'rcpt';

const anyState: readonly ServerState[] = ['start', 'ready', 'mail', 'rcpt'];

/** Where each verb is in order; elsewhere the answer is 503 (RFC 5321 4.1.4). */
export const verbStates = {
  EHLO: anyState,
  HELO: anyState,
  LHLO: anyState,
  STARTTLS: ['ready'],
  AUTH: ['ready'],
  MAIL: ['ready'],
  RCPT: ['mail', 'rcpt'],
  DATA: ['rcpt'],
  BDAT: ['rcpt'],
  RSET: anyState,
  NOOP: anyState,
  VRFY: anyState,
  EXPN: anyState,
  HELP: anyState,
  QUIT: anyState,
} as const satisfies Record<string, readonly ServerState[]>;
export type Verb = keyof typeof verbStates;

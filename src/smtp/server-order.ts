// Whether a command is in order in a server session (RFC 5321 4.1.4, 3207 4, 4954 4), whatever its arguments say: the state
// table of phases.ts, what is offered, and what has to come first.
import type { Command } from './command.ts';
import { type ServerState, type Stage, type Verb, verbStates } from './phases.ts';
import type { Reply } from './reply.ts';
import { replies } from './server-replies.ts';
import type { ServerSession } from './server-session.ts';

export const stageOf: Record<Command['verb'], Stage> = {
  helo: 'ehlo',
  ehlo: 'ehlo',
  lhlo: 'ehlo',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  bdat: 'data',
  rset: 'rset',
  starttls: 'starttls',
  auth: 'auth',
  quit: 'quit',
  noop: 'command',
  vrfy: 'command',
  expn: 'command',
  help: 'command',
  unknown: 'command',
};

/** RFC 3207 4: all that is allowed before TLS where TLS is required; RSET and HELP do no harm. */
const beforeTls: ReadonlySet<string> = new Set(['ehlo', 'helo', 'lhlo', 'noop', 'rset', 'help', 'starttls', 'quit']);

/** The reply to a command that is out of turn; undefined where it is in order. */
export function outOfTurn(session: ServerSession, { verb }: Command): Reply | undefined {
  const { client, state, transaction } = session;
  const { protocol, hidden, tls, requireTls, requireAuth, accounts } = session.options;
  if (verb === 'unknown') return undefined;
  if ((verb === 'lhlo') !== (protocol === 'lmtp') && stageOf[verb] === 'ehlo') return replies.wrongHello;
  if (verb === 'starttls') {
    if (client.tls) return replies.tlsTwice;
    if (!tls || hidden?.has('STARTTLS')) return replies.notOffered;
  }
  if (verb === 'auth' && (!accounts || hidden?.has('AUTH'))) return replies.notOffered;
  if (verb === 'bdat' && hidden?.has('CHUNKING')) return replies.notOffered;
  if (requireTls && !client.tls && !beforeTls.has(verb)) return replies.tlsFirst;
  const states: readonly ServerState[] = verbStates[verb.toUpperCase() as Verb];
  if (!states.includes(state)) return wrongState(session, verb);
  if (verb === 'auth' && client.auth) return replies.authTwice;
  if (verb === 'mail' && requireAuth && !client.auth) return replies.authFirst;
  if (transaction?.chunks && (verb === 'rcpt' || verb === 'data')) return replies.afterChunks;
  return undefined;
}

function wrongState({ state, transaction }: ServerSession, verb: Command['verb']): Reply {
  if (state === 'start') return replies.helloFirst;
  if (verb === 'mail') return replies.nestedMail;
  if (verb === 'auth' || verb === 'starttls') return replies.notInTransaction;
  if (state === 'ready') return replies.mailFirst;
  return transaction?.refused ? replies.noRecipients : replies.rcptFirst;
}

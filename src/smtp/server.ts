// An SMTP or LMTP server session over a Wire (RFC 5321, 2033, 2920): greeting, command after command, end. No sockets, no
// store, no policy of its own. Its stages are server-hello.ts, server-transaction.ts and server-body.ts; what is in order
// when is server-order.ts. Pipelined commands are answered with one write; a stage is async only where it has to wait.
import { EhloError } from '../base/errors.ts';
import { lastWordMs } from '../wire/shutdown.ts';
import type { Line, Wire } from '../wire/wire.ts';
import { type Command, parseCommand } from './command.ts';
import { type Reply, reply } from './reply.ts';
import { bdat, data } from './server-body.ts';
import { auth, hello, starttls } from './server-hello.ts';
import { outOfTurn, stageOf } from './server-order.ts';
import type { SmtpServerOptions } from './server-policy.ts';
import { lineVerdicts, replies, strangers } from './server-replies.ts';
import { ServerSession, type Waits } from './server-session.ts';
import { mail, rcpt, rset } from './server-transaction.ts';

export type { ServerPolicy, SmtpServerOptions } from './server-policy.ts';

/** Resolves when the session is over, however the client ended it. Rejects only for faults of our own, after a 421. */
export async function serveSmtp(wire: Wire, options: SmtpServerOptions): Promise<void> {
  const session = new ServerSession(wire, options);
  const { talk } = session;
  const { shutdown, limits } = options;
  const release = shutdown?.onRequest(() => {
    if (!session.betweenMessages || !talk.waiting) return;
    talk.say(replies.shutdown);
    wire.nudge();
  });
  try {
    greet(session, await options.policy.connect?.(session.client));
    while (!talk.over) {
      const line = talk.takeCommand() ?? (await talk.readCommand(limits.command));
      if (line === undefined) break;
      const waits = answer(session, line);
      if (waits) await waits;
      if (shutdown?.requested && session.betweenMessages && !talk.over) await lastWord(session);
    }
  } catch (thrown) {
    talk.endFor(thrown);
  } finally {
    release?.();
    await session.dropTransaction();
    await talk.goodbye();
  }
}

function greet({ talk, options: { hostname, protocol } }: ServerSession, refusal: Reply | undefined): void {
  talk.stage('banner');
  if (refusal) {
    talk.say(refusal);
    talk.over = true;
    // RFC 5321 4.2.1 wants the greeting first: who talks before it is no mail client.
  } else if (talk.wire.buffered > 0) talk.say(replies.earlyTalker);
  else talk.say(reply(220, null, `${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} ehlo`));
  talk.flush();
}

/** A client that has just got its 250 may say QUIT; an unasked 421 in place of the answer would look like an error to it. */
async function lastWord(session: ServerSession): Promise<void> {
  const { talk } = session;
  let line: Line | undefined;
  try {
    line = talk.takeCommand() ?? (await talk.readCommand(lastWordMs));
  } catch (thrown) {
    if (!(thrown instanceof EhloError && thrown.code === 'timeout')) throw thrown;
  }
  const parsed = line && parseCommand(line.bytes);
  if (line && parsed?.verb === 'quit') await answer(session, line);
  else talk.say(replies.shutdown);
}

function answer(session: ServerSession, line: Line): Waits {
  const { talk } = session;
  const parsed = parseCommand(line.bytes);
  const { verb } = parsed;
  talk.stage(stageOf[verb]);
  if (talk.wire.transcript) talk.record(line);
  if (line.ending === 'lf') return talk.say(lineVerdicts.bareLf);
  if ('refusal' in parsed) {
    talk.say(parsed.refusal);
    // What follows a BDAT that cannot be counted is content, not commands: nobody knows where it ends.
    if (verb === 'bdat') talk.over = true;
    return;
  }
  const refusal = outOfTurn(session, parsed);
  if (refusal && parsed.verb !== 'bdat') return talk.say(refusal);
  return run(session, parsed, refusal);
}

function run(session: ServerSession, command: Command, refusal: Reply | undefined): Waits {
  const { talk } = session;
  switch (command.verb) {
    case 'mail':
      return mail(session, command);
    case 'rcpt':
      return rcpt(session, command);
    case 'data':
      return data(session);
    case 'bdat':
      return bdat(session, command, refusal);
    case 'helo':
    case 'ehlo':
    case 'lhlo':
      return hello(session, command);
    case 'rset':
      return rset(session);
    case 'starttls':
      return starttls(session);
    case 'auth':
      return auth(session, command);
    case 'noop':
      return talk.say(replies.ok);
    case 'vrfy':
      return talk.say(replies.vrfy);
    case 'expn':
      return talk.say(replies.expn);
    case 'help':
      return talk.say(replies.help);
    case 'quit':
      talk.say(reply(221, '2.0.0', `${session.options.hostname} closes the connection`));
      talk.over = true;
      return;
    case 'unknown':
      return talk.say(strangers[command.word] ?? replies.unknown);
  }
}

// MAIL and RCPT in a server session (RFC 5321 3.3, 4.1.1.2, 4.1.1.3): the envelope, as the client names it and the policy
// takes it. The message itself is server-body.ts.
import { printMailbox } from '../base/address.ts';
import type { EnvelopeParam, ReceivedEnvelope } from '../store/store.ts';
import { paramTable } from './params.ts';
import { type Reply, reply } from './reply.ts';
import { offeredMechanisms } from './server-offers.ts';
import { replies } from './server-replies.ts';
import type { Of, ServerSession, ServerTransaction, Waits } from './server-session.ts';

export function mail(session: ServerSession, { path, params }: Of<'mail'>): Waits {
  const { options, client, talk } = session;
  const unknown = unknownParam(session, params);
  if (unknown) return talk.say(unknown);
  const size = params.find(({ keyword }) => keyword === 'SIZE')?.value;
  if (size !== undefined && Number(size) > options.limits.messageBytes) return talk.say(replies.tooLarge);
  const address = path === null ? '' : printMailbox(path);
  return session.judge(options.policy.mail?.({ address, params }, client), () => {
    const utf8 = params.some(({ keyword }) => keyword === 'SMTPUTF8');
    session.transaction = { mailFrom: address, mailParams: params, utf8, rcptTo: [], refused: 0 };
    session.state = 'mail';
    talk.say(replies.sender);
  });
}

export function rcpt(session: ServerSession, { path, params, utf8 }: Of<'rcpt'>): Waits {
  const { options, client, talk, transaction } = session;
  if (!transaction) return talk.say(replies.mailFirst);
  const refuse = (refusal: Reply) => {
    transaction.refused++;
    talk.say(refusal);
  };
  const unknown = unknownParam(session, params);
  if (unknown) return refuse(unknown);
  if (utf8 && !transaction.utf8) return refuse(replies.notUtf8);
  if (transaction.rcptTo.length >= options.limits.recipients) return refuse(replies.tooManyRecipients);
  const address = printMailbox(path);
  const accept = () => {
    transaction.rcptTo.push({ address, params });
    session.state = 'rcpt';
    talk.say(replies.recipient);
  };
  return session.judge(options.policy.rcpt?.({ address, params }, client), accept, refuse);
}

export function rset(session: ServerSession): Waits {
  const dropped = session.dropTransaction();
  if (dropped) return dropped.then(() => session.talk.say(replies.ok));
  session.talk.say(replies.ok);
}

/** The envelope as it goes into the store. */
export function envelopeOf(session: ServerSession, transaction: ServerTransaction): ReceivedEnvelope {
  const { mailFrom, mailParams, utf8, rcptTo } = transaction;
  const { address: clientAddress, helo, tls, auth } = session.client;
  return { mailFrom, mailParams, rcptTo, helo, clientAddress, protocol: protocolOf(session, utf8), tls, auth };
}

/** RFC 3848, RFC 6531 4.3. */
function protocolOf({ client: { tls, auth }, options, extended }: ServerSession, utf8: boolean): string {
  const lmtp = options.protocol === 'lmtp';
  const name = utf8 ? (lmtp ? 'UTF8LMTP' : 'UTF8SMTP') : lmtp ? 'LMTP' : extended ? 'ESMTP' : 'SMTP';
  return `${name}${tls ? 'S' : ''}${auth ? 'A' : ''}`;
}

/** 555 for what is not offered here, or not to a client that said HELO (RFC 5321 4.1.1.11). */
function unknownParam(
  { options, client, extended }: ServerSession,
  params: readonly EnvelopeParam[],
): Reply | undefined {
  for (const { keyword } of params) {
    const extension = paramTable[keyword]?.extension ?? keyword;
    const offered =
      extended &&
      !options.hidden?.has(extension) &&
      (extension !== 'AUTH' || offeredMechanisms(options, client.tls !== null).length > 0);
    if (!offered) return reply(555, '5.5.4', `the parameter ${keyword} is not offered here`);
  }
  return undefined;
}

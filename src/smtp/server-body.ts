// DATA and BDAT in a server session (RFC 5321 4.1.1.4, RFC 3030): the message comes in, is stored or refused, and the verdict
// follows its true end. What is refused is read all the same, so that client and server stay in step.
import { EhloError } from '../base/errors.ts';
import type { ReceivedEnvelope } from '../store/store.ts';
import type { Pace } from '../wire/wire.ts';
import { type Reply, reply } from './reply.ts';
import { BareEnds, Incoming, storeFailure } from './server-data.ts';
import { replies } from './server-replies.ts';
import type { Of, ServerSession } from './server-session.ts';
import { envelopeOf } from './server-transaction.ts';

export async function data(session: ServerSession): Promise<void> {
  const { talk, transaction } = session;
  if (!transaction) return talk.say(replies.mailFirst);
  const envelope = envelopeOf(session, transaction);
  const incoming = await begin(session, envelope);
  if (!(incoming instanceof Incoming)) return talk.say(incoming);
  talk.say(replies.goOn);
  talk.flush();
  talk.stage('body');
  try {
    const report = await talk.wire.readDots(incoming, paceOf(session));
    talk.stage('dot');
    await incoming.refuseBareEnds(report);
  } catch (thrown) {
    await incoming.refuse(replies.ok);
    throw thrown;
  }
  await verdict(session, incoming, envelope);
}

/** `refusal`: the command is out of turn, but its chunk comes along. */
export async function bdat(
  session: ServerSession,
  { size, last }: Of<'bdat'>,
  refusal: Reply | undefined,
): Promise<void> {
  const { talk, transaction } = session;
  if (refusal || !transaction) return eat(session, size, refusal ?? replies.mailFirst);
  if (!transaction.chunks) {
    const envelope = envelopeOf(session, transaction);
    const incoming = await begin(session, envelope);
    if (!(incoming instanceof Incoming)) return eat(session, size, incoming);
    transaction.chunks = { incoming, ends: new BareEnds(), envelope };
  }
  const { incoming, ends, envelope } = transaction.chunks;
  talk.flush();
  talk.stage('body');
  const sink = {
    write: (content: Buffer) => {
      ends.feed(content);
      return incoming.write(content);
    },
  };
  await talk.wire.readExact(size, sink, paceOf(session));
  talk.stage('dot');
  if (last) ends.end();
  await incoming.refuseBareEnds(ends);
  if (last) return verdict(session, incoming, envelope);
  if (!incoming.refusal) return talk.say(reply(250, '2.0.0', `${size} bytes`));
  // RFC 3030 2: after a refused chunk the transaction is dead; further chunks get 503.
  const { refusal: why } = incoming;
  await session.dropTransaction();
  talk.say(why);
}

/** The client has sent the chunk along with its BDAT: it goes by before the refusal. */
async function eat(session: ServerSession, size: number, refusal: Reply): Promise<void> {
  const { talk } = session;
  talk.flush();
  talk.stage('body');
  await talk.wire.readExact(size, { write: () => undefined }, paceOf(session));
  talk.say(refusal);
}

/** A place in the store, or why there is none. */
async function begin({ options }: ServerSession, envelope: ReceivedEnvelope): Promise<Incoming | Reply> {
  const { policy, limits, onProblem } = options;
  const refusal = await policy.data?.(envelope);
  if (refusal) return refusal;
  try {
    return new Incoming(await options.begin(envelope), limits.messageBytes, onProblem);
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    onProblem?.(thrown);
    return storeFailure(thrown);
  }
}

async function verdict(session: ServerSession, incoming: Incoming, envelope: ReceivedEnvelope): Promise<void> {
  const { policy, protocol } = session.options;
  if (!incoming.refusal && policy.message) {
    const refusal = await policy.message(envelope, { size: incoming.size });
    if (refusal) await incoming.refuse(refusal);
  }
  const stored = await incoming.finish();
  session.transaction = undefined;
  session.state = 'ready';
  const answer = 'id' in stored ? reply(250, '2.0.0', `Ok: queued as ${stored.id}`) : stored;
  // RFC 2033 4.2: one reply for each accepted recipient.
  const count = protocol === 'lmtp' ? envelope.rcptTo.length : 1;
  for (let n = 0; n < count; n++) session.talk.say(answer);
}

const paceOf = ({ options: { limits } }: ServerSession): Pace => ({
  stallMs: limits.bodyStall,
  graceMs: limits.bodyGrace,
  bytesPerSecond: limits.bodyRate,
});

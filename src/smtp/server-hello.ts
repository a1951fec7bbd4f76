// The stages before mail in a server session: EHLO and its kin (RFC 5321 4.1.1.1), STARTTLS (RFC 3207) and AUTH (RFC 4954).
// Whether they are in order is judged before, in server-order.ts.
import { createSaslServer, exposureOf } from '../sasl/mechanisms.ts';
import { reply } from './reply.ts';
import { serveAuth } from './server-auth.ts';
import { ehloKeywords, mechanismsOf } from './server-offers.ts';
import type { ClientFacts } from './server-policy.ts';
import { replies } from './server-replies.ts';
import type { Of, ServerSession } from './server-session.ts';

export async function hello(session: ServerSession, command: Of<'helo' | 'ehlo' | 'lhlo'>): Promise<void> {
  const { options, client, talk } = session;
  const refusal = await options.policy.helo?.(command, client);
  if (refusal) return talk.say(refusal);
  // RFC 5321 4.1.4: EHLO clears the state like RSET.
  await session.dropTransaction();
  client.helo = command.domain;
  session.extended = command.verb !== 'helo';
  session.state = 'ready';
  const keywords = session.extended ? ehloKeywords(options, client.tls !== null) : [];
  talk.say(reply(250, null, `${options.hostname} greets the client`, ...keywords));
}

export async function starttls(session: ServerSession): Promise<void> {
  const { client, talk } = session;
  const { tls, limits, policy } = session.options;
  if (!tls) return talk.say(replies.notOffered);
  const refusal = await policy.starttls?.(client);
  if (refusal) return talk.say(refusal);
  // Commands that came behind STARTTLS in the clear would be taken for protected ones (CVE-2011-0411): startTls() throws.
  if (talk.wire.buffered === 0) {
    talk.say(replies.startTls);
    talk.flush();
  }
  const { protocol, cipher } = await talk.wire.startTls(tls, limits.tlsHandshake);
  // RFC 3207 4.2: everything that was learnt in the clear is forgotten.
  Object.assign(client, { helo: '', auth: null, tls: { protocol, cipher } } satisfies Partial<ClientFacts>);
  session.state = 'start';
}

export async function auth(session: ServerSession, { mechanism, initial }: Of<'auth'>): Promise<void> {
  const { client, talk } = session;
  const { accounts, hostname, policy, allowInsecureAuth } = session.options;
  if (!accounts || !mechanismsOf(accounts).includes(mechanism)) return talk.say(replies.unknownMechanism);
  if (!client.tls && !allowInsecureAuth && exposureOf(mechanism) === 'clear') return talk.say(replies.authInClear);
  const server = createSaslServer(mechanism, accounts, { hostname });
  const outcome = await serveAuth(server, initial, (text) => talk.challenge(reply(334, null, text)));
  if (outcome === undefined) {
    talk.over = true;
    return;
  }
  if (!('identity' in outcome)) return talk.say(outcome);
  const facts = { mechanism, identity: outcome.identity };
  const refusal = await policy.auth?.(facts, client);
  if (refusal) return talk.say(refusal);
  client.auth = facts;
  talk.say(replies.authDone);
}

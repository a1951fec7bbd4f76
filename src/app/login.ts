// Logging in to an SMTP server: which mechanism, and whether the secret may go out on this connection at all. Once, for
// every command; a refusal becomes an error here.
import { EhloError } from '../base/errors.ts';
import type { Credentials } from '../sasl/sasl.ts';
import type { SmtpClient } from '../smtp/client.ts';
import { authOffers } from '../smtp/extensions.ts';
import { verdictOf } from '../smtp/phases.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { TlsFacts } from '../wire/channel.ts';
import type { Connection } from './connection.ts';
import type { SessionPlan } from './session.ts';
import { tlsVerified } from './tls-policy.ts';
import { isLocal } from './via.ts';

export interface Login {
  credentials: Credentials;
  mechanisms: string[] | undefined;
  optional: Connection['authOptional'];
}

/** As login(); what an optional one leaves out is told, not thrown. */
export async function tryLogin(
  client: SmtpClient,
  tls: TlsFacts | null,
  plan: SessionPlan,
  who: Login,
): Promise<string | null> {
  try {
    await login(client, tls, plan, who);
    return null;
  } catch (thrown) {
    const tolerated =
      thrown instanceof EhloError &&
      thrown.kind === 'auth' &&
      (who.optional === 'accepted' || (who.optional === 'offered' && thrown.code === 'auth-unavailable'));
    if (!tolerated) throw thrown;
    return `not logged in: ${thrown.message}; went on without, as the login is optional`;
  }
}

async function login(client: SmtpClient, tls: TlsFacts | null, plan: SessionPlan, who: Login): Promise<void> {
  const { wire } = client;
  wire.stage = 'auth';
  const { credentials, mechanisms } = who;
  const offered = authOffers(client.extensions);
  const { force } = plan.control;
  if (offered.length === 0 && !force) throw noAuth(client, tls);
  const safe = (tls && tlsVerified(tls, plan.tls.verify)) || isLocal(plan.target.address, plan.via);
  if (!safe && !plan.allowPlaintextAuth) {
    const why = tls ? 'its certificate is not verified' : 'the connection is not encrypted';
    throw wire.error('auth-plaintext', `not logging in to ${wire.peer}: ${why}`, {
      side: 'local',
      hint: 'use --tls required (with --ca or --pin if needed); --allow-plaintext-auth sends it all the same',
    });
  }
  const { chooseMechanism, clientMechanisms, createSaslClient, secretForms } = await import('../sasl/mechanisms.ts');
  const bindings = tls?.channelBindings?.() ?? [];
  const open = force ? [...offered, ...(mechanisms ?? (offered.length === 0 ? clientMechanisms : []))] : offered;
  const name = chooseMechanism(open, mechanisms, credentials, bindings);
  if (name === undefined) {
    const wanted = mechanisms ? ` of ${mechanisms.join(', ')}` : ' that fits the credentials given';
    throw wire.error('auth-unavailable', `${wire.peer} offers no mechanism${wanted}; it offers ${offered.join(', ')}`);
  }
  const answer = await client.login(
    createSaslClient(name, credentials, { bindings, offered }),
    secretForms(credentials),
  );
  if (verdictOf('auth', answer) === 'yes') return;
  throw wire.error(
    answer.code < 500 ? 'auth-temporary' : 'auth-rejected',
    `${wire.peer} refused the login by ${name}: ${replyLine(answer)}`,
    { reply: replyFacts(answer), hint: 'check user and password; nothing was sent' },
  );
}

function noAuth({ wire, extensions }: SmtpClient, tls: TlsFacts | null): EhloError {
  const hint =
    !tls && extensions.has('STARTTLS')
      ? 'the server offers STARTTLS; add --tls required'
      : 'leave --user out if this server needs no login, or use its submission port (587, or 465 with smtps://)';
  return wire.error('auth-unavailable', `${wire.peer} offers no AUTH, and a user was given`, { hint });
}

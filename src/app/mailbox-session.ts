// Opens one mailbox at a POP3 server: a session (pop3-session.ts), and the login. The rules for TLS and secrets are those of
// every command; a refusal is an error here.
import { EhloError } from '../base/errors.ts';
import type { Pop3Client } from '../pop3/client.ts';
import { login } from '../pop3/login.ts';
import type { Connection, ServerUrl, TlsMode } from './connection.ts';
import { openPop3, type Pop3Facts, type Pop3Hooks } from './pop3-session.ts';
import type { Ports } from './ports.ts';
import { tlsVerified } from './tls-policy.ts';
import { isLocal } from './via.ts';

export interface MailboxSession {
  client: Pop3Client;
  /** How we logged in: USER, APOP, or a SASL mechanism. */
  method: string;
}

export async function openMailbox(
  connection: Connection,
  server: ServerUrl,
  ports: Ports,
  facts: Pop3Facts,
  hooks: Pop3Hooks,
): Promise<MailboxSession> {
  const credentials = connection.credentials;
  if (!credentials || connection.mechanisms === 'none') {
    throw new EhloError('usage', 'a POP3 mailbox cannot be opened without a user', {
      hint: 'give --user NAME (or pop3://name@host) and one of the --password options',
    });
  }
  // Somebody always logs in, so TLS is required, except where nobody can listen in between.
  const fallback = (address: string): TlsMode => (isLocal(address, connection) ? 'opportunistic' : 'required');
  const mode = (address: string): TlsMode =>
    connection.tls ?? (server.scheme === 'pop3s' ? 'implicit' : fallback(address));
  const tls = { mode, verify: connection.tlsVerify };
  const client = await openPop3({ connection, server, tls }, ports, facts, hooks);
  try {
    const safe =
      (facts.tls !== null && tlsVerified(facts.tls, connection.tlsVerify)) ||
      isLocal(facts.target?.address ?? '', connection) ||
      connection.allowPlaintextAuth;
    const method = await login(client, {
      credentials,
      wanted: connection.mechanisms,
      channel: safe ? 'protected' : 'open',
      replyMs: connection.deadlines.reply,
    });
    return { client, method };
  } catch (thrown) {
    client.wire.destroy();
    throw thrown;
  }
}

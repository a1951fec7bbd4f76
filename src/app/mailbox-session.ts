// Opens one POP3 session at a server, up to the point where the mailbox is open: connect, greeting, CAPA, TLS, login. The
// rules for TLS and secrets are those of every command; a refusal is an error here.
import { EhloError } from '../base/errors.ts';
import { isLoopback } from '../base/ip.ts';
import type { Scrubber } from '../base/secret.ts';
import { Pop3Client } from '../pop3/client.ts';
import { login } from '../pop3/login.ts';
import { refusal } from '../pop3/refusal.ts';
import type { TlsClientOptions, TlsFacts } from '../wire/channel.ts';
import type { Transcript } from '../wire/transcript.ts';
import { Wire } from '../wire/wire.ts';
import type { Connection, ServerUrl, TlsMode } from './connection.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import { certificateError, tlsAccepted, tlsVerified } from './tls-policy.ts';

export interface MailboxTarget {
  host: string;
  address: string;
  port: number;
}

export interface MailboxSession {
  client: Pop3Client;
  /** How we logged in: USER, APOP, or a SASL mechanism. */
  method: string;
}

export interface MailboxHooks {
  /** Absent where nobody wants to see the conversation: keeping it costs more than having it. */
  transcript: Transcript | undefined;
  scrubber: Scrubber;
  signal: AbortSignal;
  /** Connected; and later that TLS is on. So that a report can tell it even when the rest fails. */
  onConnected(target: MailboxTarget): void;
  onTls(tls: TlsFacts): void;
  onNote(note: string): void;
}

export async function openMailbox(
  connection: Connection,
  server: ServerUrl,
  ports: Ports,
  hooks: MailboxHooks,
): Promise<MailboxSession> {
  const credentials = connection.credentials;
  if (!credentials || connection.mechanisms === 'none') {
    throw new EhloError('usage', 'a POP3 mailbox cannot be opened without a user', {
      hint: 'give --user NAME (or pop3://name@host) and one of the --password options',
    });
  }
  const { wire, target } = await connect(connection, server, ports, hooks);
  const stop = () => wire.destroy();
  hooks.signal.addEventListener('abort', stop, { once: true });
  try {
    hooks.signal.throwIfAborted();
    const client = new Pop3Client(wire, { deadlines: connection.deadlines, scrubber: hooks.scrubber });
    const tls = await secureAndGreet(client, connection, server, target, hooks);
    const safe =
      (tls !== null && tlsVerified(tls, connection.tlsVerify)) ||
      isLoopback(target.address) ||
      connection.allowPlaintextAuth;
    const method = await login(client, {
      credentials,
      wanted: connection.mechanisms,
      channel: safe ? 'protected' : 'open',
      replyMs: connection.deadlines.reply,
    });
    return { client, method };
  } catch (thrown) {
    wire.destroy();
    throw thrown;
  }
}

/** The first address that takes a connection. */
async function connect(connection: Connection, server: ServerUrl, ports: Ports, hooks: MailboxHooks) {
  let last: unknown;
  for (const target of await serverTargets(connection, server, ports)) {
    hooks.signal.throwIfAborted();
    try {
      const channel = await ports.dial({
        address: target.address,
        port: target.port,
        deadline: ports.clock.now() + connection.deadlines.connect,
        ...(connection.localAddress ? { localAddress: connection.localAddress } : {}),
      });
      hooks.onConnected(target);
      const wire = new Wire(channel, ports.clock, hooks.transcript);
      wire.info(`connected to ${target.host} [${wire.peer}]`);
      return { wire, target };
    } catch (thrown) {
      if (!(thrown instanceof EhloError)) throw thrown;
      hooks.transcript?.add('info', 'connect', thrown.message);
      last ??= thrown;
    }
  }
  throw last;
}

/** The greeting, and TLS before or after it as the mode says. What the server can do is known afterwards. */
async function secureAndGreet(
  client: Pop3Client,
  connection: Connection,
  server: ServerUrl,
  target: MailboxTarget,
  hooks: MailboxHooks,
): Promise<TlsFacts | null> {
  const { wire } = client;
  // Somebody always logs in, so TLS is required, except where nobody can listen in between.
  const fallback: TlsMode = isLoopback(target.address) ? 'opportunistic' : 'required';
  const mode = connection.tls ?? (server.scheme === 'pop3s' ? 'implicit' : fallback);
  const options: TlsClientOptions = { ...connection.tlsClient, role: 'client', servername: target.host };
  let tls: TlsFacts | null = null;
  const judge = (facts: TlsFacts): void => {
    tls = facts;
    hooks.onTls(facts);
    if (tlsAccepted(facts, connection.tlsVerify)) return;
    if (mode !== 'opportunistic') throw certificateError(facts, target.host, wire.peer);
    hooks.onNote(`the certificate is not verified: ${facts.error ?? 'not accepted'}; opportunistic TLS goes on`);
  };
  if (mode === 'implicit') {
    wire.stage = 'stls';
    judge(await wire.startTls(options, connection.deadlines.tlsHandshake));
  }
  const greeting = await client.greet();
  if (!greeting.ok) throw refusal(wire, greeting, 'banner', 'session');
  await client.capa();
  if (mode !== 'required' && mode !== 'opportunistic') return tls;
  const facts = await stls(client, options, mode, hooks);
  if (facts) {
    judge(facts);
    await client.capa();
  }
  return tls;
}

async function stls(
  client: Pop3Client,
  options: TlsClientOptions,
  mode: 'required' | 'opportunistic',
  hooks: MailboxHooks,
): Promise<TlsFacts | null> {
  const { wire } = client;
  const unavailable = (what: string): EhloError =>
    wire.error('tls-unavailable', `${wire.peer} ${what}, and TLS is required`, {
      stage: 'stls',
      hint: 'no password was sent; try pop3s://, or, where the network is trusted, --tls off --allow-plaintext-auth',
    });
  if (client.capabilities?.has('STLS') !== true) {
    if (mode === 'required') throw unavailable('does not offer STLS');
    return null;
  }
  const { response, tls } = await client.stls(options);
  if (tls) return tls;
  if (mode === 'required') throw unavailable(`offers STLS but refuses it: ${response.text || 'no reason given'}`);
  hooks.onNote('STLS was refused; went on in the clear, as opportunistic TLS allows');
  return null;
}

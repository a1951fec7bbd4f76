// Opens one POP3 session at one server: connect, greeting, CAPA, TLS, CAPA again. No login (mailbox-session.ts). What is
// learnt on the way is kept as facts, so that a report can tell it even when the rest fails; a refusal is an error here.
import { domainToAscii, isAscii } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import { Pop3Client } from '../pop3/client.ts';
import type { Capabilities } from '../pop3/grammar.ts';
import { refusal } from '../pop3/refusal.ts';
import type { TlsClientOptions, TlsFacts } from '../wire/channel.ts';
import type { Transcript } from '../wire/transcript.ts';
import { Wire } from '../wire/wire.ts';
import type { Connection, ServerUrl, TlsMode } from './connection.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import type { SessionTimings, Target } from './session.ts';
import { certificateError, type TlsVerify, tlsAccepted } from './tls-policy.ts';
import { viaOf } from './via.ts';

export interface Pop3Plan {
  connection: Connection;
  server: ServerUrl;
  /** The mode for one of the server's addresses, and how its certificate is judged. */
  tls: { mode: (address: string) => TlsMode; verify: TlsVerify };
}

export interface Pop3Hooks {
  /** Absent where nobody wants to see the conversation: keeping it costs more than having it. */
  transcript: Transcript | undefined;
  scrubber: Scrubber;
  signal: AbortSignal;
}

/** Null: not come to yet, or not asked in that state. */
export interface Pop3Facts {
  target: Target | null;
  greeting: string | null;
  tls: TlsFacts | null;
  capabilities: { plain: Capabilities | null; tls: Capabilities | null };
  /** What APOP needs from the greeting. */
  timestamp: string | null;
  timings: SessionTimings;
  notes: string[];
}

export const noPop3Facts = (): Pop3Facts => ({
  target: null,
  greeting: null,
  tls: null,
  capabilities: { plain: null, tls: null },
  timestamp: null,
  timings: { connect: null, banner: null, tls: null, auth: null },
  notes: [],
});

/** Fills in `facts` as it goes. On any error the connection is gone. */
export async function openPop3(plan: Pop3Plan, ports: Ports, facts: Pop3Facts, hooks: Pop3Hooks): Promise<Pop3Client> {
  const { wire, target } = await connect(plan, ports, facts, hooks);
  const stop = () => wire.destroy();
  hooks.signal.addEventListener('abort', stop, { once: true });
  try {
    hooks.signal.throwIfAborted();
    const client = new Pop3Client(wire, { deadlines: plan.connection.deadlines, scrubber: hooks.scrubber });
    await secureAndGreet(client, plan, target, ports, facts);
    return client;
  } catch (thrown) {
    wire.destroy();
    throw thrown;
  }
}

/** The first address that takes a connection. */
async function connect({ connection, server }: Pop3Plan, ports: Ports, facts: Pop3Facts, hooks: Pop3Hooks) {
  let last: unknown;
  for (const target of await serverTargets(connection, server, ports)) {
    hooks.signal.throwIfAborted();
    try {
      const channel = await timed('connect', ports, facts, () =>
        ports.dial({
          address: target.address,
          port: target.port,
          deadline: ports.clock.now() + connection.deadlines.connect,
          ...viaOf(connection),
        }),
      );
      facts.target = { host: target.host, address: target.address, port: target.port };
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
  { connection, tls: policy }: Pop3Plan,
  target: Target,
  ports: Ports,
  facts: Pop3Facts,
): Promise<void> {
  const { wire } = client;
  const mode = policy.mode(target.address);
  const options: TlsClientOptions = { ...connection.tlsClient, role: 'client', servername: serverName(target.host) };
  const judge = async (tls: TlsFacts): Promise<void> => {
    facts.tls = tls;
    await connection.onChain?.(tls.chain ?? []);
    if (tlsAccepted(tls, policy.verify)) return;
    if (mode !== 'opportunistic') throw certificateError(tls, target.host, wire.peer);
    facts.notes.push(`the certificate is not verified: ${tls.error ?? 'not accepted'}; opportunistic TLS goes on`);
  };
  if (mode === 'implicit') {
    wire.stage = 'stls';
    await judge(await timed('tls', ports, facts, () => wire.startTls(options, connection.deadlines.tlsHandshake)));
  }
  const greeting = await timed('banner', ports, facts, () => client.greet());
  if (!greeting.ok) throw refusal(wire, greeting, 'banner', 'session');
  facts.greeting = greeting.text;
  facts.timestamp = client.timestamp ?? null;
  facts.capabilities[mode === 'implicit' ? 'tls' : 'plain'] = (await client.capa()) ?? null;
  if (mode !== 'required' && mode !== 'opportunistic') return;
  if (!offersStls(client, mode)) return;
  const tls = await timed('tls', ports, facts, () => stls(client, options, mode, facts));
  if (!tls) {
    facts.timings.tls = null;
    return;
  }
  await judge(tls);
  facts.capabilities.tls = (await client.capa()) ?? null;
}

/** SNI and certificates have A-labels (RFC 6066 3). */
const serverName = (host: string): string => (isAscii(host) ? host : domainToAscii(host));

async function timed<T>(
  name: keyof SessionTimings,
  { clock }: Ports,
  facts: Pop3Facts,
  work: () => Promise<T>,
): Promise<T> {
  const began = clock.now();
  try {
    return await work();
  } finally {
    facts.timings[name] = Math.round((clock.now() - began) * 10) / 10;
  }
}

const unavailable = ({ wire }: Pop3Client, what: string): EhloError =>
  wire.error('tls-unavailable', `${wire.peer} ${what}, and TLS is required`, {
    stage: 'stls',
    hint: 'no password was sent; try pop3s://, or, where the network is trusted, --tls off --allow-plaintext-auth',
  });

function offersStls(client: Pop3Client, mode: 'required' | 'opportunistic'): boolean {
  if (client.capabilities?.has('STLS') === true) return true;
  if (mode === 'required') throw unavailable(client, 'does not offer STLS');
  return false;
}

/** Null: it was refused, and the mode allows that. */
async function stls(
  client: Pop3Client,
  options: TlsClientOptions,
  mode: 'required' | 'opportunistic',
  facts: Pop3Facts,
): Promise<TlsFacts | null> {
  const { response, tls } = await client.stls(options);
  if (tls) return tls;
  if (mode === 'required') {
    throw unavailable(client, `offers STLS but refuses it: ${response.text || 'no reason given'}`);
  }
  facts.notes.push('STLS was refused; went on in the clear, as opportunistic TLS allows');
  return null;
}

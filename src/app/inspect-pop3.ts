// Looks at a POP3 server: greeting, capabilities before and after TLS, and the ways to log in. Nobody logs in.
import { EhloError } from '../base/errors.ts';
import { capabilityTable } from '../pop3/capabilities.ts';
import type { Capabilities } from '../pop3/grammar.ts';
import { noPop3Facts, openPop3 } from './pop3-session.ts';
import type { Ports } from './ports.ts';
import type { OfferedExtension, ServerFacts, ServerInspection } from './server-facts.ts';

export async function inspectPop3(what: ServerInspection, ports: Ports): Promise<ServerFacts> {
  const { connection, server, mode, transcript, scrubber, signal } = what;
  const facts = noPop3Facts();
  let error: EhloError | null = null;
  try {
    const tls = { mode: () => mode, verify: 'none' as const };
    const client = await openPop3({ connection, server, tls }, ports, facts, { transcript, scrubber, signal });
    // How it says goodbye is its own business: everything is known.
    await client.quit().catch(ours);
    client.wire.close();
  } catch (thrown) {
    error = signal.aborted && signal.reason instanceof EhloError ? signal.reason : ours(thrown);
  }
  const { plain, tls } = facts.capabilities;
  const loginsOf = (offered: Capabilities | null) => offered && logins(offered, facts.timestamp !== null);
  return {
    protocol: 'pop3',
    target: facts.target,
    banner: facts.greeting === null ? null : `+OK ${facts.greeting}`.trimEnd(),
    asked: plain !== null || tls !== null,
    extensions: [...(tls ?? plain ?? [])].map(describe),
    auth: { plain: loginsOf(plain), tls: loginsOf(tls) },
    offeredTls: mode === 'implicit' || plain?.has('STLS') === true,
    tls: facts.tls,
    timings: facts.timings,
    notes: facts.notes,
    error,
  };
}

function ours(thrown: unknown): EhloError {
  if (thrown instanceof EhloError) return thrown;
  throw thrown;
}

/** SASL mechanisms, USER, and APOP where the greeting offers it. */
const logins = (offered: Capabilities, apop: boolean): string[] => [
  ...(offered.get('SASL') ?? []).map((name) => name.toUpperCase()),
  ...(offered.has('USER') ? ['USER'] : []),
  ...(apop ? ['APOP'] : []),
];

const describe = ([keyword, values]: [string, readonly string[]]): OfferedExtension => {
  const row = Object.hasOwn(capabilityTable, keyword) ? capabilityTable[keyword] : undefined;
  return { keyword, value: values.join(' '), rfc: row?.rfc ?? null, means: row?.means ?? null };
};

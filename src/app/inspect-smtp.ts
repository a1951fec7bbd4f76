// Looks at an SMTP or LMTP server: the session of every sender, ended before MAIL.
import { authOffers, type Extensions, extensionTable, parseExtensions } from '../smtp/extensions.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import type { OfferedExtension, ServerFacts, ServerInspection } from './server-facts.ts';
import { openSession, planFor, type Session, type Target } from './session.ts';

export async function inspectSmtp(what: ServerInspection, ports: Ports): Promise<ServerFacts> {
  const { mode, transcript } = what;
  const { target, session } = await firstSession(what, ports);
  if (session.client && !session.error) await session.client.goodbye();
  session.wire?.close();
  const hellos = ehloReplies(transcript.events);
  const plain = hellos.find((hello) => !hello.tls)?.extensions;
  const covered = hellos.find((hello) => hello.tls)?.extensions;
  const banner = session.client?.steps.find((step) => step.stage === 'banner');
  return {
    protocol: what.server.scheme.startsWith('lmtp') ? 'lmtp' : 'smtp',
    target,
    banner: banner ? [banner.code, banner.enhanced, banner.text].filter((part) => part !== null).join(' ') : null,
    asked: hellos.length > 0,
    extensions: [...(covered ?? plain ?? [])].map(describe),
    auth: { plain: plain ? authOffers(plain) : null, tls: covered ? authOffers(covered) : null },
    offeredTls: mode === 'implicit' || plain?.has('STARTTLS') === true,
    tls: session.tls,
    timings: session.timings,
    notes: session.notes,
    error: session.error,
  };
}

/** At the first address that takes a connection; the last one where none does. */
async function firstSession(
  { connection, server, mode, transcript, signal }: ServerInspection,
  ports: Ports,
): Promise<{ target: Target; session: Session }> {
  const targets = await serverTargets(connection, server, ports);
  for (const [at, target] of targets.entries()) {
    const plan = planFor({ ...connection, server }, target, 'server', ports.hostname());
    const session = await openSession(
      { ...plan, stopAt: 'starttls', tls: { ...plan.tls, mode, verify: 'none' } },
      ports.dial,
      ports.clock,
      { transcript, signal },
    );
    if (session.client || signal.aborted || at === targets.length - 1) return { target, session };
    transcript.add('info', 'connect', session.error?.message ?? 'not connected');
  }
  throw new Error('a server has at least one address');
}

const describe = ([keyword, value]: [string, string]): OfferedExtension => {
  const row = Object.hasOwn(extensionTable, keyword) ? extensionTable[keyword] : undefined;
  return { keyword, value, rfc: row?.rfc ?? null, means: row?.means ?? null };
};

/** Each whole answer to EHLO, with whether TLS covered it: the session keeps only the last one. */
function ehloReplies(events: readonly TranscriptEvent[]): { tls: boolean; extensions: Extensions }[] {
  const replies: { tls: boolean; extensions: Extensions }[] = [];
  let lines: string[] = [];
  for (const { dir, stage, text, tls } of events) {
    if (dir !== 'in' || stage !== 'ehlo' || !text.startsWith('250')) continue;
    lines.push(text.slice(4));
    if (text[3] === '-') continue;
    replies.push({ tls, extensions: parseExtensions(lines) });
    lines = [];
  }
  return replies;
}

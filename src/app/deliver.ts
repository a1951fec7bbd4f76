// Delivers one message along a route: which hosts, in which order, when to go on to the next and when never to. The same
// code decides for `send`, for `relay-test` (which stops before DATA), and for relaying.
import { parseAddressLiteral, parseMailbox, sameDomain } from '../base/address.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { Resolver } from '../dns/dns.ts';
import type { MxWalk } from '../dns/walk.ts';
import type { SmtpClient, Step } from '../smtp/client.ts';
import type { Envelope, OutgoingMessage } from '../smtp/envelope.ts';
import type { Stage } from '../smtp/phases.ts';
import { type Reply, replyFacts, replyLine } from '../smtp/reply.ts';
import { type RecipientOutcome, type TransactionOutcome, transaction } from '../smtp/transaction.ts';
import type { TlsFacts } from '../wire/channel.ts';
import { Transcript, type TranscriptEvent } from '../wire/transcript.ts';
import type { Connection } from './connection.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import { openSession, planFor, type SessionTimings, type Target } from './session.ts';
import { unlessAborted } from './time-limit.ts';

export interface DeliverRequest {
  connection: Connection;
  envelope: Envelope;
  /** Null for a probe. */
  message: OutgoingMessage | null;
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  /** Present: a probe that goes no further; `accepted` then means "would go on". */
  until?: Stage;
  /** A probe of every address, also behind the one that decides. */
  allHosts?: boolean;
}

export interface DeliverHooks {
  /** Asked for only where MX records are needed. */
  resolver(): Promise<Resolver>;
  /** Knows every secret of this run; each transcript is scrubbed with it. */
  scrubber: Scrubber;
  onEvent?: ((event: TranscriptEvent) => void) | undefined;
  onStep?: ((step: Step) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** One address of one host, tried. */
export interface Attempt extends Target {
  recipients: string[];
  steps: Step[];
  tls: TlsFacts | null;
  extensions: string[];
  timings: SessionTimings & { envelope: number | null; data: number | null };
  transcript: TranscriptEvent[];
  notes: string[];
  /** The verdict on the message. */
  final: Reply | null;
  error: EhloError | null;
}

export interface DeliveredRecipient extends RecipientOutcome {
  /** Who decided; null where nobody was reached. */
  host: string | null;
  /** What broke, where no reply decided. */
  error: EhloError | null;
}

export interface Delivered {
  /** In the order of the envelope. */
  recipients: DeliveredRecipient[];
  attempts: Attempt[];
  /** The MX walks that were made, in order. */
  walks: MxWalk[];
  /** Milliseconds spent in DNS before the first connection. */
  dnsMs: number;
}

export async function deliver(request: DeliverRequest, ports: Ports, hooks: DeliverHooks): Promise<Delivered> {
  const delivered: Delivered = { recipients: [], attempts: [], walks: [], dnsMs: 0 };
  const outcome = new Map<string, DeliveredRecipient>();
  const groups = routeGroups(request);
  if (request.onReject === 'abort' && groups.length > 1) {
    throw new EhloError('usage', `all or nobody cannot be kept for recipients in ${groups.length} domains`, {
      hint: 'nothing was sent; --on-reject abort needs one --server, or recipients of one domain',
    });
  }
  for (const group of groups) {
    const began = ports.clock.now();
    const lookup = unlessAborted(group.targets(ports, hooks, delivered.walks), hooks.signal);
    const targets = await lookup.catch((thrown) => asEhloError(thrown));
    delivered.dnsMs += Math.round((ports.clock.now() - began) * 10) / 10;
    if (targets instanceof EhloError) {
      for (const address of group.addresses) outcome.set(address, undecided(address, targets));
    } else await deliverGroup(request, group, targets, ports, hooks, delivered.attempts, outcome);
  }
  delivered.recipients = request.envelope.to.map(({ address }) => {
    const one = outcome.get(address) ?? undecided(address, new EhloError('internal', `${address} was not tried`));
    // With every host tried, what no reply decided is as final as the error that stopped it.
    return one.status === 'deferred' && one.error ? { ...one, status: statusOf(one.error) } : one;
  });
  return delivered;
}

interface RouteGroup {
  route: 'server' | 'mx';
  addresses: string[];
  targets(ports: Ports, hooks: DeliverHooks, walks: MxWalk[]): Promise<Target[]>;
}

/** Everybody through the one server, or a group for each recipient domain. */
function routeGroups({ connection, envelope }: DeliverRequest): RouteGroup[] {
  const server = connection.server;
  const all = envelope.to.map((one) => one.address);
  if (server && server.scheme !== 'mx') {
    return [{ route: 'server', addresses: all, targets: (ports) => serverTargets(connection, server, ports) }];
  }
  const groups: (RouteGroup & { domain: string })[] = [];
  for (const address of all) {
    const domain = server?.host || parseMailbox(address).domain;
    const known = groups.find((group) => sameDomain(group.domain, domain));
    if (known) known.addresses.push(address);
    else {
      groups.push({
        route: 'mx',
        domain,
        addresses: [address],
        targets: (ports, hooks, walks) => domainTargets(connection, domain, hooks, ports, walks),
      });
    }
  }
  return groups;
}

async function domainTargets(
  connection: Connection,
  domain: string,
  hooks: DeliverHooks,
  ports: Ports,
  walks: MxWalk[],
): Promise<Target[]> {
  if (domain.startsWith('[')) {
    const { address } = parseAddressLiteral(domain);
    return [{ host: address, address, port: connection.mxPort }];
  }
  const { mxTargets, mxWalk, walkError } = await import('./mx.ts');
  const walk = await mxWalk(connection, domain, await hooks.resolver(), ports);
  walks.push(walk);
  const problem = walkError(walk);
  if (problem) throw problem;
  const targets = mxTargets(connection, walk);
  if (targets.length > 0) return targets;
  throw new EhloError('no-address', `the mail hosts of ${domain} have no usable address`, {
    stage: 'dns',
    peer: domain,
  });
}

async function deliverGroup(
  request: DeliverRequest,
  group: RouteGroup,
  targets: Target[],
  ports: Ports,
  hooks: DeliverHooks,
  attempts: Attempt[],
  outcome: Map<string, DeliveredRecipient>,
): Promise<void> {
  let open = group.addresses;
  for (const target of targets) {
    const envelope = { ...request.envelope, to: request.envelope.to.filter((one) => open.includes(one.address)) };
    const { attempt, result } = await attemptAt({ ...request, envelope }, target, group.route, ports, hooks);
    attempts.push(attempt);
    for (const [index, { address }] of envelope.to.entries()) {
      const before = outcome.get(address);
      const now = result?.recipients[index];
      const next: DeliveredRecipient = now
        ? { ...now, host: target.host, error: now.reply ? null : attempt.error }
        : undecided(address, attempt.error ?? new EhloError('internal', 'the attempt had no outcome'), target.host);
      if (!before || saysMore(next, before)) outcome.set(address, next);
    }
    if (!request.allHosts) {
      open = open.filter((address) => maySucceedElsewhere(outcome.get(address), group.route, attempt, result !== null));
      // All or nobody: whoever was refused here would be left out there.
      if (request.onReject === 'abort' && open.length < envelope.to.length) return;
    }
    if (open.length === 0 || hooks.signal?.aborted) return;
  }
}

/** A reply says more than a host that could not be reached; with all hosts probed, the first that would accept decides. */
const saysMore = (next: DeliveredRecipient, before: DeliveredRecipient): boolean =>
  before.status !== 'accepted' && (next.status === 'accepted' || next.reply !== null || before.reply === null);

/** Whether another address may be tried for a recipient without breaking a verdict or duplicating the message. */
function maySucceedElsewhere(
  known: DeliveredRecipient | undefined,
  route: 'server' | 'mx',
  attempt: Attempt,
  begun: boolean,
): boolean {
  if (!known || known.status === 'accepted' || known.status === 'unknown') return false;
  const { error } = attempt;
  if (error?.mayDuplicate || error?.kind === 'input') return false;
  const beforeSession = error !== null && (error.stage === 'connect' || error.stage === 'banner');
  // Of one server, other addresses are tried only when this one could not be talked to at all.
  if (route === 'server') return beforeSession && error.kind !== 'protocol';
  // A 5xx to a recipient or to the message is the domain's verdict; what came before a transaction is that host's alone.
  return known.status === 'deferred' || !begun;
}

async function attemptAt(
  request: DeliverRequest,
  target: Target,
  route: 'server' | 'mx',
  ports: Ports,
  hooks: DeliverHooks,
): Promise<{ attempt: Attempt; result: TransactionOutcome | null }> {
  const plan = {
    ...planFor(request.connection, target, route, ports.hostname()),
    ...(request.until ? { stopAt: request.until } : {}),
  };
  const transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
  const inClear = { ...plan, tls: { ...plan.tls, mode: 'off' as const } };
  let session = await openSession(plan, ports.dial, ports.clock, { transcript, ...hooks });
  const notes = [...session.notes];
  if (session.error?.code === 'tls-handshake' && plan.tls.mode === 'opportunistic') {
    // Opportunistic means: better in the clear than not at all (RFC 7435 3), and said.
    notes.push(`${session.error.message}; connected again without TLS, as opportunistic TLS allows`);
    session.wire?.destroy();
    session = await openSession(inClear, ports.dial, ports.clock, { transcript, ...hooks });
    notes.push(...session.notes);
  }
  const { client, wire, timings } = session;
  let result: TransactionOutcome | null = null;
  if (client && session.stopped) result = stoppedAt(client, request);
  else if (client && !session.error) {
    const { until } = request;
    result = await transaction(client, request.envelope, request.message, {
      onReject: request.onReject,
      pipelining: request.pipelining,
      ...(until === 'mail' || until === 'rcpt' || until === 'data' ? { until } : {}),
    });
    notes.push(...result.notes);
  }
  let error = session.error ?? result?.error ?? null;
  if (client && (!error || politeKinds.has(error.kind))) {
    const late = await client.goodbye();
    // Only where nobody can tell any more which reply was the verdict does a late extra reply undo it.
    if (late && result?.final) {
      error = late.with({ mayDuplicate: true, retryable: false });
      result.recipients = result.recipients.map((one) =>
        one.status === 'accepted' ? { ...one, status: 'unknown', reply: null } : one,
      );
    }
  }
  wire?.close();
  return {
    attempt: {
      ...target,
      recipients: request.envelope.to.map((one) => one.address),
      steps: client?.steps ?? [],
      tls: session.tls,
      extensions: [...(client?.offers ?? [])],
      timings: {
        ...timings,
        envelope: span(transcript.events, ['mail', 'rcpt', 'data']),
        data: span(transcript.events, ['body', 'dot']),
      },
      transcript: transcript.events,
      notes,
      final: result?.final ?? null,
      error,
    },
    result,
  };
}

/** A probe that ended before a transaction: the last reply stands for what the host would say. */
const stoppedAt = (client: SmtpClient, request: DeliverRequest): TransactionOutcome => ({
  recipients: request.envelope.to.map(({ address }) => ({
    address,
    status: 'accepted',
    reply: client.lastReply ?? null,
    stage: client.steps.at(-1)?.stage ?? 'banner',
  })),
  final: null,
  error: null,
  usable: true,
  notes: [],
});

/** After these the session still stands and the peer is owed a QUIT. */
const politeKinds: ReadonlySet<EhloError['kind']> = new Set(['refused', 'tls', 'auth', 'input']);

/** From the first to the last event of some stages, in milliseconds; null where there was none. */
function span(events: readonly TranscriptEvent[], of: readonly Stage[]): number | null {
  const times = events.filter((event) => of.some((stage) => stage === event.stage)).map((event) => event.t);
  const [first, last] = [times[0], times.at(-1)];
  return first === undefined || last === undefined ? null : Math.round((last - first) * 10) / 10;
}

const undecided = (address: string, error: EhloError, host: string | null = null): DeliveredRecipient => ({
  address,
  status: statusOf(error),
  reply: null,
  stage: 'rcpt',
  host,
  error,
});

/** Nothing was accepted; whether trying again can help is the error's to say. */
const statusOf = (error: EhloError): RecipientOutcome['status'] =>
  error.exit === 'UNKNOWN' ? 'unknown' : error.retryable ? 'deferred' : 'rejected';

/** What the recipients' fates together come to: null when everybody was accepted. */
export function deliveryError(recipients: readonly DeliveredRecipient[]): EhloError | null {
  const open = recipients.filter((one) => one.status !== 'accepted');
  if (open.length === 0) return null;
  const unknown = open.find((one) => one.status === 'unknown');
  if (unknown) return unknown.error ?? recipientError(unknown);
  // The best hope first: trying again helps as long as anybody was only deferred.
  // Who was only held back because of another (--on-reject abort) has no verdict to tell.
  const decided = open.filter((one) => one.reply !== null || one.error !== null);
  const first = decided.find((one) => one.status === 'deferred') ?? decided[0] ?? open[0];
  if (!first) return null;
  const error = recipientError(first);
  if (open.length === recipients.length) return error;
  return new EhloError(
    'partial',
    `${recipients.length - open.length} of ${recipients.length} recipients accepted; not: ${open.map((one) => one.address).join(', ')}`,
    {
      stage: error.stage,
      peer: error.peer,
      reply: error.reply,
      side: 'remote',
      hint: error.hint,
      retryable: error.retryable,
    },
  );
}

function recipientError(one: DeliveredRecipient): EhloError {
  if (!one.reply) return one.error ?? new EhloError('internal', `no outcome for ${one.address}`);
  const later = one.status === 'deferred';
  return new EhloError(
    later ? 'deferred' : 'rejected',
    `${one.host ?? 'the server'} ${later ? 'deferred' : 'refused'} ${one.address} at ${one.stage}: ${replyLine(one.reply)}`,
    {
      stage: one.stage,
      peer: one.host ?? undefined,
      side: 'remote',
      reply: replyFacts(one.reply),
      hint: later ? 'nothing was accepted for this recipient; try again later' : undefined,
    },
  );
}

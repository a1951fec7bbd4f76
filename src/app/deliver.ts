// Delivers one message along a route: which hosts, in which order, when to go on to the next and when never to. The same
// code decides for `send`, for `relay-test` (which stops before DATA), and for relaying.
import { parseAddressLiteral, parseMailbox, sameDomain } from '../base/address.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import type { Resolver } from '../dns/dns.ts';
import type { MxWalk } from '../dns/walk.ts';
import { type Attempt, type AttemptHooks, type AttemptRequest, attemptAt } from './attempt.ts';
import type { Connection } from './connection.ts';
import { type DeliveredRecipient, statusOf, undecided } from './delivery-outcome.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import type { Target } from './session.ts';
import { unlessAborted } from './time-limit.ts';

export interface DeliverRequest extends AttemptRequest {
  /** A probe of every address, also behind the one that decides. */
  allHosts?: boolean;
}

export interface DeliverHooks extends AttemptHooks {
  /** Asked for only where MX records are needed. */
  resolver(): Promise<Resolver>;
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
  if (error?.mayDuplicate || error?.kind === 'input' || error?.kind === 'answer') return false;
  const beforeSession = error !== null && (error.stage === 'connect' || error.stage === 'banner');
  // Of one server, other addresses are tried only when this one could not be talked to at all.
  if (route === 'server') return beforeSession && error.kind !== 'protocol';
  // A 5xx to a recipient or to the message is the domain's verdict; what came before a transaction is that host's alone.
  return known.status === 'deferred' || !begun;
}

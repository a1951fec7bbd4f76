// The use case of `ehlo relay-test`: what a sending MTA would do for an address, a domain or at a server. It is deliver.ts
// with a probe in place of a message; this file only names the target and reads the result as a verdict with findings.
import { domainToAscii, parseMailbox, sameDomain } from '../base/address.ts';
import type { EhloError } from '../base/errors.ts';
import type { ExitName } from '../base/exit.ts';
import { type FailOn, type Finding, reaches } from '../base/finding.ts';
import type { Scrubber } from '../base/secret.ts';
import type { DnsAnswer } from '../dns/dns.ts';
import type { WalkNote } from '../dns/walk.ts';
import { printData } from '../dns/zone-print.ts';
import type { Step } from '../smtp/client.ts';
import { type Stage, stages } from '../smtp/phases.ts';
import { replyLine } from '../smtp/reply.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import type { Attempt } from './attempt.ts';
import type { Connection } from './connection.ts';
import { type Delivered, deliver } from './deliver.ts';
import { deliveryError } from './delivery-outcome.ts';
import { attemptFindings, walkFindings } from './findings.ts';
import { resolverFor } from './mx.ts';
import type { Ports } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import { withTimeLimit } from './time-limit.ts';
import { type TlsSummary, tlsSummary } from './tls-policy.ts';

export type RelayTarget =
  | { kind: 'address'; address: string }
  | { kind: 'domain'; domain: string }
  /** The server is in the connection. */
  | { kind: 'server' };

export interface RelayTestRequest {
  connection: Connection;
  target: RelayTarget;
  /** As it was typed. */
  written: string;
  /** '' is the null sender. */
  from: string;
  stopAt: Exclude<Stage, 'connect' | 'banner' | 'auth' | 'body' | 'dot' | 'rset' | 'command' | 'quit'>;
  allHosts: boolean;
  localDomains: string[];
  ignore: string[];
  failOn: FailOn | undefined;
}

export type VerdictStatus =
  | 'deliverable'
  | 'deferred'
  | 'rejected'
  | 'unreachable'
  | 'no-such-domain'
  | 'null-mx'
  | 'policy';

export interface RelayTestReport extends ReportHead<'relay-test'> {
  target: string;
  domain: string | null;
  local: boolean;
  dns: { queries: QueryReport[] };
  mx: MxReport[];
  hops: HopReport[];
  verdict: { status: VerdictStatus; host: string | null; text: string };
  findings: Finding[];
}

export interface QueryReport {
  name: string;
  type: string;
  status: string;
  records: string[];
  cnames: DnsAnswer['cnames'];
  ttl: number | null;
  ad: boolean;
  server: string;
  via: 'udp' | 'tcp';
  ms: number;
  ede: string | null;
}

export interface MxReport {
  preference: number;
  host: string;
  addresses: { address: string; ttl: number; ad: boolean }[];
  /** Looked up by the policy step of the walk; empty until a policy asks for them. */
  tlsa: never[];
  mtaSts: null;
  notes: WalkNote[];
}

export interface HopReport {
  host: string;
  address: string;
  port: number;
  steps: Step[];
  tls: TlsSummary | null;
  extensions: string[];
  timings: Attempt['timings'];
  notes: string[];
  verdict: { status: VerdictStatus; text: string };
}

export interface RelayTestHooks {
  scrubber: Scrubber;
  onEvent?: (event: TranscriptEvent) => void;
  onStep?: (step: Step) => void;
  signal: AbortSignal;
}

const exits: Record<VerdictStatus, ExitName> = {
  deliverable: 'OK',
  deferred: 'TEMP',
  unreachable: 'TEMP',
  rejected: 'REJECTED',
  'no-such-domain': 'NOHOST',
  'null-mx': 'NOHOST',
  policy: 'NOPERM',
};

export async function relayTest(
  request: RelayTestRequest,
  ports: Ports,
  hooks: RelayTestHooks,
): Promise<{ report: RelayTestReport; error: EhloError | null }> {
  const domain = domainOf(request.target);
  const head = { target: request.written, domain };
  if (domain !== null && request.localDomains.some((own) => sameDomain(own, domain))) {
    const verdict = {
      status: 'deliverable' as const,
      host: null,
      text: `${domain} is ours: delivered locally, no DNS, no SMTP`,
    };
    const nothing = { dns: { queries: [] }, mx: [], hops: [], findings: [] };
    return { report: { ...reportHead('relay-test', 'OK'), ...head, local: true, ...nothing, verdict }, error: null };
  }
  // A server that was named needs no resolver, not even a working resolv.conf.
  let resolver: ReturnType<typeof resolverFor> | undefined;
  const ask = () => {
    resolver ??= resolverFor(request.connection, ports);
    return resolver;
  };
  const recipient = recipientOf(request.target);
  const limited = withTimeLimit(hooks.signal, request.connection.maxTimeMs, ports.clock);
  const delivered = await deliver(
    {
      connection: request.connection,
      envelope: { from: request.from, to: [{ address: recipient ?? `postmaster@${fallbackDomain}` }] },
      message: null,
      onReject: 'continue',
      pipelining: false,
      until: recipient === null && request.stopAt !== 'ehlo' && request.stopAt !== 'starttls' ? 'mail' : request.stopAt,
      allHosts: request.allHosts,
    },
    ports,
    { resolver: ask, ...hooks, signal: limited.signal },
  ).finally(limited.cancel);
  const error = deliveryError(delivered.recipients);
  const verdict = verdictOf(delivered, error, recipient);
  const findings = [...delivered.walks.flatMap(walkFindings), ...attemptFindings(delivered.attempts)].filter(
    (finding) => !request.ignore.includes(finding.id),
  );
  const exit = exits[verdict.status];
  // A verdict that is a no of its own keeps its code; findings turn only a yes into a no.
  const outcome =
    error && error.exit !== exit && error.kind === 'protocol'
      ? error
      : exit === 'OK' && reaches(findings, request.failOn)
        ? 'NO'
        : (error ?? exit);
  return {
    report: {
      ...reportHead('relay-test', outcome),
      ...head,
      local: false,
      dns: { queries: ((await resolver)?.queries ?? []).map(queryReport) },
      mx: delivered.walks.flatMap((walk) =>
        walk.hosts.map(({ preference, host, addresses, notes }) => ({
          preference,
          host,
          addresses,
          tlsa: [],
          mtaSts: null,
          notes,
        })),
      ),
      hops: delivered.attempts.map(hopReport),
      verdict,
      findings,
    },
    error,
  };
}

/** A server without a recipient is only asked for MAIL; this never goes out. */
const fallbackDomain = 'localhost';

const domainOf = (target: RelayTarget): string | null => {
  if (target.kind === 'server') return null;
  const domain = target.kind === 'domain' ? target.domain : parseMailbox(target.address).domain;
  return domain.startsWith('[') ? domain : domainToAscii(domain);
};

/** RFC 5321 4.5.1: every domain that takes mail has a postmaster. */
const recipientOf = (target: RelayTarget): string | null =>
  target.kind === 'address' ? target.address : target.kind === 'domain' ? `postmaster@${target.domain}` : null;

const statusByCode: Partial<Record<EhloError['code'], VerdictStatus>> = {
  'null-mx': 'null-mx',
  'no-such-domain': 'no-such-domain',
  'no-address': 'no-such-domain',
  'connect-failed': 'unreachable',
  timeout: 'unreachable',
  lost: 'unreachable',
};

const statusByKind: Partial<Record<EhloError['kind'], VerdictStatus>> = {
  tls: 'policy',
  auth: 'policy',
  dns: 'deferred',
};

export const statusOfError = (error: EhloError): VerdictStatus =>
  statusByCode[error.code] ?? statusByKind[error.kind] ?? (error.retryable ? 'deferred' : 'rejected');

function verdictOf(
  { recipients }: Delivered,
  error: EhloError | null,
  address: string | null,
): RelayTestReport['verdict'] {
  const [recipient] = recipients;
  const host = recipient?.host ?? null;
  if (!error) {
    const said = recipient?.reply ? `: ${replyLine(recipient.reply)}` : '';
    const stage = recipient?.stage ?? 'banner';
    const asked = stages.indexOf(stage) >= stages.indexOf('rcpt');
    // No more is said than was asked.
    const text =
      address !== null && asked
        ? `${host ?? 'the server'} would take mail for ${address}`
        : `${host ?? 'the server'} agrees up to ${stage}; no recipient was asked for`;
    return { status: 'deliverable', host, text: `${text}${said}` };
  }
  return { status: statusOfError(error), host, text: error.message };
}

function hopReport(attempt: Attempt): HopReport {
  const last = attempt.steps.at(-1);
  const refused = attempt.steps.find((step) => step.code >= 400);
  const status: VerdictStatus = attempt.error
    ? statusOfError(attempt.error)
    : refused
      ? refused.code >= 500
        ? 'rejected'
        : 'deferred'
      : 'deliverable';
  const text =
    attempt.error?.message ??
    [refused ?? last]
      .map((step) => (step ? `${step.stage}: ${step.code} ${step.enhanced ?? ''} ${step.text}` : ''))
      .join('');
  return {
    host: attempt.host,
    address: attempt.address,
    port: attempt.port,
    steps: attempt.steps,
    tls: tlsSummary(attempt.tls),
    extensions: attempt.extensions,
    timings: attempt.timings,
    notes: attempt.notes,
    verdict: { status, text: text.replace(/ {2,}/g, ' ') },
  };
}

function queryReport(answer: DnsAnswer): QueryReport {
  const { name, type, status, cnames, ad, server, via, ms, ede } = answer;
  const ttl = answer.records.length > 0 ? Math.min(...answer.records.map((record) => record.ttl)) : null;
  return { name, type, status, records: answer.records.map(printData), cnames, ttl, ad, server, via, ms, ede };
}

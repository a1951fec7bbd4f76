// The use case of `ehlo inspect` for a server: what it says of itself before and after TLS, its certificate, its logins, its
// times, and what to mend. The session is that of every sender, with TLS taken where it is offered, and ends before MAIL.
import { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import { authOffers, extensionTable, parseExtensions, printExtensions } from '../smtp/extensions.ts';
import { Transcript, type TranscriptEvent } from '../wire/transcript.ts';
import type { Connection, ServerUrl } from './connection.ts';
import type { Finding } from './findings.ts';
import { serverTargets } from './hosts.ts';
import type { Ports } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import { openSession, planFor, type SessionTimings, type Target } from './session.ts';
import { withTimeLimit } from './time-limit.ts';

export interface OfferedExtension {
  keyword: string;
  value: string;
  rfc: string | null;
  means: string | null;
}

export interface ServerReport extends ReportHead<'inspect'> {
  target: string;
  kind: 'server';
  server: Target | null;
  banner: string | null;
  /** After TLS where there is TLS. */
  extensions: OfferedExtension[];
  /** Mechanisms; null where the server was not asked in that state. */
  auth: { plain: string[] | null; tls: string[] | null };
  tls: ServerTls | null;
  timings: SessionTimings;
  notes: string[];
  findings: Finding[];
  transcript: TranscriptEvent[];
}

export interface ServerTls {
  protocol: string;
  cipher: string;
  authorized: boolean;
  error: string | null;
  subject: string | null;
  issuer: string | null;
  validFrom: string | null;
  validTo: string | null;
  altNames: string[];
  fingerprint: string | null;
  /** From the first byte, or by STARTTLS. */
  how: 'implicit' | 'starttls';
}

export interface InspectServerRequest {
  connection: Connection;
  server: ServerUrl;
  /** As it was typed, without a password. */
  written: string;
  failOn: 'warn' | 'error' | undefined;
}

export async function inspectServer(
  request: InspectServerRequest,
  ports: Ports,
  hooks: { scrubber: Scrubber; signal: AbortSignal; onEvent?: (event: TranscriptEvent) => void },
): Promise<{ report: ServerReport; error: EhloError | null }> {
  const { connection, server } = request;
  if (!['smtp', 'smtps', 'lmtp', 'lmtp+unix'].includes(server.scheme)) {
    throw new EhloError('usage', `a ${server.scheme} server cannot be inspected; an SMTP or LMTP server can`);
  }
  const transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
  const limited = withTimeLimit(hooks.signal, connection.maxTimeMs, ports.clock);
  try {
    const [target] = await serverTargets(connection, server, ports);
    if (!target) throw new EhloError('no-address', `${server.host} has no address`);
    const { credentials: _, ...anonymous } = connection;
    // TLS problems are what is looked for, so they do not end the session.
    const plan = planFor({ ...anonymous, server }, target, 'server', ports.hostname());
    const mode = plan.tls.mode === 'implicit' || plan.tls.mode === 'off' ? plan.tls.mode : 'opportunistic';
    const session = await openSession(
      {
        ...plan,
        stopAt: 'starttls',
        tls: { ...plan.tls, mode, verify: mode === 'implicit' ? 'none' : plan.tls.verify },
      },
      ports.dial,
      ports.clock,
      { transcript, signal: limited.signal },
    );
    if (session.client && !session.error) await session.client.goodbye();
    session.wire?.close();
    const { error, tls, timings } = session;
    const hellos = ehloReplies(transcript.events);
    const plain = mode === 'implicit' ? undefined : hellos.find((hello) => !hello.tls);
    const covered = hellos.find((hello) => hello.tls);
    const last = covered ?? plain;
    const serverTls: ServerTls | null = tls && {
      protocol: tls.protocol,
      cipher: tls.cipher,
      authorized: tls.authorized,
      error: tls.error,
      subject: tls.subject,
      issuer: tls.issuer,
      validFrom: tls.validFrom,
      validTo: tls.validTo,
      altNames: tls.altNames,
      fingerprint: tls.fingerprint,
      how: mode === 'implicit' ? 'implicit' : 'starttls',
    };
    const banner = session.client?.steps.find((step) => step.stage === 'banner');
    const facts: Facts = {
      extensions: last?.extensions ?? new Map(),
      auth: {
        plain: plain ? authOffers(plain.extensions) : null,
        tls: covered ? authOffers(covered.extensions) : null,
      },
      offeredTls: mode === 'implicit' || plain?.extensions.has('STARTTLS') === true,
      tls: serverTls,
      now: ports.clock.date(),
      greeted: last !== undefined,
    };
    const findings = rules.flatMap((rule) => rule(facts) ?? []);
    const reached = findings.some(
      ({ severity }) => severity === 'error' || (severity === 'warning' && request.failOn === 'warn'),
    );
    return {
      report: {
        ...reportHead('inspect', error ?? (request.failOn && reached ? 'NO' : 'OK')),
        target: request.written,
        kind: 'server',
        server: target,
        banner: banner ? [banner.code, banner.enhanced, banner.text].filter((part) => part !== null).join(' ') : null,
        extensions: printExtensions(facts.extensions).map(describe),
        auth: facts.auth,
        tls: serverTls,
        timings,
        notes: session.notes,
        findings,
        transcript: transcript.events,
      },
      error,
    };
  } finally {
    limited.cancel();
  }
}

const describe = (line: string): OfferedExtension => {
  const [keyword = '', value = ''] = line.split(/ (.*)/s);
  const row = Object.hasOwn(extensionTable, keyword) ? extensionTable[keyword] : undefined;
  return { keyword, value, rfc: row?.rfc ?? null, means: row?.means ?? null };
};

/** Each whole answer to EHLO, with whether TLS covered it: the session keeps only the last one. */
function ehloReplies(events: readonly TranscriptEvent[]) {
  const replies: { tls: boolean; extensions: ReturnType<typeof parseExtensions> }[] = [];
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

interface Facts {
  extensions: ReturnType<typeof parseExtensions>;
  auth: ServerReport['auth'];
  offeredTls: boolean;
  tls: ServerTls | null;
  now: Date;
  greeted: boolean;
}

const day = 86_400_000;
const finding = (
  id: string,
  severity: Finding['severity'],
  message: string,
  rfc: string | null,
  fix: string | null,
): Finding => ({ id, severity, message, rfc, fix });

/** One rule a line of the list: what is wrong, or null. */
const rules: readonly ((facts: Facts) => Finding | null)[] = [
  ({ greeted, offeredTls }) =>
    greeted && !offeredTls
      ? finding(
          'TLS-NONE',
          'warning',
          'the server does not offer STARTTLS',
          'RFC 3207',
          'give it a certificate and turn STARTTLS on',
        )
      : null,
  ({ tls }) =>
    tls && !tls.authorized
      ? finding(
          'TLS-CERTIFICATE',
          'warning',
          tls.error ?? 'the certificate is not verified',
          'RFC 6125',
          'renew or replace the certificate, or trust it with --ca',
        )
      : null,
  ({ tls, now }) => {
    const left = tls?.validTo ? Math.floor((Date.parse(tls.validTo) - now.getTime()) / day) : null;
    return left !== null && left >= 0 && left < 14
      ? finding('TLS-EXPIRES', 'warning', `the certificate expires in ${left} days`, null, 'renew it')
      : null;
  },
  ({ tls }) =>
    tls && /^TLSv1(\.1)?$/.test(tls.protocol)
      ? finding('TLS-OLD', 'error', `${tls.protocol} is obsolete`, 'RFC 8996', 'offer TLS 1.2 and 1.3')
      : null,
  ({ auth }) =>
    auth.plain?.some((name) => name === 'PLAIN' || name === 'LOGIN')
      ? finding(
          'AUTH-PLAINTEXT',
          'warning',
          'passwords are accepted without TLS (AUTH PLAIN or LOGIN before STARTTLS)',
          'RFC 4954 4',
          'offer AUTH only after STARTTLS',
        )
      : null,
  ({ extensions, greeted }) =>
    greeted && !extensions.has('PIPELINING')
      ? finding('NO-PIPELINING', 'info', 'no PIPELINING: every command costs a round trip', 'RFC 2920', null)
      : null,
];

// The use case of `ehlo inspect` for a server: what it says of itself before and after TLS, its certificate, its logins, its
// times, and what to mend. Nobody logs in and nothing is sent; TLS is taken where it is offered.
import { EhloError } from '../base/errors.ts';
import { type FailOn, type Finding, reaches } from '../base/finding.ts';
import type { Scrubber } from '../base/secret.ts';
import { Transcript, type TranscriptEvent } from '../wire/transcript.ts';
import type { Connection, ServerScheme, ServerUrl } from './connection.ts';
import { inspectPop3 } from './inspect-pop3.ts';
import { inspectSmtp } from './inspect-smtp.ts';
import type { Ports } from './ports.ts';
import { type ReportHead, reportHead } from './report.ts';
import { type OfferedExtension, type ServerFacts, type ServerInspection, serverFindings } from './server-facts.ts';
import type { SessionTimings, Target } from './session.ts';
import { withTimeLimit } from './time-limit.ts';
import { type TlsSummary, tlsSummary } from './tls-policy.ts';

export interface ServerReport extends ReportHead<'inspect'> {
  target: string;
  kind: 'server';
  protocol: ServerFacts['protocol'];
  server: Target | null;
  banner: string | null;
  /** EHLO's extensions or CAPA's capabilities; after TLS where there is TLS. */
  extensions: OfferedExtension[];
  /** Ways to log in; null where the server was not asked in that state. */
  auth: ServerFacts['auth'];
  tls: ServerTls | null;
  timings: SessionTimings;
  notes: string[];
  findings: Finding[];
  transcript: TranscriptEvent[];
}

export interface ServerTls extends TlsSummary {
  validFrom: string | null;
  altNames: string[];
  fingerprint: string | null;
  /** From the first byte, or by STARTTLS or STLS. */
  how: 'implicit' | 'starttls';
}

export interface InspectServerRequest {
  connection: Connection;
  server: ServerUrl;
  /** As it was typed, without a password. */
  written: string;
  failOn: FailOn | undefined;
}

const inspectors: Partial<Record<ServerScheme, (what: ServerInspection, ports: Ports) => Promise<ServerFacts>>> = {
  smtp: inspectSmtp,
  smtps: inspectSmtp,
  lmtp: inspectSmtp,
  'lmtp+unix': inspectSmtp,
  pop3: inspectPop3,
  pop3s: inspectPop3,
};

export async function inspectServer(
  request: InspectServerRequest,
  ports: Ports,
  hooks: { scrubber: Scrubber; signal: AbortSignal; onEvent?: (event: TranscriptEvent) => void },
): Promise<{ report: ServerReport; error: EhloError | null }> {
  const { connection, server, failOn } = request;
  const inspector = inspectors[server.scheme];
  if (!inspector) {
    throw new EhloError('usage', `${request.written} does not name one server, and inspect looks at one`, {
      hint: 'give smtp://, smtps://, lmtp://, pop3:// or pop3s:// and a host; ehlo relay-test DOMAIN walks MX records',
    });
  }
  const transcript = new Transcript(() => ports.clock.now(), { scrubber: hooks.scrubber, listener: hooks.onEvent });
  const limited = withTimeLimit(hooks.signal, connection.maxTimeMs, ports.clock);
  const asked = connection.tls ?? (server.scheme === 'smtps' || server.scheme === 'pop3s' ? 'implicit' : undefined);
  const mode = asked === 'implicit' || asked === 'off' ? asked : 'opportunistic';
  const { credentials: _, ...anonymous } = connection;
  const facts = await inspector(
    { connection: anonymous, server, mode, transcript, scrubber: hooks.scrubber, signal: limited.signal },
    ports,
  ).finally(limited.cancel);
  const findings = serverFindings(facts, ports.clock.date());
  const summary = tlsSummary(facts.tls);
  return {
    report: {
      ...reportHead('inspect', facts.error ?? (reaches(findings, failOn) ? 'NO' : 'OK')),
      target: request.written,
      kind: 'server',
      protocol: facts.protocol,
      server: facts.target,
      banner: facts.banner,
      extensions: facts.extensions,
      auth: facts.auth,
      tls:
        facts.tls && summary
          ? {
              ...summary,
              validFrom: facts.tls.validFrom,
              altNames: facts.tls.altNames,
              fingerprint: facts.tls.fingerprint,
              how: mode === 'implicit' ? 'implicit' : 'starttls',
            }
          : null,
      timings: facts.timings,
      notes: facts.notes,
      findings,
      transcript: transcript.events,
    },
    error: facts.error,
  };
}

// What happened as one of swaks's exit codes (its manual, EXIT CODES), in one table. Where swaks says 0 although a recipient
// was refused, this says what the refusal is worth.
import type { SendReport } from '../../app/send-report.ts';
import type { EhloError } from '../../base/errors.ts';

export const swaksExitCodes = {
  OK: 0,
  USAGE: 1,
  CONNECT: 2,
  CLOSED: 6,
  PREREQUISITE: 10,
  BANNER: 21,
  HELO: 22,
  MAIL: 23,
  RCPT: 24,
  DATA: 25,
  MESSAGE: 26,
  AUTH: 28,
  TLS: 29,
  PRDR: 30,
  HELO_AFTER_TLS: 32,
  XCLIENT: 33,
  HELO_AFTER_XCLIENT: 34,
  PROXY: 35,
} as const;

const codes = swaksExitCodes;

const stageCodes: Record<string, number> = {
  dns: codes.CONNECT,
  connect: codes.CONNECT,
  proxy: codes.PROXY,
  banner: codes.BANNER,
  ehlo: codes.HELO,
  starttls: codes.TLS,
  xclient: codes.XCLIENT,
  auth: codes.AUTH,
  mail: codes.MAIL,
  rcpt: codes.RCPT,
  data: codes.DATA,
  body: codes.MESSAGE,
  dot: codes.MESSAGE,
  prdr: codes.MESSAGE,
};

/** How far the session had come, as its transcript told. */
export interface Progress {
  connected: boolean;
  startTls: boolean;
  xclient: boolean;
}

/** For an error that ended the run. */
export function codeOfError(error: EhloError, { connected, startTls, xclient }: Progress): number {
  switch (error.kind) {
    case 'usage':
    case 'config':
    case 'io':
      return error.stage === 'proxy' ? codes.PROXY : codes.USAGE;
    case 'input':
      return connected ? codes.MAIL : codes.USAGE;
    case 'dns':
    case 'connect':
      return codes.CONNECT;
    case 'tls':
      return codes.TLS;
    case 'auth':
      return connected ? codes.AUTH : codes.PREREQUISITE;
    case 'policy':
      // XCLIENT has its own stage; the other thing that is ever required is PRDR.
      return error.stage === 'xclient' ? codes.XCLIENT : codes.PRDR;
    case 'lost':
      return error.code === 'outcome-unknown' && !wasClosed(error) ? codes.MESSAGE : codes.CLOSED;
  }
  const { stage = '' } = error;
  if (stage === 'ehlo' && xclient) return codes.HELO_AFTER_XCLIENT;
  if (stage === 'ehlo' && startTls) return codes.HELO_AFTER_TLS;
  return stageCodes[stage] ?? codes.CLOSED;
}

/** No verdict because the connection ended, and not because the time did. */
const wasClosed = ({ cause }: EhloError): boolean => cause instanceof Error && 'kind' in cause && cause.kind === 'lost';

/** For a run that came to an end: nobody refused is 0, else the latest stage where somebody was. */
export function codeOfReport(report: SendReport, error: EhloError | null, progress: Progress): number {
  if (!error) return codes.OK;
  const refused = report.recipients.filter((one) => one.code !== null && one.code >= 400);
  const decidedByReply = error.kind === 'refused' && refused.length > 0;
  if (!decidedByReply) return codeOfError(error, progress);
  return Math.max(...refused.map((one) => stageCodes[one.stage] ?? codes.MESSAGE));
}

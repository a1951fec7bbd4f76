// What `send` tells a person: one line when all went well, a line for each recipient when not, and what became of the message.
import type { SendReport } from '../app/send.ts';
import { safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { renderTable } from './table.ts';
import { printDuration, printSize } from './units.ts';

const statusRoles: Record<SendReport['recipients'][number]['status'], Role> = {
  accepted: 'good',
  deferred: 'warn',
  rejected: 'bad',
  unknown: 'warn',
};

/** For stdout. */
export function renderSend(report: SendReport, style: Style, details: boolean): string {
  const lines: string[] = [];
  const { recipients, server, response, stoppedAfter, queued } = report;
  const all = recipients.length > 0 && recipients.every((one) => one.status === 'accepted');
  if (report.ok && stoppedAfter) {
    lines.push(`${style('good', 'stopped')}   after ${stoppedAfter}, as asked; nothing was sent\n`);
  } else if (report.ok && all) {
    const who = recipients.length === 1 ? (recipients[0]?.address ?? '') : `${recipients.length} recipients`;
    const where = server ? `  ${serverName(server)}${server.tls ? ` ${server.tls.protocol}` : ''}` : '';
    lines.push(`${style('good', 'accepted')}  ${safe(who)}${safe(where)}  ${safe(response ?? '')}\n`);
  } else if (report.ok ? !queued || recipients.length > 1 : recipients.length > 1) {
    lines.push(
      renderTable(
        recipients.map((one) => [
          { text: one.status, role: statusRoles[one.status] },
          one.address,
          one.host ?? '-',
          [one.code, one.enhanced, one.text].filter((part) => part !== null).join(' '),
        ]),
        style,
      ),
    );
  }
  if (queued) {
    const waiting = recipients.filter((one) => one.status === 'deferred').length || report.envelope.to.length;
    const who = waiting === 1 ? 'one recipient' : `${waiting} recipients`;
    lines.push(`${style('warn', 'queued')}    ${safe(queued.id)}  for ${who}; ehlo queue run sends it\n`);
  }
  if (details) lines.push(renderDetails(report));
  return lines.join('');
}

const serverName = ({ host, address, port }: NonNullable<SendReport['server']>): string => {
  // A socket's path, a command.
  if (port === 0) return host === address ? address : `${host} [${address}]`;
  const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return host === address ? at : `${host} [${at}]`;
};

function renderDetails(report: SendReport): string {
  const times = Object.entries(report.timings).flatMap(([name, ms]) =>
    ms === null ? [] : [`${name} ${printDuration(ms)}`],
  );
  const tls = report.server?.tls;
  return [
    `message-id  ${safe(report.messageId ?? '-')}\n`,
    `size        ${report.size === null ? 'not known before sending' : printSize(report.size)}\n`,
    tls
      ? `${safe(
          `tls         ${tls.protocol} ${tls.cipher}  ${tls.subject ?? ''}  ${tls.authorized ? 'verified' : `NOT verified: ${tls.error}`}`,
        )}\n`
      : '',
    `times       ${times.join('  ')}\n`,
  ].join('');
}

/** For stderr: what the server could not do, and what was done instead. */
export const renderNotes = (notes: readonly string[], style: Style): string =>
  notes.map((note) => `${style('warn', 'note:')} ${safe(note)}\n`).join('');

/** For stderr, under the error: the one thing that whoever reads it must know. */
export function renderFate(report: SendReport): string {
  return `  fate: ${fateOf(report)}${report.timings.total === null ? '' : `, after ${printDuration(report.timings.total)}`}\n`;
}

function fateOf({ recipients, messageId }: SendReport): string {
  const accepted = recipients.filter((one) => one.status === 'accepted').length;
  if (recipients.some((one) => one.status === 'unknown')) {
    return `may have been accepted: Message-ID ${safe(messageId ?? '(none)')}`;
  }
  if (accepted > 0) return `sent to ${accepted} of ${recipients.length} recipients`;
  return recipients.some((one) => one.stage === 'dot')
    ? 'the message was sent and refused; nobody got it'
    : 'nothing was sent';
}

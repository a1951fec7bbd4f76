// A server for people: greeting, TLS, extensions, logins, times, findings.
import type { ServerReport } from '../app/inspect-server.ts';
import { renderFindings } from './findings.ts';
import { safe } from './safe.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';
import { printDuration } from './units.ts';

export function renderServer(report: ServerReport, style: Style): string {
  const { server, tls, auth } = report;
  const at = server ? `${server.host}  ${server.address}${server.port ? ` port ${server.port}` : ''}` : report.target;
  const out = [`${style('strong', 'server')}  ${safe(at)}\n\n`];
  if (report.banner !== null) out.push(`banner  ${safe(report.banner)}\n`);
  if (tls) {
    const how = tls.how === 'implicit' ? 'from the first byte' : report.protocol === 'pop3' ? 'by STLS' : 'by STARTTLS';
    const verdict = tls.authorized
      ? style('good', 'verified')
      : style('warn', safe(`NOT verified: ${tls.error ?? ''}`));
    out.push(`tls     ${safe(`${tls.protocol} ${tls.cipher}`)}, ${how}   ${verdict}\n`);
    const rows: [string, string | null][] = [
      ['subject', tls.subject],
      ['names', tls.altNames.join(', ') || null],
      ['issuer', tls.issuer],
      ['valid', tls.validFrom && tls.validTo ? `${tls.validFrom.slice(0, 10)} to ${tls.validTo.slice(0, 10)}` : null],
      ['sha256', tls.fingerprint],
    ];
    for (const [name, value] of rows) if (value) out.push(`        ${name.padEnd(8)}${safe(value)}\n`);
  } else if (report.banner !== null) out.push(`tls     ${style('warn', 'none')}\n`);
  const list = (names: string[] | null) => (names === null ? 'not asked' : names.length > 0 ? names.join(' ') : 'none');
  if (auth.plain || auth.tls) {
    out.push(`auth    before TLS  ${safe(list(auth.plain))}\n`, `        under TLS   ${safe(list(auth.tls))}\n`);
  }
  if (report.extensions.length > 0) {
    out.push(
      '\n',
      renderTable(
        report.extensions.map((one) => [one.keyword, one.value, one.means ?? '', one.rfc ?? '']),
        style,
        { indent: '  ' },
      ),
    );
  }
  const times = Object.entries(report.timings).flatMap(([name, ms]) =>
    ms === null ? [] : [`${name} ${printDuration(ms)}`],
  );
  out.push(`\ntimes   ${times.join('   ')}\n`);
  for (const note of report.notes) out.push(`${style('warn', 'note')}    ${safe(note)}\n`);
  if (report.findings.length > 0) out.push('\n', renderFindings(report.findings, style));
  return out.join('');
}

// relay-test for people: the walk, each hop as a dialogue, the verdict, and what to fix. One screen.
import type { HopReport, MxReport, QueryReport, RelayTestReport, VerdictStatus } from '../app/relay-test.ts';
import { marks, renderFindings } from './findings.ts';
import { safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { printDuration } from './units.ts';
import { displayWidth, padDisplay } from './width.ts';

const verdictRoles: Record<VerdictStatus, Role> = {
  deliverable: 'good',
  deferred: 'warn',
  unreachable: 'warn',
  rejected: 'bad',
  'no-such-domain': 'bad',
  'null-mx': 'bad',
  policy: 'bad',
};

export interface RelayTestView {
  helo: string;
  /** -vv: every DNS question. */
  queries: boolean;
}

export function renderRelayTest(report: RelayTestReport, style: Style, view: RelayTestView): string {
  const out = [
    `${style('strong', 'relay-test')}  ${safe(report.target)}${style('dim', `   helo ${safe(view.helo)}`)}\n`,
  ];
  if (view.queries && report.dns.queries.length > 0)
    out.push('\n', ...report.dns.queries.map((query) => queryLine(query, style)));
  if (report.domain !== null && !report.local) out.push('\n', ...walkLines(report, style));
  for (const [index, hop] of report.hops.entries()) out.push('\n', ...hopLines(index + 1, hop, style));
  out.push('\n', ...verdictLines(report, style));
  return out.join('');
}

const queryLine = (query: QueryReport, style: Style): string =>
  `${style(
    'dim',
    safe(
      `dns    ${query.name} ${query.type}  ${query.status}  ${query.records.join(', ') || '-'}  ` +
        `${query.ttl === null ? '' : `ttl ${query.ttl}  `}${query.ad ? 'AD  ' : ''}${query.server} ${query.via} ${printDuration(query.ms)}${query.ede ? `  (${query.ede})` : ''}`,
    ),
  )}\n`;

function walkLines(report: RelayTestReport, style: Style): string[] {
  const asked = report.dns.queries.find((query) => query.type === 'MX');
  if (!asked) return [];
  const facts = [
    asked.status === 'ok' ? '' : asked.status.toUpperCase(),
    asked.ad ? 'AD' : '',
    asked.ttl === null ? '' : `ttl ${asked.ttl}`,
    printDuration(asked.ms),
    `from ${asked.server}`,
  ].filter((fact) => fact !== '');
  const lines = [`DNS    ${safe(report.domain ?? '')}  MX   ${style('dim', safe(facts.join('   ')))}\n`];
  const width = Math.max(...report.mx.map((mx) => displayWidth(safe(mx.host))), 0);
  for (const mx of report.mx) lines.push(mxLine(mx, width, style));
  return lines;
}

function mxLine(mx: MxReport, width: number, style: Style): string {
  const addresses = mx.addresses.map(({ address }) => address).join('  ') || 'no address';
  const ttl = mx.addresses[0] ? `   ttl ${mx.addresses[0].ttl}${mx.addresses.every(({ ad }) => ad) ? ' AD' : ''}` : '';
  // Only the rules' names: their texts stand below, with what to do.
  const notes = mx.notes.map(
    ({ severity, id }) => `  ${style(marks[severity][0], `${marks[severity][1].trim()} ${id}`)}`,
  );
  return `${String(mx.preference).padStart(6)} ${padDisplay(safe(mx.host), width, 'left')}  ${safe(addresses)}${style('dim', ttl)}${notes.join('')}\n`;
}

function hopLines(number: number, hop: HopReport, style: Style): string[] {
  const address = hop.address.includes(':') ? `[${hop.address}]:${hop.port}` : `${hop.address}:${hop.port}`;
  const connect = hop.timings.connect === null ? '' : `   connect ${printDuration(hop.timings.connect)}`;
  const lines = [
    `${style('strong', `${String(number).padStart(2)}  ${safe(hop.host)}`)} ${safe(address)}${style('dim', connect)}\n`,
  ];
  let covered = false;
  // Leaving is not part of the question, unless something went wrong there.
  const leaving = (step: HopReport['steps'][number]) =>
    (step.stage === 'rset' || step.stage === 'quit') && step.code < 400;
  for (const step of hop.steps.filter((one) => !leaving(one))) {
    const [out, into] = covered ? ['~>', '<~'] : ['->', '<-'];
    if (step.sent !== null) lines.push(`      ${style('accent', out)} ${safe(step.sent)}\n`);
    const said =
      step.stage === 'ehlo' && step.lines.length > 1
        ? [step.code, ...step.lines.slice(1)].join('  ')
        : [step.code, step.enhanced, step.text].filter((part) => part !== null && part !== '').join(' ');
    const role: Role = step.code >= 500 ? 'bad' : step.code >= 400 ? 'warn' : 'good';
    lines.push(`      ${style(role, into)} ${safe(said)}${style('dim', `   ${printDuration(step.ms)}`)}\n`);
    if (step.stage === 'starttls' && step.code === 220 && hop.tls) {
      lines.push(tlsLine(hop, style));
      covered = true;
    }
  }
  if (hop.tls && !covered) lines.splice(1, 0, tlsLine(hop, style));
  for (const note of hop.notes) lines.push(`      ${style('warn', '! ')} ${safe(note)}\n`);
  if (hop.verdict.status !== 'deliverable' && !hop.steps.some((step) => step.code >= 400)) {
    lines.push(`      ${style(verdictRoles[hop.verdict.status], 'xx')} ${safe(hop.verdict.text)}\n`);
  }
  return lines;
}

const tlsLine = ({ tls }: HopReport, style: Style): string => {
  if (!tls) return '';
  const until = tls.validTo ? `   until ${tls.validTo.slice(0, 10)}` : '';
  const good = tls.authorized ? style('good', 'verified') : style('warn', safe(`not verified: ${tls.error ?? ''}`));
  return `      == ${safe(`${tls.protocol} ${tls.cipher}   ${tls.subject ?? ''}   ${tls.issuer ?? ''}${until}`)}   ${good}\n`;
};

function verdictLines(report: RelayTestReport, style: Style): string[] {
  const { verdict, exit } = report;
  const word = style(verdictRoles[verdict.status], verdict.status.toUpperCase());
  const tried =
    report.hops.length > 0
      ? `   ${report.hops.filter((hop) => hop.verdict.status === 'deliverable').length} of ${report.hops.length} tried ${report.hops.length === 1 ? 'address' : 'addresses'} usable`
      : '';
  const lines = [`verdict  ${word}${tried}   exit ${exit.code} (${exit.name})\n`, `         ${safe(verdict.text)}\n`];
  lines.push(renderFindings(report.findings, style));
  return lines;
}

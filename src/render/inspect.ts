// `inspect` of a message for people: what it is, its parts, its path, and what is wrong. One screen; everything that the
// message says of itself goes through safe().
import type { HopReport, MessageReport, MimeNode } from '../app/inspect-message.ts';
import { renderFindings } from './findings.ts';
import { clip, safe, safeLines } from './safe.ts';
import type { Style } from './style.ts';
import { type Cell, renderTable } from './table.ts';
import { printDuration, printSize } from './units.ts';

/** Lines of a tree or path that are shown; the rest is counted. */
const rowsMax = 100;
const fieldMax = 120;
const barMax = 10;
/** So that a row of the tree or of the files fits into a usual terminal. */
const nameMax = 32;
/** Enough to tell files apart; JSON has the whole. */
const hashShown = 16;

const label = (name: string): string => name.padEnd(9);
const indent = ' '.repeat(9);
const short = (text: string): string => clip(text, fieldMax);

export function renderMessage(report: MessageReport, style: Style): string {
  const out = [summary(report, style), parts(report.mime, style)];
  if (report.hops.length > 0) out.push(path(report.hops, style));
  if (report.attachments.length > 0) out.push(attachments(report, style));
  out.push(findings(report, style));
  return out.join('\n');
}

function summary({ message, mime }: MessageReport, style: Style): string {
  const count = countLeaves(mime);
  const lines = [
    `${safe(short(message.id ?? 'no Message-ID'))}   ${printSize(message.size)}, ${count} ${count === 1 ? 'part' : 'parts'}`,
    `"${safe(short(message.subject ?? ''))}"`,
    `From ${list(message.from)}   To ${list(message.to)}${message.cc.length > 0 ? `   Cc ${list(message.cc)}` : ''}`,
    message.date ?? 'no date',
  ];
  const [first = '', ...rest] = lines;
  return [`${style('strong', label('message'))}${first}\n`, ...rest.map((line) => `${indent}${line}\n`)].join('');
}

const list = (addresses: readonly string[]): string => {
  if (addresses.length === 0) return '-';
  const shown = addresses
    .slice(0, 3)
    .map((address) => safe(short(address)))
    .join(', ');
  return addresses.length > 3 ? `${shown} and ${addresses.length - 3} more` : shown;
};

const countLeaves = (node: MimeNode): number =>
  node.parts.length === 0 ? 1 : node.parts.reduce((sum, part) => sum + countLeaves(part), 0);

function parts(root: MimeNode, style: Style): string {
  const rows: Cell[][] = [[head('part'), head('type'), head('bytes'), head('at'), head('encoding'), head('name')]];
  let left = 0;
  const walk = (node: MimeNode, depth: number): void => {
    if (rows.length > rowsMax) left++;
    else {
      rows.push([
        node.path === '' ? '-' : node.path,
        `${'  '.repeat(Math.min(depth, 20))}${short(node.type)}`,
        String(node.size),
        String(node.offset),
        short(node.encoding),
        clip(node.filename ?? '', nameMax),
      ]);
    }
    for (const part of node.parts) walk(part, depth + 1);
  };
  walk(root, 0);
  return titled('parts', renderTable(rows, style, { right: [2, 3] }), style) + more(left, 'parts');
}

const head = (text: string): Cell => ({ text, role: 'dim' });

/** The first line stands behind its label, the others below. */
const titled = (name: string, table: string, style: Style): string => {
  const [first = '', ...rest] = table.replace(/\n$/, '').split('\n');
  return `${style('strong', label(name))}${first}\n${rest.map((line) => `${indent}${line}\n`).join('')}`;
};

const more = (left: number, what: string): string => (left > 0 ? `${indent}... ${left} more ${what}\n` : '');

function path(hops: readonly HopReport[], style: Style): string {
  const total = hops.reduce((sum, hop) => sum + Math.max(0, hop.delay ?? 0), 0);
  const shown = hops.slice(0, rowsMax);
  const rows: Cell[][] = [['hop', 'delay', 'bar', 'from -> by', 'with', 'tls', 'clock'].map(head)];
  for (const hop of shown) {
    const share = total > 0 ? Math.max(0, hop.delay ?? 0) / total : 0;
    const from = `${hop.from ?? '?'}${hop.ip ? ` (${hop.ip})` : ''}`;
    const slow = share > 0.5 && (hop.delay ?? 0) > 60_000;
    rows.push([
      String(hop.n),
      hop.delay === null ? '-' : printDuration(Math.max(0, hop.delay)),
      { text: '#'.repeat(Math.round(share * barMax)), role: slow ? 'warn' : 'dim' },
      `${short(from)} -> ${short(hop.by ?? '?')}`,
      short(hop.with ?? '-'),
      tlsCell(hop.tls),
      clock(hop, share, slow),
    ]);
  }
  return titled('path', renderTable(rows, style, { right: [0, 1] }), style) + more(hops.length - shown.length, 'hops');
}

const tlsCell = (tls: string | null): Cell => (tls === null ? { text: 'none', role: 'dim' } : tls.replace(/^TLSv/, ''));

function clock(hop: HopReport, share: number, slow: boolean): Cell {
  if (hop.date === null) return { text: 'no date', role: 'warn' };
  if (hop.skew !== null) return { text: `${printDuration(hop.skew)} skew (by the earlier hop's clock)`, role: 'warn' };
  return slow ? { text: `ok   ! ${Math.round(share * 100)} % of transit spent here (queued?)`, role: 'warn' } : 'ok';
}

function attachments(report: MessageReport, style: Style): string {
  const shown = report.attachments.slice(0, rowsMax);
  const rows: Cell[][] = shown.map((one) => [
    one.part,
    clip(one.filename ?? '(no name)', nameMax),
    short(one.type),
    printSize(one.size),
    { text: `sha256 ${one.sha256.slice(0, hashShown)}…`, role: 'dim' },
    ...(one.savedAs === undefined ? [] : [`saved as ${one.savedAs}`]),
  ]);
  return titled('files', renderTable(rows, style), style) + more(report.attachments.length - shown.length, 'files');
}

function findings({ findings: all, exit }: MessageReport, style: Style): string {
  const count = (severity: string): number => all.filter((one) => one.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const role = errors > 0 ? 'bad' : warnings > 0 ? 'warn' : 'good';
  const verdict = `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
  return `${style('strong', label('problems'))}${style(role, verdict)}   exit ${exit.code}\n${renderFindings(all, style)}`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** --headers: every field on its own line, in order. */
export const renderHeaders = (report: MessageReport, style: Style): string =>
  report.headers.map(({ name, value }) => `${style('accent', safe(name))}: ${safe(value)}\n`).join('');

/** --text */
export const renderText = (report: MessageReport): string => {
  const text = safeLines(report.message.text ?? '');
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
};

// What a reader should know about a message: the defects of all its parts as findings, and the rules for the whole header
// (RFC 5322 3.6). Verdicts of authentication are not here.
import { isAscii } from 'node:buffer';
import type { Finding, Severity } from '../base/finding.ts';
import { parseHeaderAddresses } from './addresses.ts';
import { decodePart } from './body.ts';
import { parseDate } from './date.ts';
import { type Defect, DefectLog, defectTable } from './defects.ts';
import { fieldsNamed, type HeaderField } from './headers.ts';
import { LineScan } from './lines.ts';
import { allParts, type MimePart } from './mime.ts';
import type { Hop } from './received.ts';

/** RFC 5321 6.3 asks for at least 100; real paths are under 20. */
const hopsMany = 50;
/** A queue that holds a message this long delays it (RELAY rules of thumb: greylisting is done by then). */
const slowHop = 30 * 60_000;
/** Clocks differ by seconds; more than this is a wrong clock. */
const skewMax = 60_000;

/** RFC 5322 3.6: at most one of each. */
const single = [
  'Date',
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Bcc',
  'Message-ID',
  'In-Reply-To',
  'References',
  'Subject',
];
/** Not singletons by RFC 5322, but readers take one of them only. */
const singleMime = ['MIME-Version'];

/** In order of severity, then of place. */
export function messageFindings(
  bytes: Buffer,
  root: MimePart,
  path: readonly Hop[],
  more: readonly Defect[],
): Finding[] {
  const defects = [...lineDefects(bytes, root), ...partDefects(bytes, root), ...singletonDefects(root.fields), ...more];
  const findings = [...headerFindings(root.fields), ...pathFindings(path), ...mergeDefects(defects).map(defectFinding)];
  const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };
  return findings.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

const defectFinding = ({ id, offset, count, detail }: Defect): Finding => {
  const row = defectTable[id];
  const which = detail === null ? '' : ` (${detail})`;
  const times = count > 1 ? `, ${count} times` : '';
  return {
    id: id.toUpperCase(),
    severity: row.severity,
    message: `${row.text}${which}: byte ${offset}${times}`,
    rfc: row.rfc,
    fix: row.fix,
  };
};

/** Line defects are counted over the whole message; the header scanner saw the same ones. */
const ofLines = new Set(['bare-lf', 'bare-cr', 'long-line', 'nul']);

function lineDefects(bytes: Buffer, root: MimePart): Defect[] {
  if (bytes.length === 0) return [{ id: 'empty', offset: 0, count: 1, detail: null }];
  const lines = new LineScan();
  lines.feed(bytes);
  lines.end();
  const nul = bytes.indexOf(0);
  const eightBit = isAscii(bytes) ? 0 : isAscii(bytes.subarray(root.bodyOffset)) ? 0 : 1;
  const rows: [id: Defect['id'], offset: number | undefined, count: number][] = [
    ['bare-cr', lines.bareCr, lines.bareCrs],
    ['bare-lf', lines.bareLf, lines.bareLfs],
    ['long-line', lines.longAt, lines.longLines],
    ['nul', nul === -1 ? undefined : nul, 1],
    ['eight-bit-body', root.bodyOffset, eightBit],
  ];
  return rows.flatMap(([id, offset, count]) =>
    offset === undefined || count === 0 ? [] : [{ id, offset, count, detail: null }],
  );
}

function partDefects(bytes: Buffer, root: MimePart): Defect[] {
  const found: Defect[] = [];
  for (const part of allParts(root)) {
    found.push(...part.defects.filter(({ id }) => !ofLines.has(id)));
    if (part.parts.length === 0) found.push(...decodePart(bytes, part).defects);
  }
  return found;
}

function singletonDefects(fields: readonly HeaderField[]): Defect[] {
  const log = new DefectLog();
  for (const name of [...single, ...singleMime]) {
    for (const field of fieldsNamed(fields, name).slice(1)) log.note('header-duplicate', field.offset, name);
  }
  return log.list;
}

/** The same defect in a thousand parts is one finding. */
function mergeDefects(defects: readonly Defect[]): Defect[] {
  const merged = new Map<string, Defect>();
  for (const defect of defects) {
    const key = `${defect.id}\n${defect.detail ?? ''}`;
    const known = merged.get(key);
    if (known) known.count += defect.count;
    else merged.set(key, { ...defect });
  }
  return [...merged.values()].slice(0, 200);
}

const missing = (name: string, severity: Severity, fix: string): Finding => ({
  id: `NO-${name.toUpperCase()}`,
  severity,
  message: `the message has no ${name} field`,
  rfc: 'RFC 5322 3.6',
  fix,
});

function headerFindings(fields: readonly HeaderField[]): Finding[] {
  const found: Finding[] = [];
  const [date] = fieldsNamed(fields, 'Date');
  const [from] = fieldsNamed(fields, 'From');
  const [id] = fieldsNamed(fields, 'Message-ID');
  if (!date) found.push(missing('Date', 'error', 'add the time when it was written'));
  else if (!parseDate(date.rawValue)) {
    found.push({
      id: 'BAD-DATE',
      severity: 'error',
      message: `the Date is not a date: ${date.value.slice(0, 100)}`,
      rfc: 'RFC 5322 3.3',
      fix: 'write it as Tue, 01 Sep 2026 10:00:00 +0000',
    });
  }
  if (!from) found.push(missing('From', 'error', 'name the author'));
  else found.push(...fromFindings(from, fieldsNamed(fields, 'Sender').length > 0));
  if (!id) found.push(missing('Message-ID', 'warning', 'let the sending program add a unique one'));
  else if (!/^<[^<>@\s]+@[^<>\s]+>$/.test(id.rawValue.slice(0, 998))) {
    found.push({
      id: 'BAD-MESSAGE-ID',
      severity: 'warning',
      message: `the Message-ID is not one identifier in angle brackets: ${id.value.slice(0, 100)}`,
      rfc: 'RFC 5322 3.6.4',
      fix: 'write it as <unique@domain>',
    });
  }
  return found;
}

function fromFindings(from: HeaderField, sender: boolean): Finding[] {
  const list = parseHeaderAddresses(from.rawValue);
  const addresses = list.filter((one) => one.address !== '');
  if (addresses.length === 0) {
    return [
      {
        id: 'BAD-FROM',
        severity: 'error',
        message: 'the From field holds no address',
        rfc: 'RFC 5322 3.6.2',
        fix: 'name the author',
      },
    ];
  }
  if (addresses.length > 1 && !sender) {
    return [
      {
        id: 'FROM-WITHOUT-SENDER',
        severity: 'warning',
        message: `From names ${addresses.length} authors and no Sender says who sent it`,
        rfc: 'RFC 5322 3.6.2',
        fix: 'add a Sender field',
      },
    ];
  }
  // A name that shows another address than the real one is how people are deceived.
  const [first] = addresses;
  const shown = /[^\s<>"'()]+@[^\s<>"'()]+\.[^\s<>"'()]+/.exec((first?.name ?? '').slice(0, 1000))?.[0];
  if (!first || !shown || shown.toLowerCase() === first.address.toLowerCase()) return [];
  return [
    {
      id: 'FROM-NAME-ADDRESS',
      severity: 'warning',
      message: `the name in From shows the address ${shown}, the message is from ${first.address}`,
      rfc: 'RFC 5322 3.4',
      fix: 'do not trust the name',
    },
  ];
}

function pathFindings(path: readonly Hop[]): Finding[] {
  const found: Finding[] = [];
  if (path.length > hopsMany) {
    found.push({
      id: 'MANY-HOPS',
      severity: 'error',
      message: `${path.length} Received fields: the message goes round in a loop`,
      rfc: 'RFC 5321 6.3',
      fix: 'look for two servers that forward to each other',
    });
  }
  for (const hop of path) {
    if (hop.delay !== null && hop.delay > slowHop) {
      found.push({
        id: 'SLOW-HOP',
        severity: 'warning',
        message: `hop ${hop.n} took ${Math.round(hop.delay / 60_000)} minutes`,
        rfc: 'RFC 5321 4.5.4',
        fix: 'look into the queue of the server before it',
      });
    }
    if (hop.skew !== null && hop.skew < -skewMax) {
      found.push({
        id: 'CLOCK-SKEW',
        severity: 'warning',
        message: `the clocks of hop ${hop.n} and the one before differ by at least ${Math.round(-hop.skew / 1000)} seconds`,
        rfc: 'RFC 5321 4.4',
        fix: 'set the clock by NTP',
      });
    }
    if (found.length > hopsMany) break;
  }
  return found;
}

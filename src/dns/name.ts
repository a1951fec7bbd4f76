// Domain names as text and as labels (RFC 1035 2.3.4, 5.1; RFC 4343 for case). Text has no trailing dot, the root is '',
// and bytes that are no visible ASCII, dots and backslashes inside a label are escaped, so that no name is ambiguous.
// Not IDNA: names come in as A-labels.
import { EhloError } from '../base/errors.ts';
import { dnsLimits } from '../base/limits.ts';

const plainText = /^[!-[\]-~]*$/;
const plainLabel = /^[!-\-/-[\]-~]*$/;

/** The labels of a name, with or without a trailing dot. Throws 'bad-address' for what DNS cannot carry. */
export function parseName(name: string): Buffer[] {
  if (name === '' || name === '.') return [];
  const labels = plainText.test(name)
    ? (name.endsWith('.') ? name.slice(0, -1) : name).split('.').map((label) => Buffer.from(label, 'latin1'))
    : parseEscaped(name);
  let length = 1;
  for (const label of labels) {
    if (label.length === 0) throw bad(name, 'has an empty label', 'remove the dot too many');
    if (label.length > dnsLimits.label) {
      throw bad(name, `has a label of ${label.length} bytes`, 'a label holds at most 63 bytes (RFC 1035 2.3.4)');
    }
    length += label.length + 1;
  }
  if (length > dnsLimits.name) {
    throw bad(name, `takes ${length} bytes in DNS`, 'a name takes at most 255 (RFC 1035 2.3.4)');
  }
  return labels;
}

/** Inverse of parseName: canonical text, without a trailing dot. */
export const printName = (labels: readonly Buffer[]): string => labels.map(printLabel).join('.');

export function printLabel(label: Buffer): string {
  const text = label.toString('latin1');
  if (plainLabel.test(text)) return text;
  let printed = '';
  for (const byte of label) {
    if (byte === 0x2e || byte === 0x5c) printed += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) printed += String.fromCharCode(byte);
    else printed += `\\${String(byte).padStart(3, '0')}`;
  }
  return printed;
}

/** For comparing: ASCII letters without case (RFC 4343), no trailing dot. */
export const nameKey = (name: string): string => printName(parseName(name)).toLowerCase();

/** The name above, undefined for the root. Takes canonical text. */
export function parentName(name: string): string | undefined {
  if (name === '') return undefined;
  const dot = /^(?:[^\\.]|\\.)*\./.exec(name)?.[0].length;
  return dot === undefined ? '' : name.slice(dot);
}

/** True for the name itself and what lies below. Takes keys. */
export const isAtOrBelow = (name: string, above: string): boolean =>
  above === '' || name === above || (name.endsWith(`.${above}`) && ancestors(name).includes(above));

/** The names above, nearest first, the root last. */
export function ancestors(name: string): string[] {
  const above: string[] = [];
  for (let up = parentName(name); up !== undefined; up = parentName(up)) above.push(up);
  return above;
}

function parseEscaped(name: string): Buffer[] {
  const labels: Buffer[] = [];
  let bytes: number[] = [];
  for (let at = 0; at < name.length; at++) {
    const char = name[at] ?? '';
    if (char === '.') {
      labels.push(Buffer.from(bytes));
      bytes = [];
      continue;
    }
    if (char !== '\\') {
      bytes.push(visible(name, char));
      continue;
    }
    const digits = /^\d{3}/.exec(name.slice(at + 1, at + 4))?.[0];
    const next = name[at + 1];
    if (digits !== undefined && Number(digits) < 256) {
      bytes.push(Number(digits));
      at += 3;
    } else if (next !== undefined && !/\d/.test(next)) {
      bytes.push(visible(name, next));
      at += 1;
    } else {
      throw bad(name, 'has a bad escape', 'write a backslash and three decimal digits below 256 (RFC 1035 5.1)');
    }
  }
  if (!name.endsWith('.') || bytes.length > 0) labels.push(Buffer.from(bytes));
  return labels;
}

function visible(name: string, char: string): number {
  const code = char.charCodeAt(0);
  if (code >= 0x7f) {
    if (code === 0x7f) throw bad(name, 'holds a control character', 'write \\127 if it is meant');
    throw bad(name, 'is not ASCII', 'DNS carries the A-label: write it in its xn-- form');
  }
  if (code <= 0x20)
    throw bad(name, 'holds a blank or a control character', 'remove it, or write it as \\032 if it is meant');
  return code;
}

const bad = (name: string, why: string, hint: string): EhloError =>
  new EhloError('bad-address', `the domain name '${name}' ${why}: it cannot be asked in DNS`, { stage: 'dns', hint });

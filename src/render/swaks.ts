// The transcript as swaks writes it: a gutter of three characters for what was said, by whom, under TLS or not, and whether
// it was expected. Unlike swaks's own, no text of a peer or a message reaches the terminal raw.
import { safe } from './safe.ts';

export type SwaksLine =
  | { kind: 'info' | 'error'; text: string }
  /** A hint of a line that went wrong is never left out. */
  | { kind: 'sent' | 'received'; text: string; tls: boolean; expected: boolean }
  | { kind: 'raw-sent' | 'raw-received'; text: string };

const gutters = {
  info: '===',
  error: '***',
  sent: { expected: [' ->', ' ~>'], unexpected: ['**>', '*~>'] },
  received: { expected: ['<- ', '<~ '], unexpected: ['<**', '<~*'] },
  'raw-sent': '  >',
  'raw-received': '<  ',
} as const;

function gutterOf(line: SwaksLine): string {
  if (line.kind !== 'sent' && line.kind !== 'received') return gutters[line.kind];
  const [plain, tls] = gutters[line.kind][line.expected ? 'expected' : 'unexpected'];
  return line.tls ? tls : plain;
}

/** With its line end. `bare`: without the gutter. */
export const renderSwaksLine = (line: SwaksLine, bare: boolean): string =>
  bare ? `${safe(line.text)}\n` : `${gutterOf(line)} ${safe(line.text)}\n`;

const rowBytes = 16;

/** A hex dump of one read or write: decimal offsets, sixteen octets in groups of four, what is printable of them. */
export function hexDump(bytes: Buffer): string[] {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += rowBytes) {
    const row = [...bytes.subarray(at, at + rowBytes)];
    const octets = Array.from({ length: rowBytes }, (_, index) => {
      const octet = row[index];
      return octet === undefined ? '  ' : octet.toString(16).toUpperCase().padStart(2, '0');
    });
    const groups = [0, 4, 8, 12].map((from) => octets.slice(from, from + 4).join(' ')).join('  ');
    const shown = row.map((octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.')).join('');
    rows.push(`${String(at).padStart(4, '0')}: ${groups}    ${shown.padEnd(rowBytes)}`);
  }
  return rows;
}

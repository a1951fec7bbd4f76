// Columns aligned by what the terminal shows, not by string length. Every cell is made safe here, then coloured.
import { safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { displayWidth, padDisplay } from './width.ts';

export type Cell = string | { text: string; role: Role };

export interface TableOptions {
  /** Columns aligned to the right (numbers). */
  right?: readonly number[];
  /** In front of every row. */
  indent?: string;
}

/** One line a row, two spaces between columns, no trailing space. Rows may have fewer cells than others. */
export function renderTable(rows: readonly (readonly Cell[])[], style: Style, options: TableOptions = {}): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [column, { text }] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, displayWidth(safe(text)));
    }
  }
  const right = new Set(options.right);
  const line = (row: readonly { text: string; role?: Role }[]): string => {
    const parts = row.map(({ text, role }, column) => {
      const shown = safe(text);
      const padded = padDisplay(shown, widths[column] ?? 0, right.has(column) ? 'right' : 'left');
      // Only the text is coloured, so that the space behind the last cell can be cut.
      return role === undefined ? padded : padded.replace(shown, () => style(role, shown));
    });
    return (options.indent ?? '') + parts.join('  ').trimEnd();
  };
  return cells.map((row) => `${line(row)}\n`).join('');
}

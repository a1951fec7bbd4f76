// Findings for people: severity, rule, what is wrong, and what to do. Used by every command that judges something.
import type { Finding } from '../base/finding.ts';
import { safe } from './safe.ts';
import type { Style } from './style.ts';

export const marks = { error: ['bad', '!!'], warning: ['warn', '! '], info: ['dim', 'i '] } as const;

/** Beyond this they are counted. */
const shownMax = 100;
const idMin = 16;

export function renderFindings(findings: readonly Finding[], style: Style): string {
  const shown = findings.slice(0, shownMax);
  const width = Math.max(idMin, ...shown.map(({ id }) => id.length));
  const lines = shown.map(({ id, severity, message, rfc, fix }) => {
    const [role, mark] = marks[severity];
    const source = rfc ? style('dim', ` (${safe(rfc)})`) : '';
    const head = `${style(role, mark)} ${safe(id).padEnd(width)} ${safe(message)}${source}\n`;
    return fix ? `${head}   ${style('dim', 'fix'.padEnd(width))} ${safe(fix)}\n` : head;
  });
  const left = findings.length - shown.length;
  return lines.join('') + (left > 0 ? `   ... ${left} more findings\n` : '');
}

// Findings for people: severity, rule, what is wrong, and what to do. Used by every command that judges something.
import type { Finding } from '../app/findings.ts';
import { safe } from './safe.ts';
import type { Style } from './style.ts';

export const marks = { error: ['bad', '!!'], warning: ['warn', '! '], info: ['dim', 'i '] } as const;

export const renderFindings = (findings: readonly Finding[], style: Style): string =>
  findings
    .map(({ id, severity, message, rfc, fix }) => {
      const [role, mark] = marks[severity];
      const source = rfc ? style('dim', ` (${safe(rfc)})`) : '';
      const head = `${style(role, mark)} ${id.padEnd(16)} ${safe(message)}${source}\n`;
      return fix ? `${head}   ${style('dim', 'fix'.padEnd(16))} ${safe(fix)}\n` : head;
    })
    .join('');

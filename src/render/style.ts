// Colours as roles, so that no other file names a colour. chalk lives here only; chalk 5 ignores NO_COLOR (see color.ts).
import { Chalk } from 'chalk';
import { plainStyle } from './color.ts';

export type Role = 'good' | 'bad' | 'warn' | 'dim' | 'strong' | 'accent';
export type Style = (role: Role, text: string) => string;

export function makeStyle(level: 0 | 1): Style {
  if (level === 0) return plainStyle;
  const chalk = new Chalk({ level });
  const paint: Record<Role, (text: string) => string> = {
    good: chalk.green,
    bad: chalk.red,
    warn: chalk.yellow,
    dim: chalk.dim,
    strong: chalk.bold,
    accent: chalk.cyan,
  };
  return (role, text) => paint[role](text);
}

// Whether to colour a stream. Apart from style.ts so that plain output never loads chalk.
import type { Style } from './style.ts';

export type ColorChoice = 'auto' | 'always' | 'never';

/** 0 none, 1 basic colours. --color beats NO_COLOR beats FORCE_COLOR beats TERM and the TTY. */
export function colorLevel(choice: ColorChoice, env: NodeJS.ProcessEnv, isTTY: boolean): 0 | 1 {
  if (choice !== 'auto') return choice === 'always' ? 1 : 0;
  if (env['NO_COLOR']) return 0;
  if (env['FORCE_COLOR'] !== undefined) return env['FORCE_COLOR'] === '0' ? 0 : 1;
  return isTTY && env['TERM'] !== 'dumb' ? 1 : 0;
}

export const plainStyle: Style = (_role, text) => text;

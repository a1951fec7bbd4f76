// What an option takes, as a layer below the flags has to know it. From commander's own description of the option.
import type { Option } from 'commander';

/** `negatable` has a --no-NAME only; `count` may be given several times (-vv); `list` takes a value each time. */
export type OptionKind = 'value' | 'list' | 'flag' | 'negatable' | 'count';

export function optionKind(option: Option): OptionKind {
  if (option.negate) return 'negatable';
  if (!option.required) return option.parseArg ? 'count' : 'flag';
  return collects(option) ? 'list' : 'value';
}

/** commander has no word for it: an option is repeatable when its parser makes a list of what it gets. */
function collects({ parseArg }: Option): boolean {
  try {
    return parseArg !== undefined && Array.isArray(parseArg('', undefined));
  } catch {
    // A parser that checks its value.
    return false;
  }
}

/** What commander calls it among the values: `password-file` is passwordFile there. */
export const optionKey = (name: string): string =>
  name.replace(/-([a-z0-9])/g, (_, char: string) => char.toUpperCase());

/** The long name without dashes, nor the `no-` of a negatable one: what a layer calls it. */
export const optionName = (option: Option): string => (option.long ?? '').replace(option.negate ? /^--no-/ : /^--/, '');

// One value of a layer under the flags: what it is called, where it stands, and how it fits the option that it is for.
import { EhloError } from '../base/errors.ts';
import { mask } from '../base/secret.ts';
import type { OptionKind } from './option-kind.ts';

export interface Setting {
  /** The option's long name. */
  name: string;
  /** Numbers as their digits. */
  value: string | readonly string[] | boolean;
  /** For people, up to the name: `/etc/ehlo/config.toml: profile work`, `EHLO_SERVER`, `the command line`. */
  origin: string;
  from: 'file' | 'environment' | 'flags';
  line?: number;
}

export type OptionValue = string | readonly string[] | boolean | number;

/** Where the value stands, with its name. */
export const printPlace = ({ name, origin, from }: Setting): string =>
  from === 'file' ? `${origin}: ${name}` : from === 'environment' ? origin : `--${name}`;

/** Undefined where the value is for another command, which has an option of this name and another kind. */
export function fitSetting(setting: Setting, kind: OptionKind): OptionValue | undefined {
  const { value } = setting;
  switch (kind) {
    case 'value':
      return typeof value === 'string' ? value : undefined;
    case 'list':
      return typeof value === 'string' ? [value] : typeof value === 'boolean' ? undefined : value;
    case 'flag':
    case 'negatable':
      return typeof value === 'boolean' ? value : setting.from === 'environment' ? switchOf(setting) : undefined;
    case 'count':
      if (typeof value === 'boolean') return value ? 1 : 0;
      if (typeof value === 'string' && /^\d$/.test(value)) return Number(value);
      return setting.from === 'environment' ? Number(switchOf(setting)) : undefined;
  }
}

const switches: Readonly<Record<string, boolean>> = { '1': true, true: true, '0': false, false: false };

function switchOf(setting: Setting): boolean {
  const on = switches[String(setting.value).toLowerCase()];
  if (on !== undefined) return on;
  throw new EhloError('config', `${printPlace(setting)}: "${String(setting.value)}" is neither 1, 0, true nor false`);
}

/** What a value of each kind looks like in a file. */
export const kindWords: Readonly<Record<OptionKind, string>> = {
  value: 'a string or an integer',
  list: 'a list of strings',
  flag: 'true or false',
  negatable: 'true or false',
  count: 'true, false, or a number of times',
};

/** As base/userinfo.ts has it, but anywhere in the text: a command may hold a URL. */
const urlPassword = /([a-z][a-z0-9+.-]*:\/\/[^/?#:\s]*:)(.+)@/is;

/** The secrets that a value holds. */
export function secretsOf({ name, value }: Setting): string[] {
  if (typeof value === 'boolean') return [];
  const texts = typeof value === 'string' ? [value] : value;
  if (name === 'password') return [...texts];
  return texts.flatMap((text) => {
    const inUrl = urlPassword.exec(text)?.[2];
    if (inUrl !== undefined) return [inUrl, decoded(inUrl)];
    // What `serve --auth user:password` takes; mechanisms have no colon.
    const account = name === 'auth' && !text.startsWith('@') ? /:(.+)$/s.exec(text)?.[1] : undefined;
    return account === undefined ? [] : [account];
  });
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** For people and JSON: secrets masked. */
export function maskedValue(setting: Setting): string | readonly string[] | boolean {
  const { name, value } = setting;
  if (typeof value === 'boolean' || secretsOf(setting).length === 0) return value;
  const hide = (text: string): string => {
    if (name === 'password') return mask;
    if (urlPassword.test(text)) return text.replace(urlPassword, `$1${mask}@`);
    return name === 'auth' ? text.replace(/:.+$/s, `:${mask}`) : text;
  };
  return typeof value === 'string' ? hide(value) : value.map(hide);
}

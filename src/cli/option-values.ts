// Options by their long name, whatever layer they come from: strings and flags in, checked values out, errors naming the option.
import { EhloError } from '../base/errors.ts';
import { optionKey } from './option-kind.ts';
import { misplaced, settingOf } from './origins.ts';
import type { Setting } from './setting.ts';

export interface OptionValues {
  text(name: string): string | undefined;
  flag(name: string): boolean;
  list(name: string): string[];
  /** Undefined where the option was not given. An error of `parse` is put behind the name of the option. */
  parsed<T>(name: string, parse: (text: string) => T): T | undefined;
  check<T>(name: string, text: string, parse: (text: string) => T): T;
  oneOf<const T extends string>(name: string, words: readonly T[]): T | undefined;
  /** Where the value stands when it is no flag: in a configuration file or in the environment. */
  layered(name: string): Setting | undefined;
}

/** `options` has commander's camelCase keys. */
export function optionValues(options: Record<string, unknown>): OptionValues {
  const given = (name: string): unknown => options[optionKey(name)];
  const values: OptionValues = {
    text: (name) => {
      const value = given(name);
      return typeof value === 'string' ? value : undefined;
    },
    flag: (name) => given(name) === true,
    list: (name) => {
      const value = given(name);
      return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
    },
    parsed: (name, parse) => {
      const text = values.text(name);
      return text === undefined ? undefined : values.check(name, text, parse);
    },
    check: (name, text, parse) => {
      try {
        return parse(text);
      } catch (thrown) {
        if (!(thrown instanceof EhloError)) throw thrown;
        const setting = values.layered(name);
        if (setting) throw misplaced(setting, thrown);
        throw new EhloError(thrown.code, `--${name}: ${thrown.message}`, { hint: thrown.hint, cause: thrown });
      }
    },
    oneOf: (name, words) =>
      values.parsed(name, (text) => {
        const word = words.find((one) => one === text);
        if (word === undefined) throw new EhloError('usage', `"${text}" is none of ${words.join(', ')}`);
        return word;
      }),
    layered: (name) => settingOf(options, name),
  };
  return values;
}

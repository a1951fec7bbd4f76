// Which options of a command came from a layer under the flags, kept beside their values, so that an error can name the place.
import { EhloError } from '../base/errors.ts';
import { printPlace, type Setting } from './setting.ts';

export type Origins = ReadonlyMap<string, Setting>;

/** A symbol: it goes along where options are copied, and no option can be called so. */
const beside = Symbol('origins');

export const withOrigins = (options: Record<string, unknown>, origins: Origins): Record<string, unknown> =>
  origins.size === 0 ? options : Object.assign(options, { [beside]: origins });

function originsOf(options: object): Origins | undefined {
  const found: unknown = Reflect.get(options, beside);
  return found instanceof Map ? found : undefined;
}

/** By the long name. Undefined: a flag, or not given. */
export const settingOf = (options: object, name: string): Setting | undefined => originsOf(options)?.get(name);

/** An error of a value in a layer: the place in front, and the exit code of a bad configuration in place of a usage error's. */
export const misplaced = (setting: Setting, thrown: EhloError): EhloError =>
  new EhloError(thrown.code === 'usage' ? 'config' : thrown.code, `${printPlace(setting)}: ${thrown.message}`, {
    hint: thrown.hint,
    cause: thrown,
  });

/** A usage error that names options which nobody typed says where they are from. Any other thing stays as it is. */
export function explainOrigins(thrown: unknown, options: object): unknown {
  const origins = originsOf(options);
  if (!origins || !(thrown instanceof EhloError) || thrown.code !== 'usage') return thrown;
  const named = [...thrown.message.matchAll(/--(?:no-)?([a-z0-9]+(?:-[a-z0-9]+)*)/g)].map(([, name]) => name ?? '');
  const settings = [...new Set(named)].flatMap((name) => origins.get(name) ?? []);
  if (settings.length === 0) return thrown;
  const places = settings.map((setting) => `${setting.name} is set in ${setting.origin}`).join(', ');
  const code = settings.length === new Set(named).size ? 'config' : 'usage';
  return new EhloError(code, `${thrown.message} (${places})`, { hint: thrown.hint, cause: thrown });
}

// What `ehlo config check` looks at in values before any command runs. The commands check again, and more.
import { EhloError } from '../base/errors.ts';
import { parseDuration, parseHostPort, parsePort, parseSize } from '../base/values.ts';
import { ownMeaning } from './layer-rules.ts';
import { misplaced } from './origins.ts';
import { parseServerUrl } from './server-url.ts';
import type { Setting } from './setting.ts';

const words =
  (...allowed: string[]) =>
  (text: string): void => {
    if (!allowed.includes(text)) throw new EhloError('usage', `"${text}" is none of ${allowed.join(', ')}`);
  };

const checks: Readonly<Record<string, (text: string) => unknown>> = {
  server: (text) => parseServerUrl(text, 'smtp'),
  tls: words('off', 'opportunistic', 'required', 'implicit'),
  'tls-verify': words('full', 'ca', 'none'),
  'tls-min': words('1.0', '1.1', '1.2', '1.3'),
  color: words('auto', 'always', 'never'),
  priority: words('high', 'normal', 'low'),
  'on-reject': words('continue', 'abort'),
  'dsn-ret': words('full', 'hdrs'),
  'fail-on': words('warn', 'error'),
  'connect-timeout': parseDuration,
  timeout: parseDuration,
  'data-timeout': parseDuration,
  'max-time': parseDuration,
  within: parseDuration,
  'max-size': parseSize,
  'mx-port': (text) => parsePort(text),
  dns: (text) => parseHostPort(text),
};

/** `command`: where the setting stands in the table of one command. */
export function checkValue(setting: Setting, command?: string): EhloError | undefined {
  const { name, value } = setting;
  const check = checks[name];
  if (!check || typeof value !== 'string') return undefined;
  if (command !== undefined && ownMeaning[command]?.includes(name) && name !== 'server') return undefined;
  try {
    check(value);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    return misplaced(setting, thrown);
  }
}

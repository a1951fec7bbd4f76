// One configuration file: TOML 1.0 to profiles of settings, and everything that is wrong with it. Opens nothing itself.
import { parse, TomlError } from 'smol-toml';
import { EhloError } from '../base/errors.ts';
import type { ConfigSource } from '../store/config-source.ts';
import { nearest } from './nearest.ts';
import type { OptionKind } from './option-kind.ts';
import { commandNames, kindsOf, optionNames } from './option-names.ts';
import { fitSetting, kindWords, printPlace, type Setting, secretsOf } from './setting.ts';

export interface Profile {
  /** For every command that has the option. */
  general: Map<string, Setting>;
  /** For one command: the tables [COMMAND] and [profile.NAME.COMMAND]. */
  commands: Map<string, Map<string, Setting>>;
}

export interface ConfigFile {
  path: string;
  /** `default` holds what stands at the root and in [profile.default], which mean the same. */
  profiles: Map<string, Profile>;
  /** Each a 'config' error; a hundred at most, in the order of the file as far as that is known. */
  problems: EhloError[];
}

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** Nested deeper, it is no configuration of ours. */
const maxDepth = 8;
/** With more problems it is some other file, and reading stops. */
const maxProblems = 100;

export function parseConfig(source: ConfigSource): ConfigFile {
  const { path, text } = source;
  const file: ConfigFile = { path, profiles: new Map(), problems: [] };
  try {
    const root: Table = parse(text, { integersAsBigInt: true, maxDepth });
    readRoot(root, indexLines(text), file);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    // The rest of its message shows the lines around, secrets and all.
    const what = thrown.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? '';
    file.problems.push(
      problem(
        `${path}: line ${thrown.line}, column ${thrown.column}: ${what}`,
        'text is written in "quotes"; see https://toml.io',
      ),
    );
  }
  const exposed = exposure(source, [...file.profiles.values()].flatMap(everySetting));
  if (exposed) file.problems.unshift(exposed);
  return file;
}

const problem = (message: string, hint?: string): EhloError => new EhloError('config', message, { hint });

function readRoot(root: Table, lines: Lines, file: ConfigFile): void {
  const { profile, ...rest } = root;
  readProfile('default', [], rest, lines, file);
  if (profile === undefined) return;
  if (!isTable(profile) || !Object.values(profile).every(isTable)) {
    const name = typeof profile === 'string' ? profile : 'NAME';
    file.problems.push(
      problem(
        `${file.path}: a profile is a table, [profile.${name}]`,
        `the profile in use is chosen with -P ${name} or EHLO_PROFILE`,
      ),
    );
    return;
  }
  for (const [name, table] of Object.entries(profile)) {
    if (isTable(table)) readProfile(name, ['profile', name], table, lines, file);
  }
}

function readProfile(name: string, at: readonly string[], table: Table, lines: Lines, file: ConfigFile): void {
  const profile = file.profiles.get(name) ?? { general: new Map(), commands: new Map() };
  file.profiles.set(name, profile);
  const commands = commandNames();
  for (const [key, value] of Object.entries(table)) {
    if (file.problems.length >= maxProblems) return;
    if (!isTable(value)) addSetting(key, value, { path: file.path, at, lines }, profile.general, file);
    else if (!commands.includes(key)) file.problems.push(unknownTable(key, at, lines, file.path));
    else {
      const settings = profile.commands.get(key) ?? new Map<string, Setting>();
      profile.commands.set(key, settings);
      for (const [inner, one] of Object.entries(value)) {
        addSetting(inner, one, { path: file.path, at: [...at, key], command: key, lines }, settings, file);
      }
    }
  }
}

/** Where a key stands: the tables above it, which may end in a command's. */
interface Place {
  path: string;
  at: readonly string[];
  command?: string;
  lines: Lines;
}

function addSetting(key: string, given: unknown, place: Place, into: Map<string, Setting>, file: ConfigFile): void {
  if (file.problems.length >= maxProblems) return;
  const setting = readSetting(key, given, place);
  if (setting instanceof EhloError) file.problems.push(setting);
  else {
    const before = into.get(setting.name);
    if (!before) into.set(setting.name, setting);
    else {
      const where = `${printPlace(setting)}: it stands in this file twice, also at ${printPlace(before)}`;
      file.problems.push(problem(where, 'remove one of them'));
    }
  }
}

function readSetting(key: string, given: unknown, { path, at, command, lines }: Place): Setting | EhloError {
  const line = lines.get(lineKey(at, key));
  const origin = `${path}${line === undefined ? '' : `:${line}`}${printTable(at)}`;
  const negated = kindsOf(key, command).length === 0 ? /^no-(.+)$/.exec(key)?.[1] : undefined;
  const name = negated !== undefined && kindsOf(negated, command).includes('negatable') ? negated : key;
  const kinds = kindsOf(name, command);
  if (kinds.length === 0) return unknownKey(origin, key, command);
  const value = plainValue(given, name !== key);
  const setting: Setting = { name, value: value ?? '', origin, from: 'file', ...(line !== undefined && { line }) };
  const fits = value !== undefined && kinds.some((kind) => fitSetting(setting, kind) !== undefined);
  return fits ? setting : problem(`${origin}: ${key}: ${wrongType(given, kinds)}`, quoting(key, given));
}

/** Undefined: nothing that an option could take. */
function plainValue(given: unknown, negated: boolean): Setting['value'] | undefined {
  if (typeof given === 'boolean') return given !== negated;
  if (negated) return undefined;
  if (typeof given === 'bigint') return String(given);
  if (typeof given === 'string') return given;
  return Array.isArray(given) && given.every((one) => typeof one === 'string') ? given : undefined;
}

/** The value itself is not told: it may be a secret. */
const wrongType = (given: unknown, kinds: readonly OptionKind[]): string =>
  `it takes ${kinds.map((kind) => kindWords[kind]).join(', or ')}, not ${typeWord(given)}`;

const typeWords: Readonly<Record<string, string>> = {
  string: 'a string',
  bigint: 'an integer',
  boolean: 'true or false',
};

const typeWord = (given: unknown): string => {
  if (Array.isArray(given)) return given.every((one) => typeof one === 'string') ? 'a list' : 'a list of other things';
  if (given instanceof Date) return 'a date';
  if (typeof given === 'number') return 'a number with a fraction';
  return typeWords[typeof given] ?? 'that';
};

const quoting = (key: string, given: unknown): string | undefined =>
  typeof given === 'number' ? `write it in quotes: ${key} = "${given}"` : undefined;

function unknownKey(origin: string, key: string, command: string | undefined): EhloError {
  const names = optionNames().filter((name) => kindsOf(name, command).length > 0);
  const near = nearest(key.replace(/^--?/, '').replaceAll('_', '-'), names);
  const list = command === undefined ? 'ehlo COMMAND --help lists the options' : `see ehlo ${command} --help`;
  return problem(
    `${origin}: ${command === undefined ? 'no command has an' : `${command} has no`} option "${key}"`,
    near === undefined ? list : `did you mean ${near}? ${list}`,
  );
}

function unknownTable(key: string, at: readonly string[], lines: Lines, path: string): EhloError {
  const line = lines.get(lineKey([...at, key]));
  const near = nearest(key, commandNames());
  return problem(
    `${path}${line === undefined ? '' : `:${line}`}: [${[...at, key].join('.')}] is neither a profile nor the options of a command`,
    near === undefined || at.length > 0
      ? `a profile is [profile.${at[1] ?? key}]`
      : `did you mean [${near}], or [profile.${key}]?`,
  );
}

/** ` profile work`, ` [serve]`, ` profile work, [serve]`: what stands between the path and the key. */
function printTable(at: readonly string[]): string {
  const named = at[0] === 'profile' ? at.slice(1) : ['', ...at];
  const parts = [named[0] && `profile ${named[0]}`, named[1] && `[${named[1]}]`].filter(Boolean);
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

/** Where a table or a key of it stands: a look at the text, good for files as people write them, as the parser tells no places. */
type Lines = ReadonlyMap<string, number>;

const lineKey = (at: readonly string[], key = ''): string => JSON.stringify([at.join('.'), key]);

function indexLines(text: string): Lines {
  const bare = (name: string): string => name.trim().replace(/^(["'])(.*)\1$/, '$2');
  const lines = new Map<string, number>();
  let table: string[] = [];
  const add = (key: string, line: number): void => {
    if (!lines.has(key)) lines.set(key, line);
  };
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line)?.[1];
    if (header !== undefined) {
      table = header.split('.').map(bare);
      add(lineKey(table), index + 1);
    } else {
      const name = /^\s*([^=#\s][^=#]*)=/.exec(line)?.[1];
      if (name !== undefined) add(lineKey(table, bare(name)), index + 1);
    }
  }
  return lines;
}

const everySetting = ({ general, commands }: Profile): Setting[] => [
  ...general.values(),
  ...[...commands.values()].flatMap((settings) => [...settings.values()]),
];

/** A secret that others can read is none; commands that others can write are theirs. */
function exposure({ path, mode, foreign }: ConfigSource, settings: readonly Setting[]): EhloError | undefined {
  const secret = settings.find((setting) => secretsOf(setting).length > 0);
  if (secret && foreign) {
    return problem(
      `${path} holds a secret (${secret.name}) but belongs to another user`,
      `chown it, then chmod 600 ${path}`,
    );
  }
  if (secret && mode & 0o077) {
    return problem(`${path} holds a secret (${secret.name}) but others may read or change it`, `chmod 600 ${path}`);
  }
  const command = settings.find(({ name }) => name.endsWith('-command') || name === 'pipe' || name === 'exec');
  if (command && foreign) {
    return problem(
      `${path} names a command to run (${command.name}) but belongs to another user`,
      'look at the file, then make it yours with chown, or take a copy',
    );
  }
  if (command && mode & 0o002) {
    return problem(
      `${path} names a command to run (${command.name}) but everybody may change it`,
      `chmod go-w ${path}`,
    );
  }
  return undefined;
}

// The reports of `ehlo config show` and `ehlo config check`: what is in force and where it stands, and all that is wrong.
import { type ReportHead, reportHead } from '../app/report.ts';
import { EhloError, type ErrorJson, errorJson } from '../base/errors.ts';
import type { ConfigSource } from '../store/config-source.ts';
import { type ConfigFile, parseConfig } from './config-file.ts';
import { readEnvironment } from './environment.ts';
import { contradictions, type Layer, settleLayers } from './layer-rules.ts';
import { configPlaces, findLayers, type LayerChoice, type Layers, layersFor, openPlace, readLayers } from './layers.ts';
import { commandNames, kindsOf } from './option-names.ts';
import { fitSetting, maskedValue, printPlace, type Setting } from './setting.ts';
import { checkValue } from './value-checks.ts';

interface FileReport {
  path: string;
  status: 'read' | 'absent' | 'denied' | 'wrong';
}

export interface ConfigShowReport extends ReportHead<'config'> {
  action: 'show';
  profile: string | null;
  /** Weakest first. */
  files: FileReport[];
  /** Secrets masked. */
  values: { name: string; value: string | readonly string[] | boolean; origin: string; command: string | null }[];
}

/** Throws what any command would throw: a file that is wrong, a profile that is nowhere. */
export async function showConfig(choice: LayerChoice, env: NodeJS.ProcessEnv): Promise<ConfigShowReport> {
  const found = findLayers(choice, env);
  const layers: Layers = found
    ? await readLayers(found, env)
    : { files: [], environment: new Map(), profile: undefined };
  const general = settleLayers(layersFor(layers, undefined)).settings;
  const read = new Set(layers.files.map(({ path }) => path));
  return {
    ...reportHead('config', 'OK'),
    action: 'show',
    profile: layers.profile ?? null,
    files: configPlaces(choice, env).map(({ path }) => ({
      path,
      status: read.has(path) ? 'read' : found?.denied.includes(path) ? 'denied' : 'absent',
    })),
    values: [
      ...[...general.values()].sort(byName).map((setting) => shown(setting, null)),
      ...commandNames().flatMap((command) =>
        [...tableOf(layers, command).values()].sort(byName).map((setting) => shown(setting, command)),
      ),
    ],
  };
}

const byName = (a: Setting, b: Setting): number => (a.name < b.name ? -1 : 1);

const shown = (setting: Setting, command: string | null): ConfigShowReport['values'][number] => ({
  name: setting.name,
  value: maskedValue(setting),
  origin: setting.origin,
  command,
});

/** What only the tables of this command say. */
function tableOf(layers: Layers, command: string): Layer {
  const own = new Map<string, Setting>();
  for (const name of ['default', ...(layers.profile === undefined ? [] : [layers.profile])]) {
    for (const { profiles } of layers.files) {
      for (const [key, setting] of profiles.get(name)?.commands.get(command) ?? []) own.set(key, setting);
    }
  }
  return own;
}

export interface ConfigCheckReport extends ReportHead<'config'> {
  action: 'check';
  files: FileReport[];
  problems: ErrorJson[];
}

/** Goes on after each problem. Throws nothing of ours. */
export function checkConfig(choice: LayerChoice, env: NodeJS.ProcessEnv): ConfigCheckReport {
  const problems: EhloError[] = [];
  const files: FileReport[] = [];
  const parsed: ConfigFile[] = [];
  for (const place of configPlaces(choice, env)) {
    const source = collect(problems, () => openPlace(place));
    if (source === undefined || source === 'denied') {
      files.push({ path: place.path, status: source === 'denied' ? 'denied' : 'absent' });
    } else if (source === false) files.push({ path: place.path, status: 'wrong' });
    else files.push(checkFile(source, parsed, problems));
  }
  const environment = collect(problems, () => readEnvironment(env));
  if (environment) for (const setting of environment.values()) checkSetting(setting, undefined, problems);
  const profile = choice.profile ?? (env['EHLO_PROFILE'] || undefined);
  if (profile !== undefined && profile !== 'default' && !parsed.some(({ profiles }) => profiles.has(profile))) {
    problems.push(new EhloError('config', `no configuration has a profile "${profile}"`));
  }
  const [first] = problems;
  return { ...reportHead('config', first ?? 'OK'), action: 'check', files, problems: problems.map(errorJson) };
}

/** False: it could not be done, and the problem is noted. */
function collect<T>(problems: EhloError[], work: () => T): T | false {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    problems.push(thrown);
    return false;
  }
}

function checkFile(source: ConfigSource, parsed: ConfigFile[], problems: EhloError[]): FileReport {
  const file = parseConfig(source);
  parsed.push(file);
  const before = problems.length;
  problems.push(...file.problems);
  for (const { general, commands } of file.profiles.values()) {
    checkLayer(general, undefined, problems);
    for (const [command, settings] of commands) checkLayer(settings, command, problems);
  }
  return { path: source.path, status: problems.length > before ? 'wrong' : 'read' };
}

function checkLayer(layer: Layer, command: string | undefined, problems: EhloError[]): void {
  for (const setting of layer.values()) checkSetting(setting, command, problems);
  for (const [one, other] of contradictions(layer)) {
    problems.push(
      new EhloError('config', `${printPlace(other)}: it excludes ${one.name}, which stands beside it`, {
        hint: 'keep one of them',
      }),
    );
  }
}

function checkSetting(setting: Setting, command: string | undefined, problems: EhloError[]): void {
  const kinds = kindsOf(setting.name, command);
  // The environment's words for flags; those of files were looked at when they were read.
  if (collect(problems, () => kinds.map((kind) => fitSetting(setting, kind))) === false) return;
  const found = checkValue(setting, command);
  if (found) problems.push(found);
}

// The layers under the flags: where they are, and what they come to for one command. A run without any pays two failed opens
// and a look at the environment; the rest loads only where there is something to read.
import { isAbsolute, join } from 'node:path';
import { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import { type ConfigSource, readConfigSource } from '../store/config-source.ts';
import type { ConfigFile } from './config-file.ts';
import { homeDirectory } from './home.ts';
import type { Layer } from './layer-rules.ts';
import { type OptionKind, optionKey } from './option-kind.ts';
import type { OptionValue, Setting } from './setting.ts';

export interface LayerChoice {
  /** --config */
  config?: string | undefined;
  /** -P, --profile */
  profile?: string | undefined;
}

export interface ConfigPlace {
  path: string;
  /** Who says that it is there: `system` and `user` files need not exist, and of the system's we need not see all. */
  role: 'system' | 'user' | 'named';
  /** What named it: --config or EHLO_CONFIG. */
  by?: string;
}

export interface FoundLayers {
  sources: ConfigSource[];
  /** Present, but not ours to read. */
  denied: string[];
  profile: { name: string; by: string } | undefined;
}

const systemFile = '/etc/ehlo/config.toml';

/**
 * `$XDG_CONFIG_HOME/ehlo/config.toml`. A relative XDG_CONFIG_HOME counts as unset (XDG Base Directory Specification).
 * Undefined for a user without a home directory.
 */
export function userConfigPath(env: NodeJS.ProcessEnv): string | undefined {
  const given = env['XDG_CONFIG_HOME'];
  if (given && isAbsolute(given)) return join(given, 'ehlo', 'config.toml');
  const home = homeDirectory(env);
  return home === undefined ? undefined : join(home, '.config', 'ehlo', 'config.toml');
}

/** Weakest first. */
export function configPlaces(choice: LayerChoice, env: NodeJS.ProcessEnv): ConfigPlace[] {
  const named = choice.config ?? (env['EHLO_CONFIG'] || undefined);
  const places: ConfigPlace[] = [{ path: systemFile, role: 'system' }];
  const user = userConfigPath(env);
  if (user !== undefined) places.push({ path: user, role: 'user' });
  if (named === undefined) return places;
  return [...places, { path: named, role: 'named', by: choice.config === undefined ? 'EHLO_CONFIG' : '--config' }];
}

/** Undefined where nothing is read from that place. Throws what makes a file unusable. */
export function openPlace({ path, role, by }: ConfigPlace): ConfigSource | 'denied' | undefined {
  const found = readConfigSource(path);
  if (found.access === 'present') return found.source;
  if (found.access === 'absent') {
    if (role !== 'named') return undefined;
    throw new EhloError('no-input', `${by}: there is no file ${path}`, { hint: 'ehlo config init -o FILE writes one' });
  }
  // A system file with a secret is for root's own programs; it is no reason to stop everybody else's.
  if (role === 'system') return 'denied';
  throw new EhloError('config', `${path} cannot be read: permission denied`, { hint: `chmod u+r ${path}` });
}

/** Undefined: no layer at all, and no profile asked for. */
export function findLayers(choice: LayerChoice, env: NodeJS.ProcessEnv): FoundLayers | undefined {
  const found: FoundLayers = { sources: [], denied: [], profile: chosenProfile(choice, env) };
  for (const place of configPlaces(choice, env)) {
    const source = openPlace(place);
    if (source === 'denied') found.denied.push(place.path);
    else if (source) found.sources.push(source);
  }
  const speaks = Object.keys(env).some((name) => name.startsWith('EHLO_'));
  return found.sources.length > 0 || found.profile || speaks ? found : undefined;
}

function chosenProfile({ profile }: LayerChoice, env: NodeJS.ProcessEnv): FoundLayers['profile'] {
  if (profile !== undefined) return { name: profile, by: '-P' };
  const name = env['EHLO_PROFILE'];
  return name ? { name, by: 'EHLO_PROFILE' } : undefined;
}

export interface Layers {
  files: ConfigFile[];
  environment: Layer;
  profile: string | undefined;
}

/** Throws the first thing that is wrong with a file, or that the profile is in none. */
export async function readLayers(found: FoundLayers, env: NodeJS.ProcessEnv): Promise<Layers> {
  const { parseConfig } = found.sources.length > 0 ? await import('./config-file.ts') : { parseConfig: undefined };
  const files = parseConfig ? found.sources.map(parseConfig) : [];
  const [first, ...others] = files.flatMap(({ problems }) => problems);
  if (first) {
    const more = others.length > 0 ? `ehlo config check lists this and ${others.length} more` : undefined;
    throw first.hint === undefined || others.length === 0
      ? first.with({ hint: more })
      : new EhloError(first.code, first.message, { hint: `${first.hint}; ${more}` });
  }
  const { readEnvironment } = await import('./environment.ts');
  checkProfile(found, files);
  return { files, environment: readEnvironment(env), profile: found.profile?.name };
}

function checkProfile({ profile, denied }: FoundLayers, files: readonly ConfigFile[]): void {
  if (!profile || profile.name === 'default' || files.some(({ profiles }) => profiles.has(profile.name))) return;
  const names = [...new Set(files.flatMap(({ profiles }) => [...profiles.keys()]))].filter(
    (name) => name !== 'default',
  );
  const unread = denied.length > 0 ? `; ${denied.join(', ')} could not be read` : '';
  throw new EhloError('config', `${profile.by}: no configuration has a profile "${profile.name}"${unread}`, {
    hint:
      names.length > 0 ? `there are ${names.join(', ')}` : `write [profile.${profile.name}] into a configuration file`,
  });
}

/** What a command gets from each layer, weakest first. A profile that was chosen beats `default`, whatever file it is in. */
export function layersFor(layers: Layers, command: string | undefined, withheld: readonly string[] = []): Layer[] {
  const general = (layer: Layer): Layer =>
    withheld.length === 0 ? layer : new Map([...layer].filter(([name]) => !withheld.includes(name)));
  const chosen = layers.profile === undefined || layers.profile === 'default' ? [] : [layers.profile];
  const fromFiles = ['default', ...chosen].flatMap((name) =>
    layers.files.flatMap(({ profiles }) => {
      const profile = profiles.get(name);
      if (!profile) return [];
      const own = command === undefined ? undefined : profile.commands.get(command);
      return own ? [general(profile.general), own] : [general(profile.general)];
    }),
  );
  return [...fromFiles, general(layers.environment)];
}

export interface CommandLine {
  command: string;
  args: readonly string[];
  kinds: ReadonlyMap<string, OptionKind>;
  flags: ReadonlyMap<string, unknown>;
  env: NodeJS.ProcessEnv;
}

export interface LayeredValues {
  /** Only what no flag says, in the shape of the option. */
  values: { setting: Setting; value: OptionValue }[];
  leftOut: { setting: Setting; because: Setting }[];
}

/** Undefined: there is nothing under the flags. Secrets are known to the scrubber before this returns. */
export async function layeredValues(
  line: CommandLine,
  choice: LayerChoice,
  scrubber: Scrubber,
): Promise<LayeredValues | undefined> {
  const found = findLayers(choice, line.env);
  if (!found) return undefined;
  const [layers, { applyLayers }, { ownMeaning }, { secretsOf }] = await Promise.all([
    readLayers(found, line.env),
    import('./layered-values.ts'),
    import('./layer-rules.ts'),
    import('./setting.ts'),
  ]);
  const under = layersFor(layers, line.command, ownMeaning[line.command]);
  for (const setting of under.flatMap((layer) => [...layer.values()])) {
    for (const secret of secretsOf(setting)) scrubber.add(secret);
  }
  return applyLayers(under, line);
}

/**
 * For fronts, which read their arguments by themselves: `given` (keys as commander has them, with `config` and `profile`) and,
 * where it is silent, what the layers say. The same record that the command's run() gets.
 */
export async function layeredOptions(
  command: string,
  given: Record<string, unknown>,
  context: { env: NodeJS.ProcessEnv; scrubber: Scrubber },
): Promise<Record<string, unknown>> {
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const choice = { config: text(given['config']), profile: text(given['profile']) };
  if (!findLayers(choice, context.env)) return given;
  const [{ kindsAt }, { withOrigins }] = await Promise.all([import('./option-names.ts'), import('./origins.ts')]);
  const kinds = kindsAt(command);
  const flags = new Map<string, unknown>();
  for (const name of kinds.keys()) {
    const value = given[optionKey(name)];
    if (value !== undefined) flags.set(name, value);
  }
  const layered = await layeredValues({ command, args: [], kinds, flags, env: context.env }, choice, context.scrubber);
  const options = { ...given };
  for (const { setting, value } of layered?.values ?? []) options[optionKey(setting.name)] = value;
  return withOrigins(options, new Map(layered?.values.map(({ setting }) => [setting.name, setting])));
}

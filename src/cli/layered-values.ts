// From layers to the values that a command runs with: kinds, exclusions, home directories. The flags are the strongest layer.

import { homeDirectory } from './home.ts';
import { type Layer, needs, settleLayers } from './layer-rules.ts';
import type { CommandLine, LayeredValues } from './layers.ts';
import { fitSetting, type OptionValue, type Setting } from './setting.ts';

/** Commands whose first argument is the server; words that are none are fetch's actions. */
const serverArgument: readonly string[] = ['fetch', 'wait', 'bench', 'inspect', 'relay-test'];
const noServer = /^(?:\d+|list|get|top|stat|delete)$/;

/** Files that an option reads: a shell would have replaced the `~` of a flag. */
const paths: ReadonlySet<string> = new Set([
  ...[
    'ca',
    'cert',
    'key',
    'password-file',
    'oauth2',
    'netrc-file',
    'hosts',
    'template',
    'data',
    'zone',
    'store',
    'spool',
  ],
  ...['output', 'save', 'transcript', 'ready-file', 'save-attachments', 'report', 'tls-get-cert', 'ical', 'csv'],
]);

export function applyLayers(under: readonly Layer[], line: CommandLine): LayeredValues {
  const { settings, leftOut } = settleLayers([...under.map((layer) => fitting(layer, line)), flagLayer(line)]);
  const idle = new Set(
    needs.filter(({ other }) => line.kinds.has(other) && !settings.has(other)).map(({ name }) => name),
  );
  const values: LayeredValues['values'] = [];
  for (const [name, setting] of settings) {
    const kind = line.kinds.get(name);
    if (setting.from === 'flags' || kind === undefined || idle.has(name)) continue;
    const value = fitSetting(setting, kind);
    if (value !== undefined) values.push({ setting, value: atHome(setting, value, line.env) });
  }
  return { values, leftOut };
}

/** What this command has no use for excludes nothing; but whose server a login is for matters to all. */
const fitting = (layer: Layer, { kinds }: CommandLine): Layer =>
  new Map(
    [...layer].filter(([name, setting]) => {
      const kind = kinds.get(name);
      return kind === undefined ? name === 'server' || name === 'pipe' : fitSetting(setting, kind) !== undefined;
    }),
  );

function flagLayer({ command, args, flags }: CommandLine): Layer {
  const layer = new Map<string, Setting>();
  const add = (name: string, value: Setting['value']): void => {
    layer.set(name, { name, value, origin: 'the command line', from: 'flags' });
  };
  for (const [name, value] of flags) {
    const plain = typeof value === 'string' || typeof value === 'boolean' || Array.isArray(value);
    add(name, plain ? value : String(value));
  }
  const [target] = args;
  if (serverArgument.includes(command) && target !== undefined && !noServer.test(target)) add('server', target);
  return layer;
}

function atHome({ name, from }: Setting, value: OptionValue, env: NodeJS.ProcessEnv): OptionValue {
  const home = from === 'file' && paths.has(name) ? homeDirectory(env) : undefined;
  if (home === undefined) return value;
  const expand = (text: string): string =>
    text.replace(/^((?:maildir:)?)~(?=\/|$)/, (_, scheme: string) => scheme + home);
  if (typeof value === 'string') return expand(value);
  return typeof value === 'object' ? value.map(expand) : value;
}

// Where options come from, weakest first: .swaksrc or --config FILE, SWAKS_OPT_* in the environment, the command line. A
// later layer adds to an earlier one; `no-NAME` forgets what was said of NAME before it.
import { EhloError } from '../../base/errors.ts';
import { parseSwaksWords, type Setting, type Word } from './swaks-words.ts';

export interface LayerSources {
  env: NodeJS.ProcessEnv;
  /** The text of a file; undefined where there is none. Throws where it cannot be read. */
  readText(path: string): Promise<string | undefined>;
}

/** All settings in the order that counts. Throws 'usage', 'config', 'no-input'. */
export async function readSwaksLayers(argv: readonly string[], sources: LayerSources): Promise<Setting[]> {
  const environment = environmentWords(sources.env);
  const line = parseSwaksWords(argv, 'the command line');
  // The first one counts, and the environment comes before the command line.
  const config = [...environment, ...line].find((word) => word.kind === 'set' && word.setting.name === 'config');
  const file = await configWords(config?.kind === 'set' ? config.setting : undefined, sources);
  return merge([...file, ...environment, ...line]).filter(({ name }) => name !== 'config');
}

function merge(words: readonly Word[]): Setting[] {
  let settings: Setting[] = [];
  for (const word of words) {
    if (word.kind === 'set') settings.push(word.setting);
    else settings = settings.filter(({ name }) => name !== word.name);
  }
  return settings;
}

/** `SWAKS_OPT_h_From=x`; an empty value is no argument. Sorted, since an environment has no order. */
function environmentWords(env: NodeJS.ProcessEnv): Word[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('SWAKS_OPT_'))
    .sort()
    .flatMap((name) => {
      const option = `--${name.slice('SWAKS_OPT_'.length).replaceAll('_', '-')}`;
      const value = env[name] ?? '';
      return parseSwaksWords([value === '' ? option : `${option}=${value}`], name);
    });
}

async function configWords(config: Setting | undefined, sources: LayerSources): Promise<Word[]> {
  if (config) {
    // Without a name: no file at all.
    if (config.value === undefined || config.value === '') return [];
    const text = await sources.readText(config.value);
    if (text !== undefined) return fileWords(text, config.value);
    throw new EhloError('usage', `--config: there is no file ${config.value}`);
  }
  for (const variable of ['SWAKS_HOME', 'HOME', 'LOGDIR']) {
    const directory = sources.env[variable];
    const path = directory && `${directory}/.swaksrc`;
    const text = path ? await sources.readText(path) : undefined;
    if (path && text !== undefined) return fileWords(text, path);
  }
  return [];
}

/** A line is an option with or without its dashes; everything behind its first space is the argument, as it stands. */
function fileWords(text: string, path: string): Word[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.startsWith('#') || line.trim() === '') return [];
    const space = line.indexOf(' ');
    const name = `--${(space === -1 ? line : line.slice(0, space)).replace(/^--?/, '')}`;
    return parseSwaksWords([space === -1 ? name : `${name}=${line.slice(space + 1)}`], `${path}, line ${index + 1}`);
  });
}

// From argv to the one command that is meant: nothing of the others is loaded, nor commander for --version and --help.
import { EhloError } from '../base/errors.ts';
import { Scrubber } from '../base/secret.ts';
import { version } from '../base/version.ts';
import { type ColorChoice, colorLevel, plainStyle } from '../render/color.ts';
import type { Style } from '../render/style.ts';
import type { CommandModule, Context } from './command.ts';
import { type Door, openDoor } from './exit.ts';
import { topHelp } from './help.ts';
import { type LayeredValues, layeredValues } from './layers.ts';
import type { Globals, ParsedRun } from './parse.ts';
import { presetOf, readRequest } from './request.ts';

export interface CommandEntry {
  name: string;
  summary: string;
  load(): Promise<CommandModule>;
}

/** Runs and ends the process. */
export async function runProgram(argv: readonly string[], commands: readonly CommandEntry[]): Promise<never> {
  hideSecretArguments(argv);
  const scrubber = new Scrubber();
  const door = openDoor(scrubber);
  let code: number;
  try {
    code = await dispatch(argv, commands, door, scrubber);
  } catch (thrown) {
    code = door.fail(thrown);
  }
  return door.leave(code);
}

async function dispatch(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  door: Door,
  scrubber: Scrubber,
): Promise<number> {
  const preset = presetOf(argv);
  door.show.format = preset.format;
  const names = commands.map(({ name }) => name);
  const request = readRequest(argv, names);
  if (request.kind === 'version') {
    door.stdout.write(`ehlo ${version}\n`);
    return 0;
  }
  if (request.kind === 'help') {
    door.stdout.write(topHelp(commands));
    return 0;
  }
  door.show.command = request.name;
  await colour(door, preset.color);
  const entry = commands.find(({ name }) => name === request.name);
  if (!entry) throw new Error(`no entry for ${request.name}`);
  const [{ createPorts }, module] = await Promise.all([import('./ports.ts'), entry.load()]);
  const ports = createPorts({ stdin: () => process.stdin, signal: door.signal });
  if ('front' in module) {
    door.show.format = 'human';
    const globals: Globals = { format: 'human', verbosity: 0, color: 'auto', input: false };
    const front = module.front(request.args, createContext(door, globals, ports, scrubber));
    return front.finally(() => ports.settled?.());
  }
  const { parseLine } = await import('./parse.ts');
  const parsed = parseLine(entry.name, module, request.args, process.stdout.columns || 80);
  if (parsed.kind === 'help') {
    door.stdout.write(parsed.text);
    return 0;
  }
  const layered = module.layers === false ? undefined : await underFlags(entry.name, parsed, scrubber);
  const { options, globals } = layered ?? parsed;
  door.show.format = globals.format;
  await colour(door, globals.color);
  const context = createContext(door, globals, ports, scrubber);
  const run = () => module.run(parsed.args, options, context).finally(() => ports.settled?.());
  if (!layered) return run();
  if (layered.note) await layered.note(context);
  return run().catch((thrown: unknown) => {
    throw layered.explain(thrown);
  });
}

interface Layered extends Pick<ParsedRun, 'options' | 'globals'> {
  /** Says what of a configuration was left out, where that is not plain. */
  note: ((context: Context) => Promise<void>) | undefined;
  explain(thrown: unknown): unknown;
}

/** Puts in what configuration files and the environment say and no flag does. Undefined: nothing. */
async function underFlags(
  command: string,
  { args, options, line }: ParsedRun,
  scrubber: Scrubber,
): Promise<Layered | undefined> {
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const choice = { config: text(options['config']), profile: text(options['profile']) };
  const { kinds, flags } = line;
  const found = await layeredValues({ command, args, kinds, flags, env: process.env }, choice, scrubber);
  if (!found) return undefined;
  const { explainOrigins, misplaced, withOrigins } = await import('./origins.ts');
  for (const { setting, value } of found.values) {
    try {
      line.set(setting.name, value);
    } catch (thrown) {
      throw thrown instanceof EhloError ? misplaced(setting, thrown) : thrown;
    }
  }
  const read = line.read();
  const origins = new Map(found.values.map(({ setting }) => [setting.name, setting]));
  const all = withOrigins(read.options, origins);
  const told = found.leftOut.filter(({ because }) => because.from !== 'file');
  return {
    options: all,
    globals: read.globals,
    note: told.length === 0 ? undefined : (context) => noteLeftOut(told, context),
    explain: (thrown) => explainOrigins(thrown, all),
  };
}

async function noteLeftOut(leftOut: LayeredValues['leftOut'], { format, verbosity, stderr }: Context): Promise<void> {
  if (format !== 'human' || verbosity < 0) return;
  const { renderLeftOut } = await import('../render/config.ts');
  stderr.write(
    renderLeftOut(
      leftOut.map(({ setting }) => setting),
      stderr.style,
    ),
  );
}

function createContext(door: Door, globals: Globals, ports: Context['ports'], scrubber: Scrubber): Context {
  return {
    ports,
    // A getter, as below: opening standard input costs time that most commands need not spend.
    get stdin() {
      return process.stdin;
    },
    stdout: door.stdout,
    stderr: door.stderr,
    env: process.env,
    signal: door.signal,
    format: globals.format,
    verbosity: globals.verbosity,
    get interactive() {
      return globals.input && process.stdin.isTTY === true && door.stderr.isTTY;
    },
    scrubber,
  };
}

/** Sets the style of both streams; chalk is loaded only where one of them has colours. */
async function colour(door: Door, choice: ColorChoice): Promise<void> {
  for (const output of [door.stdout, door.stderr]) {
    output.style = await styleFor(colorLevel(choice, process.env, output.isTTY));
  }
}

const styleFor = async (level: 0 | 1): Promise<Style> =>
  level === 0 ? plainStyle : (await import('../render/style.ts')).makeStyle(level);

/** A password in argv shows in every process list: the title covers it as early as we can. */
function hideSecretArguments(argv: readonly string[]): void {
  const secret = /^--password(=|$)|:\/\/[^/?#:\s]*:.*@/s;
  if (argv.some((arg) => secret.test(arg))) process.title = 'ehlo';
}

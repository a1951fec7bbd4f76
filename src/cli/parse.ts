// One command's line, parsed by commander: its own options, the global ones, and the help. Loaded when a command runs.
import { Command, CommanderError, Option } from 'commander';
import { EhloError } from '../base/errors.ts';
import type { OptionCommand } from './command.ts';
import { type OptionKind, optionKind, optionName } from './option-kind.ts';

export type Parsed = ParsedRun | { kind: 'help'; text: string };

export interface ParsedRun {
  kind: 'run';
  args: string[];
  options: Record<string, unknown>;
  globals: Globals;
  /** What the layers under the flags need to know, and the way to put their values in. */
  line: Line;
}

export interface Line {
  /** Every option that a layer may set, by its long name. */
  kinds: ReadonlyMap<string, OptionKind>;
  /** What was typed, by the same names. */
  flags: ReadonlyMap<string, unknown>;
  /** Puts a value where no flag was; throws what the option's own check says. */
  set(name: string, value: string | readonly string[] | boolean | number): void;
  /** Options and globals with what was put in. */
  read(): Pick<ParsedRun, 'options' | 'globals'>;
}

export interface Globals {
  format: 'human' | 'json' | 'ndjson';
  verbosity: number;
  color: 'auto' | 'always' | 'never';
  input: boolean;
}

export function parseLine(name: string, module: OptionCommand, argv: string[], width: number): Parsed {
  let help = '';
  const command = new Command(`ehlo ${name}`);
  command.exitOverride().configureOutput({
    writeOut: (text) => {
      help += text;
    },
    // Errors are shown at the one door (exit.ts), from what is thrown.
    writeErr: () => {},
    outputError: () => {},
    getOutHelpWidth: () => Math.min(width, 120),
    getOutHasColors: () => false,
  });
  command.allowExcessArguments(false);
  module.define(command);
  addGlobalOptions(command);
  try {
    command.parse(argv, { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.code === 'commander.helpDisplayed') return { kind: 'help', text: help };
    throw usageError(name, thrown.message);
  }
  const line = lineOf(command);
  return { kind: 'run', args: command.args, ...line.read(), line };
}

/** Where the layers are is not in the layers. */
const outsideLayers: ReadonlySet<string> = new Set(['config', 'profile']);

/** The options of a command that a layer may set, by name. */
export const layeredOptionsOf = (command: Command): [string, Option][] =>
  command.options
    .map((option): [string, Option] => [optionName(option), option])
    .filter(([name]) => !outsideLayers.has(name));

function lineOf(command: Command): Line {
  const options = new Map(layeredOptionsOf(command));
  const typed = [...options].filter(([, option]) => command.getOptionValueSource(option.attributeName()) === 'cli');
  return {
    kinds: new Map([...options].map(([name, option]) => [name, optionKind(option)])),
    flags: new Map(typed.map(([name, option]) => [name, command.getOptionValue(option.attributeName())])),
    set(name, value) {
      const option = options.get(name);
      if (!option) throw new Error(`no option --${name}`);
      const parsed =
        typeof value === 'string' && option.parseArg ? checked(() => option.parseArg?.(value, undefined)) : value;
      command.setOptionValueWithSource(option.attributeName(), parsed, 'config');
    },
    read() {
      const values: Record<string, unknown> = command.opts();
      return { options: values, globals: readGlobals(values) };
    },
  };
}

/** The check of a choice, its error as one of ours. */
function checked(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    throw new EhloError('usage', `the value is not allowed; ${thrown.message.replace(/\.$/, '')}`);
  }
}

export function addGlobalOptions(command: Command): void {
  command.optionsGroup('Global options:');
  command
    .option('-v, --verbose', 'show the conversation; -vv adds DNS queries, TLS details and timings', count, 0)
    .option('-q, --quiet', 'nothing but errors')
    .option('--json', 'one JSON document on stdout, also on failure')
    .option('--ndjson', 'one JSON event a line on stdout, as it happens')
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .option('--no-input', 'never ask a question')
    .option('-P, --profile <name>', 'take the options of this profile of the configuration')
    .option('--config <file>', 'read this configuration too; it beats the other files')
    .addHelpOption(new Option('-h, --help', 'show this help').helpGroup('Global options:'));
}

const count = (_value: string, before: number): number => before + 1;

function readGlobals(options: Record<string, unknown>): Globals {
  const exclude = (one: string, other: string): void => {
    if (options[one] && options[other]) throw new EhloError('usage', `--${one} and --${other} exclude each other`);
  };
  exclude('json', 'ndjson');
  exclude('quiet', 'verbose');
  return {
    format: options['json'] ? 'json' : options['ndjson'] ? 'ndjson' : 'human',
    verbosity: options['quiet'] ? -1 : Number(options['verbose']),
    color: options['color'] === 'always' || options['color'] === 'never' ? options['color'] : 'auto',
    input: options['input'] !== false,
  };
}

/** commander says "error: unknown option '--x'\n(Did you mean --y?)"; one sentence and a hint of it. */
function usageError(name: string, message: string): EhloError {
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const near = /\(Did you mean (.*)\?\)/s.exec(suggestion ?? '')?.[1];
  // `--pasword=SECRET`: the name is what is unknown, and its value is nobody's business.
  const shown = what.replace(/^(unknown option '-[^=]*)=.*'$/s, "$1'");
  return new EhloError('usage', shown.replace(/\.$/, ''), {
    hint: near ? `did you mean ${near}? ehlo ${name} --help lists the options` : `see ehlo ${name} --help`,
  });
}

// One command's line, parsed by commander: its own options, the global ones, and the help. Loaded when a command runs.
import { Command, CommanderError, Option } from 'commander';
import { EhloError } from '../base/errors.ts';
import type { OptionCommand } from './command.ts';

export type Parsed =
  | { kind: 'run'; args: string[]; options: Record<string, unknown>; globals: Globals }
  | { kind: 'help'; text: string };

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
  const options: Record<string, unknown> = command.opts();
  return { kind: 'run', args: command.args, options, globals: readGlobals(options) };
}

function addGlobalOptions(command: Command): void {
  command.optionsGroup('Global options:');
  command
    .option('-v, --verbose', 'show the conversation; -vv adds DNS queries, TLS details and timings', count, 0)
    .option('-q, --quiet', 'nothing but errors')
    .option('--json', 'one JSON document on stdout, also on failure')
    .option('--ndjson', 'one JSON event a line on stdout, as it happens')
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .option('--no-input', 'never ask a question')
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
  return new EhloError('usage', what.replace(/\.$/, ''), {
    hint: near ? `did you mean ${near}? ehlo ${name} --help lists the options` : `see ehlo ${name} --help`,
  });
}

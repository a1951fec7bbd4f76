// What a command line asks for, before anything is loaded: the version, the help, or one command with its own arguments.
import { EhloError } from '../base/errors.ts';
import type { ColorChoice } from '../render/color.ts';
import { nearest } from './nearest.ts';

export type Request =
  | { kind: 'version' }
  | { kind: 'help' }
  /** `args` go to the command's own parser; global options given before its name come first. */
  | { kind: 'command'; name: string; args: string[] };

/** Global options that may stand before the command's name; true where a value follows. */
const globals: Record<string, boolean> = {
  '-q': false,
  '--quiet': false,
  '--verbose': false,
  '--json': false,
  '--ndjson': false,
  '--no-input': false,
  '--color': true,
  '-P': true,
  '--profile': true,
  '--config': true,
};

export function readRequest(argv: readonly string[], names: readonly string[]): Request {
  const leading: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const arg = argv[at] ?? '';
    if (arg === '--version' || arg === '-V') return { kind: 'version' };
    if (arg === '--help' || arg === '-h') return { kind: 'help' };
    if (arg === 'help') return helpFor(argv[at + 1], names);
    if (!arg.startsWith('-'))
      return { kind: 'command', name: known(arg, names), args: [...leading, ...argv.slice(at + 1)] };
    const takesValue = /^(?:-v+|--(?:color|profile|config)=.*|-P.+)$/s.test(arg) ? false : globals[arg];
    if (takesValue === undefined) {
      throw new EhloError('usage', `unknown option "${arg.replace(/=.*$/s, '')}" before a command`, {
        hint: 'put the options of a command behind its name: ehlo send --help',
      });
    }
    leading.push(arg);
    const value = argv[at + 1];
    if (takesValue && value !== undefined) {
      leading.push(value);
      at++;
    }
  }
  throw new EhloError('usage', 'no command given', { hint: 'ehlo --help lists the commands' });
}

const helpFor = (topic: string | undefined, names: readonly string[]): Request =>
  topic === undefined || topic.startsWith('-')
    ? { kind: 'help' }
    : { kind: 'command', name: known(topic, names), args: ['--help'] };

function known(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  const near = nearest(name, names);
  throw new EhloError('usage', `unknown command "${name}"`, {
    hint: near ? `did you mean ehlo ${near}?` : 'ehlo --help lists the commands',
  });
}

/** How to show an error that comes before (or instead of) parsed options: a look at the words in front of `--`. */
export function presetOf(argv: readonly string[]): { format: 'human' | 'json' | 'ndjson'; color: ColorChoice } {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  const format = words.includes('--json') ? 'json' : words.includes('--ndjson') ? 'ndjson' : 'human';
  const last = words.findLastIndex((word) => word === '--color' || word.startsWith('--color='));
  const value = words[last]?.split('=')[1] ?? words[last + 1];
  return { format, color: last !== -1 && (value === 'always' || value === 'never') ? value : 'auto' };
}

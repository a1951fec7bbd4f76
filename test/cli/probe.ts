// A program with one command that does what its first argument says, to see what the door and the parser make of it.
import { readFileSync } from 'node:fs';
import { EhloError } from '../../src/base/errors.ts';
import type { Context, OptionCommand } from '../../src/cli/command.ts';
import { introduce } from '../../src/cli/help.ts';
import { addConnectionOptions, parseConnection } from '../../src/cli/options.ts';
import { runProgram } from '../../src/cli/program.ts';
import { jsonDocument } from '../../src/render/json.ts';

const aborted = (context: Context): Promise<void> =>
  new Promise((resolve) => {
    // A timer keeps the process alive, as a socket would.
    const timer = setInterval(() => {}, 60_000);
    context.signal.addEventListener('abort', () => {
      clearInterval(timer);
      resolve();
    });
  });

const acts: Record<string, (context: Context, args: string[], options: Record<string, unknown>) => Promise<number>> = {
  async show(context, args, options) {
    const { format, verbosity, interactive } = context;
    context.stdout.write(jsonDocument({ args, options, format, verbosity, interactive }));
    return 0;
  },
  async lines(context) {
    for (let line = 0; line < 20_000; line++) context.stdout.write(`line ${line} of a long result\n`);
    return 0;
  },
  async colours(context) {
    context.stdout.write(`${context.stdout.style('good', 'good')}\n`);
    context.stderr.write(`${context.stderr.style('bad', 'bad')}\n`);
    return 0;
  },
  async refused(context) {
    context.scrubber.add('hunter2-secret');
    throw new EhloError('auth-rejected', 'mx.example refused the login', {
      stage: 'auth',
      peer: 'mx.example:587',
      reply: { code: 535, enhanced: '5.7.8', text: 'bad \u001b]0;title\u0007 hunter2-secret' },
      hint: 'check the password',
    });
  },
  async document(context) {
    context.stdout.write(jsonDocument({ done: true }));
    throw new EhloError('io', 'something behind the document');
  },
  async throws() {
    throw new TypeError('a bug \u001b[31m');
  },
  async later(context) {
    context.scrubber.add('hunter2-secret');
    setImmediate(() => {
      throw new Error('late and hunter2-secret');
    });
    return aborted(context).then(() => 0);
  },
  async rejects(context) {
    void Promise.reject(new Error('nobody looked'));
    return aborted(context).then(() => 0);
  },
  async waits(context) {
    context.stderr.write('ready\n');
    await aborted(context);
    throw new EhloError('lost', `interrupted by ${String(context.signal.reason)}; nothing was sent`);
  },
  async finishes(context) {
    context.stdout.write('ready\n');
    await aborted(context);
    return 0;
  },
  async stuck(context) {
    context.stdout.write('ready\n');
    context.signal.addEventListener('abort', () => context.stdout.write('once\n'));
    await new Promise(() => setInterval(() => {}, 60_000));
    return 0;
  },
  async title(context) {
    context.stdout.write(readFileSync('/proc/self/cmdline'));
    return 0;
  },
  async connection(context, _args, options) {
    const connection = await parseConnection(options, context);
    context.stdout.write(jsonDocument({ connection, revealed: connection.credentials?.password?.reveal() ?? null }));
    return 0;
  },
  async input(context) {
    const source = await context.ports.files.read('-');
    context.stdout.write(`${source.size}\n`);
    return 0;
  },
};

const probeCommand: OptionCommand = {
  define(command) {
    introduce(command, 'do what a test says', [{ line: 'ehlo probe show', says: 'shows what arrives' }]);
    command.argument('<act>').argument('[words...]');
    command.optionsGroup('Probe options:').option('--subject <text>', 'a value');
    addConnectionOptions(command);
  },
  run([act = '', ...args], options, context) {
    return acts[act]?.(context, args, options) ?? Promise.resolve(70);
  },
};

await runProgram(process.argv.slice(2), [
  { name: 'probe', summary: 'does what a test says', load: async () => probeCommand },
]);

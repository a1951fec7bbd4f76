// `ehlo demo`: shows each step as it is done. The work is in app/demo.ts.
import type { Command } from 'commander';
import type { OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { showError } from '../show-error.ts';

export const demoCommand: OptionCommand = {
  define(command: Command): void {
    introduce(
      command,
      'the whole loop on this machine: serve, relay-test, send, fetch, inspect; nothing is configured or left behind',
      [{ line: 'ehlo demo', says: 'show every step; exit 0 only if all of them held' }],
    );
  },

  async run(_args, _options, context) {
    const { format, stdout, verbosity } = context;
    const [{ demo }, { memoryStore }, { renderDemoStep }, { jsonDocument, jsonLine }] = await Promise.all([
      import('../../app/demo.ts'),
      import('../../store/memory.ts'),
      import('../../render/demo.ts'),
      import('../../render/json.ts'),
    ]);
    let number = 0;
    const { report, error } = await demo(
      { ...context.ports, store: memoryStore(context.ports.clock), pid: process.pid },
      {
        scrubber: context.scrubber,
        signal: context.signal,
        onDone: (step) => {
          if (format === 'ndjson') stdout.write(jsonLine({ event: 'step', ...step }));
          else if (format === 'human' && verbosity >= 0) {
            number++;
            stdout.write(renderDemoStep(number, step, stdout.style, context.ports.hostname()));
          }
        },
      },
    );
    if (format === 'json') stdout.write(jsonDocument(report));
    else if (format === 'ndjson') stdout.write(jsonLine({ event: 'report', ...report }));
    else if (error) await showError(error, context);
    else if (verbosity >= 0) stdout.write(`${stdout.style('good', `all ${report.steps.length} steps held`)}\n`);
    return report.exit.code;
  },
};

// `ehlo queue`: what waits in the spool, tried, listed, held, let go, thrown away. The work is in app/queue*.ts.
import type { Command } from 'commander';
import type { ManageAction } from '../../app/queue.ts';
import type { QueueRunReport } from '../../app/queue-run.ts';
import { reportHead } from '../../app/report.ts';
import type { Spool } from '../../app/spool.ts';
import { EhloError } from '../../base/errors.ts';
import { parseDuration } from '../../base/values.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
import { showError } from '../show-error.ts';
import { spoolDirectory } from '../spool-directory.ts';

const actions = ['list', 'run', 'show', 'drop', 'hold', 'release'] as const;
type Action = (typeof actions)[number];

/** Options that mean something to some actions only. */
const belongsTo: Record<string, readonly Action[]> = {
  all: ['run'],
  jobs: ['run'],
  watch: ['run'],
  interval: ['run'],
  raw: ['show'],
  force: ['release', 'drop'],
};

const defaultJobs = 4;
const defaultInterval = 30_000;

export const queueCommand: OptionCommand = {
  define(command: Command): void {
    introduce(command, 'messages that wait to be sent: send them, look at them, throw them away', [
      { line: 'ehlo queue', says: 'what waits, for whom, and why' },
      { line: 'ehlo queue run', says: 'try what is due now; for cron, say every minute' },
      { line: 'ehlo queue run --watch', says: 'go on doing so until Ctrl-C' },
      { line: 'ehlo queue show --raw ID > message.eml', says: 'the message itself' },
      { line: 'ehlo queue release --force ID', says: 'send again what may have arrived already' },
    ]);
    command
      .argument('[action]', `${actions.join(', ')} (default list)`)
      .argument('[id...]', 'entries, as list names them');
    command
      .optionsGroup('Queue:')
      .option('--spool <dir>', 'where the messages are (default $XDG_STATE_HOME/ehlo/spool)')
      .option('--all', 'run: also what is not due yet')
      .option('--jobs <n>', `run: so many at the same time (default ${defaultJobs})`)
      .option('--watch', 'run: again and again, until it is stopped')
      .option('--interval <time>', 'run --watch: between two rounds (default 30s)')
      .option('--raw', 'show: the message, byte for byte (on a terminal with escapes made visible)')
      .option('--force', 'release: what may have been accepted already too; drop: what cannot be read too');
  },

  async run(args, raw, context) {
    const options = optionValues(raw);
    const [word = 'list', ...ids] = args;
    const action = actions.find((one) => one === word);
    if (!action) {
      throw new EhloError('usage', `"${word}" is no action of queue`, {
        hint: `the actions are ${actions.join(', ')}`,
      });
    }
    for (const [name, owners] of Object.entries(belongsTo)) {
      const given = options.flag(name) || options.text(name) !== undefined;
      if (given && !owners.includes(action)) {
        throw new EhloError('usage', `--${name} belongs to ${owners.join(' and ')}, not to ${action}`);
      }
    }
    const spool = await open(options, context);
    try {
      return await perform[action](spool, ids, options, context);
    } finally {
      await spool?.close();
    }
  },
};

/** Null: nothing was ever queued. A directory that is named must be there. */
async function open(options: OptionValues, context: Context): Promise<Spool | null> {
  const { openSpool } = await import('../../store/spool.ts');
  const given = options.text('spool');
  try {
    return await openSpool(spoolDirectory(given, context.env), { create: false });
  } catch (thrown) {
    if (given === undefined && thrown instanceof EhloError && thrown.code === 'no-input') return null;
    throw thrown;
  }
}

type Perform = (spool: Spool | null, ids: string[], options: OptionValues, context: Context) => Promise<number>;

const perform: Record<Action, Perform> = {
  list: async (spool, ids, options, context) => {
    if (ids.length > 0) throw new EhloError('usage', 'list takes no ids', { hint: `ehlo queue show ${ids[0]}` });
    const { listQueue } = await import('../../app/queue-list.ts');
    const now = context.ports.clock.date();
    const report = await listQueue(spool, spoolDirectory(options.text('spool'), context.env), now);
    if (context.format !== 'human') return write(report, context);
    const { renderQueue } = await import('../../render/queue.ts');
    context.stdout.write(renderQueue(report, now, context.stdout.style));
    return report.exit.code;
  },

  show: async (spool, ids, options, context) => {
    const [id, second] = ids;
    if (id === undefined || second !== undefined) throw new EhloError('usage', 'show takes one id');
    const { readable, showEntry } = await import('../../app/queue-list.ts');
    const there = spool ?? nothing(id);
    if (options.flag('raw')) {
      if (context.format !== 'human') throw new EhloError('usage', '--raw is the message itself, not JSON');
      const message = await there.message((await readable(there, id)).entry);
      const { rawStdout, readableStdout } = await import('../message-stdout.ts');
      const output = context.stdout.isTTY ? readableStdout(context.stdout) : rawStdout(context.stdout);
      const copy = output.begin({ number: 1, uid: null });
      for await (const chunk of message.chunks()) {
        if (context.signal.aborted) return 0;
        await copy.write(chunk);
      }
      await copy.commit();
      await output.settle();
      return 0;
    }
    const now = context.ports.clock.date();
    const report = await showEntry(there, id, now);
    if (context.format !== 'human') return write(report, context);
    const { renderShown } = await import('../../render/queue.ts');
    context.stdout.write(renderShown(report, now, context.stdout.style));
    return report.exit.code;
  },

  run: async (spool, ids, options, context) => {
    const jobs = options.parsed('jobs', parseJobs) ?? defaultJobs;
    const watch = options.flag('watch');
    const intervalMs = options.parsed('interval', parseDuration);
    if (intervalMs !== undefined && !watch) throw new EhloError('usage', '--interval needs --watch');
    if (intervalMs !== undefined && intervalMs < 1000) throw new EhloError('usage', '--interval is at least 1s');
    if (watch && ids.length > 0) throw new EhloError('usage', '--watch is for the whole queue, not for single ids');
    if (watch && context.format === 'json') {
      throw new EhloError('usage', '--watch has no end to make one document of', { hint: 'use --ndjson' });
    }
    if (options.flag('all') && ids.length > 0) throw new EhloError('usage', '--all and ids exclude each other');
    if (watch) return watching(spool, { jobs, all: options.flag('all'), intervalMs }, options, context);
    if (!spool && ids[0] !== undefined) return nothing(ids[0]);
    return once(spool, { ids, jobs, all: options.flag('all') }, options, context);
  },

  hold: (spool, ids, options, context) => managing('hold', spool, ids, options, context),
  release: (spool, ids, options, context) => managing('release', spool, ids, options, context),
  drop: (spool, ids, options, context) => managing('drop', spool, ids, options, context),
};

function nothing(id: string): never {
  throw new EhloError('no-input', `there is no entry ${id}: nothing was ever queued here`);
}

async function once(
  spool: Spool | null,
  request: { ids: string[]; jobs: number; all: boolean },
  options: OptionValues,
  context: Context,
): Promise<number> {
  if (!spool) {
    const name = spoolDirectory(options.text('spool'), context.env);
    if (context.format !== 'human') {
      const report: QueueRunReport = { ...reportHead('queue', 'OK'), action: 'run', spool: name, entries: [] };
      return write(report, context);
    }
    if (context.verbosity >= 0) context.stderr.write('nothing is due\n');
    return 0;
  }
  const { runQueue } = await import('../../app/queue-run.ts');
  const { report, error } = await runQueue(request, await door(spool, context), await hooks(context));
  if (context.format !== 'human') return write(report, context);
  if (report.entries.length === 0 && context.verbosity >= 0) context.stderr.write('nothing is due\n');
  if (error) await showError(error, context);
  return report.exit.code;
}

async function watching(
  spool: Spool | null,
  request: { jobs: number; all: boolean; intervalMs: number | undefined },
  options: OptionValues,
  context: Context,
): Promise<number> {
  // Something may be queued later: the place must be there.
  const { openSpoolFor } = await import('../spool-directory.ts');
  const there = spool ?? (await openSpoolFor(options.text('spool'), context));
  const { watchQueue } = await import('../../app/queue-run.ts');
  if (context.format === 'human' && context.verbosity >= 0) context.stderr.write(`watching ${there.name}\n`);
  await watchQueue(
    { ids: [], ...request, intervalMs: request.intervalMs ?? defaultInterval },
    await door(there, context),
    { ...(await hooks(context)), signal: context.signal },
  );
  await there.close();
  return 0;
}

async function door(spool: Spool, context: Context) {
  const { connectionOf } = await import('../route.ts');
  return {
    spool,
    ports: context.ports,
    connectionOf: (route: Parameters<typeof connectionOf>[0]) => connectionOf(route, context),
  };
}

async function hooks(context: Context) {
  const [{ renderEntryRun }, { renderEvent }, { jsonLine }] = await Promise.all([
    import('../../render/queue.ts'),
    import('../../render/transcript.ts'),
    import('../../render/json.ts'),
  ]);
  const { stdout, stderr, format, verbosity, scrubber, signal, ports } = context;
  return {
    scrubber,
    signal,
    onEvent: (event: Parameters<typeof renderEvent>[0]) => {
      if (format === 'human' && verbosity > 0) stderr.write(renderEvent(event, stderr.style, { times: verbosity > 1 }));
    },
    onEntry: (run: Parameters<typeof renderEntryRun>[0]) => {
      if (format === 'human' && verbosity >= 0) {
        stdout.write(scrubber.scrub(renderEntryRun(run, ports.clock.date(), stdout.style)));
      } else if (format === 'ndjson') {
        const error = run.error && { code: run.error.code, message: scrubber.scrub(run.error.message) };
        stdout.write(jsonLine({ event: 'entry', ...run, error }));
      }
    },
  };
}

async function managing(
  action: ManageAction,
  spool: Spool | null,
  ids: string[],
  options: OptionValues,
  context: Context,
): Promise<number> {
  const [first] = ids;
  if (first === undefined) throw new EhloError('usage', `${action} needs the id of an entry`);
  const there = spool ?? nothing(first);
  const { manage } = await import('../../app/queue.ts');
  const { entries, error } = await manage(there, action, ids, { force: options.flag('force') }, context.ports.clock);
  const report = { ...reportHead('queue', error ?? 'OK'), action, spool: there.name, entries };
  if (context.format !== 'human') return write(report, context);
  const { renderManaged } = await import('../../render/queue.ts');
  if (context.verbosity >= 0) context.stdout.write(renderManaged(entries, context.stdout.style));
  if (error) await showError(error, context);
  return report.exit.code;
}

async function write(report: ReturnType<typeof reportHead>, context: Context): Promise<number> {
  const { jsonDocument, jsonLine } = await import('../../render/json.ts');
  context.stdout.write(context.format === 'json' ? jsonDocument(report) : jsonLine({ event: 'report', ...report }));
  return report.exit.code;
}

const parseJobs = (text: string): number => {
  const jobs = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (jobs < 1 || jobs > 100) throw new EhloError('usage', `"${text}" is not a number from 1 to 100`);
  return jobs;
};

// `ehlo send --csv`: the rows checked, sent on their lanes, and told as they end. The work is in app/merge.ts.
import type { ServerUrl } from '../app/connection.ts';
import type { ProtocolControl } from '../app/control.ts';
import { type Lane, merge } from '../app/merge.ts';
import { inputTemplate } from '../app/merge-input.ts';
import type { MergeCounts, RowDone, RowResult } from '../app/merge-report.ts';
import { checkRows, jobShape, mergeRows, type RowNaming } from '../app/merge-rows.ts';
import { Pace } from '../app/pace.ts';
import { type SendHooks, type SendRequest, type SendResult, send } from '../app/send.ts';
import { createSessionPool } from '../app/session-pool.ts';
import { endingError, withTimeLimit } from '../app/time-limit.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import { jsonDocument, jsonLine } from '../render/json.ts';
import { type MergeProgress, renderMerge, renderRow, startMergeProgress } from '../render/merge.ts';
import { safe } from '../render/safe.ts';
import { renderEvent } from '../render/transcript.ts';
import { openCsv } from '../store/csv.ts';
import { MergeJournal } from '../store/merge-journal.ts';
import type { Context } from './command.ts';
import { type MergeOptions, parseMergeOptions } from './merge-options.ts';
import type { OptionValues } from './option-values.ts';
import { showError } from './show-error.ts';
import { type MakeInput, readTemplated } from './template-options.ts';

export interface MergeBase {
  /** Of every row alike: all but the message. */
  request: Omit<SendRequest, 'input'>;
  hooks: Omit<SendHooks, 'signal' | 'pool'>;
  input: MakeInput;
}

/** The exit code. Throws for what is wrong before anything is sent. */
export async function runMerge(
  args: string[],
  options: OptionValues,
  base: MergeBase,
  context: Context,
): Promise<number> {
  const asked = parseMergeOptions(options);
  const { ports } = context;
  refuseStop(base.request.control);
  const { maxTimeMs, ...connection } = base.request.connection;
  const limited = withTimeLimit(context.signal, maxTimeMs, ports.clock);
  const progress = await startMergeProgress({
    isTTY: context.stderr.isTTY,
    format: context.format,
    verbosity: context.verbosity,
    color: false,
    width: context.stderr.width,
    now: () => ports.clock.now(),
  });
  const show = new MergeOutput(context, options.oneOf('print', ['message-id', 'queue-id', 'response']), progress);
  let journal: MergeJournal | undefined;
  try {
    const { input, bodies, data = {} } = await readTemplated(args, options, base.input, ports);
    const template = await inputTemplate(input, ports, bodies);
    const table = await openCsv(await ports.files.read(asked.csv), asked.delimiter);
    const rows = mergeRows(table, data, namingOf(asked));
    const count = await checkRows(rows(), template, limited.signal, () => endingError(limited.signal));
    if (context.format === 'json' && count > mergeLimits.jsonRows) {
      throw new EhloError(
        'usage',
        `${count} rows do not go into one JSON document: at most ${mergeLimits.jsonRows} do`,
        {
          hint: 'nothing was sent; --ndjson tells each row as it ends',
        },
      );
    }
    const { dryRun } = base.request;
    const notes: string[] = [];
    if (asked.delimiter === undefined && table.delimiter !== ',') {
      notes.push(`the columns are parted by ${table.delimiter === '\t' ? 'tabs' : table.delimiter}`);
    }
    if (asked.report !== undefined && !dryRun) {
      const { columns } = table;
      journal = await MergeJournal.open(asked.report, {
        shape: jobShape(template, data),
        key: asked.key ?? null,
        columns,
      });
      if (journal.changed.length > 0) notes.push(`since the report began, ${journal.changed.join(' and ')} changed`);
    }
    const sendOne = (rowInput: typeof input, hooks: SendHooks) =>
      send({ ...base.request, connection, input: rowInput }, ports, hooks);
    const { report, error } = await merge(
      {
        rows: rows(),
        count,
        template,
        verdicts: isLmtp(connection.server) ? 'each' : 'one',
        jobs: dryRun ? 1 : asked.jobs,
        pace: new Pace(ports.clock, asked.spacing),
        stopAfter: asked.stopAfter,
        journal,
        resend: asked.resend,
        dryRun,
        notes,
      },
      ports.clock,
      {
        openLane: () => laneOf(sendOne, base.hooks, show),
        signal: limited.signal,
        onRow: (done, counts) => show.row(done, counts),
      },
    );
    progress.stop();
    // Before anything is told: what it says of rows is on the disk already, and a failure here is worth a note.
    const closed = journal?.close();
    journal = undefined;
    // A run that was stopped because the disk does not take any more has said so.
    await closed?.catch((thrown: unknown) => {
      const { message } = asEhloError(thrown);
      if (!error?.message.includes(message)) notes.push(`the report was not closed: ${message}`);
    });
    if (context.format === 'json') context.stdout.write(jsonDocument({ ...report, rows: show.results }));
    else if (context.format === 'ndjson') context.stdout.write(jsonLine({ event: 'report', ...report }));
    else {
      if (context.verbosity >= 0) {
        for (const note of notes) context.stderr.write(`${context.stderr.style('warn', 'note:')} ${safe(note)}\n`);
        context.stdout.write(renderMerge(report, context.stdout.style));
      }
      if (error) await showError(error, context);
    }
    return report.exit.code;
  } finally {
    progress.stop();
    limited.cancel();
    // What was thrown says more.
    await journal?.close().catch(() => undefined);
  }
}

/** A row is told as accepted or not; of a session that ends before that neither is true. */
function refuseStop(control: ProtocolControl | undefined): void {
  const after = control?.stop?.after;
  if (after === undefined || after === 'dot') return;
  throw new EhloError('usage', `--csv sends messages, and the sessions would end behind ${after}`, {
    hint: 'nothing was sent; --dry-run checks every row, and --quit-after is for a single message',
  });
}

const isLmtp = (server: ServerUrl | undefined): boolean => server?.scheme.startsWith('lmtp') === true;

const namingOf = ({ key, report }: MergeOptions): RowNaming =>
  key === undefined ? { by: report === undefined ? 'none' : 'values' } : { by: 'key', column: key };

/** A session carries one message at a time, so every lane has its own. */
function laneOf(
  sendOne: (input: SendRequest['input'], hooks: SendHooks) => Promise<SendResult>,
  hooks: MergeBase['hooks'],
  show: MergeOutput,
): Lane {
  const pool = createSessionPool();
  return {
    async send(input, { signal, onEvent }) {
      const result = await sendOne(input, {
        ...hooks,
        signal,
        pool,
        onEvent: (event) => {
          onEvent(event);
          hooks.onEvent?.(event);
        },
      });
      await show.message(result);
      return result;
    },
    close: () => pool.close(),
  };
}

/** The rows as they end, in the format that was asked for. */
class MergeOutput {
  /** For one JSON document. */
  readonly results: RowResult[] = [];
  readonly #context: Context;
  readonly #print: 'message-id' | 'queue-id' | 'response' | undefined;
  readonly #progress: MergeProgress;
  #shown = false;

  constructor(context: Context, print: 'message-id' | 'queue-id' | 'response' | undefined, progress: MergeProgress) {
    this.#context = context;
    this.#print = print;
    this.#progress = progress;
  }

  /** With --dry-run the first message is shown as it would go out. */
  async message({ report, message }: SendResult): Promise<void> {
    if (!report.dryRun || this.#shown || this.#context.format !== 'human') return;
    this.#shown = true;
    for await (const chunk of message?.chunks() ?? []) this.#context.stdout.write(chunk);
  }

  async row({ result, report, error }: RowDone, counts: MergeCounts): Promise<void> {
    const { stdout, stderr, format, verbosity } = this.#context;
    this.#progress.update(counts);
    if (format === 'json') this.results.push(result);
    else if (format === 'ndjson') stdout.write(jsonLine({ event: 'row', ...result }));
    else {
      const text = this.#text({ result, report, error });
      if (text !== '' && verbosity >= 0) await this.#progress.aside(() => stdout.write(text));
      if (verbosity > 0 && report?.transcript) {
        stderr.write(`${stderr.style('strong', `== row ${result.row} (line ${result.line})`)}\n`);
        for (const event of report.transcript) stderr.write(renderEvent(event, stderr.style, { times: verbosity > 1 }));
      }
    }
    // Whoever reads slowly must not make us hold a million lines.
    if (result.row % 64 === 0) await stdout.drained?.();
  }

  #text({ result, report, error }: RowDone): string {
    const { status } = result;
    if (status === 'accepted' && !error && this.#print !== undefined && report) {
      const value = { 'message-id': report.messageId, 'queue-id': report.queueId, response: report.response }[
        this.#print
      ];
      return `${safe(value ?? '')}\n`;
    }
    const isFine = (status === 'accepted' && !error) || status === 'skipped' || status === 'planned';
    return isFine ? '' : renderRow(result, this.#context.stdout.style);
  }
}

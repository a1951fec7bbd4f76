// The one door out: every error is shown here, every exit code is set here, and nothing leaves before output has drained.
import { constants } from 'node:os';
import { type ReportHead, reportHead } from '../app/report.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { exitCodes } from '../base/exit.ts';
import type { Scrubber } from '../base/secret.ts';
import { plainStyle } from '../render/color.ts';
import { renderError } from '../render/error.ts';
import { jsonDocument, jsonLine } from '../render/json.ts';
import { StreamOutput } from './output.ts';

type Ending = 'SIGINT' | 'SIGTERM' | 'SIGPIPE';

export interface Door {
  stdout: StreamOutput;
  stderr: StreamOutput;
  /** Aborted by the first SIGINT or SIGTERM, or when nobody reads our output any more; the reason is the signal's name. */
  signal: AbortSignal;
  /** How errors are shown; set again once the options are parsed. */
  show: { command: string; format: 'human' | 'json' | 'ndjson' };
  /** Shows what was thrown and returns its exit code. */
  fail(thrown: unknown): number;
  /** Ends the process with this code, once all output is out. */
  leave(code: number): Promise<never>;
}

export function openDoor(scrubber: Scrubber): Door {
  const ending = new AbortController();
  const endedBy = (): Ending | undefined => (ending.signal.aborted ? (ending.signal.reason as Ending) : undefined);
  let failing = false;
  let outputFailure: NodeJS.ErrnoException | undefined;

  const onStdoutFailure = (failure: NodeJS.ErrnoException): void => {
    outputFailure ??= failure;
    if (failure.code === 'EPIPE' && !ending.signal.aborted) ending.abort('SIGPIPE' satisfies Ending);
  };
  const door: Door = {
    stdout: new StreamOutput(() => process.stdout, plainStyle, onStdoutFailure),
    // With stderr gone there is nobody to tell; the work goes on.
    stderr: new StreamOutput(
      () => process.stderr,
      plainStyle,
      () => {},
    ),
    signal: ending.signal,
    show: { command: 'ehlo', format: 'human' },

    fail(thrown) {
      const error = scrubbed(asEhloError(thrown), scrubber);
      const head = reportHead(door.show.command, error);
      const by = endedBy() ?? (isForcedPrompt(error) ? 'SIGINT' : undefined);
      const code = afterSignal(head.exit.code, by);
      if (by === 'SIGPIPE') return code;
      if (door.show.format === 'human' || door.stdout.used) {
        door.stderr.write(renderError(error, door.stderr.style));
      } else {
        const name = code === head.exit.code ? head.exit.name : by;
        const report: Omit<ReportHead, 'exit'> & { exit: { code: number; name: string | undefined } } = {
          ...head,
          exit: { code, name },
        };
        door.stdout.write(door.show.format === 'json' ? jsonDocument(report) : jsonLine({ event: 'error', ...report }));
      }
      return code;
    },

    async leave(code) {
      await door.stdout.drained();
      let last = afterSignal(code, endedBy());
      if (outputFailure && outputFailure.code !== 'EPIPE') {
        door.stderr.write(renderError(cannotWrite(outputFailure), door.stderr.style));
        last = exitCodes.IO;
      }
      await door.stderr.drained();
      // Not process.exitCode alone: a pipe on stdin or an idle connection must not keep a finished command alive.
      process.exit(last);
    },
  };

  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (!ending.signal.aborted) ending.abort(name);
      else endNow(name);
    });
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (thrown: unknown) => {
      // A second one, while the first is being shown, must not end in Node's own trace: that is not scrubbed.
      if (failing) process.exit(exitCodes.INTERNAL);
      failing = true;
      void door.leave(door.fail(thrown));
    });
  }
  return door;
}

/** What was done stays done: a finished send is 0 though a signal came late, and so are PARTIAL and UNKNOWN their own. */
const outcomes: ReadonlySet<number> = new Set([exitCodes.OK, exitCodes.PARTIAL, exitCodes.UNKNOWN]);

const afterSignal = (code: number, by: Ending | undefined): number =>
  by === undefined || outcomes.has(code) ? code : 128 + constants.signals[by];

/** Asked twice. Temporary files go; the default action of the signal ends us even where a thread is stuck in a read. */
function endNow(name: 'SIGINT' | 'SIGTERM'): void {
  process.emit('exit', 128 + constants.signals[name]);
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}

/** inquirer reads Ctrl-C as a key, so no signal is sent. */
const isForcedPrompt = (error: EhloError): boolean =>
  error.cause instanceof Error && error.cause.name === 'ExitPromptError';

const cannotWrite = (failure: NodeJS.ErrnoException): EhloError =>
  new EhloError('io', `standard output cannot be written: ${failure.message}`, { cause: failure });

/** The last look for secrets: whatever an outer system put into the text of an error. */
const scrubbed = (error: EhloError, scrubber: Scrubber): EhloError => {
  const scrub = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : scrubber.scrub(text);
  return new EhloError(error.code, scrubber.scrub(error.message), {
    side: error.side,
    stage: error.stage,
    peer: scrub(error.peer),
    reply: error.reply && { ...error.reply, text: scrubber.scrub(error.reply.text) },
    hint: scrub(error.hint),
    retryable: error.retryable,
    mayDuplicate: error.mayDuplicate,
    cause: error.cause,
  });
};

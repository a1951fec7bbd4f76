// One spinner on a terminal's stderr, or nothing at all. ora is loaded only where it shows.
import { clip, safe } from './safe.ts';

export interface Progress {
  /** What is being done now. */
  update(text: string): void;
  /** Takes the line away; anything may be written to stderr after it. */
  stop(): void;
}

export interface ProgressOptions {
  /** stderr is a terminal. */
  isTTY: boolean;
  format: 'human' | 'json' | 'ndjson';
  verbosity: number;
  color: boolean;
}

const silent: Progress = { update() {}, stop() {} };

/** Shown only when people watch: a TTY, the human format, neither quiet nor with a transcript running over the same lines. */
export const showsProgress = ({ isTTY, format, verbosity }: ProgressOptions): boolean =>
  isTTY && format === 'human' && verbosity === 0;

export async function startProgress(text: string, options: ProgressOptions): Promise<Progress> {
  // On a terminal that says it has no columns ora divides by them and clears lines for ever.
  if (!showsProgress(options) || !process.stderr.columns) return silent;
  const { default: ora } = await import('ora');
  const spinner = ora({
    text: line(text),
    stream: process.stderr,
    // ora's default puts stdin into raw mode, which eats what is piped or typed.
    discardStdin: false,
    isSilent: false,
    color: options.color ? 'cyan' : false,
  });
  spinner.start();
  return {
    update(next) {
      spinner.text = line(next);
    },
    stop() {
      spinner.stop();
    },
  };
}

const line = (text: string): string => clip(safe(text), 70);

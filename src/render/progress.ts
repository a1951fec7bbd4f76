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
  if (!showsProgress(options)) return silent;
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

// What a command file exports, and what it gets. One file a command under commands/, imported only when it is invoked.
import type { Command } from 'commander';
import type { Ports } from '../app/ports.ts';
import type { Scrubber } from '../base/secret.ts';
import type { Style } from '../render/style.ts';

export interface Context {
  /** The outside, with lazy imports behind each part. */
  ports: Ports;
  stdin: NodeJS.ReadStream;
  stdout: Output;
  stderr: Output;
  env: NodeJS.ProcessEnv;
  /** Aborted by SIGINT or SIGTERM; `reason` is the signal's name. */
  signal: AbortSignal;
  format: 'human' | 'json' | 'ndjson';
  /** -1 quiet, 0, 1 transcript, 2 also DNS, TLS details and timings. */
  verbosity: number;
  /** May ask questions: stdin and stderr are TTYs and --no-input is absent. */
  interactive: boolean;
  /** Every secret that this run comes to know; taken out of each error before it is shown. */
  scrubber: Scrubber;
}

export interface Output {
  /** Untrusted parts must have gone through render/safe.ts. EPIPE ends the program quietly. */
  write(text: string | Buffer): void;
  /** Chalk at the right level for this stream; plain where colours are off. */
  style: Style;
  isTTY: boolean;
  /** Columns; 80 where unknown. */
  width: number;
  /** Resolves once everything written so far was handed on: for whoever writes more than memory should hold. */
  drained?(): Promise<void>;
}

export interface OptionCommand {
  /** Adds description, arguments, options and help text (examples first) to a fresh command. */
  define(command: Command): void;
  /** False: takes no value from configuration files and the environment by itself. */
  layers?: false;
  /** Resolves with the exit code (usually report.exit.code). A thrown EhloError is shown by main, as text or as JSON. */
  run(args: string[], options: Record<string, unknown>, context: Context): Promise<number>;
}

/** A command under another program's name: it reads its arguments as that program does, without any option of ours. */
export interface FrontCommand {
  front(argv: readonly string[], context: Context): Promise<number>;
}

export type CommandModule = OptionCommand | FrontCommand;

// Runs a command of the user and takes what it prints: the way to a password or token that never touches our argv.
import { spawn } from 'node:child_process';
import { EhloError } from '../base/errors.ts';

export interface CommandOutputOptions {
  env: NodeJS.ProcessEnv;
  /** Ends the command. */
  signal: AbortSignal;
  /** More output than this is an error, not a password. */
  maxBytes: number;
}

/** stdout of `sh -c command`. Its stdin is ours (it may ask), and so is its stderr. Rejects with 'io' unless it exits with 0. */
export async function commandOutput(command: string, options: CommandOutputOptions): Promise<Buffer> {
  const ran = await run('/bin/sh', ['-c', command], options);
  // The command's own text may hold the secret's name or more: only how it ended is told.
  const fail = (what: string, cause?: Error): EhloError =>
    new EhloError('io', `the password or token command ${what}`, { hint: 'run it by itself to see why', cause });
  switch (ran.kind) {
    case 'not-run':
      throw fail(`cannot be run: ${ran.cause.message}`, ran.cause);
    case 'too-much':
      throw fail(`printed more than ${options.maxBytes} bytes`);
    case 'signal':
      throw fail(`was ended by ${ran.signal}`);
    case 'exit':
      if (ran.code !== 0) throw fail(`failed with exit code ${ran.code}`);
      return ran.stdout;
  }
}

export type ProgramOutcome =
  | { kind: 'exit'; code: number; stdout: Buffer }
  | { kind: 'signal'; signal: NodeJS.Signals | null }
  | { kind: 'too-much' }
  /** There is no such program: ENOENT; or it may not be run. */
  | { kind: 'not-run'; cause: NodeJS.ErrnoException };

/** One program with its arguments, no shell between. Never rejects. */
export function run(program: string, args: string[], options: CommandOutputOptions): Promise<ProgramOutcome> {
  // Node throws for it, and its message shows the argument.
  if ([program, ...args].some((word) => word.includes('\0'))) {
    return Promise.resolve({ kind: 'not-run', cause: new Error('no argument can hold U+0000') });
  }
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    let child: ReturnType<typeof start>;
    try {
      child = start(program, args, options.env);
    } catch (thrown) {
      // E2BIG is thrown, ENOENT is an event.
      return resolve({ kind: 'not-run', cause: thrown instanceof Error ? thrown : new Error(String(thrown)) });
    }
    const stop = (): void => {
      child.kill();
      // What the command started may hold the other end open for as long as it likes.
      child.stdout.destroy();
    };
    const settle = (outcome: ProgramOutcome): void => {
      options.signal.removeEventListener('abort', stop);
      resolve(outcome);
    };
    if (options.signal.aborted) stop();
    options.signal.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > options.maxBytes) stop();
      else parts.push(chunk);
    });
    child.on('error', (cause) => settle({ kind: 'not-run', cause }));
    child.on('close', (code, signal) => {
      if (size > options.maxBytes) settle({ kind: 'too-much' });
      else if (code === null) settle({ kind: 'signal', signal });
      else settle({ kind: 'exit', code, stdout: Buffer.concat(parts) });
    });
  });
}

const start = (program: string, args: string[], env: NodeJS.ProcessEnv) =>
  spawn(program, args, {
    // The environment may hold other secrets of ours; the command has no business with them.
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('EHLO_'))),
    stdio: ['inherit', 'pipe', 'inherit'],
  });

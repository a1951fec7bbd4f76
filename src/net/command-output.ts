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
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    const child = spawn(program, args, {
      // The environment may hold other secrets of ours; the command has no business with them.
      env: Object.fromEntries(Object.entries(options.env).filter(([name]) => !name.startsWith('EHLO_'))),
      stdio: ['inherit', 'pipe', 'inherit'],
    });
    const stop = (): boolean => child.kill();
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

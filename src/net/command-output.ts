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
export function commandOutput(command: string, options: CommandOutputOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const child = spawn('/bin/sh', ['-c', command], {
      // The environment may hold other secrets of ours; the command has no business with them.
      env: Object.fromEntries(Object.entries(options.env).filter(([name]) => !name.startsWith('EHLO_'))),
      stdio: ['inherit', 'pipe', 'inherit'],
    });
    const stop = (): boolean => child.kill();
    const fail = (what: string, cause?: Error): void => {
      options.signal.removeEventListener('abort', stop);
      // The command's own text may hold the secret's name or more: only how it ended is told.
      reject(
        new EhloError('io', `the password or token command ${what}`, { hint: 'run it by itself to see why', cause }),
      );
    };
    options.signal.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > options.maxBytes) stop();
      else parts.push(chunk);
    });
    child.on('error', (cause) => fail(`cannot be run: ${cause.message}`, cause));
    child.on('close', (code, signal) => {
      if (size > options.maxBytes) fail(`printed more than ${options.maxBytes} bytes`);
      else if (code !== 0) fail(code === null ? `was ended by ${signal}` : `failed with exit code ${code}`);
      else {
        options.signal.removeEventListener('abort', stop);
        resolve(Buffer.concat(parts));
      }
    });
  });
}

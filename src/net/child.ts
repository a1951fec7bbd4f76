// Runs a command of the user beside a server, with more environment. Its input and output are ours.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Child, RunChild } from '../app/ports.ts';
import { EhloError } from '../base/errors.ts';

export const runChild: RunChild = ([command = '', ...args], { env, stdout }): Child => {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['inherit', stdout === 'stderr' ? 2 : 'inherit', 'inherit'],
  });
  const finished = new Promise<number>((resolve, reject) => {
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'ENOENT' ? 'no such command' : cause.message;
      reject(new EhloError('no-input', `cannot run ${command}: ${why}`, { cause }));
    });
    // As a shell says it: 128 and the number of the signal.
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  return { finished, kill: (signal) => void child.kill(signal) };
};

// A shell command in place of a connection: we speak to its standard input and output. Its stderr is ours.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { type Clock, systemClock } from '../base/clock.ts';
import { EhloError } from '../base/errors.ts';
import type { Channel } from '../wire/channel.ts';
import { socketChannel } from './channel.ts';

/** For a command that has seen the end of its input, and once more after SIGTERM. */
const graceMs = 2000;

/**
 * The command has one socket as its stdin and stdout: for us a socket like any other, so TLS works in place. A program takes
 * the shell's place, so that a signal reaches it; what is more than one program must heed the end of its input.
 */
const script = 'case $(command -v "$2") in /*) set -- "exec $1" ;; esac; exec /bin/sh -c "$1" <&3 >&3 3>&-';

/** The program of a command that is only that: a program and its arguments. */
const programOf = (command: string): string => /^\s*([\w./+-]+)(?:[ \t][^;&|()`\n{}!#]*)?$/.exec(command)?.[1] ?? '';

export interface Pipe {
  channel: Channel;
  /** Resolves when the process has ended, which it does soon after the channel was closed. */
  ended: Promise<void>;
}

/** Rejects with 'connect-failed' where no shell can be started. What the shell cannot find it says itself, on stderr. */
export function openPipe(command: string, clock: Clock = systemClock): Promise<Pipe> {
  const peer = `pipe: ${command}`;
  const child = spawn('/bin/sh', ['-c', script, 'sh', command, programOf(command)], {
    // The environment may hold secrets of ours; the command has no business with them.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('EHLO_'))),
    // Not a session of its own: it may ask on the terminal (ssh), and Ctrl-C is for it too.
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      const facts = { stage: 'connect', peer, side: 'local' as const, cause };
      reject(new EhloError('connect-failed', `cannot run the command of --pipe: ${cause.message}`, facts));
    });
    child.once('spawn', () => {
      const socket = child.stdio[3];
      if (!(socket instanceof Socket)) throw new Error('a pipe of a child process is a socket');
      socket.allowHalfOpen = true;
      endWith(socket, child, clock);
      resolve({ channel: socketChannel(socket, peer), ended });
    });
  });
}

/** Closing the socket is the end of the command's input; a command that goes on all the same is told twice. */
function endWith(socket: Socket, child: ChildProcess, clock: Clock): void {
  let cancel = (): void => undefined;
  socket.once('close', () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    cancel = clock.after(graceMs, () => {
      child.kill('SIGTERM');
      cancel = clock.after(graceMs, () => child.kill('SIGKILL'));
    });
  });
  // We must not leave it behind, whatever ends us.
  const onExit = (): void => void child.kill('SIGTERM');
  process.once('exit', onExit);
  child.once('exit', () => {
    cancel();
    process.off('exit', onExit);
  });
}

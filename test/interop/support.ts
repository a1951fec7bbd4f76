// Real programs as peers: find them, run them with a time limit, start them as servers and end them by their process id.
// A program that is missing fails the test: the suite proves nothing without its peers.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const peers = fileURLToPath(new URL('peers/', import.meta.url));

/** Where programs may be, and the Debian package that brings each. */
const places = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/bin', '/bin'];
const packages: Record<string, string> = {
  swaks: 'swaks libnet-ssleay-perl',
  msmtp: 'msmtp',
  mpop: 'mpop',
  curl: 'curl',
  'smtp-sink': 'postfix',
  'smtp-source': 'postfix',
  dovecot: 'dovecot-pop3d',
  fetchmail: 'fetchmail',
  's-nail': 's-nail',
  strace: 'strace',
  dig: 'bind9-dnsutils',
  openssl: 'openssl',
  '/usr/bin/python3': 'python3-aiosmtpd',
};

export function find(program: string): string {
  const paths = program.startsWith('/') ? [program] : places.map((place) => join(place, program));
  for (const path of paths) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next place
    }
  }
  throw new Error(`${program} is not installed; on Debian: apt-get install ${packages[program] ?? program}`);
}

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Standard output as bytes. */
  output: Buffer;
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  limitMs?: number;
}

/** Nothing of the outer environment that changes languages, colours, Node or where configuration is read from. */
const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  PATH: places.join(':'),
  HOME: home(),
  USER: userInfo().username,
  LOGNAME: userInfo().username,
  LC_ALL: 'C.UTF-8',
  TERM: 'dumb',
  ...more,
});

/** Runs to the end; a program that does not end is killed, and the test fails. */
export async function tool(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input = '', env, cwd = home(), limitMs = 30_000 } = options;
  const child = spawn(find(program), args, { cwd, env: environment(env) });
  return finished(child, [program, ...args].join(' '), input, limitMs);
}

/** The built program, through its launcher. */
export const ehlo = (args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  tool(process.execPath, [launcher(), ...args], options);

const python = '/usr/bin/python3';

/** A script of peers/ in the system's Python, which has the packages of Debian. */
export const runPython = (script: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  tool(python, [join(peers, script), ...args], options);

function finished(child: ChildProcess, words: string, input: string | Buffer, limitMs: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program that does not read its input is not a failure.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const output = Buffer.concat(stdout);
      const ran = { code, signal, output, stdout: output.toString(), stderr: Buffer.concat(stderr).toString() };
      if (late) reject(new Error(`${words} did not end within ${limitMs} ms\n${ran.stdout}\n${ran.stderr}`));
      else resolve(ran);
    });
  });
}

/** A program that runs until stop(). */
export interface Running {
  pid: number;
  /** What it has printed so far, both streams. */
  printed(): string;
  /** SIGTERM, SIGKILL when that does not end it. */
  stop(): Promise<void>;
  /** Resolves with the exit code when it ends by itself. */
  ended: Promise<number | null>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function start(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Running & { child: ChildProcess } {
  const child = spawn(find(program), args, {
    cwd: options.cwd ?? home(),
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let text = '';
  const keep = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      running.delete(child);
      resolve(code);
    });
    child.on('error', () => resolve(null));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(kill);
  };
  return { child, pid: child.pid ?? 0, printed: () => text, stop, ended };
}

/** A server that is told its port: started, and waited for until it accepts. */
export async function startServer(
  program: string,
  args: readonly string[],
  port: number,
  options: RunOptions = {},
): Promise<Running> {
  const server = start(program, args, options);
  const deadline = performance.now() + 10_000;
  while (!(await accepts(port))) {
    if (server.child.exitCode !== null || performance.now() > deadline) {
      await server.stop();
      throw new Error(`${program} ${args.join(' ')} does not listen on port ${port}: ${server.printed()}`);
    }
    await pause(10);
  }
  return server;
}

export const startPython = (script: string, args: readonly string[], port: number): Promise<Running> =>
  startServer(python, [join(peers, script), ...args], port);

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** For programs that cannot choose one themselves. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });

let homePath: string | undefined;

/** One directory for everything of this run; it is also HOME, so that no configuration of the machine is read. */
export function home(): string {
  if (homePath === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'ehlo-interop-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    homePath = made;
  }
  return homePath;
}

let count = 0;

/** A path in home() that nothing else has; not made. */
export const freshPath = (name: string): string => join(home(), `${++count}-${name}`);

let build: { failure: string | null } | undefined;

/** Built once when dist/ is older than a source. EHLO_LAUNCHER names another build, for example an installed one. */
export function launcher(): string {
  const other = process.env['EHLO_LAUNCHER'];
  if (other !== undefined) return other;
  build ??= buildIfStale();
  if (build.failure !== null) throw new Error(`the build failed: ${build.failure}`);
  return join(root, 'bin/ehlo.js');
}

function buildIfStale(): { failure: string | null } {
  if (newest(join(root, 'dist')) >= newest(join(root, 'src'))) return { failure: null };
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { encoding: 'utf8' });
  return { failure: status === 0 ? null : stderr };
}

/** Of the files in it; a directory that is not there is older than anything. */
const newest = (directory: string): number =>
  Math.max(
    ...(existsSync(directory) ? readdirSync(directory, { recursive: true, withFileTypes: true }) : [])
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );

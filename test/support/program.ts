// Runs the program as a child process: the real entry, or a probe command behind the real door (test/cli/probe.ts).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  input?: string;
  /** Standard input stays open. */
  keepInput?: boolean;
  /** Called once this text has been seen on stdout or stderr. */
  on?: { text: string; act: (child: ReturnType<typeof spawn>) => void };
  /** Called with the child at once. */
  started?: (child: ReturnType<typeof spawn>) => void;
  /** A shell line in which "$EHLO" runs the program. */
  shell?: string;
}

let probe: Promise<string> | undefined;
let main: Promise<string> | undefined;

/** Bundled once: starting TypeScript for each run would be most of the time. */
async function bundled(entry: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  await build({
    absWorkingDir: root,
    entryPoints: { program: entry },
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    logLevel: 'error',
  });
  return join(directory, 'program.mjs');
}

export async function runProbe(args: string[], options: RunOptions = {}): Promise<Ran> {
  probe ??= bundled('test/cli/probe.ts');
  return run([await probe], args, options);
}

/** The real entry, bundled from the sources of now: for tables of many runs. */
export async function runBundled(args: string[], options: RunOptions = {}): Promise<Ran> {
  main ??= bundled('src/cli/main.ts');
  return run([await main], args, options);
}

export const runMain = (args: string[], options: RunOptions = {}): Promise<Ran> =>
  run(['--import', 'tsx', join(root, 'src/cli/main.ts')], args, options);

function run(program: string[], args: string[], options: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    // Nothing of the outer environment that changes colours, Node itself, or the options: no EHLO_*, no configuration file.
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, TERM: 'xterm', XDG_CONFIG_HOME: '/dev/null/nothing', ...options.env };
    const words = [process.execPath, ...program, ...args];
    const child = options.shell
      ? spawn('/bin/bash', ['-c', options.shell], { cwd: root, env: { ...env, EHLO: words.join(' ') } })
      : spawn(process.execPath, [...program, ...args], { cwd: root, env });
    options.started?.(child);
    let stdout = '';
    let stderr = '';
    let acted = false;
    const seen = (text: string): void => {
      const { on } = options;
      if (!on || acted || !text.includes(on.text)) return;
      acted = true;
      on.act(child);
    };
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      seen(stdout);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      seen(stderr);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    child.stdin.on('error', () => {});
    if (!options.keepInput) child.stdin.end(options.input ?? '');
  });
}

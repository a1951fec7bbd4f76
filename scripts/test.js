// Runs the tests: `unit` is all of test/ but test/interop, `interop` is test/interop (against real servers and clients).
// One process for all files: loading TypeScript once is most of what a process per file would cost.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A test that leaves a socket or a timer behind keeps the process alive: after this it is ended, and has failed. */
const limitMs = { unit: 5 * 60_000, interop: 20 * 60_000 };

const [mode = 'unit', ...patterns] = process.argv.slice(2);

if (mode === 'in-process') {
  for (const file of patterns) await import(pathToFileURL(`${root}${file}`).href);
} else if (mode in limitMs) {
  process.exitCode = run(mode, testFiles(mode, patterns));
} else {
  console.error('usage: node scripts/test.js unit|interop [part of a file name ...]');
  process.exitCode = 64;
}

/** Sorted, so that every run has the same order. */
function testFiles(suite, wanted) {
  return readdirSync(`${root}test`, { recursive: true })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.test.ts') && name.startsWith('test/interop/') === (suite === 'interop'))
    .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
    .sort();
}

function run(suite, files) {
  if (files.length === 0) {
    console.log('ℹ tests 0\nℹ pass 0\nℹ fail 0');
    return patterns.length === 0 ? 0 : 1;
  }
  const args = ['--import', 'tsx', '--test-reporter=spec', fileURLToPath(import.meta.url), 'in-process', ...files];
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', timeout: limitMs[suite] });
  if (done.error?.code === 'ETIMEDOUT') console.error(`the ${suite} tests did not end: something is left open`);
  return done.status ?? 1;
}

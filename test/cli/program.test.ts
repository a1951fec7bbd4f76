// The program from outside: what it prints where, and how it ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { version } from '../../src/base/version.ts';
import { type Ran, runMain, runProbe } from '../support/program.ts';

const escapes = (text: string): boolean => text.includes('\u001b');

const errorOf = (ran: Ran) => {
  const { command, ok, exit, error } = JSON.parse(ran.stdout);
  return { command, ok, exit, code: error.code, message: error.message, hint: error.hint };
};

describe('the real entry', { concurrency: 2 }, () => {
  test('--version prints one line', async () => {
    assert.deepEqual(await runMain(['--version']), { code: 0, signal: null, stdout: `ehlo ${version}\n`, stderr: '' });
  });

  test('--help names every command and loads none', async () => {
    const ran = await runMain(['--help']);
    assert.equal(ran.code, 0);
    for (const name of ['send', 'relay-test', 'inspect', 'serve', 'fetch', 'demo']) {
      assert.match(ran.stdout, new RegExp(`^  ${name} +\\S`, 'm'));
    }
    assert.ok(ran.stdout.indexOf('Examples:') < ran.stdout.indexOf('Usage:'));
  });

  test('a misspelt command is a usage error that names the nearest', async () => {
    const ran = await runMain(['sned']);
    assert.equal(ran.code, 64);
    assert.equal(ran.stdout, '');
    assert.equal(ran.stderr, 'ehlo: unknown command "sned"\nhint: did you mean ehlo send?\n');
  });
});

describe('usage', { concurrency: 2 }, () => {
  test('no command', async () => {
    const ran = await runProbe([]);
    assert.equal(ran.code, 64);
    assert.match(ran.stderr, /^ehlo: no command given\n/);
  });

  test('an unknown option is 64 and names the nearest', async () => {
    const ran = await runProbe(['probe', 'show', '--sujbect', 'x']);
    assert.equal(ran.code, 64);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, /^ehlo: unknown option '--sujbect'\nhint: did you mean --subject\?/);
  });

  for (const args of [
    ['probe', 'show', '--pasword=hunter2'],
    ['probe', 'show', '--user=u', '--pasword=a=hunter2', '--json'],
    ['--password=hunter2', 'probe'],
  ]) {
    test(`the value of an unknown option is not shown: ${args.join(' ')}`, async () => {
      const ran = await runProbe(args);
      assert.equal(ran.code, 64);
      assert.match(ran.stdout + ran.stderr, /unknown option .*--pass?word["']/);
      assert.doesNotMatch(ran.stdout + ran.stderr, /hunter2/);
    });
  }

  test('with --json the same is one document', async () => {
    const ran = await runProbe(['probe', 'show', '--sujbect', 'x', '--json']);
    assert.equal(ran.code, 64);
    assert.equal(ran.stderr, '');
    assert.deepEqual(errorOf(ran), {
      command: 'probe',
      ok: false,
      exit: { code: 64, name: 'USAGE' },
      code: 'usage',
      message: "unknown option '--sujbect'",
      hint: 'did you mean --subject? ehlo probe --help lists the options',
    });
  });

  test('with --ndjson it is one line', async () => {
    const ran = await runProbe(['--ndjson', 'nothing']);
    assert.equal(ran.code, 64);
    assert.equal(ran.stdout.split('\n').length, 2);
    assert.equal(JSON.parse(ran.stdout).event, 'error');
  });

  for (const args of [
    ['probe', 'show', '--json', '--ndjson'],
    ['probe', 'show', '-q', '-v'],
    ['probe', 'show', '--color', 'sometimes'],
    ['probe', 'show', '--subject'],
    ['probe'],
    ['--wat', 'probe'],
  ]) {
    test(`${args.join(' ')} is a usage error`, async () => {
      assert.equal((await runProbe(args)).code, 64);
    });
  }

  test('global options may stand on both sides of the command', async () => {
    const { stdout } = await runProbe(['-v', '--color', 'never', 'probe', '-v', 'show', 'a', '--no-input']);
    const { args, verbosity, interactive, options } = JSON.parse(stdout);
    assert.deepEqual(
      { args, verbosity, interactive, color: options.color },
      {
        args: ['a'],
        verbosity: 2,
        interactive: false,
        color: 'never',
      },
    );
  });

  test('everything behind -- is kept as it is', async () => {
    const { stdout } = await runProbe(['probe', 'show', '--', 'sh', '-c', 'x --json', '--', '-q', '--help']);
    const { args, format } = JSON.parse(stdout);
    assert.deepEqual(args, ['sh', '-c', 'x --json', '--', '-q', '--help']);
    assert.equal(format, 'human');
  });

  for (const args of [
    ['probe', '--help'],
    ['help', 'probe'],
    ['probe', '-h'],
  ]) {
    test(`${args.join(' ')} shows examples before usage, and options in groups`, async () => {
      const ran = await runProbe(args);
      assert.equal(ran.code, 0);
      const places = [
        'ehlo probe: do what',
        'Examples:',
        'Usage: ehlo probe',
        'Probe options:',
        'TLS:',
        'Global options:',
      ];
      const found = places.map((text) => ran.stdout.indexOf(text));
      assert.deepEqual(
        found,
        [...found].sort((a, b) => a - b),
      );
      assert.ok(!found.includes(-1), ran.stdout);
    });
  }
});

describe('errors', { concurrency: 2 }, () => {
  test('an error names stage, peer, reply and hint; secrets and control characters do not show', async () => {
    const ran = await runProbe(['probe', 'refused']);
    assert.equal(ran.code, 77);
    assert.equal(
      ran.stderr,
      'ehlo: mx.example refused the login\n' +
        '  at: stage auth, peer mx.example:587\n' +
        '  last reply: 535 5.7.8 bad \\x1b]0;title\\x07 <secret>\n' +
        'hint: check the password\n',
    );
  });

  test('with --json the same, and stderr stays empty', async () => {
    const ran = await runProbe(['probe', 'refused', '--json']);
    assert.equal(ran.code, 77);
    assert.equal(ran.stderr, '');
    const { error } = JSON.parse(ran.stdout);
    assert.deepEqual(error.smtp, { code: 535, enhanced: '5.7.8', text: 'bad \u001b]0;title\u0007 <secret>' });
    assert.ok(!escapes(ran.stdout));
  });

  test('an error behind the document does not make a second one', async () => {
    const ran = await runProbe(['probe', 'document', '--json']);
    assert.equal(ran.code, 74);
    assert.deepEqual(JSON.parse(ran.stdout), { done: true });
    assert.match(ran.stderr, /something behind the document/);
  });

  for (const [act, text] of [
    ['throws', /^ehlo: unexpected error: a bug \\x1b\[31m\nhint: this is a bug in ehlo/],
    ['later', /^ehlo: unexpected error: late and <secret>\n/],
    ['rejects', /^ehlo: unexpected error: nobody looked\n/],
  ] as const) {
    test(`a bug (${act}) is one sentence and 70, without a trace`, async () => {
      const ran = await runProbe(['probe', act]);
      assert.equal(ran.code, 70);
      assert.match(ran.stderr, text);
      assert.doesNotMatch(ran.stderr, /\n *at /);
    });
  }
});

describe('output', { concurrency: 2 }, () => {
  test('a reader that leaves ends the program quietly', async () => {
    const ran = await runProbe([], { shell: 'set -o pipefail; $EHLO probe lines | head -1; echo "$PIPESTATUS"' });
    assert.equal(ran.stdout, 'line 0 of a long result\n0\n');
    assert.equal(ran.stderr, '');
  });

  test('all of a long result arrives through a slow pipe', async () => {
    const ran = await runProbe([], {
      shell: '$EHLO probe lines | { n=0; while read -r _; do n=$((n + 1)); done; echo $n; }',
    });
    assert.equal(ran.stdout.trim(), '20000');
  });

  test('a full disk behind stdout is 74, not success', async () => {
    const ran = await runProbe([], { shell: '$EHLO probe lines > /dev/full' });
    assert.equal(ran.code, 74);
    assert.match(ran.stderr, /^ehlo: standard output cannot be written: /);
  });

  const colours: { name: string; args?: string[]; env?: Record<string, string>; coloured: boolean }[] = [
    { name: 'no terminal', coloured: false },
    { name: 'FORCE_COLOR', env: { FORCE_COLOR: '1' }, coloured: true },
    { name: 'FORCE_COLOR=0', env: { FORCE_COLOR: '0' }, coloured: false },
    { name: 'NO_COLOR beats FORCE_COLOR', env: { NO_COLOR: '1', FORCE_COLOR: '1' }, coloured: false },
    { name: '--color always beats NO_COLOR', args: ['--color', 'always'], env: { NO_COLOR: '1' }, coloured: true },
    { name: '--color=never beats FORCE_COLOR', args: ['--color=never'], env: { FORCE_COLOR: '1' }, coloured: false },
  ];
  for (const { name, args = [], env = {}, coloured } of colours) {
    test(`${name}: ${coloured ? 'colours' : 'no colours'}`, async () => {
      const ran = await runProbe(['probe', 'colours', ...args], { env });
      assert.equal(escapes(ran.stdout), coloured);
      assert.equal(escapes(ran.stderr), coloured);
    });
  }

  test('an open standard input does not keep a finished program alive', async () => {
    assert.equal((await runProbe(['probe', 'show'], { keepInput: true })).code, 0);
  });
});

describe('signals', { concurrency: 2 }, () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`${signal} lets the command say what happened, and ends with ${code}`, async () => {
      const ran = await runProbe(['probe', 'waits'], { on: { text: 'ready', act: (child) => child.kill(signal) } });
      assert.equal(ran.code, code);
      assert.equal(ran.stderr, `ready\nehlo: interrupted by ${signal}; nothing was sent\n`);
    });
  }

  test('with --json the exit code in the document is that of the process', async () => {
    const ran = await runProbe(['probe', 'waits', '--json'], {
      on: { text: 'ready', act: (child) => child.kill('SIGINT') },
    });
    assert.equal(ran.code, 130);
    assert.deepEqual(JSON.parse(ran.stdout).exit, { code: 130, name: 'SIGINT' });
  });

  test('what was finished stays a success', async () => {
    const ran = await runProbe(['probe', 'finishes'], { on: { text: 'ready', act: (child) => child.kill('SIGINT') } });
    assert.equal(ran.code, 0);
  });

  test('the second signal ends a command that does not stop', async () => {
    const ran = await runProbe(['probe', 'stuck'], {
      on: {
        text: 'ready',
        act: (child) => {
          child.stdout?.on('data', (chunk: Buffer) => {
            if (chunk.toString().includes('once')) child.kill('SIGINT');
          });
          child.kill('SIGINT');
        },
      },
    });
    assert.equal(ran.signal, 'SIGINT');
    assert.equal(ran.code, null);
  });
});

describe('secrets', { concurrency: 2 }, () => {
  for (const args of [
    ['--password', 'hunter2-secret'],
    ['--password=hunter2-secret'],
    ['--server', 'smtp://u:hunter2-secret@h'],
    ['--server=smtp://u@x.test:hunter2-secret@h'],
  ]) {
    test(`${args[0]?.split('=')[0]} is not in the process title`, async () => {
      const ran = await runProbe(['probe', 'title', ...args]);
      assert.match(ran.stdout, /^ehlo/);
      assert.doesNotMatch(ran.stdout, /hunter2/);
    });
  }

  test('--password works, with a warning, and is not shown', async () => {
    const ran = await runProbe(['probe', 'connection', '--user', 'u', '--password', 'hunter2-secret']);
    assert.equal(ran.code, 0);
    assert.match(ran.stderr, /^ehlo: warning: --password shows in shell history/);
    assert.equal(JSON.parse(ran.stdout).connection.credentials.password, '<secret>');
    assert.equal(JSON.parse(ran.stdout).revealed, 'hunter2-secret');
  });

  test('a missing password without a terminal names the options', async () => {
    const ran = await runProbe(['probe', 'connection', '--user', 'u']);
    assert.equal(ran.code, 64);
    assert.match(ran.stderr, /hint: give one of --password-file, --password-command/);
  });

  test('standard input is read to its end', async () => {
    const ran = await runProbe(['probe', 'input'], { input: 'x'.repeat(100_000) });
    assert.equal(ran.stdout, '100000\n');
  });
});

// Configuration from outside: files and EHLO_* as a user has them, and `ehlo config`.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Ran, runBundled, runProbe } from '../support/program.ts';

const root = mkdtempSync(join(tmpdir(), 'ehlo-config-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** XDG_CONFIG_HOME of a user with this file. */
function home(text?: string, mode = 0o600): string {
  const path = join(root, `home-${++count}`);
  mkdirSync(join(path, 'ehlo'), { recursive: true });
  if (text !== undefined) {
    writeFileSync(join(path, 'ehlo', 'config.toml'), text);
    chmodSync(join(path, 'ehlo', 'config.toml'), mode);
  }
  return path;
}

/** What the command gets. */
async function shown(text: string | undefined, args: string[], env: Record<string, string> = {}) {
  const ran = await runProbe([...args], { env: { XDG_CONFIG_HOME: home(text), ...env } });
  assert.equal(ran.code, 0, ran.stderr);
  return { ...JSON.parse(ran.stdout), stderr: ran.stderr };
}

// The probe is no command of the table, so only names of real commands may stand in its files; it has --subject and the
// connection options of send.
describe('a run', { concurrency: 2 }, () => {
  test('takes values from the file, the profile, the environment and flags, the strongest last', async () => {
    const text =
      'subject = "root"\nmx-port = 26\nuser = "u"\n[profile.default]\nhelo = "h"\n[profile.work]\nmx-port = 27\n';
    const { options } = await shown(text, ['-P', 'work', 'probe', 'show', '--subject', 'flag'], { EHLO_HELO: 'env' });
    const { subject, mxPort, user, helo } = options;
    assert.deepEqual({ subject, mxPort, user, helo }, { subject: 'flag', mxPort: '27', user: 'u', helo: 'env' });
  });

  test('global options are options too', async () => {
    const { options, format, verbosity } = await shown('verbose = 2\ninput = false\n', ['probe', 'show'], {
      EHLO_COLOR: 'never',
    });
    assert.deepEqual([options.input, options.color, format, verbosity], [false, 'never', 'human', 2]);
    assert.equal((await shown('verbose = 2\n', ['probe', 'show', '-q'])).verbosity, -1);
  });

  for (const args of [
    ['-P', 'work', 'probe', 'show'],
    ['-Pwork', 'probe', 'show'],
    ['--profile=work', 'probe', 'show'],
    ['probe', 'show', '--profile', 'work'],
  ]) {
    test(`${args.join(' ')} names a profile`, async () => {
      assert.equal((await shown('[profile.work]\nsubject = "w"\n', args)).options.subject, 'w');
    });
  }

  test('nothing is read from the working directory', async () => {
    const { options } = await shown(undefined, ['probe', 'show'], { XDG_CONFIG_HOME: 'test' });
    assert.equal(options.subject, undefined);
  });

  const wrong: {
    says: string;
    text: string;
    args?: string[];
    env?: Record<string, string>;
    mode?: number;
    code: number;
    stderr: RegExp;
  }[] = [
    {
      says: 'an unknown key',
      text: '\nsubjetc = 1',
      code: 78,
      stderr: /config\.toml:2: no command has an option "subjetc"\nhint: did you mean subject\?/,
    },
    { says: 'a syntax error', text: 'a = ', code: 78, stderr: /config\.toml: line 1, column \d+: invalid value/ },
    {
      says: 'a value that an option refuses',
      text: '[profile.x]\ntls = "no"',
      args: ['-P', 'x'],
      code: 78,
      stderr: /config\.toml:2: profile x: tls: "no" is none of off, /,
    },
    {
      says: 'a choice that is none',
      text: 'color = "blue"',
      code: 78,
      stderr: /config\.toml:1: color: the value is not allowed; Allowed choices are auto, always, never/,
    },
    {
      says: 'a variable that is wrong',
      text: '',
      env: { EHLO_TIMEOUT: 'soon' },
      code: 78,
      stderr: /^ehlo: EHLO_TIMEOUT: "soon" is not a duration/,
    },
    {
      says: 'an unknown profile',
      text: '[profile.a]',
      args: ['-P', 'b'],
      code: 78,
      stderr: /no configuration has a profile "b"\nhint: there are a\n/,
    },
    {
      says: 'a file that is not there',
      text: '',
      args: ['--config', '/none'],
      code: 66,
      stderr: /--config: there is no file \/none/,
    },
    {
      says: 'a secret for all to read',
      text: 'password = "hunter2"',
      mode: 0o644,
      code: 78,
      stderr: /but others may read or change it\nhint: chmod 600 /,
    },
    { says: 'control characters of a file', text: '"\\u001b[31m" = 1', code: 78, stderr: /option "\\x1b\[31m"/ },
  ];
  for (const { says, text, args = [], env = {}, mode, code, stderr } of wrong) {
    test(`${says} is ${code}`, async () => {
      const ran = await runProbe([...args, 'probe', 'connection'], {
        env: { XDG_CONFIG_HOME: home(text, mode), ...env },
      });
      assert.match(ran.stderr, stderr);
      assert.equal(ran.code, code);
      assert.doesNotMatch(ran.stderr + ran.stdout, /hunter2/);
    });
  }

  test('--help and --version work whatever the configuration says', async () => {
    const env = { XDG_CONFIG_HOME: home('a = ') };
    assert.equal((await runProbe(['probe', '--help'], { env })).code, 0);
    assert.equal((await runProbe(['--version'], { env })).code, 0);
  });

  test('what a configuration says for its server alone is told when another is named', async () => {
    const env = { XDG_CONFIG_HOME: home('server = "a.example"\nuser = "u"\npassword-command = "false"\n') };
    const ran = await runProbe(['probe', 'connection', '--server', 'b.example'], { env });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(
      ran.stderr,
      /^note: user, password-command of \S+config\.toml not used: they belong to another server\n$/,
    );
    assert.equal((await runProbe(['-q', 'probe', 'connection', '--server', 'b.example'], { env })).stderr, '');
  });

  test('a password of a file is used', async () => {
    const env = { XDG_CONFIG_HOME: home('server = "a.example"\nuser = "u"\npassword = "hunter2-file"\n') };
    const ran = await runProbe(['probe', 'connection'], { env });
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(JSON.parse(ran.stdout).revealed, 'hunter2-file');
  });
});

const config = (args: string[], env: Record<string, string> = {}, input = ''): Promise<Ran> =>
  runBundled(['config', ...args], { env: { XDG_CONFIG_HOME: home(), ...env }, input });

describe('ehlo config', { concurrency: 2 }, () => {
  test('init writes a file that is sound, says nothing, and is never overwritten', async () => {
    const XDG_CONFIG_HOME = join(root, 'fresh');
    const path = join(XDG_CONFIG_HOME, 'ehlo', 'config.toml');
    const ran = await config(['init'], { XDG_CONFIG_HOME });
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, `wrote ${path}\n`, '']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal((await config(['check'], { XDG_CONFIG_HOME })).code, 0);
    assert.deepEqual(JSON.parse((await config(['show', '--json'], { XDG_CONFIG_HOME })).stdout).values, []);
    // Its examples are sound as well.
    const examples = readFileSync(path, 'utf8').replace(/^# (?=[a-z-]+ = |\[)/gm, '');
    const checked = await config(['check'], { XDG_CONFIG_HOME: home(examples) });
    assert.equal(checked.code, 0, checked.stdout);
    const again = await config(['init'], { XDG_CONFIG_HOME });
    assert.equal(again.code, 73);
    assert.match(again.stderr, /is there already/);
  });

  test('show tells every value and its place, secrets masked', async () => {
    const text = 'server = "smtp://u:hunter2@h"\n[serve]\nsmtp = 2525\n[profile.work]\nhelo = "w"\n';
    const env = { XDG_CONFIG_HOME: home(text), EHLO_PASSWORD: 'hunter2', EHLO_SMTP_URL: 'x' };
    const ran = await config(['show', '-P', 'work'], env);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^helo +w +\S+config\.toml:5: profile work$/m);
    assert.match(ran.stdout, /^password +<secret> +EHLO_PASSWORD$/m);
    assert.match(ran.stdout, /^server +smtp:\/\/u@h +\S+config\.toml:1$/m);
    assert.match(ran.stdout, /^serve: smtp +2525 +\S+config\.toml:3: \[serve\]$/m);
    assert.doesNotMatch(ran.stdout, /hunter2/);
    const json = JSON.parse((await config(['show', '--json'], env)).stdout);
    assert.deepEqual([json.command, json.ok, json.action, json.profile], ['config', true, 'show', null]);
    assert.deepEqual(json.values[0], { name: 'password', value: '<secret>', origin: 'EHLO_PASSWORD', command: null });
  });

  test('check lists every problem of every file, and is 78', async () => {
    const named = join(root, 'named.toml');
    writeFileSync(named, 'tls = "no"\npassword-env = "A"\npassword-file = "b"\n[profile.x]\nmx-port = 0\n');
    const env = { XDG_CONFIG_HOME: home('nope = 1\nquiet = "x"\n'), EHLO_DRY_RUN: 'maybe', EHLO_TIMEOUT: '5' };
    const ran = await config(['check', '--config', named, '-P', 'gone', '--json'], env);
    assert.equal(ran.code, 78);
    const { exit, problems, files } = JSON.parse(ran.stdout);
    assert.deepEqual(exit, { code: 78, name: 'CONFIG' });
    const messages: string[] = problems.map(({ message }: { message: string }) => message);
    const wanted = [
      'option "nope"',
      'quiet: it takes',
      'tls: "no"',
      'it excludes password-file',
      'mx-port: "0"',
      'EHLO_DRY_RUN',
      'EHLO_TIMEOUT',
      'profile "gone"',
    ];
    for (const part of wanted)
      assert.ok(
        messages.some((message) => message.includes(part)),
        `${part}: ${messages.join('\n')}`,
      );
    assert.equal(messages.length, wanted.length);
    assert.deepEqual(
      files.map(({ status }: { status: string }) => status),
      ['absent', 'wrong', 'wrong'],
    );
    const human = await config(['check', '--config', '/none'], env);
    assert.equal(human.code, 78);
    assert.match(human.stdout, /^!! --config: there is no file \/none$/m);
    assert.match(human.stdout, /^!! .*option "nope"$/m);
  });

  test('import prints profiles, or writes them for only us to read', async () => {
    const rc = 'account a\nhost h\nport 25\npassword hunter2\nsyslog on\naccount default : a\n';
    const printed = await config(['import', '-'], {}, rc);
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /^\[profile\.a\]\n/);
    assert.match(printed.stderr, /^note: -:5: syslog: left out/);
    const target = join(root, 'imported.toml');
    const wrote = await config(['import', '-', '-o', target, '--json'], {}, rc);
    assert.deepEqual(JSON.parse(wrote.stdout).profiles, ['a', 'default']);
    assert.doesNotMatch(wrote.stdout, /hunter2/);
    assert.equal(readFileSync(target, 'utf8'), printed.stdout);
    assert.equal(statSync(target).mode & 0o777, 0o600);
    assert.equal((await config(['import', '-', '-o', target], {}, rc)).code, 73);
    assert.equal((await config(['check', '--config', target])).code, 0);
  });

  const wrong: { args: string[]; code: number; input?: string }[] = [
    { args: [], code: 64 },
    { args: ['edit'], code: 64 },
    { args: ['constructor'], code: 64 },
    { args: ['show', 'x'], code: 64 },
    { args: ['check', '-o', 'x'], code: 64 },
    { args: ['import'], code: 64 },
    { args: ['import', '-', '--json'], code: 64 },
    { args: ['import', '/none'], code: 66 },
    { args: ['import', '-'], code: 78, input: '# nothing' },
    { args: ['import', '-'], code: 78, input: 'host x' },
    { args: ['init', '-o', '/dev/null/x'], code: 73 },
    { args: ['show', '-P', 'none'], code: 78 },
  ];
  for (const { args, code, input } of wrong) {
    test(`config ${args.join(' ')} is ${code}`, async () => {
      const ran = await config(args, {}, input);
      assert.equal(ran.code, code, ran.stderr);
      assert.ok(!existsSync('x'));
    });
  }
});

// Layers under the flags: which value is in force for a command, and what never goes to another server.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { homeDirectory } from '../../src/cli/home.ts';
import { findLayers, layeredOptions, layeredValues, userConfigPath } from '../../src/cli/layers.ts';
import { optionValues } from '../../src/cli/option-values.ts';
import { explainOrigins } from '../../src/cli/origins.ts';

const root = mkdtempSync(join(tmpdir(), 'ehlo-layers-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** An environment with this text as the user's file; further names are more files, with paths in `paths`. */
function setting(text: string | undefined, env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const home = join(root, `home-${++count}`);
  mkdirSync(join(home, 'ehlo'), { recursive: true });
  if (text !== undefined) writeFileSync(join(home, 'ehlo', 'config.toml'), text, { mode: 0o600 });
  return { XDG_CONFIG_HOME: home, HOME: '/home/me', ...env };
}

function file(text: string): string {
  const path = join(root, `file-${++count}.toml`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const options = (
  command: string,
  env: NodeJS.ProcessEnv,
  given: Record<string, unknown> = {},
  scrubber = new Scrubber(),
) => layeredOptions(command, given, { env, scrubber });

/** Without the mark of where the values are from. */
const plain = (record: Record<string, unknown>): Record<string, unknown> => Object.fromEntries(Object.entries(record));

const rejects = (work: Promise<unknown>, code: ErrorCode, message: RegExp) =>
  assert.rejects(work, (error) => error instanceof EhloError && error.code === code && message.test(error.message));

describe('strength', () => {
  const text = 'subject = "file"\nfrom = "file@x"\n[profile.work]\nsubject = "work"\n[send]\nsubject = "send"\n';
  const cases: { says: string; env?: Record<string, string>; given?: Record<string, unknown>; subject: string }[] = [
    { says: 'the table of the command beats the general keys', subject: 'send' },
    { says: 'a profile beats the default', given: { profile: 'work' }, subject: 'work' },
    { says: 'EHLO_PROFILE chooses one too', env: { EHLO_PROFILE: 'work' }, subject: 'work' },
    { says: '-P beats EHLO_PROFILE', env: { EHLO_PROFILE: 'none' }, given: { profile: 'work' }, subject: 'work' },
    {
      says: 'the environment beats the files',
      env: { EHLO_SUBJECT: 'env' },
      given: { profile: 'work' },
      subject: 'env',
    },
    { says: 'an empty variable counts as unset', env: { EHLO_SUBJECT: '' }, subject: 'send' },
    { says: 'a flag beats all', env: { EHLO_SUBJECT: 'env' }, given: { subject: 'flag' }, subject: 'flag' },
  ];
  for (const { says, env, given, subject } of cases) {
    test(says, async () => {
      const found = await options('send', setting(text, env), given);
      assert.equal(found['subject'], subject);
      assert.equal(found['from'], 'file@x');
    });
  }

  test('--config beats the file of the user key by key, profile by profile', async () => {
    const env = setting('subject = "user"\n[profile.work]\nfrom = "user@x"\nsubject = "user work"\n');
    const config = file('subject = "named"\n[profile.work]\nfrom = "named@x"\n');
    assert.equal((await options('send', env, { config }))['subject'], 'named');
    const work = await options('send', env, { config, profile: 'work' });
    assert.deepEqual([work['subject'], work['from']], ['user work', 'named@x']);
    assert.equal((await options('send', { ...env, EHLO_CONFIG: config }))['subject'], 'named');
  });

  test('a list is replaced as a whole', async () => {
    const env = setting('cc = ["a@x", "b@x"]');
    assert.deepEqual((await options('send', env))['cc'], ['a@x', 'b@x']);
    assert.deepEqual((await options('send', env, { cc: ['c@x'] }))['cc'], ['c@x']);
    assert.deepEqual((await options('send', { ...env, EHLO_CC: 'd@x' }))['cc'], ['d@x']);
  });
});

describe('what reaches which command', () => {
  test('a key that a command lacks is ignored there', async () => {
    const found = await options('fetch', setting('subject = "x"\nmax = 3\nformat = "eml"'));
    assert.deepEqual(plain(found), { max: '3', format: 'eml' });
  });

  test('tls, auth and dns of the connection options do not reach serve; its own table does', async () => {
    const text = 'tls = "required"\nauth = "PLAIN"\ndns = "192.0.2.1"\nstore = "memory"\n';
    const env = setting(text, { EHLO_TLS: 'off', EHLO_DNS: '127.0.0.1:53' });
    assert.deepEqual(plain(await options('serve', env)), { store: 'memory' });
    const own = await options('serve', setting(`${text}[serve]\ntls = "c,k"\nauth = ["a:b"]\n`));
    assert.deepEqual(plain(own), { store: 'memory', tls: 'c,k', auth: ['a:b'] });
  });

  test('relay-test takes neither the server nor the login of a configuration, nor the From of a letter', async () => {
    const text = 'server = "h"\nuser = "u"\npassword-command = "pass x"\nca = "/ca"\nfrom = "Me <a@x>"\n';
    assert.deepEqual(plain(await options('relay-test', setting(text))), { ca: '/ca' });
    const own = setting(`${text}[relay-test]\nfrom = "a@x"\n`);
    assert.deepEqual(plain(await options('relay-test', own)), { ca: '/ca', from: 'a@x' });
  });

  test('the force of send is not that of queue, which may duplicate', async () => {
    const forced = setting('force = true\n', { EHLO_FORCE: '1' });
    assert.deepEqual(plain(await options('queue', forced)), {});
    assert.deepEqual(plain(await options('send', forced)), { force: true });
  });

  test('switches of the environment', async () => {
    const env = setting(undefined, { EHLO_FIX_EOL: '1', EHLO_RAW: '-', EHLO_PIPELINING: 'false', EHLO_DRY_RUN: '0' });
    assert.deepEqual(plain(await options('send', env)), { fixEol: true, raw: '-', pipelining: false, dryRun: false });
    assert.deepEqual(plain(await options('send', setting(undefined, { EHLO_NO_PIPELINING: '1' }))), {
      pipelining: false,
    });
    await rejects(
      options('send', setting(undefined, { EHLO_DRY_RUN: 'yes' })),
      'config',
      /^EHLO_DRY_RUN: "yes" is neither/,
    );
  });

  test('variables that are no option are ignored', async () => {
    const env = setting(undefined, {
      EHLO_SMTP_URL: 'smtp://h:1',
      EHLO_SMTP_PORT: '1',
      EHLO_API_URL: 'x',
      EHLO_NONE: '1',
    });
    assert.deepEqual(plain(await options('send', env)), {});
    assert.deepEqual(plain(await options('serve', env)), {});
  });

  test('~ is the home directory in file options of a file, and nowhere else', async () => {
    const env = setting('ca = "~/ca.pem"\nsubject = "~/x"\nkey = "~other/k"\n', { EHLO_CERT: '~/c' });
    const found = await options('send', env);
    assert.deepEqual([found['ca'], found['subject'], found['key']], ['/home/me/ca.pem', '~/x', undefined]);
    assert.equal(found['cert'], '~/c');
  });
});

describe('what a stronger layer takes away', () => {
  const cases: {
    says: string;
    text: string;
    env?: Record<string, string>;
    given?: Record<string, unknown>;
    gives: object;
  }[] = [
    {
      says: 'another source of the password',
      text: 'user = "u"\npassword-file = "/f"',
      given: { passwordEnv: 'PW' },
      gives: { user: 'u', passwordEnv: 'PW' },
    },
    {
      says: 'the other source by the environment',
      text: 'password-command = "c"',
      env: { EHLO_PASSWORD_FILE: '/f' },
      gives: { passwordFile: '/f' },
    },
    {
      says: 'what makes a message, by --raw',
      text: 'subject = "s"\nbody = "b"',
      given: { raw: '-' },
      gives: { raw: '-' },
    },
    {
      says: '--raw, by what makes a message',
      text: 'raw = "f"\nfix-eol = true',
      given: { body: 'b' },
      gives: { body: 'b' },
    },
    {
      says: 'the queue, by what is asked of one session',
      text: 'queue = "always"\nexpire = "1d"\nspool = "/s"',
      given: { quitAfter: 'rcpt' },
      gives: { quitAfter: 'rcpt' },
    },
    { says: 'fix-eol waits for a raw message', text: 'fix-eol = true', gives: {} },
    { says: 'the other address family', text: 'ipv4 = true', given: { ipv6: true }, gives: { ipv6: true } },
    {
      says: 'not by a switch that is off',
      text: 'quiet = true\nipv4 = true\n[send]\nipv6 = false',
      gives: { quiet: true, ipv4: true, ipv6: false },
    },
    {
      says: 'the key of another certificate',
      text: 'cert = "c"\nkey = "k"',
      given: { cert: 'd', key: 'l' },
      gives: { cert: 'd', key: 'l' },
    },
    {
      says: 'the user in a URL',
      text: 'server = "smtp://al:pw1234@h:25"',
      given: { user: 'bob', passwordEnv: 'P' },
      gives: { server: 'smtp://h:25', user: 'bob', passwordEnv: 'P' },
    },
    {
      says: 'the password in a URL',
      text: 'server = "smtp://al:p%40w@h:25"',
      given: { passwordEnv: 'P' },
      gives: { server: 'smtp://al@h:25', passwordEnv: 'P' },
    },
    {
      says: 'the password in a URL whose user is an address',
      text: 'server = "smtp://al@x.test:p@w@h:25"',
      given: { passwordEnv: 'P' },
      gives: { server: 'smtp://al@x.test@h:25', passwordEnv: 'P' },
    },
    {
      says: 'the login of another user at the same host',
      text: 'server = "smtp://h:25"\nuser = "al"\npassword-file = "/f"',
      given: { server: 'smtp://bob@h:25' },
      gives: { server: 'smtp://bob@h:25' },
    },
    {
      says: 'tls = off, by smtps://',
      text: 'server = "h:25"\ntls = "off"',
      given: { server: 'smtps://h' },
      gives: { server: 'smtps://h' },
    },
  ];
  for (const { says, text, env, given, gives } of cases) {
    test(says, async () => assert.deepEqual(plain(await options('send', setting(text, env), given)), gives));
  }
});

describe('a login is for the server that it stands beside', () => {
  const text =
    'server = "smtp://Mail.Example:587"\nuser = "u"\npassword-command = "c"\ntls-verify = "none"\npin = "p"\ntls = "required"\n';
  const login = { user: 'u', passwordCommand: 'c', tlsVerify: 'none', pin: 'p', tls: 'required' };

  for (const server of ['mail.example', 'smtps://mail.example.:465', 'smtp://u@MAIL.example/']) {
    test(`${server} is the same`, async () => {
      assert.deepEqual(plain(await options('send', setting(text), { server })), { server, ...login });
    });
  }

  for (const server of [
    'smtp://other.example',
    'mx:',
    'lmtp+unix:/x',
    '[::1]:25',
    'smtp://mail.example@evil.example',
    'smtp://mail.example:587@evil.example',
    'smtp://mail.example:587/@evil.example',
  ]) {
    test(`${server} is another; only what is strict stays`, async () => {
      assert.deepEqual(plain(await options('send', setting(text), { server })), { server, tls: 'required' });
    });
  }

  test('another profile with another server gets none of it', async () => {
    const found = await options('send', setting(`${text}[profile.work]\nserver = "work.example"\n`), {
      profile: 'work',
    });
    assert.deepEqual(plain(found), { profile: 'work', server: 'work.example', tls: 'required' });
  });

  test('the URL of fetch is a server too', async () => {
    const line = (target: string) => ({
      command: 'fetch',
      args: [target, 'list'],
      kinds: new Map([
        ['user', 'value'],
        ['password-command', 'value'],
      ] as const),
      flags: new Map(),
      env: setting(text),
    });
    const other = await layeredValues(line('pop3s://pop.example'), {}, new Scrubber());
    assert.deepEqual(other?.values, []);
    assert.deepEqual(
      other?.leftOut.map(({ setting: { name } }) => name),
      ['user', 'password-command'],
    );
    assert.equal((await layeredValues(line('pop3s://mail.example'), {}, new Scrubber()))?.values.length, 2);
    assert.equal((await layeredValues(line('stat'), {}, new Scrubber()))?.values.length, 2);
  });

  test('without a server beside it, it is for any, but never for MX hosts', async () => {
    const loose = setting('user = "u"\npassword-env = "P"');
    assert.deepEqual(plain(await options('send', loose, { server: 'h' })), {
      server: 'h',
      user: 'u',
      passwordEnv: 'P',
    });
    assert.deepEqual(plain(await options('send', loose, { server: 'mx:' })), { server: 'mx:' });
  });

  test('a login on the command line goes where it is told to', async () => {
    assert.deepEqual(plain(await options('send', setting(text), { server: 'mx:', user: 'me' })), {
      server: 'mx:',
      user: 'me',
      tls: 'required',
    });
  });
});

describe('errors', () => {
  test('a value that is wrong is named with its place, as configuration', async () => {
    const env = setting('[profile.work]\ntls = "sometimes"\n');
    const values = optionValues(await options('send', env, { profile: 'work' }));
    assert.throws(
      () => values.oneOf('tls', ['off', 'required']),
      (error) =>
        error instanceof EhloError &&
        error.code === 'config' &&
        /config\.toml:2: profile work: tls: "sometimes" is none of off, required$/.test(error.message),
    );
    assert.equal(values.layered('server'), undefined);
  });

  test('a usage error says which of its options nobody typed', async () => {
    const layered = await options('send', setting('raw = "x"'), {});
    const explain = (message: string) => explainOrigins(new EhloError('usage', message), layered);
    const both = explain('--raw and --quit-after contradict each other');
    assert.ok(both instanceof EhloError && both.code === 'usage');
    assert.match(both.message, /other \(raw is set in .*config\.toml:1\)$/);
    const alone = explain('--raw is wrong');
    assert.ok(alone instanceof EhloError && alone.code === 'config');
    const other = new EhloError('usage', '--server is missing');
    assert.equal(explainOrigins(other, layered), other);
  });

  test('a profile that is nowhere', async () => {
    const env = setting('[profile.work]\nserver = "x"\n[profile.home]\n');
    await rejects(options('send', env, { profile: 'wrok' }), 'config', /^-P: no configuration has a profile "wrok"$/);
    await rejects(options('send', { ...env, EHLO_PROFILE: 'x' }), 'config', /^EHLO_PROFILE: no configuration/);
    await rejects(options('send', setting(undefined), { profile: 'x' }), 'config', /no configuration has a profile/);
    assert.deepEqual(plain(await options('send', setting(undefined), { profile: 'default' })), { profile: 'default' });
  });

  test('--config of a file that is not there is NOINPUT, of a directory CONFIG', async () => {
    await rejects(
      options('send', setting(undefined), { config: join(root, 'none') }),
      'no-input',
      /^--config: there is no file/,
    );
    await rejects(
      options('send', setting(undefined, { EHLO_CONFIG: join(root, 'none') })),
      'no-input',
      /^EHLO_CONFIG: /,
    );
    await rejects(options('send', setting(undefined), { config: root }), 'config', /is a directory$/);
  });

  test('the first problem of a file stops the run, and says that there are more', async () => {
    await assert.rejects(options('send', setting('nope = 1\nnix = 2\n')), (error) => {
      assert.ok(error instanceof EhloError && error.code === 'config');
      assert.match(error.message, /config\.toml:1: no command has an option "nope"$/);
      assert.match(error.hint ?? '', /ehlo config check lists this and 1 more$/);
      return true;
    });
  });
});

test('secrets are known to the scrubber, in force or not', async () => {
  const scrubber = new Scrubber();
  const env = setting('password = "hunter2-file"\nserver = "smtp://u:hunter2%21url@h"', {
    EHLO_PASSWORD: 'hunter2-env',
  });
  await options('send', env, { server: 'other' }, scrubber);
  assert.equal(
    scrubber.scrub('hunter2-file hunter2!url hunter2%21url hunter2-env'),
    '<secret> <secret> <secret> <secret>',
  );
});

test('without files and variables there is no layer', () => {
  const { XDG_CONFIG_HOME, HOME } = setting(undefined);
  assert.equal(findLayers({}, { XDG_CONFIG_HOME, HOME, PATH: '/bin' }), undefined);
});

test('a relative XDG_CONFIG_HOME counts as unset: nothing is read from the working directory', () => {
  assert.equal(userConfigPath({ XDG_CONFIG_HOME: 'here', HOME: '/h' }), '/h/.config/ehlo/config.toml');
  assert.equal(userConfigPath({ XDG_CONFIG_HOME: '/x', HOME: '/h' }), '/x/ehlo/config.toml');
  assert.equal(userConfigPath({ HOME: '/h' }), '/h/.config/ehlo/config.toml');
  for (const HOME of ['', 'here', undefined]) {
    assert.equal(
      homeDirectory({ HOME }, () => '/of/the/user'),
      '/of/the/user',
    );
  }
  // A user whom nobody knows, as in a container, has none; every run but `config init` can do without.
  assert.equal(
    homeDirectory({}, () => assert.fail('no such user')),
    undefined,
  );
});

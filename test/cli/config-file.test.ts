// A configuration file: what it comes to, and how each mistake is told.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { parseConfig } from '../../src/cli/config-file.ts';
import { maskedValue, type Setting } from '../../src/cli/setting.ts';
import { printProfile } from '../../src/cli/toml-print.ts';

const parse = (text: string, facts: { mode?: number; foreign?: boolean } = {}) =>
  parseConfig({ path: '/c.toml', text, mode: 0o600, foreign: false, ...facts });

const plain = (settings: Iterable<Setting> = []) =>
  Object.fromEntries([...settings].map(({ name, value }) => [name, value]));

const problemsOf = (text: string, facts = {}): string[] => parse(text, facts).problems.map(({ message }) => message);

describe('what a file says', () => {
  test('the root and [profile.default] are one profile; others are beside it', () => {
    const { profiles, problems } = parse(
      'server = "a:25"\n[profile.default]\nfrom = "x@y"\n[profile.work]\nserver = "b:25"\n[profile."a b"]\nuser = "u"\n',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(plain(profiles.get('default')?.general.values()), { server: 'a:25', from: 'x@y' });
    assert.deepEqual(plain(profiles.get('work')?.general.values()), { server: 'b:25' });
    assert.deepEqual([...profiles.keys()], ['default', 'work', 'a b']);
  });

  test('strings, integers, lists, switches and counts', () => {
    const { profiles, problems } = parse(
      'mx-port = 2525\ncc = ["a@x", "b@y"]\nto = "one@x"\nfix-eol = true\npipelining = false\nverbose = 2\nquiet = false\nno-input = true',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(plain(profiles.get('default')?.general.values()), {
      'mx-port': '2525',
      cc: ['a@x', 'b@y'],
      to: 'one@x',
      'fix-eol': true,
      pipelining: false,
      verbose: '2',
      quiet: false,
      input: false,
    });
  });

  test('a table of a command is for that command alone', () => {
    const { profiles, problems } = parse(
      '[serve]\ntls = "c,k"\nauth = ["a:b"]\n[profile.work.fetch]\nformat = "eml"\n',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(plain(profiles.get('default')?.commands.get('serve')?.values()), { tls: 'c,k', auth: ['a:b'] });
    assert.deepEqual(plain(profiles.get('work')?.commands.get('fetch')?.values()), { format: 'eml' });
  });

  test('each value knows its file, line and profile', () => {
    const { profiles } = parse(
      '# first\nserver = "a"\n\n[profile.work]\n  "from" = "x@y"\n[profile.work.serve]\nsmtp = 0\n',
    );
    assert.equal(profiles.get('default')?.general.get('server')?.origin, '/c.toml:2');
    assert.equal(profiles.get('work')?.general.get('from')?.origin, '/c.toml:5: profile work');
    assert.equal(profiles.get('work')?.commands.get('serve')?.get('smtp')?.origin, '/c.toml:7: profile work, [serve]');
  });
});

describe('what is wrong with a file', () => {
  const cases: { text: string; says: RegExp; hint?: RegExp }[] = [
    { text: 'servre = "x"', says: /^\/c\.toml:1: no command has an option "servre"$/, hint: /^did you mean server\?/ },
    { text: 'mx_port = 25', says: /no command has an option "mx_port"/, hint: /did you mean mx-port\?/ },
    { text: '[profile.work]\n\nxyzzy = 1', says: /^\/c\.toml:3: profile work: no command has an option "xyzzy"$/ },
    { text: '[serve]\nsubject = "x"', says: /^\/c\.toml:2: \[serve\]: serve has no option "subject"$/ },
    {
      text: '[wrok]\nserver = "x"',
      says: /^\/c\.toml:1: \[wrok\] is neither a profile nor/,
      hint: /\[profile\.wrok\]/,
    },
    { text: '[profile.work.x]\na = 1', says: /\[profile\.work\.x\] is neither/ },
    { text: 'tls = true', says: /^\/c\.toml:1: tls: it takes .*string.*, not true or false$/ },
    { text: 'fix-eol = "yes"', says: /^\/c\.toml:1: fix-eol: it takes true or false, not a string$/ },
    { text: 'fix-eol = 1', says: /fix-eol: it takes true or false, not/ },
    { text: 'cc = [1, 2]', says: /cc: it takes a list of strings, not a list of other things$/ },
    { text: 'subject = ["a"]', says: /subject: it takes a string or an integer, not a list$/ },
    { text: 'subject = 2024-01-01', says: /subject: .* not a date$/ },
    { text: 'tls-min = 1.2', says: /tls-min: .* not a number with a fraction$/, hint: /tls-min = "1\.2"/ },
    {
      text: 'from = "a"\n[profile.default]\nfrom = "b"',
      says: /^\/c\.toml:3: profile default: from: it stands in this file twice, also at \/c\.toml:1: from$/,
    },
    { text: 'pipelining = true\nno-pipelining = true', says: /pipelining: it stands in this file twice/ },
    { text: 'no-subject = true', says: /no command has an option "no-subject"/ },
    { text: 'profile = "work"', says: /a profile is a table, \[profile\.work\]/, hint: /EHLO_PROFILE/ },
    { text: 'config = "x"', says: /no command has an option "config"/ },
    { text: '__proto__ = 1\nconstructor = 2', says: /no command has an option "__proto__"/ },
    { text: 'a = "hunter2-secret', says: /^\/c\.toml: line 1, column \d+: unfinished string$/ },
    { text: 'subject = "a"\nsubject = "b"', says: /^\/c\.toml: line 2, column 1: trying to redefine/ },
    { text: `subject = ${'['.repeat(100)}${']'.repeat(100)}`, says: /excessively nested/ },
  ];
  for (const { text, says, hint } of cases) {
    test(JSON.stringify(text.slice(0, 50)), () => {
      const { problems } = parse(text);
      assert.ok(problems.length > 0, 'no problem');
      assert.ok(problems.every((one) => one instanceof EhloError && one.code === 'config'));
      assert.match(problems[0]?.message ?? '', says);
      if (hint) assert.match(problems[0]?.hint ?? '', hint);
      assert.doesNotMatch(JSON.stringify(problems.map(({ message, hint: next }) => [message, next])), /hunter2/);
    });
  }

  test('every problem is found, not only the first', () => {
    assert.equal(problemsOf('a = 1\nb = 2\ntls = true\n[nope]\n').length, 4);
  });

  test('of some other file no more than a hundred', () => {
    const text = Array.from({ length: 40_000 }, (_, at) => `key${at} = 1`).join('\n');
    assert.equal(parse(text).problems.length, 100);
  });
});

describe('a file with a secret', () => {
  const secrets = [
    'password = "hunter2"',
    '[profile.x]\nserver = "smtp://u:hunter2@h"',
    'server = "smtp://u@x.test:hunter2@h"',
    'proxy = "socks5h://u@x.test:hunter2@h"',
    '[serve]\nauth = ["u:hunter2"]',
  ];
  for (const text of secrets) {
    test(`${text.slice(0, 30)} must be ours alone`, () => {
      assert.deepEqual(problemsOf(text), []);
      for (const mode of [0o640, 0o604, 0o620, 0o644]) {
        assert.match(problemsOf(text, { mode })[0] ?? '', /holds a secret \(\w+\) but others may read/);
        assert.equal(parse(text, { mode }).problems[0]?.hint, 'chmod 600 /c.toml');
      }
      assert.match(problemsOf(text, { foreign: true })[0] ?? '', /belongs to another user/);
    });
  }

  test('without one it may be readable by all', () => {
    assert.deepEqual(
      problemsOf('server = "smtp://u@h"\nuser = "u"\nauth = "PLAIN"', { mode: 0o644, foreign: true }),
      [],
    );
  });

  test('commands in a file that everybody may change are not run', () => {
    assert.match(problemsOf('password-command = "pass x"', { mode: 0o666 })[0] ?? '', /everybody may change it/);
    assert.deepEqual(problemsOf('password-command = "pass x"', { mode: 0o664 }), []);
    for (const text of ['password-command = "pass x"', '[profile.x]\npipe = "nc h 25"']) {
      assert.match(problemsOf(text, { foreign: true })[0] ?? '', /names a command.*belongs to another user/);
    }
  });

  test('secrets are masked where values are shown', () => {
    const { profiles } = parse(
      'password = "hunter2"\nserver = "smtp://u:hunter2@h:25"\nauth = ["u:hunter2", "@file"]\nsubject = "x:y"',
    );
    assert.deepEqual([...(profiles.get('default')?.general.values() ?? [])].map(maskedValue), [
      '<secret>',
      'smtp://u:<secret>@h:25',
      ['u:<secret>', '@file'],
      'x:y',
    ]);
  });
});

describe('laws', () => {
  test('any text gives settings or our problems, never another exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        for (const one of parse(text).problems) assert.ok(one instanceof EhloError);
      }),
    );
  });

  test('what is printed is read back', () => {
    const value = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(value, fc.array(value), fc.boolean(), value, (subject, cc, pipelining, name) => {
        const profile = name || 'x';
        const entries = [
          { key: 'subject', value: subject, comment: name },
          { key: 'cc', value: cc },
          { key: 'pipelining', value: pipelining },
        ];
        const { profiles, problems } = parse(printProfile({ name: profile, entries }));
        assert.deepEqual(problems, []);
        assert.deepEqual(plain(profiles.get(profile)?.general.values()), { subject, cc, pipelining });
      }),
    );
  });
});

// Words, files and environment to settings, as Getopt::Long and the manual of swaks have it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../../src/base/errors.ts';
import { readSwaksLayers } from '../../../src/cli/front/swaks-layers.ts';
import { swaksRows } from '../../../src/cli/front/swaks-table.ts';
import { parseSwaksWords, type Word } from '../../../src/cli/front/swaks-words.ts';

const shown = (words: readonly Word[]): string =>
  words
    .map((word) =>
      word.kind === 'forget' ? `no ${word.name}` : `${word.setting.name}=${word.setting.value ?? '(none)'}`,
    )
    .join(' | ');

const accepted: [string[], string][] = [
  [['--server', 'h', '--to', 'a@b'], 'server=h | to=a@b'],
  [['-s', 'h', '-t', 'a@b', '-n'], 'server=h | to=a@b | suppress-data=(none)'],
  [['-server', 'h', '-to=a@b'], 'server=h | to=a@b'],
  [['--serv', 'h', '--suppr'], 'server=h | suppress-data=(none)'],
  [['+to', 'a@b'], 'to=a@b'],
  [['--tls', '--tlso'], 'tls=(none) | tls-optional=(none)'],
  [['--quit', 'RCPT'], 'quit-after=RCPT'],
  // an optional argument is the next word, unless that looks like an option
  [['--to', '--server', 'h'], 'to=(none) | server=h'],
  [['--auth', '-n'], 'auth=(none) | suppress-data=(none)'],
  [['--data', '-', '-n'], 'data=- | suppress-data=(none)'],
  [['--auth=-n'], 'auth=-n'],
  [['--body', ''], 'body='],
  // a required one is the next word, whatever it is
  [['--tls-cipher', '-ALL'], 'tls-cipher=-ALL'],
  // a number, or nothing
  [['-S', '2', '-n'], 'silent=2 | suppress-data=(none)'],
  [['-S', '-n'], 'silent=(none) | suppress-data=(none)'],
  // fields
  [['--h-Subject', 'x'], 'header=Subject: x'],
  [['--header-X-A:', 'x', '-h-X-B=y'], 'header=X-A: x | header=X-B: y'],
  [['--header', 'X: y'], 'header=X: y'],
  // taken back
  [['--no-to', '--no-s', '--no-h-Subject'], 'no to | no server | no header'],
  [['--no-data-fixup', '--no-hints', '--no-no-hints'], 'no-data-fixup=(none) | no-hints=(none) | no no-hints'],
  [['-n', '--'], 'suppress-data=(none)'],
];

const refused: [string[], RegExp][] = [
  [['--nosuch'], /unknown option "nosuch"/],
  [['--SERVER', 'h'], /unknown option "SERVER"/],
  [['-s127.0.0.1'], /unknown option/],
  [['--hel', 'x'], /ambiguous.*helo, help/],
  [['--xclient-o'], /ambiguous.*xclient-optional, xclient-optional-strict/],
  [['word'], /"word" where an option should be/],
  [['-n', '1'], /"1" where an option should be/],
  [['--', 'word'], /"word"/],
  [['--protocol'], /requires an argument/],
  [['--tls=yes'], /does not take an argument/],
  [['--no-to=x'], /does not take an argument/],
  [['--no-g'], /unknown option "no-g"/],
  [['-S=x'], /takes a number/],
];

describe('words to settings', () => {
  for (const [words, expected] of accepted) {
    test(words.join(' '), () => assert.equal(shown(parseSwaksWords(words, 'the line')), expected));
  }
  for (const [words, expected] of refused) {
    test(`refuses ${words.join(' ')}`, () =>
      assert.throws(
        () => parseSwaksWords(words, 'the line'),
        (thrown: unknown) => {
          assert.ok(thrown instanceof EhloError && thrown.kind === 'usage', String(thrown));
          assert.match(thrown.message, expected);
          assert.match(thrown.message, /the line/);
          return true;
        },
      ));
  }

  test('every name of the table is found, with one dash and with two', () => {
    for (const row of swaksRows) {
      for (const name of row.names) {
        for (const dash of ['-', '--']) {
          const [word] = parseSwaksWords([`${dash}${name}`, ...(row.takes === 'required' ? ['x'] : [])], 'x');
          assert.deepEqual(word, {
            kind: 'set',
            setting: { name: row.names[0], value: row.takes === 'required' ? 'x' : undefined },
            at: row.takes === 'required' ? 1 : 0,
          });
        }
      }
    }
  });

  test('whatever the words, there are settings or a usage error', () => {
    const names = swaksRows.flatMap((row) => row.names);
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(...names).map((name) => `--${name}`),
      fc.constantFrom(...names).chain((name) => fc.nat(name.length).map((length) => `-${name.slice(0, length)}`)),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        try {
          parseSwaksWords(words, 'x');
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError && thrown.kind === 'usage', String(thrown));
        }
      }),
    );
  });
});

describe('layers', () => {
  const files: Record<string, string> = {
    '/home/.swaksrc': 'from home@x\n',
    '/swaks/.swaksrc': '# comment\n\nfrom swaks@x\n--h-X: "q r"\n-n\nbody \n',
    '/own': 'from own@x\r\n',
  };
  const read = async (argv: string[], env: Record<string, string>): Promise<string> => {
    const settings = await readSwaksLayers(argv, { env, readText: async (path) => files[path] });
    return settings.map(({ name, value }) => `${name}=${value ?? '(none)'}`).join(' | ');
  };
  const home = { HOME: '/home' };

  const cases: [string, string[], Record<string, string>, string][] = [
    ['the file of HOME', [], home, 'from=home@x'],
    [
      'SWAKS_HOME before HOME',
      [],
      { ...home, SWAKS_HOME: '/swaks' },
      'from=swaks@x | header=X: "q r" | suppress-data=(none) | body=',
    ],
    ['the file of --config instead', ['--config', '/own'], home, 'from=own@x'],
    ['no file with --config alone', ['--config', '--to', 'a'], home, 'to=a'],
    ['the environment behind the file', [], { ...home, SWAKS_OPT_from: 'env@x' }, 'from=home@x | from=env@x'],
    [
      'the command line last',
      ['-f', 'line@x'],
      { ...home, SWAKS_OPT_f: 'env@x' },
      'from=home@x | from=env@x | from=line@x',
    ],
    ['taken back across layers', ['--no-f', '--to', 'a'], home, 'to=a'],
    [
      'underscores are dashes',
      [],
      { SWAKS_OPT_h_X_A: '1', SWAKS_OPT_tls_verify: '' },
      'header=X-A: 1 | tls-verify=(none)',
    ],
    [
      '--config of the environment comes first',
      ['--config', '/own'],
      { SWAKS_OPT_config: '/home/.swaksrc' },
      'from=home@x',
    ],
  ];
  for (const [what, argv, env, expected] of cases) {
    test(what, async () => assert.equal(await read(argv, env), expected));
  }

  test('a file that is named and not there is an error', () =>
    assert.rejects(read(['--config', '/nosuch'], home), /there is no file \/nosuch/));
  test('an error in a file names the line', async () => {
    files['/bad'] = 'from a@b\nnosuch\n';
    await assert.rejects(read(['--config', '/bad'], {}), /unknown option "nosuch" \(\/bad, line 2\)/);
  });
});

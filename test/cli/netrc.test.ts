// .netrc: its words, quotes and macros; which entry is meant; and that nothing of it is in an error.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { findNetrc, type NetrcEntry, parseNetrc } from '../../src/cli/netrc.ts';

const read: { name: string; text: string; entries: NetrcEntry[] }[] = [
  { name: 'nothing', text: ' \n\t\n', entries: [] },
  {
    name: 'one line an entry',
    text: 'machine a.test login bob password p1\nmachine b.test login eve password p2\n',
    entries: [
      { machine: 'a.test', login: 'bob', password: 'p1' },
      { machine: 'b.test', login: 'eve', password: 'p2' },
    ],
  },
  {
    name: 'one line a word, CRLF, account',
    text: 'machine\r\na.test\r\n  login bob\r\n  account x\r\n  password p1\r\n',
    entries: [{ machine: 'a.test', login: 'bob', password: 'p1' }],
  },
  {
    name: 'quotation marks',
    text: 'machine a.test login "b o b" password "p \\"1\\" \\\\ \\t\\q"',
    entries: [{ machine: 'a.test', login: 'b o b', password: 'p "1" \\ \tq' }],
  },
  {
    name: 'marks inside a word, and a # that begins a password',
    text: 'machine a.test login b"b password #p"1',
    entries: [{ machine: 'a.test', login: 'b"b', password: '#p"1' }],
  },
  {
    name: 'comments',
    text: '# machine x\nmachine a.test #login x\n  login bob # y\n# z',
    entries: [{ machine: 'a.test', login: 'bob' }],
  },
  {
    name: 'macros',
    text: 'machine a.test login bob\nmacdef init\nmachine x login y password z\n\nmachine b.test macdef\nall\n',
    entries: [{ machine: 'a.test', login: 'bob' }, { machine: 'b.test' }],
  },
  {
    name: 'a default',
    text: 'machine a.test password p\ndefault login any password q',
    entries: [
      { machine: 'a.test', password: 'p' },
      { login: 'any', password: 'q' },
    ],
  },
  { name: 'words as names', text: 'machine login login machine', entries: [{ machine: 'login', login: 'machine' }] },
];

const refused: { name: string; text: string; line: number; problem: RegExp }[] = [
  { name: 'an unknown word', text: '\nmachine a.test\n  passwort hunter2', line: 3, problem: /none of the known/ },
  {
    name: 'a password with a space',
    text: 'machine a.test password my hunter2',
    line: 1,
    problem: /none of the known/,
  },
  { name: 'no machine', text: 'login bob', line: 1, problem: /before any "machine"/ },
  { name: 'nothing behind a word', text: 'machine a.test\nlogin', line: 2, problem: /nothing follows "login"/ },
  { name: 'an open mark', text: 'machine a.test\npassword "hunter2\n', line: 2, problem: /never closed/ },
  { name: 'a word twice', text: 'machine a.test login a\nlogin b', line: 2, problem: /twice/ },
  { name: 'an entry behind default', text: 'default\nmachine a.test', line: 2, problem: /never used/ },
];

describe('parseNetrc', () => {
  for (const { name, text, entries } of read) {
    test(`reads ${name}`, () => assert.deepEqual(parseNetrc(text, 'F'), entries));
  }

  for (const { name, text, line, problem } of refused) {
    test(`refuses ${name}, with its line and without the secret`, () => {
      assert.throws(
        () => parseNetrc(text, 'F'),
        (thrown) =>
          thrown instanceof EhloError &&
          thrown.code === 'config' &&
          thrown.message.startsWith(`F, line ${line}: `) &&
          problem.test(thrown.message) &&
          !/hunter2/.test(thrown.message),
      );
    });
  }

  test('any text gives entries or our error', () => {
    const word = fc.constantFrom('machine', 'login', 'password', 'default', 'macdef', '"', '\\', '#', ' ', '\n', 'x');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), (words) => {
        try {
          parseNetrc(words.join(' '), 'F');
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError && thrown.code === 'config', String(thrown));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('what is quoted comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (password) => {
        const quoted = `"${password.replace(/["\\]/g, '\\$&')}"`;
        assert.deepEqual(parseNetrc(`machine h password ${quoted}`, 'F'), [{ machine: 'h', password }]);
      }),
    );
  });
});

describe('findNetrc', () => {
  const entries: NetrcEntry[] = [
    { machine: 'A.test', login: 'bob', password: '1' },
    { machine: 'a.test', login: 'eve', password: '2' },
    { machine: 'b.test', password: '3' },
    { password: '4' },
  ];
  const rows: [host: string, user: string | undefined, password: string][] = [
    ['a.test', undefined, '1'],
    ['a.TEST', 'eve', '2'],
    ['a.test', 'zoe', '4'],
    ['b.test', 'zoe', '3'],
    ['c.test', undefined, '4'],
  ];
  for (const [host, user, password] of rows) {
    test(`${user ?? 'anybody'} at ${host}: ${password}`, () => {
      assert.equal(findNetrc(entries, host, user)?.password, password);
    });
  }
  test('without a default there may be none', () => {
    assert.equal(findNetrc(entries.slice(0, 3), 'c.test', undefined), undefined);
  });
});

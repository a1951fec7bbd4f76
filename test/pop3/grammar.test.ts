// POP3 grammar: what is printed is read back, what is read is printed the same, and what is not POP3 is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../src/base/secret.ts';
import {
  isUid,
  type Pop3Command,
  parseCapability,
  parseCommand,
  parseListing,
  parseResponse,
  parseStat,
  parseTimestamp,
  parseUidListing,
  printCommand,
  printResponse,
} from '../../src/pop3/grammar.ts';

const commands: [line: string, command: Pop3Command][] = [
  ['STAT', { verb: 'STAT' }],
  ['QUIT', { verb: 'QUIT' }],
  ['USER bob@example.com', { verb: 'USER', name: 'bob@example.com' }],
  ['USER two words', { verb: 'USER', name: 'two words' }],
  ['USER Zoë', { verb: 'USER', name: 'Zoë' }],
  ['LIST', { verb: 'LIST' }],
  ['LIST 3', { verb: 'LIST', number: 3 }],
  ['UIDL 9999999999', { verb: 'UIDL', number: 9_999_999_999 }],
  ['RETR 1', { verb: 'RETR', number: 1 }],
  ['DELE 10', { verb: 'DELE', number: 10 }],
  ['TOP 1 0', { verb: 'TOP', number: 1, lines: 0 }],
  ['AUTH PLAIN', { verb: 'AUTH', mechanism: 'PLAIN' }],
  [
    'APOP mrose c4c9334bac560ecc979e58001b3e22fb',
    { verb: 'APOP', name: 'mrose', digest: 'c4c9334bac560ecc979e58001b3e22fb' },
  ],
];

describe('commands', () => {
  for (const [line, command] of commands) {
    test(`${line} is read and printed`, () => {
      assert.deepEqual(parseCommand(Buffer.from(line)), command);
      assert.equal(printCommand(command), `${line}\r\n`);
    });
  }

  test('verbs have no case, secrets keep theirs, spaces in a password stay', () => {
    const pass = parseCommand(Buffer.from('pAsS  my Pass '));
    assert.ok(pass.verb === 'PASS');
    assert.equal(pass.password.reveal(), ' my Pass ');
    const auth = parseCommand(Buffer.from('auth plain AGJvYgB4'));
    assert.ok(auth.verb === 'AUTH');
    assert.equal(auth.mechanism, 'PLAIN');
    assert.equal(auth.initial?.reveal(), 'AGJvYgB4');
  });

  const bad = [
    ...[
      '',
      ' ',
      'HELO',
      'STAT ',
      'STAT 1',
      ' STAT',
      'LIST ',
      'LIST 0',
      'LIST 01',
      'LIST 1 2',
      'LIST +1',
      'LIST 99999999999',
    ],
    ...[
      'RETR',
      'RETR ',
      'RETR one',
      'RETR 1 ',
      'RETR  1',
      'RETR -1',
      'RETR 1.0',
      'RETR 1e3',
      'DELE',
      'TOP 1',
      'TOP 1 -1',
    ],
    ...[
      'TOP 1 99999999999999999',
      'TOP a 1',
      'USER',
      'USER ',
      'PASS',
      'APOP bob',
      'APOP bob C4C9',
      'AUTH',
      'AUTH PLAIN x y',
    ],
    ...['AUTH =', 'USER a\tb', 'USER a\0b', 'USER \x7f', 'constructor', '__proto__ 1'],
  ];
  for (const line of bad) {
    test(`${JSON.stringify(line)} is no command`, () => assert.equal(parseCommand(Buffer.from(line)).verb, 'bad'));
  }

  test('broken UTF-8 is no command', () => {
    assert.equal(parseCommand(Buffer.from('USER \xff', 'latin1')).verb, 'bad');
  });

  test('print and parse are inverse, and masked lines hold no secret', () => {
    const number = fc.integer({ min: 1, max: 9_999_999_999 });
    const name = fc
      .string({ minLength: 1, maxLength: 40 })
      .filter((text) => /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text));
    const secret = fc.stringMatching(/^[\x20-\x7e]{6,40}$/);
    const command: fc.Arbitrary<Pop3Command> = fc.oneof(
      fc.constantFrom<Pop3Command>({ verb: 'RSET' }, { verb: 'NOOP' }, { verb: 'CAPA' }, { verb: 'STLS' }),
      fc.record({ verb: fc.constant('USER' as const), name }),
      fc.record({ verb: fc.constantFrom('RETR' as const, 'DELE' as const), number }),
      fc.record({ verb: fc.constantFrom('LIST' as const, 'UIDL' as const), number }),
      fc.record({ verb: fc.constant('TOP' as const), number, lines: fc.maxSafeNat() }),
      fc.record({
        verb: fc.constant('APOP' as const),
        name,
        digest: fc.stringMatching(/^[0-9a-f]{32}$/),
      }),
    );
    const line = (one: Pop3Command) => Buffer.from(printCommand(one)).subarray(0, -2);
    fc.assert(fc.property(command, (one) => assert.deepEqual(parseCommand(line(one)), { ...one })));
    fc.assert(
      fc.property(secret, (text) => {
        const one: Pop3Command = { verb: 'PASS', password: new Secret(text) };
        const read = parseCommand(line(one));
        assert.equal(read.verb === 'PASS' && read.password.reveal(), text);
        assert.equal(printCommand(one, 'mask'), 'PASS <secret>\r\n');
      }),
    );
  });

  test('never throws, for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseCommand(Buffer.from(bytes))));
  });
});

describe('responses', () => {
  const good: [line: string, response: ReturnType<typeof parseResponse>][] = [
    ['+OK', { ok: true, text: '' }],
    ['-ERR', { ok: false, text: '' }],
    ['+OK 2 320', { ok: true, text: '2 320' }],
    ['-ERR [IN-USE] busy', { ok: false, code: 'IN-USE', text: 'busy' }],
    ['-ERR [SYS/TEMP] later', { ok: false, code: 'SYS/TEMP', text: 'later' }],
    ['-ERR [auth]', { ok: false, code: 'AUTH', text: '' }],
    ['-ERR [not a code] x', { ok: false, text: '[not a code] x' }],
    ['-ERR [AUTH]joined', { ok: false, text: '[AUTH]joined' }],
    ['+OK  two spaces', { ok: true, text: ' two spaces' }],
  ];
  for (const [line, response] of good) {
    test(`${line} is a response`, () => assert.deepEqual(parseResponse(line), response));
  }
  for (const line of ['', '+', '+ok', '+OKAY', '-err x', '-ERRx', 'OK', ' +OK', '.', '250 OK', '+OK\tx']) {
    test(`${JSON.stringify(line)} is no response`, () => assert.equal(parseResponse(line), undefined));
  }

  test('print and parse are inverse', () => {
    const text = fc.stringMatching(/^(?:[\x21-\x5a\x5c-\x7e][\x20-\x7e]*)?$/);
    const code = fc.option(fc.constantFrom('IN-USE', 'AUTH', 'SYS/TEMP', 'X.Y_Z'), { nil: undefined });
    fc.assert(
      fc.property(fc.boolean(), code, text, (ok, withCode, words) => {
        const response = { ok, ...(withCode === undefined ? {} : { code: withCode }), text: words };
        assert.deepEqual(parseResponse(printResponse(response).slice(0, -2)), response);
      }),
    );
  });
});

describe('lines of lists', () => {
  const listings: [line: string, entry: unknown][] = [
    ['1 0', { number: 1, size: 0 }],
    ['2 200 and more', { number: 2, size: 200 }],
    ['3 9007199254740991', { number: 3, size: Number.MAX_SAFE_INTEGER }],
    ['3 9007199254740992', undefined],
    ['3 18446744073709551616', undefined],
    ['0 100', undefined],
    ['01 100', undefined],
    ['1 0100', undefined],
    ['1 -5', undefined],
    ['1  5', undefined],
    ['1', undefined],
    ['1 5x', undefined],
    ['one 5', undefined],
    ['', undefined],
  ];
  for (const [line, entry] of listings) {
    test(`LIST line ${JSON.stringify(line)}`, () => assert.deepEqual(parseListing(line), entry));
  }

  const uids: [line: string, entry: unknown][] = [
    ['1 abc', { number: 1, uid: 'abc' }],
    ['1 ../../etc/passwd', { number: 1, uid: '../../etc/passwd' }],
    [`1 ${'x'.repeat(70)}`, { number: 1, uid: 'x'.repeat(70) }],
    [`1 ${'x'.repeat(71)}`, { number: 1, uid: null }],
    ['1 \x1b[31m', { number: 1, uid: null }],
    ['1 two words', { number: 1, uid: null }],
    ['1 é', { number: 1, uid: null }],
    ['1 ', { number: 1, uid: null }],
    ['1', { number: 1, uid: null }],
    ['0 abc', undefined],
    ['abc', undefined],
  ];
  for (const [line, entry] of uids) {
    test(`UIDL line ${JSON.stringify(line)}`, () => assert.deepEqual(parseUidListing(line), entry));
  }

  test('an id is 1 to 70 characters from 0x21 to 0x7e', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
        assert.equal(
          isUid(text),
          text.length > 0 && text.length <= 70 && units.every((unit) => unit > 0x20 && unit < 0x7f),
        );
      }),
    );
  });

  test('STAT', () => {
    assert.deepEqual(parseStat('0 0'), { count: 0, size: 0 });
    assert.deepEqual(parseStat('2 320 more'), { count: 2, size: 320 });
    for (const text of ['', '1', '-1 0', '1 x', '1,5 2', '99999999999999999 1'])
      assert.equal(parseStat(text), undefined);
  });

  test('capabilities', () => {
    assert.deepEqual(parseCapability('sasl PLAIN  LOGIN'), ['SASL', ['PLAIN', 'LOGIN']]);
    assert.deepEqual(parseCapability('TOP'), ['TOP', []]);
    for (const line of ['', ' TOP', 'T\x1bP', 'caf\u00e9']) assert.equal(parseCapability(line), undefined);
  });

  test('the timestamp of a greeting is a msg-id or nothing (CVE-2007-1558)', () => {
    assert.equal(parseTimestamp('ready <1896.6@dbc.mtview.ca.us>'), '<1896.6@dbc.mtview.ca.us>');
    for (const text of ['ready', '<>', '<a>', '<@>', '<a@b', '<a b@c>', '<a@b\x80>', '<a@\0>']) {
      assert.equal(parseTimestamp(text), undefined, text);
    }
  });
});

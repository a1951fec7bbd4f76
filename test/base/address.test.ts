// Mailboxes, paths, lists, domains and xtext: a table of what is accepted and what is refused with which word, and laws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeXtext,
  domainToAscii,
  encodeXtext,
  isAscii,
  parseAddressLiteral,
  parseMailbox,
  parseMailboxList,
  parsePath,
  printMailbox,
  printNamedMailbox,
  sameDomain,
} from '../../src/base/address.ts';
import { EhloError } from '../../src/base/errors.ts';

const refused = (run: () => unknown, word: RegExp, about: string): void => {
  assert.throws(
    run,
    (thrown: unknown) => {
      assert.ok(thrown instanceof EhloError, `${about}: ${String(thrown)}`);
      assert.equal(thrown.code, 'bad-address', about);
      assert.match(thrown.message, word, about);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: no control character may come through
      assert.doesNotMatch(thrown.message, /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]/, about);
      return true;
    },
    about,
  );
};

const accepted: [text: string, local: string, domain: string, printed?: string][] = [
  ['a@b', 'a', 'b'],
  ['alice@example.com', 'alice', 'example.com'],
  ['a.b.c@example.com', 'a.b.c', 'example.com'],
  ["!#$%&'*+-/=?^_`{|}~@x.test", "!#$%&'*+-/=?^_`{|}~", 'x.test'],
  ['-a@x.test', '-a', 'x.test'],
  ['u%d@x.test', 'u%d', 'x.test'],
  ['d!u@x.test', 'd!u', 'x.test'],
  ['Alice@Example.COM', 'Alice', 'Example.COM'],
  ['a@localhost', 'a', 'localhost'],
  ['a@x-y.test', 'a', 'x-y.test'],
  ['a@1x.test', 'a', '1x.test'],
  ['a@3com', 'a', '3com'],
  ['"a b"@x', 'a b', 'x'],
  ['"a"@x', 'a', 'x', 'a@x'],
  ['""@x', '', 'x'],
  ['"a@b"@x', 'a@b', 'x'],
  ['"a,b"@x', 'a,b', 'x'],
  ['"a\\"b"@x', 'a"b', 'x'],
  ['"a\\\\b"@x', 'a\\b', 'x'],
  ['"\\a"@x', 'a', 'x', 'a@x'],
  ['"a..b"@x', 'a..b', 'x'],
  ['".a"@x', '.a', 'x'],
  ['"<>"@x', '<>', 'x'],
  ['"(c)"@x', '(c)', 'x'],
  ['a@[192.0.2.1]', 'a', '[192.0.2.1]'],
  ['a@[IPv6:2001:db8::1]', 'a', '[IPv6:2001:db8::1]'],
  ['a@[ipv6:::1]', 'a', '[ipv6:::1]'],
  ['"a"@[IPv6:::ffff:192.0.2.1]', 'a', '[IPv6:::ffff:192.0.2.1]', 'a@[IPv6:::ffff:192.0.2.1]'],
  ['jörg@müller.test', 'jörg', 'müller.test'],
  ['用户@例子.测试', '用户', '例子.测试'],
  ['a@xn--mller-kva.test', 'a', 'xn--mller-kva.test'],
  ['😀@x.test', '😀', 'x.test'],
  ['"😀 x"@x.test', '😀 x', 'x.test'],
  [`${'x'.repeat(64)}@x.test`, 'x'.repeat(64), 'x.test'],
  [`a@${'x'.repeat(63)}.test`, 'a', `${'x'.repeat(63)}.test`],
];

const unaccepted: [text: string, word: RegExp][] = [
  ['', /empty/],
  ['a', /no @/],
  ['@', /local part is empty/],
  ['a@', /domain is empty/],
  ['@b', /local part is empty/],
  ['a@b@c', /more than one @/],
  ['a@x b@y', /white space/],
  ['a@x,b@y', /more than one address/],
  ['a@x;b@y', /more than one address/],
  ['a b@x', /white space/],
  [' a@x', /white space/],
  ['a@x ', /white space/],
  ['a @x', /white space/],
  ['a\u00a0b@x', /white space/],
  ['a@x\u3000', /white space/],
  ['a(c)@x', /comments/],
  ['a@x(c)', /comments/],
  ['a@x(c)@evil', /comments/],
  ['<a@x>', /angle brackets/],
  ['A <a@x>', /angle brackets/],
  ['<@r:a@x>', /source routes/],
  ['@r:a@x', /source routes/],
  ['@r,@s:a@x', /source routes/],
  ['g: a@x;', /groups/],
  ['undisclosed-recipients:;', /groups/],
  ['mailto:a@x', /prefixes with a colon/],
  ['.a@x', /dots/],
  ['a.@x', /dots/],
  ['a..b@x', /dots/],
  ['a"b@x', /needs quotes/],
  ['a[b@x', /needs quotes/],
  ['a\\b@x', /backslash/],
  ['"a@x', /no end/],
  ['"a\\"@x', /no end/],
  ['"a"b@x', /between the quoted local part and the @/],
  ['"a"', /no @/],
  ['"a" @x', /white space/],
  ['a\n@x', /U\+000A at character 2/],
  ['a@x\r\nRCPT TO:<b@y>', /U\+000D at character 4/],
  ['a\0@x', /U\+0000/],
  ['a\t@x', /U\+0009/],
  ['"a\tb"@x', /U\+0009/],
  ['a\x7f@x', /U\+007F/],
  ['a\x85@x', /U\+0085/],
  ['a\x9b@x', /U\+009B/],
  ['a\u2028@x', /U\+2028/],
  ['a\u202e@x', /U\+202E/],
  ['a\ud800@x', /U\+D800/],
  ['\ufeffa@x', /U\+FEFF/],
  ['a@x\x1b[2J', /U\+001B/],
  ['a@b.', /ends in a dot/],
  ['a@.b', /dot/],
  ['a@b..c', /two dots/],
  ['a@-b', /not a label/],
  ['a@b-.test', /not a label/],
  ['a@b_c.test', /underscore/],
  ['a@b!c', /not a label/],
  ['a@b%00', /not a label/],
  ['a@192.0.2.1', /looks like an IP address/],
  ['a@0x7f.1', /looks like an IP address/],
  ['a@１２７.０.０.１', /looks like an IP address/],
  ['a@例子。测试', /not separated by '\.'/],
  ['a@[1.2.3]', /neither an IPv4 nor an IPv6/],
  ['a@[1.2.3.256]', /neither an IPv4 nor an IPv6/],
  ['a@[01.2.3.4]', /neither an IPv4 nor an IPv6/],
  ['a@[::1]', /tag/],
  ['a@[IPv6:::1::2]', /not an IPv6/],
  ['a@[IPv6:1:2:3]', /not an IPv6/],
  ['a@[IPv6:12345::]', /not an IPv6/],
  ['a@[tag:x]', /groups|neither/],
  ['a@[]', /neither/],
  ['a@[1.2.3.4', /address literal/],
  ['a@[1.2.3.4]x', /address literal/],
  [`${'x'.repeat(65)}@x`, /longer than 64 octets/],
  [`${'ü'.repeat(33)}@x`, /longer than 64 octets/],
  [`a@${'x'.repeat(64)}.test`, /label is longer/],
  [`a@${'ü'.repeat(60)}.test`, /ASCII form of a label is longer/],
  [`a@${'x.'.repeat(130)}test`, /longer than 255 octets/],
  [`${'x'.repeat(64)}@${'x.'.repeat(95)}test`, /longer than 256 octets/],
];

test('a mailbox is read by the grammar of RFC 5321 and 6531, and printed so that it reads back', () => {
  for (const [text, local, domain, printed] of accepted) {
    assert.deepEqual(parseMailbox(text), { local, domain }, text);
    assert.equal(printMailbox({ local, domain }), printed ?? text);
  }
});

test('everything else is refused with a word that names what is wrong, without raw control characters', () => {
  assert.ok(accepted.length + unaccepted.length >= 80);
  for (const [text, word] of unaccepted) refused(() => parseMailbox(text), word, JSON.stringify(text));
});

const paths: [text: string, printed: string | null, route: string | null, rest: string][] = [
  ['<>', null, null, ''],
  ['<> SIZE=1', null, null, ' SIZE=1'],
  ['<a@x>', 'a@x', null, ''],
  ['<a@x> BODY=8BITMIME SIZE=10', 'a@x', null, ' BODY=8BITMIME SIZE=10'],
  ['<"a b"@x>', '"a b"@x', null, ''],
  ['<"a>b"@x> X=1', '"a>b"@x', null, ' X=1'],
  ['<"a\\">b"@x>', '"a\\">b"@x', null, ''],
  ['<Postmaster>', 'Postmaster', null, ''],
  ['<postmaster>', 'postmaster', null, ''],
  ['<@a,@b:u@d>', 'u@d', '@a,@b', ''],
  ['<@[IPv6:::1]:u@d>', 'u@d', '@[IPv6:::1]', ''],
];
const badPaths: [text: string, word: RegExp][] = [
  ['a@x', /starts with </],
  [' <a@x>', /starts with </],
  ['<a@x', /closing >/],
  ['<a@x>junk', /without a space/],
  ['<a@x>>', /without a space/],
  ['<<a@x>>', /without a space|angle/],
  ['< a@x>', /white space/],
  ['< >', /white space|no @/],
  ['<a>', /no @/],
  ['<u@d@x>', /more than one @/],
  ['<@a:>', /empty/],
  ['<@a,b:u@d>', /source route is malformed/],
  ['<@-a:u@d>', /not a label/],
  ['<"a b@x>', /closing >/],
  ['<a@x\r\n>', /U\+000D/],
  [`<${'x'.repeat(64)}@${'x.'.repeat(100)}test>`, /longer than 256/],
];

test('a path keeps its route and its parameters apart from the mailbox', () => {
  for (const [text, printed, route, rest] of paths) {
    const path = parsePath(text);
    assert.equal(path.mailbox && printMailbox(path.mailbox), printed, text);
    assert.deepEqual([path.route, path.rest], [route, rest], text);
  }
  assert.deepEqual(parsePath('<Postmaster>').mailbox, { local: 'Postmaster', domain: '' });
  for (const [text, word] of badPaths) refused(() => parsePath(text), word, JSON.stringify(text));
});

test('a list of mailboxes splits at commas outside of quotes and keeps names unquoted', () => {
  const lists: [text: string, entries: [name: string | null, printed: string][]][] = [
    ['a@b', [[null, 'a@b']]],
    ['<a@b>', [[null, 'a@b']]],
    [
      '"Doe, J" <a@b>, c@d',
      [
        ['Doe, J', 'a@b'],
        [null, 'c@d'],
      ],
    ],
    [
      'J. Doe <j@x> , K <k@x>',
      [
        ['J. Doe', 'j@x'],
        ['K', 'k@x'],
      ],
    ],
    ['"a \\"b\\" \\\\" <a@b>', [['a "b" \\', 'a@b']]],
    ['Jörg Müller <j@müller.test>', [['Jörg Müller', 'j@müller.test']]],
    [
      '"x,y"@d, <"p,q"@d>',
      [
        [null, '"x,y"@d'],
        [null, '"p,q"@d'],
      ],
    ],
    ['"" <a@b>', [['', 'a@b']]],
  ];
  for (const [text, entries] of lists) {
    const found = parseMailboxList(text).map(({ name, mailbox }) => [name, printMailbox(mailbox)]);
    assert.deepEqual(found, entries, text);
  }
  const bad: [string, RegExp][] = [
    ['', /empty/],
    ['a@b,', /empty/],
    ['a@b,,c@d', /empty/],
    ['a@x b@y', /white space/],
    ['g: a@b, c@d;', /groups/],
    ['g: a@b;', /groups/],
    ['A (c) <a@b>', /comments/],
    ['A <a@b> B', /not a name followed by/],
    ['<a@b> <c@d>', /not a name followed by|angle/],
    ['A [x] <a@b>', /not a name followed by/],
    ['"A <a@b>', /no end/],
    ['A <a@b>\nBcc: x@y', /U\+000A/],
    ['<@r:a@x>', /source routes/],
    ['<>', /empty/],
  ];
  for (const [text, word] of bad) refused(() => parseMailboxList(text), word, JSON.stringify(text));
});

test('domains compare by what they mean', () => {
  assert.ok(sameDomain('Example.COM', 'example.com'));
  assert.ok(sameDomain('MÜLLER.test', 'xn--mller-kva.test'));
  assert.ok(sameDomain('[IPv6:2001:DB8::1]', '[ipv6:2001:db8:0:0:0:0:0:1]'));
  assert.ok(sameDomain('[IPv6:::ffff:192.0.2.1]', '[IPv6:::ffff:c000:201]'));
  assert.ok(!sameDomain('[192.0.2.1]', '192.0.2.1'));
  assert.ok(!sameDomain('a.test', 'b.test'));
  assert.ok(!sameDomain('', 'b.test'));
  assert.equal(domainToAscii('müller.test'), 'xn--mller-kva.test');
  assert.equal(domainToAscii('[192.0.2.1]'), '[192.0.2.1]');
  assert.deepEqual(parseAddressLiteral('[IPv6:::1]'), { family: 6, address: '::1' });
  assert.ok(isAscii('a@b') && !isAscii('ü'));
});

test('xtext refuses what is not xtext', () => {
  assert.equal(encodeXtext('a+b=c d\r\n'), 'a+2Bb+3Dc+20d+0D+0A');
  for (const bad of ['a b', 'a=b', 'a+b', '+2', '+2b', '+0d+0a', 'ü', 'a\n', '+FF']) {
    refused(() => decodeXtext(bad), /xtext/, bad);
  }
});

const unicode = fc.string({ unit: 'grapheme-composite', maxLength: 20 });
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const domain = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => [...labels, 'test'].join('.')),
  fc.constantFrom('müller.test', '例子.测试', '[192.0.2.1]', '[IPv6:2001:db8::1]'),
);
const local = fc
  .oneof(unicode, fc.string({ maxLength: 20 }))
  .filter((text) => Buffer.byteLength(JSON.stringify(text)) <= 60)
  .filter((text) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/u.test(text));

test('law: parse(print(mailbox)) is the mailbox, alone, in a path and in a list with any name', () => {
  fc.assert(
    fc.property(local, domain, fc.option(local), (left, right, name) => {
      const mailbox = { local: left, domain: right };
      const printed = printMailbox(mailbox);
      assert.deepEqual(parseMailbox(printed), mailbox);
      assert.equal(printMailbox(parseMailbox(printed)), printed);
      assert.deepEqual(parsePath(`<${printed}> A=1`), { mailbox, route: null, rest: ' A=1' });
      assert.deepEqual(parseMailboxList(`${printNamedMailbox({ name, mailbox })}, x@y`)[0], { name, mailbox });
    }),
    { numRuns: 500 },
  );
});

test('law: decode(encode(text)) is the text, and the xtext is printable ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const xtext = encodeXtext(text);
      assert.match(xtext, /^[!-~]*$/);
      assert.equal(decodeXtext(xtext), text);
    }),
  );
});

test('law: any text gives a mailbox, a path, a list, or one of our errors', () => {
  const texts = fc.oneof(unicode, fc.string({ unit: 'binary' }), fc.stringMatching(/^[<>@:;,."\\ ()[\]a-b]*$/));
  fc.assert(
    fc.property(texts, (text) => {
      for (const parse of [parseMailbox, parsePath, parseMailboxList, domainToAscii, decodeXtext]) {
        try {
          parse(text);
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError, String(thrown));
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('long hostile lists are read in time that grows with their length only', () => {
  // Exponential or cubic matching would never come back from these.
  const size = 100_000;
  for (const piece of ['a', 'a ', '"a" ', '(', '"\\', 'a:', '<', '.a', 'a@b ']) {
    const text = piece.repeat(size / piece.length);
    for (const tail of ['', '<a@b', '>', '"']) assert.throws(() => parseMailboxList(text + tail), EhloError);
  }
  assert.equal(parseMailboxList(Array.from({ length: 40_000 }, (_, n) => `u${n}@x.test`).join(',')).length, 40_000);
});

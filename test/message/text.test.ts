// Encoded words, parameters, dates and addresses of header fields: what they mean, and that no text breaks them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { headerMailboxes, parseHeaderAddresses } from '../../src/message/addresses.ts';
import { parseDate, printDate } from '../../src/message/date.ts';
import { decodeWords, encodeWords } from '../../src/message/encoded-words.ts';
import { parseParams } from '../../src/message/params.ts';
import { parseReceived } from '../../src/message/received.ts';

test('encoded words decode as RFC 2047 and its erratic writers mean them; what cannot be decoded stays', () => {
  const cases: [written: string, read: string][] = [
    ['plain', 'plain'],
    ['=?utf-8?Q?a_b=20c?=', 'a b c'],
    ['=?UTF-8?b?w7w=?=', 'ü'],
    ['=?iso-8859-1?q?J=F6rg?= x', 'Jörg x'],
    ['=?utf-8*de?Q?=C3=BC?=', 'ü'],
    ['a =?utf-8?Q?b?= c', 'a b c'],
    ['=?utf-8?Q?a?= =?utf-8?Q?b?=', 'ab'],
    ['=?utf-8?Q?a?=  \t =?iso-8859-1?Q?=FC?=', 'aü'],
    ['=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=', 'ü'],
    ['=?utf-8?Q?a?= - =?utf-8?Q?b?=', 'a - b'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
    ['=?x-none?Q?raw?=', '=?x-none?Q?raw?='],
    ['=?utf-8?Q?a?= =?x-none?Q?raw?=', 'a =?x-none?Q?raw?='],
    ['=?utf-7?Q?+AGE-?=', '=?utf-7?Q?+AGE-?='],
    ['=?utf-8?B?bad*?=', '=?utf-8?B?bad*?='],
    ['=?utf-8?B?YWJj?=YWJj', 'abcYWJj'],
    ['=?utf-8?Q?=zz?=', '=?utf-8?Q?=zz?='],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?utf-8?Q?has space?=', '=?utf-8?Q?has space?='],
    ['=?', '=?'],
  ];
  for (const [written, read] of cases) assert.equal(decodeWords(written), read, written);
});

test('law: decoding encoded words gives the text back, in words of at most 75 characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 0, max: 60 }), (text, used) => {
      fc.pre(!/\p{Cs}/u.test(text));
      const words = encodeWords(text, used);
      for (const word of words) assert.match(word, /^=\?utf-8\?[QB]\?[!->@-~]*\?=$/);
      for (const word of words.slice(1)) assert.ok(word.length <= 75, word);
      assert.equal(decodeWords(words.join(' ')), text);
    }),
  );
});

test('parameters: quotes, comments, continuations and charsets', () => {
  const cases: [written: string, value: string, params: Record<string, string>, defects?: string[]][] = [
    ['text/plain', 'text/plain', {}],
    ['Text/Plain; Charset=UTF-8', 'text/plain', { charset: 'UTF-8' }],
    ['a; b="c;d=\\"e\\" \\\\"', 'a', { b: 'c;d="e" \\' }],
    ['a; b="C:\\x\\y"', 'a', { b: 'C:\\x\\y' }],
    ['a; b=" c "', 'a', { b: ' c ' }],
    ['a (x (y) \\) z) ; b (q) = c (r)', 'a', { b: 'c' }],
    ['a;', 'a', {}],
    ['a;;b=c', 'a', { b: 'c' }],
    ['a; b', 'a', {}, ['mime-bad-parameter']],
    ['a; =c', 'a', {}, ['mime-bad-parameter']],
    ['a; b="c', 'a', { b: 'c' }, ['mime-bad-parameter']],
    ['a; b="c" d', 'a', { b: 'cd' }, ['mime-bad-parameter']],
    ['a; b=1; b=2', 'a', { b: '1' }, ['mime-duplicate-parameter']],
    ["a; b*=utf-8''%C3%BC", 'a', { b: 'ü' }],
    ["a; b*=iso-8859-1'de'%FC", 'a', { b: 'ü' }],
    ["a; b*=x-none''%FC", 'a', { b: "x-none''%FC" }],
    ["a; b=old; b*=utf-8''new", 'a', { b: 'new' }],
    ['a; b*0=x; b*1=y', 'a', { b: 'xy' }],
    ['a; b*1=y; b*0=x', 'a', { b: 'xy' }],
    ["a; b*0*=utf-8''%C3; b*1*=%BC; b*2=%20", 'a', { b: 'ü%20' }],
    ['a; b*0=x; b*2=z', 'a', { b: 'x' }, ['mime-bad-parameter']],
    ['a; b=plain; b*1=z', 'a', { b: 'plain' }, ['mime-bad-parameter']],
    ['a; b="=?utf-8?Q?=C3=BC?="', 'a', { b: 'ü' }, ['mime-encoded-word-parameter']],
    ['a; __proto__=x; constructor=y', 'a', { ['__proto__']: 'x', constructor: 'y' }],
  ];
  for (const [written, value, params, defects] of cases) {
    const parsed = parseParams(written);
    assert.equal(parsed.value, value, written);
    assert.deepEqual([...parsed.params], Object.entries(params), written);
    assert.deepEqual(
      parsed.defects.map(({ id }) => id),
      defects ?? [],
      written,
    );
  }
});

test('dates: RFC 5322 and its obsolete forms; what is no date is null, never now', () => {
  const cases: [text: string, iso: string | null][] = [
    ['Tue, 01 Sep 2026 10:00:00 +0200', '2026-09-01T08:00:00.000Z'],
    ['1 Sep 2026 10:00 -0000', '2026-09-01T10:00:00.000Z'],
    ['Tue, 1 Sep 2026 10:00:00 -0730', '2026-09-01T17:30:00.000Z'],
    ['Tue, 1 Sep 2026 10:00:00 GMT', '2026-09-01T10:00:00.000Z'],
    ['Tue, 1 Sep 2026 10:00:00 PDT', '2026-09-01T17:00:00.000Z'],
    ['Tue, 1 Sep 2026 10:00:00 Z', '2026-09-01T10:00:00.000Z'],
    ['Tue,\t1 (first) Sep (month (nested)) 2026 10 : 00 : 00 +0000 (UTC)', '2026-09-01T10:00:00.000Z'],
    ['01 Sep 26 10:00 UT', '2026-09-01T10:00:00.000Z'],
    ['01 Sep 70 10:00 UT', '1970-09-01T10:00:00.000Z'],
    ['01 Sep 101 10:00 UT', '2001-09-01T10:00:00.000Z'],
    ['31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00.000Z'],
    ['29 Feb 2024 00:00 +0000', '2024-02-29T00:00:00.000Z'],
    ['29 Feb 2023 00:00 +0000', null],
    ['31 Apr 2026 00:00 +0000', null],
    ['32 Jan 2026 00:00 +0000', null],
    ['0 Jan 2026 00:00 +0000', null],
    ['1 Jan 2026 24:00 +0000', null],
    ['1 Jan 2026 00:60 +0000', null],
    ['1 Jan 2026 00:00 +0060', null],
    ['1 Jan 2026 00:00', null],
    ['1 Foo 2026 00:00 +0000', null],
    ['2026-09-01T10:00:00Z', null],
    ['yesterday', null],
    ['', null],
    ['('.repeat(100_000), null],
  ];
  for (const [text, iso] of cases) assert.equal(parseDate(text)?.toISOString() ?? null, iso, text.slice(0, 80));
});

test('law: a printed date reads back to the second', () => {
  const dates = fc.date({
    min: new Date('1900-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(dates, (date) => {
      assert.equal(parseDate(printDate(date))?.getTime(), Math.floor(date.getTime() / 1000) * 1000);
    }),
  );
});

test('addresses of header fields: names, comments, groups, quotes and obsolete routes', () => {
  const cases: [written: string, list: [name: string | null, address: string, group?: string][]][] = [
    ['a@x', [[null, 'a@x']]],
    [
      'A <a@x>, b@y',
      [
        ['A', 'a@x'],
        [null, 'b@y'],
      ],
    ],
    ['"Doe, J. \\"x\\"" <a@x>', [['Doe, J. "x"', 'a@x']]],
    ['=?utf-8?Q?J=C3=B6rg?= <a@x>', [['Jörg', 'a@x']]],
    ['"=?utf-8?Q?J=C3=B6rg?=" <a@x>', [['=?utf-8?Q?J=C3=B6rg?=', 'a@x']]],
    ['a@x (Alice (A))', [['Alice (A)', 'a@x']]],
    ['a(c)@x', [['c', 'a@x']]],
    ['a @ x . y', [[null, 'a@x.y']]],
    ['"a b"@x', [[null, '"a b"@x']]],
    ['<@r,@s:a@x>', [[null, 'a@x']]],
    ['undisclosed-recipients:;', []],
    [
      'G: A <a@x>, b@y;, c@z',
      [
        ['A', 'a@x', 'G'],
        [null, 'b@y', 'G'],
        [null, 'c@z'],
      ],
    ],
    ['a@[IPv6:::1]', [[null, 'a@[IPv6:::1]']]],
    ['nobody', [['nobody', '']]],
    [
      'a@x,,b@y,',
      [
        [null, 'a@x'],
        [null, 'b@y'],
      ],
    ],
    ['A <a@x', [['A', 'a@x']]],
    ['"A <a@x>', [[null, '"A <a@x>']]],
    ['<"a>b"@x>', [[null, '"a>b"@x']]],
    ['', []],
  ];
  for (const [written, list] of cases) {
    const found = parseHeaderAddresses(written).map(({ name, address, group }) => [name || null, address, group]);
    assert.deepEqual(
      found,
      list.map(([name, address, group]) => [name, address, group ?? null]),
      written,
    );
  }
});

test('Received fields of the usual servers', () => {
  assert.deepEqual(
    parseReceived('from a (b [192.0.2.1]) by c (Postfix) with ESMTPSA id 1 for <d@e>; Tue, 1 Sep 2026 10:00:00 +0000'),
    {
      from: 'a',
      by: 'c',
      with: 'ESMTPSA',
      id: '1',
      for: 'd@e',
      date: new Date('2026-09-01T10:00:00Z'),
      tls: 'yes',
      ip: '192.0.2.1',
    },
  );
  assert.equal(parseReceived('from a ([IPv6:2001:db8::1]) by b').ip, '2001:db8::1');
  assert.equal(parseReceived('from [10.0.0.1] by b with ESMTP').ip, '10.0.0.1');
  assert.equal(parseReceived('from a (forged 10.9.9.9 [192.0.2.1]) by b').ip, '192.0.2.1');
  assert.equal(parseReceived('from by by by with with; x').by, 'by');
  assert.equal(parseReceived('from a by b; not (a; date').date, null);
  assert.deepEqual(Object.values(parseReceived('')), [null, null, null, null, null, null, null, null]);
});

test('law: any text has parameters, addresses, a date or none, and a Received reading', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-c()<>"\\;:,.=*@?[\] 0-9']*$/));
  fc.assert(
    fc.property(texts, (text) => {
      decodeWords(text);
      parseParams(text);
      parseHeaderAddresses(text);
      try {
        headerMailboxes('To', text);
      } catch (thrown) {
        assert.ok(thrown instanceof EhloError, String(thrown));
      }
      parseDate(text);
      parseReceived(text);
    }),
    { numRuns: 1000 },
  );
});

// Zone texts: what they mean, how they print, where they are wrong, and what they answer.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { type DnsMessage, decodeAnswer, encodeQuery } from '../../src/dns/codec.ts';
import type { DnsRecord } from '../../src/dns/dns.ts';
import { printIp } from '../../src/dns/ip.ts';
import { answerQuery, lookupZone, parseZone, printZone, type Zone, type ZoneDirective } from '../../src/dns/zone.ts';
import { printRecord } from '../../src/dns/zone-print.ts';

const lab = parseZone(readFileSync(new URL('../zones/lab.zone', import.meta.url), 'utf8'));

test('the lab zone reads as meant', () => {
  assert.deepEqual(lab.origins, ['example.test', 'other.test']);
  assert.deepEqual(lab.directives, [
    { kind: 'servfail', name: 'broken.example.test', type: undefined },
    { kind: 'timeout', name: 'silent.example.test', type: undefined },
    { kind: 'refused', name: 'mx1.example.test', type: 'TLSA' },
    { kind: 'servfail', name: 'aliased-away.example.test', type: undefined },
  ]);
  assert.deepEqual(lab.records.slice(0, 10).map(printRecord), [
    'example.test. 3600 IN SOA ns1.example.test. hostmaster.mail.example.test. 2024010101 86400 7200 2419200 300',
    'example.test. 3600 IN NS ns1.example.test.',
    'example.test. 3600 IN NS ns2.other.test.',
    'example.test. 3600 IN MX 10 mx1.example.test.',
    'example.test. 3600 IN MX 20 mx2.example.test.',
    'example.test. 600 IN TXT "v=spf1 mx" " -all"',
    'example.test. 600 IN TXT "unquoted" "with \\"quotes\\" \\\\ and \\027" "semi;colon (paren)"',
    'example.test. 3600 IN CAA 0 issue "ca.test"',
    'ns1.example.test. 3600 IN A 192.0.2.1',
    'mx1.example.test. 300 IN A 192.0.2.10',
  ]);
  const text = lab.records.map(printRecord);
  for (const line of [
    'mx1.example.test. 300 IN AAAA 2001:db8::10',
    '_25._tcp.mx1.example.test. 3600 IN TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
    'generic.example.test. 3600 IN TYPE65280 \\# 3 abcdef',
    'gen-a.example.test. 3600 IN A 192.0.2.99',
    'empty.example.test. 3600 IN TYPE65281 \\# 0',
    'null.example.test. 3600 IN MX 0 .',
    'odd\\032name.example.test. 3600 IN TXT "blank"',
    'host.other.test. 3600 IN A 198.51.100.1',
  ]) {
    assert.ok(text.includes(line), line);
  }
});

const readings: [string, string, string][] = [
  ['a TTL of $TTL in units', '$TTL 1h30m\na.test. A 192.0.2.1', 'a.test. 5400 IN A 192.0.2.1'],
  [
    'the last stated TTL where there is no $TTL',
    'a.test. 7 A 192.0.2.1\nb.test. A 192.0.2.1',
    'b.test. 7 IN A 192.0.2.1',
  ],
  [
    'the minimum of the SOA where no TTL was stated',
    'a. SOA a. a. 1 2 3 4 5\nb.a. A 192.0.2.1',
    'b.a. 5 IN A 192.0.2.1',
  ],
  ['an hour where nothing says a TTL', 'a.test. A 192.0.2.1', 'a.test. 3600 IN A 192.0.2.1'],
  ['class and TTL in either order, lower case', 'a.test. in 5 mx 1 b.test.', 'a.test. 5 IN MX 1 b.test.'],
  [
    'an owner carried over a comment and a blank line',
    'a.test. A 192.0.2.1\n; x\n\n  5 AAAA ::1',
    'a.test. 5 IN AAAA ::1',
  ],
  ['CRLF line ends', '$ORIGIN test.\r\na 5 A 192.0.2.1\r\n', 'a.test. 5 IN A 192.0.2.1'],
  ['the root as owner', '. 5 NS a.test.', '. 5 IN NS a.test.'],
  ['an owner named like a type', '$ORIGIN test.\nmx 5 A 192.0.2.1', 'mx.test. 5 IN A 192.0.2.1'],
  ['an owner named like a TTL', '$ORIGIN test.\n10 5 PTR a', '10.test. 5 IN PTR a.test.'],
  [
    'an escaped dot that does not end a name',
    '$ORIGIN test.\n@ 5 SOA a b\\. 1 2 3 4 5',
    'test. 5 IN SOA a.test. b\\..test. 1 2 3 4 5',
  ],
  ['a quoted empty string', 'a. 5 TXT ""', 'a. 5 IN TXT ""'],
  ['text outside ASCII as UTF-8', 'a. 5 TXT "é"', 'a. 5 IN TXT "\\195\\169"'],
  ['TYPE15 as MX', 'a. 5 TYPE15 1 b.', 'a. 5 IN MX 1 b.'],
  ['an origin below the origin', '$ORIGIN test.\n$ORIGIN sub\n@ 5 A 192.0.2.1', 'sub.test. 5 IN A 192.0.2.1'],
  ['special characters in names', 'a\\;b\\"c\\(d\\@. 5 A 192.0.2.1', 'a\\;b\\"c\\(d\\@. 5 IN A 192.0.2.1'],
];
for (const [what, text, line] of readings) {
  test(`a zone text takes ${what}`, () => {
    const zone = parseZone(text);
    const last = zone.records.at(-1);
    assert.equal(last && printRecord(last), line);
    assert.deepEqual(parseZone(printZone(zone)), zone);
  });
}

const errors: [string, string, string][] = [
  ['a relative name without an origin', 'a A 192.0.2.1', 'line 1, column 1: a is relative'],
  ['a first record without an owner', '  A 192.0.2.1', 'line 1, column 3: the first record has no owner'],
  ['an unknown type', 'a. 5 IN NONSENSE x', "line 1, column 9: 'NONSENSE' is no record type"],
  ['a class other than IN', 'a. CH A 192.0.2.1', 'line 1, column 4: class CH'],
  ['a bad IPv4 address', '\n\na. A 192.0.2.256', "line 3, column 6: '192.0.2.256' is no IPv4"],
  ['an IPv4 address in AAAA', 'a. AAAA 192.0.2.1', "line 1, column 9: '192.0.2.1' is no IPv6"],
  ['a preference above 65535', 'a. MX 65536 b.', 'line 1, column 7: the preference must be'],
  ['an MX without a host', 'a. MX 10', 'line 1, column 7: the mail host is missing'],
  ['a word too many', 'a. MX 10 b. c.', 'line 1, column 13: MX takes nothing more'],
  ['an unclosed parenthesis', 'a. MX ( 10\n b.\n', "line 1, column 7: '(' is never closed"],
  ['a stray parenthesis', 'a. MX 10 b. )', "line 1, column 13: ')' without"],
  ['an unclosed quote', 'a. TXT "x\nb. A 192.0.2.1', 'line 1, column 8: the quoted string does not end'],
  ['a string of 256 bytes', `a. TXT ${'x'.repeat(256)}`, 'line 1, column 8: the string has 256 bytes'],
  ['an escape above 255', 'a. TXT "\\256"', 'line 1, column 8: \\256 is no escape'],
  ['odd hex digits', 'a. TLSA 3 1 1 abc', 'line 1, column 15: the association data must be pairs'],
  ['a wrong generic length', 'a. TYPE99 \\# 3 abcd', 'line 1, column 4: \\# promises 3 bytes, 2'],
  ['generic bytes that are no such data', 'a. A \\# 3 abcdef', 'line 1, column 4: the bytes are no A data'],
  ['a type that needs the generic form', 'a. DS 1 2 3 ab', 'line 1, column 4: the data of DS can only'],
  ['an empty label', 'a..b. A 192.0.2.1', 'line 1, column 1: the domain name'],
  ['a label of 64 bytes', `b. MX 1 ${'x'.repeat(64)}.`, 'line 1, column 9: the domain name'],
  ['a U-label', 'bücher. A 192.0.2.1', 'line 1, column 1: the domain name'],
  ['$INCLUDE', '$INCLUDE other.zone', 'line 1, column 1: $INCLUDE is not supported'],
  ['a bad $TTL', '$TTL soon', 'line 1, column 6: the TTL must be'],
  ['a TTL above 2^31-1', 'a. 2147483648 A 192.0.2.1', 'line 1, column 4: the TTL 2147483648 is above'],
  ['an unknown directive', 'a. A 192.0.2.1\n;!explode a.', 'line 2, column 1: the directive ;!explode a.'],
  ['a directive without its name', ';!servfail', 'line 1, column 1: the directive'],
  [
    'a name that grows too long with its origin',
    `$ORIGIN ${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.\n${'w'.repeat(63)}.v A 192.0.2.1`.replace(
      'v A',
      `${'v'.repeat(20)} A`,
    ),
    'line 2, column 1: the domain name',
  ],
];
for (const [what, text, message] of errors) {
  test(`${what} is a config error with its place`, () => {
    assert.throws(
      () => parseZone(text),
      (error) => error instanceof EhloError && error.code === 'config' && error.message.includes(message),
      message,
    );
  });
}

test('any text gives a zone or a config error', () => {
  const piece = fc.constantFrom(
    'a',
    '.',
    ' ',
    '\n',
    '(',
    ')',
    '"',
    ';',
    ';!',
    '\\',
    '\\#',
    '@',
    '$ORIGIN',
    'A',
    'TXT',
    'MX',
    '1',
    '\t',
    '\0',
    'é',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (text) => {
        try {
          const zone = parseZone(text, 'test');
          assert.deepEqual(parseZone(printZone(zone)), zone);
        } catch (error) {
          assert.ok(error instanceof EhloError && error.code === 'config', String(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

const label = fc.oneof(
  fc.stringMatching(/^[a-z0-9_*-]{1,12}$/),
  fc.stringMatching(/^[A-Za-z"();@$=#/]{1,8}$/),
  fc.constantFrom('odd\\032name', 'tab\\009', 'esc\\027', '\\000'),
);
const name = fc.array(label, { maxLength: 4 }).map((labels) => labels.join('.'));
const u8 = fc.nat(255);
const u16 = fc.nat(65_535);
const u32 = fc.nat(0xffffffff);
const bytes = (min: number, max: number) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((all) => Buffer.from(all));
const head = { name, ttl: fc.nat(0x7fffffff) };
const recordOf = <Shape extends object>(shape: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> }) =>
  fc.record(shape, { noNullPrototype: true });
const anyRecord: fc.Arbitrary<DnsRecord> = fc.oneof<fc.Arbitrary<DnsRecord>[]>(
  recordOf({ ...head, type: fc.constant('A' as const), address: bytes(4, 4).map(printIp) }),
  recordOf({ ...head, type: fc.constant('AAAA' as const), address: bytes(16, 16).map(printIp) }),
  recordOf({ ...head, type: fc.constant('MX' as const), preference: u16, host: name }),
  recordOf({ ...head, type: fc.constantFrom('CNAME' as const, 'NS' as const, 'PTR' as const), host: name }),
  recordOf({
    ...head,
    type: fc.constant('TXT' as const),
    strings: fc.array(bytes(0, 255), { minLength: 1, maxLength: 3 }),
  }),
  recordOf({ ...head, type: fc.constant('SRV' as const), priority: u16, weight: u16, port: u16, host: name }),
  recordOf({ ...head, type: fc.constant('TLSA' as const), usage: u8, selector: u8, matching: u8, data: bytes(1, 64) }),
  recordOf({
    ...head,
    type: fc.constant('SOA' as const),
    mname: name,
    rname: fc.oneof(name, fc.constant('john\\.doe.test')),
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
  }),
  recordOf({
    ...head,
    type: fc.constant('CAA' as const),
    flags: u8,
    tag: fc.stringMatching(/^[a-z0-9]{1,15}$/),
    value: bytes(0, 40),
  }),
  recordOf({
    ...head,
    type: fc.constant('OTHER' as const),
    typeName: fc.constantFrom('DS', 'DNSKEY', 'TYPE65280', 'TYPE99'),
    data: bytes(0, 40),
  }),
);
const anyDirective: fc.Arbitrary<ZoneDirective> = fc.oneof<fc.Arbitrary<ZoneDirective>[]>(
  fc.constant({ kind: 'ad' as const }),
  recordOf({
    kind: fc.constantFrom('servfail' as const, 'refused' as const, 'timeout' as const),
    name,
    type: fc.constantFrom(undefined, 'MX', 'TLSA', 'TYPE65280'),
  }),
);
const anyZone: fc.Arbitrary<Zone> = recordOf({
  origins: fc.array(name, { maxLength: 2 }),
  records: fc.array(anyRecord, { maxLength: 8 }),
  directives: fc.array(anyDirective, { maxLength: 3 }),
});

test('any zone prints to a text that parses back to it', () => {
  fc.assert(fc.property(anyZone, (zone) => assert.deepEqual(parseZone(printZone(zone)), zone)));
});

test('every record of any zone survives the way over the wire', () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const zone: Zone = { origins: [''], records: [record], directives: [] };
      const type = record.type === 'OTHER' ? record.typeName : record.type;
      const query = encodeQuery({ id: 1, name: record.name, type, recursion: true, edns: true });
      const answer = answerQuery([zone], query, 'tcp');
      assert.ok(answer);
      assert.deepEqual(decodeAnswer(answer).answers, [record]);
    }),
  );
});

const lookups: [string, string, string, string[]][] = [
  ['mx1.example.test', 'A', 'ok', ['mx1.example.test. 300 IN A 192.0.2.10']],
  ['MX1.Example.TEST', 'A', 'ok', ['mx1.example.test. 300 IN A 192.0.2.10']],
  ['mx1.example.test', 'MX', 'nodata', []],
  ['nosuch.example.test', 'A', 'nxdomain', []],
  ['c.example.test', 'A', 'nodata', []],
  ['b.c.example.test', 'A', 'nodata', []],
  ['x.c.example.test', 'A', 'nxdomain', []],
  [
    'mx2.example.test',
    'A',
    'ok',
    ['mx2.example.test. 3600 IN CNAME mx1.example.test.', 'mx1.example.test. 300 IN A 192.0.2.10'],
  ],
  ['mx2.example.test', 'CNAME', 'ok', ['mx2.example.test. 3600 IN CNAME mx1.example.test.']],
  ['mx2.example.test', 'TXT', 'nodata', ['mx2.example.test. 3600 IN CNAME mx1.example.test.']],
  [
    'www.example.test',
    'A',
    'ok',
    [
      'www.example.test. 3600 IN CNAME www2.example.test.',
      'www2.example.test. 3600 IN CNAME host.other.test.',
      'host.other.test. 3600 IN A 198.51.100.1',
    ],
  ],
  ['Any.wild.example.test', 'MX', 'ok', ['Any.wild.example.test. 3600 IN MX 5 mx1.example.test.']],
  ['a.b.wild.example.test', 'MX', 'ok', ['a.b.wild.example.test. 3600 IN MX 5 mx1.example.test.']],
  ['any.wild.example.test', 'A', 'nodata', []],
  ['host.wild.example.test', 'MX', 'nodata', []],
  ['below.host.wild.example.test', 'MX', 'nxdomain', []],
  ['wild.example.test', 'MX', 'nodata', []],
  ['generic.example.test', 'TYPE65280', 'ok', ['generic.example.test. 3600 IN TYPE65280 \\# 3 abcdef']],
  ['broken.example.test', 'A', 'servfail', []],
  ['silent.example.test', 'A', 'timeout', []],
  ['mx1.example.test', 'TLSA', 'refused', []],
  ['gone.example.test', 'A', 'servfail', []],
  ['elsewhere.net', 'A', 'refused', []],
  ['test', 'A', 'refused', []],
  ['nosuch.other.test', 'A', 'nxdomain', []],
  [
    'loop1.example.test',
    'A',
    'ok',
    ['loop1.example.test. 3600 IN CNAME loop2.example.test.', 'loop2.example.test. 3600 IN CNAME loop1.example.test.'],
  ],
];
for (const [asked, type, status, lines] of lookups) {
  test(`${asked} ${type} is ${status}`, () => {
    const found = lookupZone(lab, asked, type);
    assert.equal(found.status, status);
    assert.deepEqual([...found.cnames, ...found.records].map(printRecord), lines);
  });
}

test('negative answers carry the SOA with the smaller of its TTL and its minimum', () => {
  assert.equal(lookupZone(lab, 'nosuch.example.test', 'A').soa?.ttl, 300);
  assert.equal(lookupZone(lab, 'mx1.example.test', 'MX').soa?.name, 'example.test');
  assert.equal(lookupZone(lab, 'nosuch.other.test', 'A').soa, undefined);
});

test('a text without origin and SOA answers for everything', () => {
  const zone = parseZone('a.test. MX 10 mx.other.example.');
  assert.equal(lookupZone(zone, 'mx.other.example', 'A').status, 'nxdomain');
  assert.equal(lookupZone(zone, 'test', 'A').status, 'nodata');
});

test('a name that a zone lists outside its apex is answered, its neighbours are not', () => {
  const zone = parseZone('$ORIGIN a.test.\n@ MX 1 mx.b.test.\nmx.b.test. A 192.0.2.1');
  assert.equal(lookupZone(zone, 'mx.b.test', 'AAAA').status, 'nodata');
  assert.equal(lookupZone(zone, 'b.test', 'A').status, 'refused');
});

const ask = (
  zones: Zone[],
  asked: string,
  type: string,
  more: { edns?: boolean; via?: 'udp' | 'tcp' } = {},
): DnsMessage | undefined => {
  const query = encodeQuery({ id: 99, name: asked, type, recursion: true, edns: more.edns ?? true });
  const answer = answerQuery(zones, query, more.via ?? 'udp');
  return answer && decodeAnswer(answer);
};

test('the longest apex decides which of several zones answers, and aliases cross zones', () => {
  const parent = parseZone('$ORIGIN test.\na.sub A 192.0.2.1\nalias CNAME a.sub');
  const child = parseZone('$ORIGIN sub.test.\na A 192.0.2.2\n;!ad');
  const answer = ask([parent, child], 'alias.test', 'A');
  assert.deepEqual(answer?.answers.map(printRecord), [
    'alias.test. 3600 IN CNAME a.sub.test.',
    'a.sub.test. 3600 IN A 192.0.2.2',
  ]);
  assert.equal(answer.authentic, false, 'only one of the two zones is signed');
  assert.equal(ask([parent, child], 'a.sub.test', 'A')?.authentic, true);
});

test('answers repeat id and question, and are authoritative', () => {
  const answer = ask([lab], 'MX1.example.test', 'A');
  assert.deepEqual(answer?.questions, [{ name: 'MX1.example.test', type: 1, class: 1 }]);
  assert.deepEqual([answer.id, answer.authoritative, answer.recursionDesired, answer.rcode], [99, true, true, 0]);
});

const rcodes: [string, number, boolean][] = [
  ['mx1.example.test', 0, true],
  ['nosuch.example.test', 3, true],
  ['broken.example.test', 2, false],
  ['elsewhere.net', 5, false],
];
for (const [asked, rcode, authoritative] of rcodes) {
  test(`${asked} is answered with rcode ${rcode}`, () => {
    const answer = ask([lab], asked, 'A');
    assert.deepEqual([answer?.rcode, answer?.authoritative], [rcode, authoritative]);
  });
}

test('a silent name is not answered at all', () => assert.equal(ask([lab], 'silent.example.test', 'A'), undefined));

const big = parseZone(
  `$ORIGIN big.test.\n${Array.from({ length: 20 }, (_, n) => `@ MX ${n} mail-exchanger-${n}\n`).join('')}`,
);
test('without EDNS, 512 bytes go over UDP; with it 1232; over TCP all', () => {
  assert.deepEqual(
    [ask([big], 'big.test', 'MX', { edns: false })?.truncated, ask([big], 'big.test', 'MX')?.truncated],
    [true, false],
  );
  const bigger = parseZone(printZone(big).replaceAll('mail-exchanger', 'a-very-long-name-of-a-mail-exchanger'));
  assert.equal(ask([bigger], 'big.test', 'MX')?.truncated, true);
  assert.equal(ask([bigger], 'big.test', 'MX', { via: 'tcp' })?.answers.length, 20);
});

test('EDNS is answered only where it was asked, and only version 0', () => {
  assert.equal(ask([lab], 'mx1.example.test', 'A', { edns: false })?.edns, undefined);
  assert.deepEqual(ask([lab], 'mx1.example.test', 'A')?.edns, { payload: 1232, version: 0 });
  const query = encodeQuery({ id: 1, name: 'mx1.example.test', type: 'A', recursion: true, edns: true });
  query[query.length - 5] = 1;
  const answer = answerQuery([lab], query, 'udp');
  assert.equal(answer && decodeAnswer(answer).rcode, 16);
});

test('what is no query for one name in class IN is told so', () => {
  const query = encodeQuery({ id: 5, name: 'mx1.example.test', type: 'A', recursion: true, edns: false });
  const changed = (change: (bytes: Buffer) => void): number | undefined => {
    const bytes = Buffer.from(query);
    change(bytes);
    const answer = answerQuery([lab], bytes, 'udp');
    return answer && answer.readUInt16BE(2) & 0xf;
  };
  assert.equal(
    changed((bytes) => bytes.writeUInt8(0x28, 2)),
    4,
    'UPDATE',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt8(0x80, 2)),
    undefined,
    'an answer',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt16BE(3, bytes.length - 2)),
    5,
    'class CH',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt16BE(77, bytes.length - 2)),
    5,
    'class 77',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt16BE(255, bytes.length - 4)),
    4,
    'ANY',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt16BE(0, 4)),
    1,
    'no question',
  );
  assert.equal(
    changed((bytes) => bytes.writeUInt8(63, 12)),
    1,
    'broken',
  );
  // The dot inside a label cannot be written back.
  assert.equal(
    changed((bytes) => bytes.writeUInt8(0x2e, 14)),
    5,
    'an odd name',
  );
});

test('any bytes give an answer or silence', () => {
  const real = encodeQuery({ id: 5, name: 'mx1.example.test', type: 'A', recursion: true, edns: true });
  const change = fc.record({ at: fc.nat(real.length - 1), value: fc.nat(255) });
  const mutated = fc.array(change, { maxLength: 5 }).map((changes) => {
    const bytes = Buffer.from(real);
    for (const { at, value } of changes) bytes[at] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.uint8Array({ maxLength: 100 }).map((all) => Buffer.from(all)),
      ),
      (query) => {
        const answer = answerQuery([lab], query, 'udp');
        if (answer) assert.equal(decodeAnswer(answer).id, query.readUInt16BE(0));
      },
    ),
    { numRuns: 2000 },
  );
});

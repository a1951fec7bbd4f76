// DNS messages as bytes: what we write, what an independent codec makes of it, and what broken bytes give.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import {
  answersQuery,
  type DnsQuery,
  type DnsReply,
  decodeAnswer,
  decodeMessage,
  encodeAnswer,
  encodeQuery,
} from '../../src/dns/codec.ts';
import type { DnsRecord } from '../../src/dns/dns.ts';

const plain: DnsQuery = { id: 0x1234, name: 'example.test', type: 'MX', recursion: true, edns: true };

const reply = (answers: DnsRecord[], more: Partial<DnsReply> = {}): Buffer =>
  encodeAnswer(
    {
      id: 7,
      rcode: 0,
      question: { name: 'example.test', type: 15, class: 1 },
      recursionDesired: true,
      authoritative: true,
      authentic: false,
      answers,
      authorities: [],
      edns: true,
      ...more,
    },
    65_535,
  );

const everyType: DnsRecord[] = [
  { name: 'example.test', ttl: 60, type: 'A', address: '192.0.2.1' },
  { name: 'example.test', ttl: 60, type: 'AAAA', address: '2001:db8::1' },
  { name: 'example.test', ttl: 0, type: 'MX', preference: 10, host: 'mx.example.test' },
  { name: 'null.test', ttl: 60, type: 'MX', preference: 0, host: '' },
  { name: 'a.test', ttl: 60, type: 'CNAME', host: 'b.test' },
  { name: 'a.test', ttl: 60, type: 'NS', host: 'ns.test' },
  { name: '1.2.0.192.in-addr.arpa', ttl: 60, type: 'PTR', host: 'mx.test' },
  {
    name: 't.test',
    ttl: 60,
    type: 'TXT',
    strings: [Buffer.from('v=spf1 -all'), Buffer.from([0, 27, 255]), Buffer.alloc(0)],
  },
  { name: 't.test', ttl: 60, type: 'TXT', strings: [Buffer.alloc(255, 'x')] },
  { name: '_pop3._tcp.test', ttl: 60, type: 'SRV', priority: 1, weight: 2, port: 110, host: 'pop.test' },
  { name: '_25._tcp.mx.test', ttl: 60, type: 'TLSA', usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) },
  {
    name: 'test',
    ttl: 60,
    type: 'SOA',
    mname: 'ns.test',
    rname: 'john\\.doe.test',
    serial: 4294967295,
    refresh: 1,
    retry: 2,
    expire: 3,
    minimum: 4,
  },
  { name: 'test', ttl: 60, type: 'CAA', flags: 128, tag: 'issue', value: Buffer.from('ca.test') },
  { name: 'test', ttl: 60, type: 'OTHER', typeName: 'DS', data: Buffer.from([1, 2, 3]) },
  { name: 'test', ttl: 2147483647, type: 'OTHER', typeName: 'TYPE65280', data: Buffer.alloc(0) },
];

test('a record of every type is read back as it was written', () => {
  assert.deepEqual(decodeAnswer(reply(everyType)).answers, everyType);
});

test('the independent codec reads our query as we meant it', () => {
  const read = decode(encodeQuery({ ...plain, ad: true, dnssec: true }));
  assert.equal(read.id, 0x1234);
  assert.equal(read.type, 'query');
  assert.deepEqual([read.flag_rd, read.flag_ad, read.flag_cd], [true, true, false]);
  assert.deepEqual(read.questions, [{ name: 'example.test', type: 'MX', class: 'IN' }]);
  const [opt] = read.additionals ?? [];
  assert.ok(opt?.type === 'OPT');
  assert.deepEqual([opt.udpPayloadSize, opt.ednsVersion, opt.flag_do], [1232, 0, true]);
});

test('AD, DO, RD and EDNS are sent only when asked', () => {
  const read = decode(encodeQuery({ ...plain, recursion: false, edns: false }));
  assert.deepEqual([read.flag_rd, read.flag_ad, read.additionals], [false, false, []]);
  const [opt] = decode(encodeQuery(plain)).additionals ?? [];
  assert.ok(opt?.type === 'OPT' && !opt.flag_do);
});

test('the independent codec reads our answers', () => {
  const known = everyType.filter(({ type }) => type === 'MX' || type === 'A' || type === 'SRV');
  const read = decode(reply(known)).answers ?? [];
  assert.deepEqual(
    read.map((answer) => (answer.type === 'OPT' ? null : answer.data)),
    [
      '192.0.2.1',
      { preference: 10, exchange: 'mx.example.test' },
      { preference: 0, exchange: '.' },
      { priority: 1, weight: 2, port: 110, target: 'pop.test' },
    ],
  );
});

test('types that the independent codec does not know go out by number', () => {
  assert.equal(decodeMessage(encodeQuery({ ...plain, type: 'TYPE65280' })).questions[0]?.type, 65280);
  assert.equal(decodeMessage(encodeQuery({ ...plain, type: 'tlsa' })).questions[0]?.type, 52);
  assert.throws(() => encodeQuery({ ...plain, type: 'NONSENSE' }), { code: 'bad-address' });
});

const notAsked = [
  'a..test',
  `${'x'.repeat(64)}.test`,
  'bücher.test',
  '.test',
  'a\\.b.test',
  'a\\255.test',
  'a\\010b.test',
  'a\\\\b.test',
];
for (const name of notAsked) {
  test(`the name '${name}' is not asked as another one`, () => {
    assert.throws(() => encodeQuery({ ...plain, name }), { name: 'EhloError', code: 'bad-address' });
  });
}

test('a name with blanks and escape characters goes out byte for byte', () => {
  const [question] = decodeMessage(encodeQuery({ ...plain, name: 'a\\032b\\027.test' })).questions;
  assert.equal(question?.name, 'a\\032b\\027.test');
});

test('a trailing dot changes nothing', () => {
  assert.deepEqual(encodeQuery({ ...plain, name: 'example.test.' }), encodeQuery(plain));
});

test('an answer that is too large is truncated: no records, TC, the question kept', () => {
  const records = Array.from(
    { length: 40 },
    (_, n): DnsRecord => ({ name: 'example.test', ttl: 1, type: 'MX', preference: n, host: `mx${n}.example.test` }),
  );
  const question = { name: 'example.test', type: 15, class: 1 };
  const head = { id: 7, rcode: 0, question, recursionDesired: true, authoritative: true, authentic: false, edns: true };
  const bytes = encodeAnswer({ ...head, answers: records, authorities: [] }, 512);
  assert.ok(bytes.length <= 512);
  const read = decodeAnswer(bytes);
  assert.deepEqual([read.truncated, read.answers, read.questions], [true, [], [question]]);
});

test('names are compared without case, ids and types exactly', () => {
  const answer = (more: Partial<DnsReply>) => decodeAnswer(reply([], { id: 0x1234, ...more }));
  const question = { name: 'EXAMPLE.Test', type: 15, class: 1 };
  assert.ok(answersQuery(answer({ question }), plain));
  assert.ok(!answersQuery(answer({ question, id: 0x1235 }), plain));
  assert.ok(!answersQuery(answer({ question: { ...question, type: 1 } }), plain));
  assert.ok(!answersQuery(answer({ question: { ...question, class: 3 } }), plain));
  assert.ok(!answersQuery(answer({ question: { ...question, name: 'example.tes' } }), plain));
  assert.ok(!answersQuery(answer({ question: undefined }), plain));
  assert.ok(answersQuery(answer({ question: undefined, rcode: 1 }), plain));
});

/** Header of an answer with these counts, then the bytes. */
const raw = (counts: [number, number, number, number], ...parts: (string | number[])[]): Buffer => {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(7, 0);
  header.writeUInt16BE(0x8180, 2);
  for (const [at, count] of counts.entries()) header.writeUInt16BE(count, 4 + at * 2);
  return Buffer.concat([
    header,
    ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : Buffer.from(part))),
  ]);
};

/** One record at the root: type, TTL 60, data; `length` lies about RDLENGTH. */
const record = (type: number, data: string, length = data.length / 2): string =>
  `00${type.toString(16).padStart(4, '0')}00010000003c${length.toString(16).padStart(4, '0')}${data}`;

const broken: [string, Buffer, RegExp][] = [
  ['no bytes', Buffer.alloc(0), /header is cut/],
  ['eleven bytes', Buffer.alloc(11), /header is cut/],
  ['a question that is not there', raw([1, 0, 0, 0]), /runs past its end/],
  ['a question without type and class', raw([1, 0, 0, 0], '00'), /question is cut/],
  ['two questions', raw([2, 0, 0, 0], '0000010001', '0000010001'), /repeats 2 questions/],
  ['a record that is not there', raw([0, 1, 0, 0]), /runs past its end/],
  ['a record without its length', raw([0, 1, 0, 0], '0000010001'), /answer section is cut/],
  ['65535 promised records', raw([0, 0xffff, 0xffff, 0xffff], record(1, '7f000001')), /runs past its end/],
  ['RDLENGTH beyond the message', raw([0, 1, 0, 0], record(1, '7f000001', 5)), /runs past the message/],
  ['RDLENGTH short of an address', raw([0, 1, 0, 0], record(1, '7f0000')), /too short/],
  ['RDLENGTH above an address', raw([0, 1, 0, 0], record(1, '7f00000100')), /longer than its type/],
  ['an AAAA of four bytes', raw([0, 1, 0, 0], record(28, '7f000001')), /too short/],
  ['an MX without a host', raw([0, 1, 0, 0], record(15, '000a')), /runs past its end/],
  ['an MX with bytes behind its host', raw([0, 1, 0, 0], record(15, '000a0000')), /longer than its type/],
  ['a TXT string beyond its record', raw([0, 1, 0, 0], record(16, '056162')), /too short/],
  ['a TXT record without a string', raw([0, 1, 0, 0], record(16, '')), /too short/],
  ['a TLSA record of two bytes', raw([0, 1, 0, 0], record(52, '0301')), /too short/],
  ['an SRV record without a target', raw([0, 1, 0, 0], record(33, '000100020003')), /runs past its end/],
  ['a CAA tag beyond its record', raw([0, 1, 0, 0], record(257, '000961')), /too short/],
  ['a SOA record cut in its numbers', raw([0, 1, 0, 0], record(6, '000000000001')), /too short/],
  ['a pointer to itself', raw([1, 0, 0, 0], 'c00c00010001'), /does not go back/],
  ['a pointer forwards', raw([1, 0, 0, 0], 'c01200010001'), /does not go back/],
  ['a pointer into the header', raw([0, 1, 0, 0], 'c00000010001000000000000'), /does not go back/],
  ['a pointer back into its own name', raw([1, 0, 0, 0], '0161c00c00010001'), /does not go back/],
  ['a pointer cut in half', raw([1, 0, 0, 0], 'c0'), /inside a compression pointer/],
  ['a label type that RFC 1035 reserves', raw([1, 0, 0, 0], '4100'), /reserved type/],
  ['a label beyond the message', raw([1, 0, 0, 0], '3f61'), /runs past its end/],
  ['a name of 256 bytes', raw([1, 0, 0, 0], `3f${'61'.repeat(63)}`.repeat(4), '0000010001'), /longer than 255/],
  [
    'a name in the data that runs into the next record',
    raw([0, 2, 0, 0], record(5, '0361'), record(1, '7f000001')),
    /runs past its end/,
  ],
  ['a class that was not asked', raw([0, 1, 0, 0], '00000100030000003c00047f000001'), /class 3/],
  ['bytes behind the last record', raw([0, 1, 0, 0], record(1, '7f000001'), '00'), /follow the last record/],
  ['two OPT records', raw([0, 0, 0, 2], '00002904d0000000000000', '00002904d0000000000000'), /two OPT/],
  [
    'an OPT record outside the additional section',
    raw([0, 1, 0, 0], '00002904d0000000000000'),
    /OPT record is outside/,
  ],
  ['an OPT record with a name', raw([0, 0, 0, 1], '016100002904d0000000000000'), /not at the root/],
  ['an EDNS option beyond its record', raw([0, 0, 0, 1], '00002904d0000000000004000f0002'), /runs past its record/],
  ['an EDNS option cut in its head', raw([0, 0, 0, 1], '00002904d0000000000002000f'), /option is cut/],
  ['an extended error without a code', raw([0, 0, 0, 1], '00002904d0000000000005000f000100'), /no code/],
  ['a query', encodeQuery(plain), /query, not an answer/],
];
for (const [what, bytes, message] of broken) {
  test(`${what}: dns-malformed, and where`, () => {
    assert.throws(
      () => decodeAnswer(bytes),
      (error) => error instanceof EhloError && error.code === 'dns-malformed' && message.test(error.message),
    );
  });
}

test('backward pointers are followed, also through pointers', () => {
  // "example" "test" at 12; "mx" + pointer at 29; a question whose name is a pointer to that pointer's label.
  const bytes = raw(
    [1, 2, 0, 0],
    '076578616d706c650474657374000001 0001'.replace(' ', ''),
    `026d78c00c00010001000000010004${'01020304'}`,
    `c01e000f000100000001000400 05c01e`.replace(' ', ''),
  );
  assert.deepEqual(decodeAnswer(bytes).answers, [
    { name: 'mx.example.test', ttl: 1, type: 'A', address: '1.2.3.4' },
    { name: 'mx.example.test', ttl: 1, type: 'MX', preference: 5, host: 'mx.example.test' },
  ]);
});

test('many records that each wind through a long run of pointers are refused, not followed for ever', () => {
  // A run of 8000 pointers, each to the one before, then 3000 records whose name starts at its end.
  const run: string[] = ['00'];
  for (let n = 0; n < 8000; n++) run.push((0xc000 | (n === 0 ? 23 : 24 + (n - 1) * 2)).toString(16));
  const data = run.join('');
  const last = (0xc000 | (24 + 7999 * 2)).toString(16);
  const names = Array.from({ length: 3000 }, () => `${last}00010001000000000000`);
  const bytes = raw([0, 3001, 0, 0], record(65280, data), ...names);
  assert.throws(
    () => decodeAnswer(bytes),
    (error) => error instanceof EhloError && /too many compression pointers/.test(error.message),
  );
});

test('a truncated answer is not read beyond its question, however it was cut', () => {
  const bytes = raw([1, 9, 0, 0], '00000f0001', '0361');
  bytes[2] = (bytes[2] ?? 0) | 0x02;
  assert.deepEqual([decodeAnswer(bytes).truncated, decodeAnswer(bytes).answers], [true, []]);
});

test('a TTL with its top bit set is zero', () => {
  const bytes = raw([0, 1, 0, 0], '0000010001ffffffff00047f000001');
  assert.equal(decodeAnswer(bytes).answers[0]?.ttl, 0);
});

test('an extended error is text with the name of its code; OPT carries the upper bits of the rcode', () => {
  const text = Buffer.from('no luck').toString('hex');
  const bytes = raw([0, 0, 0, 1], '00002904d001000000', '0013', '000f00090016', text, '000f0002ffff');
  const read = decodeAnswer(bytes);
  assert.equal(read.ede, '22 (No Reachable Authority): no luck; 65535');
  assert.equal(read.rcode, 16);
});

test('the independent codec and ours agree on an EDNS error that it writes', () => {
  const bytes = encode({
    type: 'response',
    id: 1,
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [{ code: 15 as 12, data: Buffer.from([0, 6]) }],
      },
    ],
  });
  assert.equal(decodeAnswer(bytes).ede, '6 (DNSSEC Bogus)');
});

const onlyOurs = (bytes: Buffer): void => {
  try {
    const message = decodeAnswer(bytes);
    for (const one of [...message.answers, ...message.authorities]) assert.match(one.name, /^[!-~]*$/);
  } catch (error) {
    assert.ok(error instanceof EhloError, String(error));
    assert.equal(error.code, 'dns-malformed');
  }
};

test('any bytes give an answer or dns-malformed', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => onlyOurs(Buffer.from(bytes))));
  const behindHeader = fc.tuple(fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }), fc.uint8Array({ maxLength: 120 }));
  fc.assert(
    fc.property(behindHeader, ([[a, b, c, d], bytes]) => onlyOurs(raw([a ?? 0, b ?? 0, c ?? 0, d ?? 0], [...bytes]))),
  );
});

test('real answers with any bytes changed, cut or doubled give an answer or dns-malformed', () => {
  const real = reply(everyType, { authorities: everyType.slice(0, 3) });
  const change = fc.record({ at: fc.nat(real.length - 1), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat(real.length), fc.boolean(), (changes, cut, doubled) => {
      const bytes = Buffer.from(real);
      for (const { at, value } of changes) bytes[at] = value;
      onlyOurs(doubled ? Buffer.concat([bytes, bytes.subarray(cut)]) : bytes.subarray(0, cut));
      onlyOurs(bytes);
    }),
    { numRuns: 2000 },
  );
});

// The stub resolver against servers in memory: every status, retries, aliases, AD, the cache.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import { type DnsReply, decodeMessage, encodeAnswer } from '../../src/dns/codec.ts';
import type { DnsRecord } from '../../src/dns/dns.ts';
import { answerQuery, parseZone } from '../../src/dns/zone.ts';
import { type Behave, Lab, zoneLab } from './lab.ts';

const zone = `
$ORIGIN example.test.
@      60 SOA ns hostmaster 1 2 3 4 30
@      60 MX 10 mx
mx     60 A 192.0.2.1
alias  70 CNAME alias2
alias2 80 CNAME mx
bad    60 A 192.0.2.9
;!servfail bad
;!refused  secret
;!timeout  silent
`;
const zones = [parseZone(zone)];

/** An answer to the query, with what the test says. */
const reply = (query: Buffer, answers: DnsRecord[], more: Partial<DnsReply> = {}): Buffer => {
  const asked = decodeMessage(query);
  const head = { recursionDesired: true, authoritative: false, authentic: false, edns: asked.edns !== undefined };
  return encodeAnswer(
    { id: asked.id, rcode: 0, question: asked.questions[0], ...head, answers, authorities: [], ...more },
    65_535,
  );
};
const cname = (name: string, host: string): DnsRecord => ({ name, ttl: 5, type: 'CNAME', host });
const a = (name: string): DnsRecord => ({ name, ttl: 5, type: 'A', address: '192.0.2.1' });
const nameIn = (query: Buffer): string => decodeMessage(query).questions[0]?.name ?? '';

test('records come with their TTL, server, transport and time', async () => {
  const answer = await zoneLab(zone).resolver().query('example.test', 'MX');
  assert.deepEqual(answer, {
    name: 'example.test',
    type: 'MX',
    status: 'ok',
    records: [{ name: 'example.test', ttl: 60, type: 'MX', preference: 10, host: 'mx.example.test' }],
    cnames: [],
    ad: false,
    server: '127.0.0.1:53',
    via: 'udp',
    ms: 0,
    ede: null,
    problem: null,
  });
});

const statuses: [string, 'A' | 'MX', string, RegExp][] = [
  ['mx.example.test', 'MX', 'nodata', /mx\.example\.test exists but has no MX record/],
  ['nosuch.example.test', 'A', 'nxdomain', /nosuch\.example\.test does not exist/],
  ['bad.example.test', 'A', 'servfail', /127\.0\.0\.1:53 answered SERVFAIL for bad\.example\.test A/],
  ['secret.example.test', 'A', 'refused', /answered REFUSED/],
  ['elsewhere.net', 'A', 'refused', /answered REFUSED/],
  ['silent.example.test', 'A', 'timeout', /no answer from 127\.0\.0\.1:53 over UDP in 5000 ms/],
];
for (const [name, type, status, problem] of statuses) {
  test(`${name} ${type} is ${status}, in words too`, async () => {
    const answer = await zoneLab(zone).resolver().query(name, type);
    assert.equal(answer.status, status);
    assert.match(answer.problem ?? '', problem);
    assert.deepEqual(answer.records, []);
  });
}

test('the chain of aliases is kept in order, each with its TTL', async () => {
  const answer = await zoneLab(zone).resolver().query('alias.example.test', 'A');
  assert.deepEqual(answer.cnames, [
    { from: 'alias.example.test', to: 'alias2.example.test', ttl: 70 },
    { from: 'alias2.example.test', to: 'mx.example.test', ttl: 80 },
  ]);
  assert.equal(answer.records[0]?.name, 'mx.example.test');
  assert.equal(answer.name, 'alias.example.test');
});

test('a question for CNAME follows nothing', async () => {
  const answer = await zoneLab(zone).resolver().query('alias.example.test', 'CNAME');
  assert.deepEqual(
    answer.records.map((one) => one.type === 'CNAME' && one.host),
    ['alias2.example.test'],
  );
  assert.deepEqual(answer.cnames, []);
});

test('an alias without its target is asked on, and both questions are told', async () => {
  const lab = new Lab((query) =>
    reply(query, nameIn(query) === 'www.test' ? [cname('WWW.test', 'Host.test')] : [a(nameIn(query))]),
  );
  const resolver = lab.resolver();
  const answer = await resolver.query('www.test', 'A');
  assert.deepEqual(answer.cnames, [{ from: 'WWW.test', to: 'Host.test', ttl: 5 }]);
  assert.deepEqual([answer.status, answer.records.length], ['ok', 1]);
  assert.deepEqual(
    resolver.queries.map(({ name }) => name),
    ['www.test', 'Host.test'],
  );
  assert.equal(resolver.queries[0], answer);
});

test('an alias whose target is denied in the same answer is not asked on', async () => {
  const soa: DnsRecord = {
    name: 'test',
    ttl: 5,
    type: 'SOA',
    mname: '',
    rname: '',
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: 1,
  };
  const lab = new Lab((query) => reply(query, [cname('www.test', 'host.test')], { authorities: [soa] }));
  const answer = await lab.resolver().query('www.test', 'A');
  assert.deepEqual([answer.status, answer.cnames.length, lab.asked.length], ['nodata', 1, 1]);
});

test('NXDOMAIN behind an alias is of the last name', async () => {
  const lab = new Lab((query) => reply(query, [cname('www.test', 'gone.test')], { rcode: 3 }));
  const answer = await lab.resolver().query('www.test', 'A');
  assert.deepEqual([answer.status, answer.problem], ['nxdomain', 'gone.test does not exist (NXDOMAIN)']);
});

/** n1 -> n2 -> ... as separate answers, or all in one. */
const chain = (length: number, atOnce: boolean): Lab =>
  new Lab((query) => {
    const from = Number(nameIn(query).slice(1, -5));
    if (from > length) return reply(query, [a(nameIn(query))]);
    const links = Array.from({ length: atOnce ? length - from + 1 : 1 }, (_, at) =>
      cname(`n${from + at}.test`, `n${from + at + 1}.test`),
    );
    return reply(query, atOnce ? [...links, a(`n${length + 1}.test`)] : links);
  });
for (const atOnce of [true, false]) {
  const how = atOnce ? 'in one answer' : 'one answer each';
  test(`16 aliases are followed, 17 are malformed (${how})`, async () => {
    const answer = await chain(16, atOnce).resolver().query('n1.test', 'A');
    assert.deepEqual([answer.status, answer.cnames.length], ['ok', 16]);
    const long = await chain(17, atOnce).resolver().query('n1.test', 'A');
    assert.equal(long.status, 'malformed');
    assert.match(long.problem ?? '', /more than 16 aliases/);
  });

  test(`an endless chain ends (${how})`, async () => {
    const lab = chain(atOnce ? 100 : 1_000_000, atOnce);
    assert.equal((await lab.resolver().query('n1.test', 'A')).status, 'malformed');
    assert.ok(lab.asked.length <= 18);
  });
}

test('a name that is asked for itself has its own limit of aliases, whatever a longer chain made of it', async () => {
  const resolver = chain(17, false).resolver();
  assert.equal((await resolver.query('n1.test', 'A')).status, 'malformed');
  assert.equal((await resolver.query('n2.test', 'A')).status, 'ok');
});

const loops: [string, Behave][] = [
  ['in one answer', (query) => reply(query, [cname('a.test', 'b.test'), cname('b.test', 'A.test')])],
  [
    'over two answers',
    (query) => reply(query, [nameIn(query) === 'a.test' ? cname('a.test', 'b.test') : cname('b.test', 'a.test')]),
  ],
  ['to itself', (query) => reply(query, [cname('a.test', 'a.test')])],
];
for (const [how, behave] of loops) {
  test(`a loop of aliases ${how} is malformed`, async () => {
    const answer = await new Lab(behave).resolver().query('a.test', 'A');
    assert.equal(answer.status, 'malformed');
    assert.match(answer.problem ?? '', /form a loop/);
  });
}

test('two different aliases at one name are malformed', async () => {
  const lab = new Lab((query) => reply(query, [cname('a.test', 'b.test'), cname('a.test', 'c.test')]));
  assert.match((await lab.resolver().query('a.test', 'A')).problem ?? '', /two different aliases/);
});

test('an alias to a name that cannot be asked is malformed, not thrown', async () => {
  const odd = Buffer.from('c00c00050001000000050008' + '03612e62' + '0374' + '7800', 'hex');
  const lab = new Lab((query) => {
    const bytes = reply(query, [], { edns: false });
    bytes.writeUInt16BE(1, 6);
    odd.writeUInt16BE(odd.length - 12, 10);
    odd.writeUInt8(2, 16);
    return Buffer.concat([bytes, odd]);
  });
  const answer = await lab.resolver().query('a.test', 'A');
  assert.equal(answer.status, 'malformed');
  assert.match(answer.problem ?? '', /which no host can be called/);
});

test('records of other names in an answer are not believed', async () => {
  const lab = new Lab((query) => reply(query, [a('evil.test')]));
  assert.equal((await lab.resolver().query('a.test', 'A')).status, 'nodata');
});

test('a server that only refers elsewhere has not answered', async () => {
  const ns: DnsRecord = { name: 'test', ttl: 5, type: 'NS', host: 'ns.test' };
  const lab = new Lab((query) => reply(query, [], { authorities: [ns] }));
  const answer = await lab.resolver().query('a.test', 'MX');
  assert.equal(answer.status, 'servfail');
  assert.match(answer.problem ?? '', /does not recurse/);
});

test('a truncated answer is asked again over TCP', async () => {
  const lab = zoneLab(
    `$ORIGIN big.test.\n${Array.from({ length: 60 }, (_, n) => `@ MX ${n} mail-exchanger-${n}\n`).join('')}`,
  );
  const answer = await lab.resolver().query('big.test', 'MX');
  assert.deepEqual([answer.status, answer.via, answer.records.length], ['ok', 'tcp', 60]);
  assert.deepEqual(
    lab.asked.map(({ via }) => via),
    ['udp', 'tcp'],
  );
});

test('an answer truncated over TCP is malformed', async () => {
  const lab = new Lab((query) => {
    const bytes = reply(query, []);
    bytes.writeUInt8(bytes.readUInt8(2) | 0x02, 2);
    return bytes;
  });
  assert.equal((await lab.resolver().query('a.test', 'A')).status, 'malformed');
});

test('FORMERR to EDNS is asked again once without it', async () => {
  const lab = new Lab((query) => {
    const asked = decodeMessage(query);
    return asked.edns ? reply(query, [], { rcode: 1, question: undefined, edns: false }) : reply(query, [a('a.test')]);
  });
  const answer = await lab.resolver().query('a.test', 'A');
  assert.deepEqual([answer.status, lab.asked.length], ['ok', 2]);
});

test('FORMERR without EDNS too is a failure of the server', async () => {
  const lab = new Lab((query) => reply(query, [], { rcode: 1, edns: false }));
  const answer = await lab.resolver().query('a.test', 'A');
  assert.deepEqual([answer.status, lab.asked.length], ['servfail', 2]);
  assert.match(answer.problem ?? '', /FORMERR/);
});

const strangers: [string, (query: Buffer) => Buffer][] = [
  ['another id', (query) => reply(query, [a('a.test')], { id: (query.readUInt16BE(0) + 1) & 0xffff })],
  ['another name', (query) => reply(query, [a('a.test')], { question: { name: 'b.test', type: 1, class: 1 } })],
  ['another type', (query) => reply(query, [a('a.test')], { question: { name: 'a.test', type: 15, class: 1 } })],
  ['no question', (query) => reply(query, [a('a.test')], { question: undefined })],
];
for (const [what, behave] of strangers) {
  test(`an answer with ${what} is not believed`, async () => {
    const answer = await new Lab(behave).resolver().query('a.test', 'A');
    assert.equal(answer.status, 'timeout');
    assert.match(answer.problem ?? '', /answers to other questions/);
  });
}

test('an answer that repeats the question in other case is believed', async () => {
  const lab = new Lab((query) => reply(query, [a('A.tEST')], { question: { name: 'A.TEST', type: 1, class: 1 } }));
  assert.equal((await lab.resolver().query('a.test', 'A')).status, 'ok');
});

const servers = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((host) => ({ host, port: 53 }));
/** Each server by its last digit: what it does. */
const byServer = (...behaviours: ('ok' | 'servfail' | 'refused' | 'silent' | 'closed' | 'lost' | 'garbage')[]): Lab =>
  new Lab((query, _via, { host }) => {
    switch (behaviours[Number(host.at(-1)) - 1]) {
      case 'ok':
        return reply(query, [a('a.test')]);
      case 'servfail':
        return reply(query, [], { rcode: 2 });
      case 'refused':
        return reply(query, [], { rcode: 5 });
      case 'closed':
        return new EhloError('connect-failed', 'nothing listens');
      case 'lost':
        return new EhloError('lost', 'closed early');
      case 'garbage':
        return query.subarray(0, 11);
      default:
        return undefined;
    }
  });
const rounds: [Parameters<typeof byServer>, string, string][] = [
  [['ok'], 'ok', '1'],
  [['servfail', 'ok'], 'ok', '1 2'],
  [['refused', 'ok'], 'ok', '1 2'],
  [['garbage', 'ok'], 'ok', '1 2'],
  [['closed', 'ok'], 'ok', '1 2'],
  [['silent', 'ok'], 'ok', '1 2'],
  [['silent', 'servfail', 'refused'], 'servfail', '1 2 3 1'],
  [['refused', 'garbage', 'silent'], 'refused', '1 2 3 3'],
  [['garbage', 'silent', 'silent'], 'malformed', '1 2 3 2 3'],
  [['silent', 'closed', 'lost'], 'timeout', '1 2 3 1 2 3'],
];
for (const [behaviours, status, order] of rounds) {
  test(`servers that are ${behaviours.join(', ')} give ${status}`, async () => {
    const lab = byServer(...behaviours);
    const answer = await lab.resolver({ servers }).query('a.test', 'A');
    assert.equal(answer.status, status);
    assert.equal(lab.asked.map(({ server }) => server.at(-1)).join(' '), order);
  });
}

test('a silent server costs its time, and the answer tells the time of its own server', async () => {
  const lab = byServer('silent', 'ok');
  const answer = await lab.resolver({ servers, timeoutMs: 300 }).query('a.test', 'A');
  assert.deepEqual([lab.clock.now(), answer.ms, answer.server], [1300, 0, '192.0.2.2:53']);
});

const trust: [string, boolean | 'loopback' | undefined, boolean][] = [
  ['127.0.0.53', undefined, true],
  ['::1', undefined, true],
  ['192.0.2.1', undefined, false],
  ['127.0.0.1.example', undefined, false],
  ['192.0.2.1', true, true],
  ['127.0.0.1', false, false],
  ['127.0.0.1', 'loopback', true],
];
for (const [host, trustAd, believed] of trust) {
  test(`AD from ${host} is ${believed ? '' : 'not '}believed (trustAd ${trustAd ?? 'by default'})`, async () => {
    const lab = zoneLab(`${zone}\n;!ad`);
    const options = trustAd === undefined ? {} : { trustAd };
    const answer = await lab.resolver({ servers: [{ host, port: 53 }], ...options }).query('mx.example.test', 'A');
    assert.equal(answer.ad, believed);
  });
}

test('AD of a chain needs AD on every answer', async () => {
  const lab = new Lab((query) => {
    const first = nameIn(query) === 'www.test';
    return reply(query, [first ? cname('www.test', 'host.test') : a('host.test')], { authentic: first });
  });
  assert.equal((await lab.resolver().query('www.test', 'A')).ad, false);
});

test('nothing is asked twice, in any case, also at the same time', async () => {
  const lab = zoneLab(zone);
  const resolver = lab.resolver();
  const answers = await Promise.all([
    resolver.query('mx.example.test', 'A'),
    resolver.query('MX.example.test.', 'A'),
    resolver.query('alias.example.test', 'A'),
  ]);
  assert.equal(answers[0], answers[1]);
  await resolver.query('mx.example.test', 'A');
  assert.equal(lab.asked.length, 2);
  assert.deepEqual(
    resolver.queries.map(({ name }) => name),
    ['mx.example.test', 'alias.example.test'],
  );
});

test('failures are kept too', async () => {
  const lab = zoneLab(zone);
  const resolver = lab.resolver();
  await resolver.query('silent.example.test', 'A');
  const asked = lab.asked.length;
  await resolver.query('silent.example.test', 'A');
  assert.equal(lab.asked.length, asked);
});

test('questions ask for recursion and AD, with EDNS and a random id', async () => {
  const lab = zoneLab(zone);
  const random = [0.5, 0.25][Symbol.iterator]();
  const resolver = lab.resolver({ random: () => random.next().value ?? 0 });
  await resolver.query('mx.example.test', 'A');
  await resolver.query('mx.example.test', 'AAAA');
  const [first, second] = lab.asked.map(({ query }) => decodeMessage(query));
  assert.deepEqual([first?.id, second?.id], [0x8000, 0x4000]);
  assert.deepEqual(
    [first?.recursionDesired, first?.authentic, first?.edns],
    [true, true, { payload: 1232, version: 0 }],
  );
});

test('a name that DNS cannot carry is bad-address and is not asked', async () => {
  const lab = zoneLab(zone);
  await assert.rejects(lab.resolver().query('a..b.test', 'A'), { name: 'EhloError', code: 'bad-address' });
  await assert.rejects(lab.resolver().query('bücher.test', 'A'), { name: 'EhloError', code: 'bad-address' });
  assert.equal(lab.asked.length, 0);
});

test('a fault of the program is not taken for one of the network', async () => {
  const lab = new Lab(() => {
    throw new TypeError('a bug');
  });
  await assert.rejects(lab.resolver().query('a.test', 'A'), TypeError);
});

test('no server at all is a config error', () => {
  assert.throws(() => zoneLab(zone).resolver({ servers: [] }), { name: 'EhloError', code: 'config' });
});

test('the extended error of a server is told', async () => {
  const lab = new Lab((query) => {
    const bytes = reply(query, [], { rcode: 2 });
    // The OPT record is last: its empty RDATA becomes option 15, code 7.
    bytes.writeUInt16BE(6, bytes.length - 2);
    return Buffer.concat([bytes, Buffer.from('000f00020007', 'hex')]);
  });
  assert.equal((await lab.resolver().query('a.test', 'A')).ede, '7 (Signature Expired)');
});

test('zones and resolver agree on aliases that cross from one zone into another', async () => {
  const lab = new Lab((query, via) =>
    answerQuery([...zones, parseZone('$ORIGIN b.test.\nx 9 CNAME mx.example.test.')], query, via),
  );
  const answer = await lab.resolver().query('x.b.test', 'A');
  assert.deepEqual([answer.status, answer.cnames.length], ['ok', 1]);
});

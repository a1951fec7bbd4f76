// Walks over the situations of test/zones/walk.cases, and what a table of words cannot say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type MxWalk, resolveHost, type WalkOptions, walkMx } from '../../src/dns/walk.ts';
import { answerQuery } from '../../src/dns/zone.ts';
import { Lab, zoneLab, zoneOf } from './lab.ts';

/** A fixed random, so that the order of equal preferences is fixed: the last of two comes first. */
const options: WalkOptions = { random: () => 0.4, ownNames: ['Relay.d.test'] };

function summary(walk: MxWalk): string {
  const ids = (notes: { id: string }[]): string[] => [...new Set(notes.map(({ id }) => id))];
  const lines = [[walk.status, ...ids(walk.notes), ...(walk.implicit ? ['implicit'] : [])]];
  for (const { preference, host, status, addresses, notes } of walk.hosts) {
    lines.push([String(preference), host, status, ...addresses.map(({ address }) => address), ...ids(notes).sort()]);
  }
  return lines.map((words) => words.join(' ')).join('\n');
}

const text = readFileSync(new URL('../zones/walk.cases', import.meta.url), 'utf8');
const cases = text
  .split(/^== /m)
  .slice(1)
  .map((block) => {
    const [head = '', expected = ''] = block.split('\n--\n');
    const [what = '', ...zone] = head.split('\n');
    const walked = /^walk (\S+)\n/.exec(expected);
    return {
      what,
      zone: zone.join('\n'),
      domain: walked?.[1] ?? 'd.test',
      expected: expected.slice(walked?.[0].length ?? 0).trim(),
    };
  });

test('the case file is read whole', () => assert.ok(cases.length >= 40));

for (const { what, zone, domain, expected } of cases) {
  test(what, async () => {
    const lab = zoneLab(`$ORIGIN d.test.\n$TTL 60\n${zone}`);
    const sorted = expected.split('\n').map((line, at) => {
      const words = line.split(' ');
      const ids = words.filter((word) => word.startsWith('MX-'));
      return at === 0 ? line : [...words.filter((word) => !word.startsWith('MX-')), ...ids.sort()].join(' ');
    });
    assert.equal(summary(await walkMx(domain, lab.resolver(), options)), sorted.join('\n'));
  });
}

test('every note says what is wrong in one sentence, and errors say what to do', async () => {
  for (const { zone, domain } of cases) {
    const walk = await walkMx(domain, zoneLab(`$ORIGIN d.test.\n$TTL 60\n${zone}`).resolver(), options);
    for (const note of [...walk.notes, ...walk.hosts.flatMap(({ notes }) => notes)]) {
      assert.match(note.message, /^\S.{10,}[^.]$/s);
      if (note.severity !== 'info') assert.ok(note.fix, note.id);
    }
  }
});

test('addresses keep TTL and AD', async () => {
  const lab = zoneLab(';!ad\n$ORIGIN d.test.\n@ MX 10 mx\nmx 77 A 8.8.0.1');
  const walk = await walkMx('d.test', lab.resolver());
  assert.deepEqual(walk.hosts[0]?.addresses, [{ address: '8.8.0.1', ttl: 77, ad: true }]);
});

test('private targets are not noted where they are allowed', async () => {
  const lab = zoneLab('d.test. MX 10 mx.d.test.\nmx.d.test. A 127.0.0.1');
  const walk = await walkMx('d.test', lab.resolver(), { allowPrivate: true });
  assert.deepEqual(walk.hosts[0]?.notes, []);
});

test('equal preferences come in every order over many walks, and lower preferences stay first', async () => {
  const lab = zoneLab('$ORIGIN d.test.\n@ MX 5 z\n@ MX 10 a\n@ MX 10 b\n@ MX 10 c\n* A 8.8.0.1');
  const resolver = lab.resolver();
  let seed = 1;
  const random = (): number => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const orders = new Set<string>();
  for (let n = 0; n < 200; n++) {
    const walk = await walkMx('d.test', resolver, { random });
    orders.add(walk.hosts.map(({ host }) => host[0]).join(''));
  }
  assert.deepEqual([...orders].sort(), ['zabc', 'zacb', 'zbac', 'zbca', 'zcab', 'zcba']);
});

test('two hundred MX hosts are all looked up; of five hundred the first 250, and the walk says so', async () => {
  const domain = (count: number): string =>
    `$ORIGIN d.test.\n${Array.from({ length: count }, (_, n) => `@ MX ${n} h${n}\n`).join('')}* A 8.8.0.1`;
  const walk = await walkMx('d.test', zoneLab(domain(200)).resolver());
  assert.deepEqual([walk.hosts.length, walk.hosts.at(-1)?.status, walk.notes], [200, 'ok', []]);
  const large = await walkMx('d.test', zoneLab(domain(500)).resolver());
  assert.deepEqual([large.hosts.length, large.notes.map(({ id }) => id)], [250, ['MX-TOO-MANY']]);
});

test('a walk asks for each name and type once', async () => {
  const lab = zoneLab('$ORIGIN d.test.\n@ MX 10 a\n@ MX 20 b\na CNAME c\nb CNAME c\nc A 8.8.0.1');
  const resolver = lab.resolver();
  await walkMx('d.test', resolver);
  await walkMx('D.test.', resolver);
  const asked = resolver.queries.map(({ name, type }) => `${name} ${type}`);
  assert.deepEqual(asked.sort(), [
    'a.d.test A',
    'a.d.test AAAA',
    'b.d.test A',
    'b.d.test AAAA',
    'c.d.test AAAA',
    'd.test MX',
  ]);
  assert.equal(lab.asked.length, 6, 'without a SOA the AAAA of the alias is asked on, once for both hosts');
});

test('hostile bytes in a target are escaped in names and notes', async () => {
  const lab = zoneLab('$ORIGIN d.test.\n@ MX 10 a\\027[2J\\032b');
  const walk = await walkMx('d.test', lab.resolver());
  assert.equal(walk.hosts[0]?.host, 'a\\027[2J\\032b.d.test');
  assert.match(JSON.stringify(walk.hosts[0]?.notes), /a\\\\027\[2J/);
});

test('a target that no host can be called is noted, and the others are walked', async () => {
  const zone = zoneOf('$ORIGIN d.test.\n@ MX 10 mxXa\n@ MX 20 mx\nmx A 8.8.0.1');
  const lab = new Lab((query, via) => {
    const answer = answerQuery([zone], query, via);
    // A dot inside a label, and a byte above 127, as no zone text can hold them.
    const at = answer?.indexOf('mxXa') ?? -1;
    if (at !== -1) answer?.writeUInt16BE(0x2eff, at + 2);
    return answer;
  });
  const walk = await walkMx('d.test', lab.resolver());
  assert.equal(summary(walk), 'ok\n10 mx\\.\\255.d.test no-address MX-BAD-NAME\n20 mx.d.test ok 8.8.0.1');
});

test('a domain that DNS cannot carry is bad-address', async () => {
  await assert.rejects(walkMx('a..b', zoneLab('a. A 8.8.0.1').resolver()), { name: 'EhloError', code: 'bad-address' });
});

test('resolveHost tells where the aliases end', async () => {
  const lab = zoneLab('$ORIGIN d.test.\nwww CNAME web\nweb CNAME host.e.test.\nhost.e.test. AAAA 2606:4700::1');
  const found = await resolveHost('www.d.test', lab.resolver());
  assert.deepEqual(
    [found.status, found.canonical, found.addresses.map(({ address }) => address)],
    ['ok', 'host.e.test', ['2606:4700::1']],
  );
});

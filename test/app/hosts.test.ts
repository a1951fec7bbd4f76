// Where we connect: what --connect-to, --resolve, --hosts and a proxy make of a server and of MX hosts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Connection, ServerUrl } from '../../src/app/connection.ts';
import { pipeServer, serverTargets } from '../../src/app/hosts.ts';
import { mxTargets, mxWalk, resolverFor } from '../../src/app/mx.ts';
import { parseHostsFile } from '../../src/app/overrides.ts';
import type { Ports } from '../../src/app/ports.ts';
import { isLocal } from '../../src/app/via.ts';
import { EhloError } from '../../src/base/errors.ts';
import { type MailLab, mailLab } from './lab.ts';

const zone = `
$ORIGIN d.test.
@    MX 10 mx1
@    MX 20 mx2
mx1  A 192.0.2.1
mx1  AAAA 2001:db8::1
mx2  A 192.0.2.2
none MX 10 gone
lab  A 127.0.0.9
`;

const lookups = (lab: MailLab, known: Record<string, string[]> = {}): Ports => ({
  ...lab.ports,
  resolve: {
    ...lab.ports.resolve,
    lookup: async (host) => known[host] ?? assert.fail(`asked the system for ${host}`),
  },
});

const server: ServerUrl = { scheme: 'smtp', host: 'mail.example', port: 587 };
const proxy = (kind: 'socks5h' | 'socks5' | 'http'): Partial<Connection> => ({ proxy: { kind, host: 'p', port: 1 } });
const anywhere = { host: null, port: null, toHost: null, toPort: null };

describe('one server', () => {
  const rows: { name: string; given: Partial<Connection>; server?: ServerUrl; gives: string[] }[] = [
    { name: 'the system is asked', given: {}, gives: ['mail.example 192.0.2.7 587', 'mail.example 2001:db8::7 587'] },
    { name: 'of one family', given: { family: 6 }, gives: ['mail.example 2001:db8::7 587'] },
    {
      name: '--hosts beats it, with every line, whatever the case',
      given: { hosts: parseHostsFile('127.0.0.1 other MAIL.example # x\n127.0.0.2\tmail.EXAMPLE\r\n\n#\n') },
      gives: ['mail.example 127.0.0.1 587', 'mail.example 127.0.0.2 587'],
    },
    {
      name: '--resolve beats --hosts',
      given: {
        hosts: parseHostsFile('127.0.0.1 mail.example'),
        overrides: [{ host: 'mail.example', port: 587, address: '127.0.0.3' }],
      },
      gives: ['mail.example 127.0.0.3 587'],
    },
    {
      name: '--connect-to changes the place and not the name',
      given: { connectTo: [{ host: 'mail.example', port: 587, toHost: '127.0.0.1', toPort: 2525 }] },
      gives: ['mail.example 127.0.0.1 2525'],
    },
    {
      name: '--connect-to with empty parts: any on the left, the same on the right',
      given: { connectTo: [{ ...anywhere, toPort: 26 }] },
      gives: ['mail.example 192.0.2.7 26', 'mail.example 2001:db8::7 26'],
    },
    {
      name: 'the first --connect-to that fits; its host is looked up, also by --hosts',
      given: {
        hosts: parseHostsFile('::1 two'),
        connectTo: [
          { ...anywhere, port: 25, toHost: 'one' },
          { ...anywhere, host: 'Mail.Example.', toHost: 'two' },
          { ...anywhere, toHost: 'three' },
        ],
      },
      gives: ['mail.example ::1 587'],
    },
    {
      name: 'socks5 is told an address',
      given: proxy('socks5'),
      gives: ['mail.example 192.0.2.7 587', 'mail.example 2001:db8::7 587'],
    },
    { name: 'http is told the name', given: { ...proxy('http') }, gives: ['mail.example mail.example 587'] },
    {
      name: 'a name in A-labels',
      given: proxy('socks5h'),
      server: { scheme: 'smtp', host: 'bücher.example' },
      gives: ['bücher.example xn--bcher-kva.example 25'],
    },
    {
      name: 'what the user says of the address is said to the proxy',
      given: { ...proxy('socks5h'), hosts: parseHostsFile('10.0.0.1 mail.example') },
      gives: ['mail.example 10.0.0.1 587'],
    },
    {
      name: 'a command in place of a server',
      given: { pipe: '/bin/x -bs' },
      server: pipeServer,
      gives: ['pipe pipe: /bin/x -bs 0'],
    },
    {
      name: 'a command that --tls-name says the name of',
      given: { pipe: 'x', tlsClient: { name: 'mail.example' } },
      server: pipeServer,
      gives: ['mail.example pipe: x 0'],
    },
  ];
  for (const { name, given, server: other, gives } of rows) {
    test(name, async () => {
      const lab = mailLab(zone, {});
      const ports = lookups(lab, { 'mail.example': ['192.0.2.7', '2001:db8::7'] });
      const targets = await serverTargets({ ...lab.connection, ...given }, other ?? server, ports);
      assert.deepEqual(
        targets.map(({ host, address, port }) => `${host} ${address} ${port}`),
        gives,
      );
    });
  }
});

describe('MX hosts', () => {
  const all = ['mx1.d.test 192.0.2.1 2525', 'mx1.d.test 2001:db8::1 2525', 'mx2.d.test 192.0.2.2 2525'];
  const rows: { name: string; given: Partial<Connection>; domain?: string; gives: string[] }[] = [
    { name: 'every address of every host', given: {}, gives: all },
    {
      name: '--hosts beats DNS for a host, in the walk itself',
      given: { hosts: parseHostsFile('127.0.0.1 mx1.d.test') },
      gives: ['mx1.d.test 127.0.0.1 2525', 'mx2.d.test 192.0.2.2 2525'],
    },
    {
      name: '--hosts gives an address to a host that has none in DNS',
      given: { hosts: parseHostsFile('127.0.0.1 gone.none.d.test gone.d.test') },
      domain: 'none.d.test',
      gives: ['gone.d.test 127.0.0.1 2525'],
    },
    {
      name: '--connect-to for every host and port',
      given: { connectTo: [{ ...anywhere, toHost: '127.0.0.1', toPort: 2626 }] },
      gives: ['mx1.d.test 127.0.0.1 2626', 'mx2.d.test 127.0.0.1 2626'],
    },
    {
      name: '--connect-to a name for one host, which is looked up',
      given: {
        connectTo: [{ ...anywhere, host: 'mx1.d.test', toHost: 'lab.d.test' }],
        dns: { host: '127.0.0.1', port: 53 },
      },
      gives: ['mx1.d.test 127.0.0.9 2525', 'mx2.d.test 192.0.2.2 2525'],
    },
    { name: 'socks5 is told addresses', given: proxy('socks5'), gives: all },
    {
      name: 'socks5h is told the names of the hosts, each once',
      given: proxy('socks5h'),
      gives: ['mx1.d.test mx1.d.test 2525', 'mx2.d.test mx2.d.test 2525'],
    },
  ];
  for (const { name, given, domain, gives } of rows) {
    test(name, async () => {
      const lab = mailLab(zone, {});
      const connection = { ...lab.connection, ...given };
      const ports = lookups(lab);
      const walk = await mxWalk(connection, domain ?? 'd.test', await resolverFor(connection, ports), ports);
      assert.deepEqual(
        mxTargets(connection, walk).map(({ host, address, port }) => `${host} ${address} ${port}`),
        gives,
      );
    });
  }

  test('what the hosts file answered is among the queries, in order', async () => {
    const lab = mailLab(zone, {});
    const connection = { ...lab.connection, hosts: parseHostsFile('127.0.0.1 mx1.d.test') };
    const resolver = await resolverFor(connection, lab.ports);
    await mxWalk(connection, 'd.test', resolver, lab.ports);
    const told = resolver.queries.map(({ name, type, status, server: by }) => `${name} ${type} ${status} ${by}`);
    assert.match(told[0] ?? '', /^d\.test MX ok 127\.0\.0\.1/);
    assert.ok(told.includes('mx1.d.test A ok hosts file'), told.join('\n'));
    assert.ok(told.includes('mx1.d.test AAAA nodata hosts file'), told.join('\n'));
  });
});

describe('a hosts file is refused as a whole, with the line', () => {
  const rows: [string, RegExp][] = [
    ['127.0.0.1 a\nexample.com 127.0.0.1', /line 2: 'example\.com' is not an IP address/],
    ['127.0.0.1', /line 1: 127\.0\.0\.1 has no name/],
    ['\n\n::1 # a', /line 3: ::1 has no name/],
    ['127.0.0.1 a\x1b[31m', /line 1: 'a\\u\{1b\}\[31m' is not a host name/],
    ['127.0.0.1 10.0.0.1', /line 1: '10\.0\.0\.1' is not a host name/],
    ['fe80::1%eth0 a', /line 1: 'fe80::1%eth0' is not an IP address/],
  ];
  for (const [text, message] of rows) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => parseHostsFile(text),
        (error) => error instanceof EhloError && error.code === 'config' && message.test(error.message),
      );
    });
  }
});

test('nobody listens on loopback and sockets of this machine; through a proxy or a command anybody may', () => {
  for (const address of ['127.0.0.1', '::1', '/run/lmtp']) {
    assert.equal(isLocal(address, {}), true);
    assert.equal(isLocal(address, { proxy: { kind: 'socks5', host: '127.0.0.1', port: 1080 } }), false);
    assert.equal(isLocal(address, { pipe: 'cat' }), false);
  }
  for (const address of ['192.0.2.1', 'localhost', 'pipe: /x']) assert.equal(isLocal(address, {}), false);
});

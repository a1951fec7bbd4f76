// DNS over real loopback sockets: our exchange against our server, and against servers that lie, drip or stay silent.
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { promises as nodeDns } from 'node:dns';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { decodeAnswer, encodeQuery } from '../../src/dns/codec.ts';
import type { DnsServer } from '../../src/dns/dns.ts';
import { createStubResolver } from '../../src/dns/resolver.ts';
import { answerQuery, parseZone } from '../../src/dns/zone.ts';
import { listenDns } from '../../src/net/dns-server.ts';
import { lookupHost, systemServers, udpTcpExchange } from '../../src/net/udp.ts';

const many = Array.from({ length: 80 }, (_, n) => `@ MX ${n} mail-exchanger-${n}\n`).join('');
const zones = [
  parseZone('$ORIGIN d.test.\n@ MX 10 mx\nmx A 192.0.2.1\nalias CNAME mx\n;!timeout silent\n;!servfail bad'),
  parseZone(`$ORIGIN big.test.\n${many}`),
];

const serve = async (t: TestContext, host = '127.0.0.1'): Promise<DnsServer> => {
  const listener = await listenDns({ host, port: 0 }, (query, via) => answerQuery(zones, query, via));
  t.after(() => listener.close());
  return { host: listener.host, port: listener.port };
};

const exchange = udpTcpExchange(systemClock);
const soon = (ms = 5000): number => systemClock.now() + ms;
const resolverFor = (server: DnsServer, timeoutMs = 5000) =>
  createStubResolver({ servers: [server], exchange, clock: systemClock, timeoutMs });
const query = encodeQuery({ id: 77, name: 'mx.d.test', type: 'A', recursion: true, edns: true });

for (const host of ['127.0.0.1', '::1']) {
  test(`questions are answered over UDP and TCP on one port of ${host}`, async (t) => {
    const server = await serve(t, host);
    assert.ok(server.port > 0);
    for (const via of ['udp', 'tcp'] as const) {
      const answer = decodeAnswer(await exchange.exchange(server, query, via, soon()));
      assert.deepEqual([answer.id, answer.answers.length], [77, 1]);
    }
  });
}

test('the resolver gets a truncated answer whole over TCP', async (t) => {
  const answer = await resolverFor(await serve(t)).query('big.test', 'MX');
  assert.deepEqual([answer.status, answer.via, answer.records.length], ['ok', 'tcp', 80]);
});

const statuses: [string, string][] = [
  ['mx.d.test', 'ok'],
  ['alias.d.test', 'ok'],
  ['d.test', 'nodata'],
  ['nosuch.d.test', 'nxdomain'],
  ['bad.d.test', 'servfail'],
  ['else.where', 'refused'],
];
for (const [name, status] of statuses) {
  test(`${name} A is ${status} over real sockets`, async (t) => {
    assert.equal((await resolverFor(await serve(t)).query(name, 'A')).status, status);
  });
}

test('a silent server is a timeout at the deadline', async (t) => {
  assert.equal((await resolverFor(await serve(t), 20).query('silent.d.test', 'A')).status, 'timeout');
});

test('many questions at once are each answered', async (t) => {
  const resolver = resolverFor(await serve(t));
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => resolver.query(`n${n}.d.test`, 'A')));
  assert.ok(answers.every(({ status }) => status === 'nxdomain'));
});

test('the resolver inside Node understands our server, also over TCP', async (t) => {
  const { host, port } = await serve(t);
  const peer = new nodeDns.Resolver();
  peer.setServers([`${host}:${port}`]);
  assert.deepEqual(await peer.resolveMx('d.test'), [{ exchange: 'mx.d.test', priority: 10 }]);
  assert.deepEqual(await peer.resolve4('alias.d.test', { ttl: true }), [{ address: '192.0.2.1', ttl: 3600 }]);
  assert.equal((await peer.resolveMx('big.test')).length, 80);
  await assert.rejects(peer.resolve4('nosuch.d.test'), { code: 'ENOTFOUND' });
  await assert.rejects(peer.resolveMx('mx.d.test'), { code: 'ENODATA' });
  await assert.rejects(peer.resolve4('bad.d.test'), { code: 'ESERVFAIL' });
});

/** A UDP server that answers as the test says. */
const udpServer = (
  t: TestContext,
  behave: (query: Buffer, answer: (bytes: Buffer) => void, from: RemoteInfo) => void,
): Promise<DnsServer> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    socket.on('message', (bytes, from) =>
      behave(bytes, (answer) => socket.send(answer, from.port, from.address), from),
    );
    socket.bind(0, '127.0.0.1', () => resolve({ host: '127.0.0.1', port: socket.address().port }));
  });

const right = (bytes: Buffer): Buffer => answerQuery(zones, bytes, 'udp') ?? Buffer.alloc(0);
const changed = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};

const forgeries: [string, (bytes: Buffer) => Buffer][] = [
  ['another id', (bytes) => changed(right(bytes), (copy) => copy.writeUInt16BE(78, 0))],
  ['another name', (bytes) => changed(right(bytes), (copy) => copy.write('zz', 13))],
  ['another type', (bytes) => changed(right(bytes), (copy) => copy.writeUInt8(15, 12 + 11 + 1))],
  ['no answer bit', (bytes) => changed(right(bytes), (copy) => copy.writeUInt8(0, 2))],
  ['eleven bytes', (bytes) => right(bytes).subarray(0, 11)],
  ['nothing', () => Buffer.alloc(0)],
  ['a question that is cut', (bytes) => right(bytes).subarray(0, 16)],
];
for (const [what, forge] of forgeries) {
  test(`a datagram with ${what} is ignored, and the right one after it counts`, async (t) => {
    const server = await udpServer(t, (bytes, answer) => {
      answer(forge(bytes));
      answer(right(bytes));
    });
    assert.deepEqual(await exchange.exchange(server, query, 'udp', soon()), right(query));
  });
}

test('a datagram from another port is not believed', async (t) => {
  const stranger = createSocket('udp4');
  t.after(() => stranger.close());
  const server = await udpServer(t, (bytes, answer, from) => {
    const forged = changed(right(bytes), (copy) => copy.writeUInt8(99, copy.length - 12));
    stranger.send(forged, from.port, from.address, () => answer(right(bytes)));
  });
  assert.deepEqual(await exchange.exchange(server, query, 'udp', soon()), right(query));
});

test('an answer without its question is passed on: the resolver decides', async (t) => {
  const formerr = Buffer.from('004d80010000000000000000', 'hex');
  const server = await udpServer(t, (_bytes, answer) => answer(formerr));
  assert.deepEqual(await exchange.exchange(server, query, 'udp', soon()), formerr);
});

test('each question leaves from a port of its own', async (t) => {
  const ports = new Set<number>();
  const server = await udpServer(t, (bytes, answer, from) => {
    ports.add(from.port);
    answer(right(bytes));
  });
  await Promise.all(Array.from({ length: 8 }, () => exchange.exchange(server, query, 'udp', soon())));
  assert.equal(ports.size, 8);
});

/** A TCP server whose connections the test handles. */
const tcpServer = (t: TestContext, handle: (socket: Socket) => void): Promise<DnsServer> =>
  new Promise((resolve) => {
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => {});
      handle(socket);
    });
    t.after(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({ host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 });
    });
  });

const framed = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

test('an answer that comes byte by byte over TCP is put together', async (t) => {
  const bytes = framed(right(query));
  const server = await tcpServer(t, (socket) => {
    socket.setNoDelay(true);
    let at = 0;
    const next = (): void => {
      if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
    };
    socket.once('data', next);
  });
  assert.deepEqual(await exchange.exchange(server, query, 'tcp', soon()), right(query));
});

test('a TCP connection that ends in the middle of an answer is lost', async (t) => {
  const server = await tcpServer(t, (socket) =>
    socket.once('data', () => socket.end(framed(right(query)).subarray(0, 20))),
  );
  await assert.rejects(exchange.exchange(server, query, 'tcp', soon()), { name: 'EhloError', code: 'lost' });
});

test('a TCP server that says nothing is a timeout', async (t) => {
  const server = await tcpServer(t, () => {});
  await assert.rejects(exchange.exchange(server, query, 'tcp', soon(20)), {
    name: 'EhloError',
    code: 'timeout',
    stage: 'dns',
  });
});

/** A port that nothing listens on: one that was free a moment ago. */
const closedPort = async (): Promise<DnsServer> => {
  const listener = await listenDns({ host: '127.0.0.1', port: 0 }, () => undefined);
  await listener.close();
  return { host: '127.0.0.1', port: listener.port };
};

for (const via of ['udp', 'tcp'] as const) {
  test(`a closed port is connect-failed over ${via}, long before the deadline`, async () => {
    const server = await closedPort();
    await assert.rejects(exchange.exchange(server, query, via, soon(60_000)), {
      name: 'EhloError',
      code: 'connect-failed',
      peer: `127.0.0.1:${server.port}`,
    });
  });

  test(`a server may be given by name over ${via}`, async (t) => {
    const { port } = await serve(t);
    const answer = await exchange.exchange({ host: 'localhost', port }, query, via, soon());
    assert.equal(decodeAnswer(answer).answers.length, 1);
  });

  test(`a port that cannot be is connect-failed over ${via}`, async () => {
    const server = { host: '127.0.0.1', port: 70_000 };
    await assert.rejects(exchange.exchange(server, query, via, soon(60_000)), {
      name: 'EhloError',
      code: 'connect-failed',
    });
  });
}

/** All that a TCP client gets until it has `count` answers. */
const talk = (server: DnsServer, bytes: Buffer[], count: number): Promise<Buffer[]> =>
  new Promise((resolve, reject) => {
    const socket = connectTcp(server.port, server.host);
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const answers: Buffer[] = [];
      for (let at = 0; at + 2 <= received.length; ) {
        const end = at + 2 + received.readUInt16BE(at);
        if (end > received.length) break;
        answers.push(received.subarray(at + 2, end));
        at = end;
      }
      if (answers.length < count) return;
      socket.destroy();
      resolve(answers);
    });
    const next = (): void => {
      const chunk = bytes.shift();
      if (chunk) socket.write(chunk, () => setImmediate(next));
    };
    next();
  });

test('the server answers several queries of one TCP segment, and one query in many', async (t) => {
  const server = await serve(t);
  const expected = answerQuery(zones, query, 'tcp');
  assert.deepEqual(await talk(server, [Buffer.concat([framed(query), framed(query), framed(query)])], 3), [
    expected,
    expected,
    expected,
  ]);
  assert.deepEqual(
    await talk(
      server,
      [...framed(query)].map((byte) => Buffer.of(byte)),
      1,
    ),
    [expected],
  );
});

test('garbage does not stop the server', async (t) => {
  const server = await serve(t);
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => {
    socket.send(Buffer.from('garbage'), server.port, server.host, () => resolve());
  });
  socket.close();
  assert.equal(decodeAnswer(await exchange.exchange(server, query, 'udp', soon())).answers.length, 1);
});

test('a taken port is cannot-create, over TCP or over UDP', async (t) => {
  const taken = await serve(t);
  const again = listenDns({ host: taken.host, port: taken.port }, () => undefined);
  await assert.rejects(again, { name: 'EhloError', code: 'cannot-create' });
  const udpOnly = await udpServer(t, () => {});
  const beside = listenDns({ host: udpOnly.host, port: udpOnly.port }, () => undefined);
  await assert.rejects(beside, { name: 'EhloError', code: 'cannot-create' });
});

test('a closed server frees its port, also with a connection open', async () => {
  const listener = await listenDns({ host: '127.0.0.1', port: 0 }, () => undefined);
  const socket = connectTcp(listener.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  await listener.close();
  await gone;
  const again = await listenDns({ host: '127.0.0.1', port: listener.port }, () => undefined);
  await again.close();
});

test('the system lookup knows localhost and says what it does not know', async () => {
  assert.ok((await lookupHost('localhost')).some((address) => address === '127.0.0.1' || address === '::1'));
  assert.deepEqual(await lookupHost('127.0.0.1'), ['127.0.0.1']);
  await assert.rejects(lookupHost(''), { name: 'EhloError', code: 'no-address' });
});

test('the servers of the system have a host and a port', () => {
  for (const { host, port } of systemServers()) assert.ok(host !== '' && port > 0 && port < 65_536);
});

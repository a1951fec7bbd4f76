// Through proxies that follow scripts: SOCKS5 and HTTP CONNECT, with every way to refuse, lie, stall and hurry.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { DialTarget, ProxyServer } from '../../src/app/ports.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { Secret } from '../../src/base/secret.ts';
import { dial } from '../../src/net/dial.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { turn } from '../../src/wire/turn.ts';

interface Peer {
  /** So many bytes, or everything up to and with a mark. */
  read(what: number | string): Promise<Buffer>;
  /** As one write, or a byte at a time. */
  write(bytes: Buffer | string): Promise<void>;
  socket: Socket;
}

interface Setup {
  kind?: ProxyServer['kind'];
  login?: [string, string];
  address?: string;
  port?: number;
  /** Milliseconds. */
  within?: number;
  byteByByte?: boolean;
}

/** A proxy that does what `script` says; what the script throws, dialling rejects with. */
async function through(t: TestContext, script: (peer: Peer) => Promise<void>, setup: Setup = {}): Promise<Channel> {
  let scriptFailed: unknown;
  const server = createServer((socket) => {
    socket.on('error', () => undefined).setNoDelay(true);
    t.after(() => socket.destroy());
    script(peerOf(socket, setup.byteByByte ?? false)).catch((thrown: unknown) => {
      scriptFailed = thrown;
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const place = server.address();
  assert.ok(place && typeof place === 'object');
  const [user, password] = setup.login ?? [];
  const target: DialTarget = {
    address: setup.address ?? 'mx.example',
    port: setup.port ?? 25,
    deadline: systemClock.now() + (setup.within ?? 10_000),
    proxy: {
      kind: setup.kind ?? 'socks5h',
      host: '127.0.0.1',
      port: place.port,
      ...(user !== undefined && { user }),
      ...(password !== undefined && { password: new Secret(password) }),
    },
  };
  try {
    const channel = await dial(target);
    t.after(() => channel.destroy());
    return channel;
  } catch (thrown) {
    throw scriptFailed ?? thrown;
  }
}

function peerOf(socket: Socket, byteByByte: boolean): Peer {
  let inbox: Buffer = Buffer.alloc(0);
  let wake = (): void => undefined;
  socket.on('data', (chunk: Buffer) => {
    inbox = Buffer.concat([inbox, chunk]);
    wake();
  });
  socket.on('close', () => wake());
  return {
    socket,
    async read(what) {
      for (;;) {
        const at = typeof what === 'number' ? what : inbox.indexOf(what) + what.length;
        if (typeof what === 'number' ? inbox.length >= at : inbox.includes(what)) {
          const found = inbox.subarray(0, at);
          inbox = inbox.subarray(at);
          return found;
        }
        if (socket.destroyed) throw new Error(`the script waits for ${what}, and the connection is gone`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async write(bytes) {
      const all = Buffer.from(bytes);
      for (const piece of byteByByte ? Array.from(all, (_, at) => all.subarray(at, at + 1)) : [all]) {
        socket.write(piece);
        await turn();
      }
    },
  };
}

/** What arrives on a channel until it has so many bytes. */
const received = (channel: Channel, length: number): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    channel.attach({
      data(chunk) {
        text += chunk.toString('latin1');
        if (text.length >= length) resolve(text);
      },
      end: () => reject(new Error(`ended after "${text}"`)),
    });
  });

const fails = (run: Promise<unknown>, code: string, message: RegExp): Promise<void> =>
  assert.rejects(run, (error) => {
    assert.ok(error instanceof EhloError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.stage, 'connect');
    assert.match(error.message, message);
    assert.doesNotMatch(`${error.message} ${error.hint} ${String(error.cause)}`, /hunter2/);
    return true;
  });

const granted = Buffer.from('05000001000000000000', 'hex');
const forName = (name: string, port: number): Buffer =>
  Buffer.from([5, 1, 0, 3, name.length, ...Buffer.from(name), port >> 8, port & 0xff]);

/** Expects no login and a CONNECT for this; answers that. */
const socks = (request: Buffer, answer: Buffer | string) => async (peer: Peer) => {
  assert.deepEqual(await peer.read(3), Buffer.from([5, 1, 0]));
  await peer.write(Buffer.from([5, 0]));
  assert.deepEqual(await peer.read(request.length), request);
  await peer.write(answer);
};

describe('SOCKS5', () => {
  const name = forName('mx.example', 25);
  for (const byteByByte of [false, true]) {
    const how = byteByByte ? 'a byte at a time' : 'at once';
    test(`the name goes to the proxy; what the server says at once is not lost (${how})`, async (t) => {
      const script = socks(name, Buffer.concat([granted, Buffer.from('220 early\r\n')]));
      const channel = await through(t, script, { byteByByte });
      assert.match(channel.peer, /^mx\.example:25 via 127\.0\.0\.1:\d+$/);
      assert.equal(channel.ends, undefined);
      assert.equal(await received(channel, 11), '220 early\r\n');
    });
  }

  test('early words and the end right behind them both arrive', async (t) => {
    const channel = await through(t, async (peer) => {
      await peer.read(3);
      await peer.write(Buffer.from([5, 0]));
      await peer.read(name.length);
      peer.socket.end(Buffer.concat([granted, Buffer.from('421 no\r\n')]));
    });
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      channel.attach({
        data: (chunk) => void events.push(chunk.toString()),
        end: () => {
          events.push('end');
          resolve();
        },
      });
    });
    assert.deepEqual(events, ['421 no\r\n', 'end']);
  });

  test('both directions pass on', async (t) => {
    const channel = await through(t, async (peer) => {
      await socks(name, granted)(peer);
      await peer.write((await peer.read('\r\n')).toString().toUpperCase());
    });
    const answer = received(channel, 6);
    channel.write(Buffer.from('quit\r\n'), () => undefined);
    assert.equal(await answer, 'QUIT\r\n');
  });

  test('addresses go as addresses, and so does a bound address of any type come back', async (t) => {
    const v4 = Buffer.from('05010001c00002010019', 'hex');
    const boundV6 = Buffer.from(`05000004${'00'.repeat(16)}0000`, 'hex');
    await through(t, socks(v4, boundV6), { kind: 'socks5', address: '192.0.2.1' });
    const v6 = Buffer.from(`0501000420010db8${'00'.repeat(11)}010019`, 'hex');
    const boundName = Buffer.from('0500000303612e620000', 'hex');
    await through(t, socks(v6, boundName), { kind: 'socks5', address: '2001:db8::1' });
  });

  test('user and password', async (t) => {
    await through(
      t,
      async (peer) => {
        assert.deepEqual(await peer.read(4), Buffer.from([5, 2, 0, 2]));
        await peer.write(Buffer.from([5, 2]));
        assert.deepEqual(await peer.read(14), Buffer.from('\x01\x04user\x07hunter2'));
        await peer.write(Buffer.from([1, 0]));
        await peer.read(name.length);
        await peer.write(granted);
      },
      { login: ['user', 'hunter2'], byteByByte: true },
    );
  });

  const login = { login: ['user', 'hunter2'] } satisfies Setup;
  const afterLogin = (answer: number[]) => async (peer: Peer) => {
    await peer.read(4);
    await peer.write(Buffer.from([5, 2]));
    await peer.read(14);
    await peer.write(Buffer.from(answer));
  };
  const first = (answer: number[] | string) => async (peer: Peer) => {
    await peer.read(3);
    await peer.write(typeof answer === 'string' ? answer : Buffer.from(answer));
  };
  const refusedWith = (code: number) => socks(name, Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
  const rows: [string, (peer: Peer) => Promise<void>, RegExp, Setup?][] = [
    ['general failure', refusedWith(1), /SOCKS proxy 127\.0\.0\.1:\d+ refused to connect to mx\.example:25: general/],
    ['not allowed', refusedWith(2), /its rules do not allow/],
    ['network unreachable', refusedWith(3), /network unreachable/],
    ['host unreachable', refusedWith(4), /mx\.example:25: host unreachable$/],
    ['connection refused', refusedWith(5), /: connection refused$/],
    ['TTL expired', refusedWith(6), /TTL/],
    ['command not supported', refusedWith(7), /cannot connect for others/],
    ['address type not supported', refusedWith(8), /type of address/],
    ['a code that does not exist', refusedWith(99), /not SOCKS5/],
    ['a login is wanted', first([5, 0xff]), /wants a login that was not given/],
    ['GSSAPI is wanted', first([5, 1]), /of a kind/],
    ['a wrong password', afterLogin([1, 1]), /does not accept the user and password/, login],
    ['version 4', first([4, 90]), /not SOCKS5/],
    ['an SMTP server', first('220 mx.example ESMTP\r\n'), /not SOCKS5/],
    ['an answer before it was asked', afterLogin([1, 0, 5, 0, 0, 1]), /not SOCKS5/, login],
    ['rubbish at the end', socks(name, Buffer.from('HTTP/1.1 400 no\r\n')), /not SOCKS5/],
    ['the end at once', async (peer) => void peer.socket.end(), /closed the connection before/],
    ['the end in the middle', first([5]), /closed the connection before/],
    [
      'a reset',
      async (peer) => void peer.read(3).then(() => peer.socket.resetAndDestroy()),
      /closed the connection before/,
    ],
  ];
  for (const [what, script, message, setup] of rows) {
    test(`${what}: not connected, and why`, async (t) => {
      const ending = what === 'the end in the middle';
      const run = through(
        t,
        async (peer) => {
          await script(peer);
          if (ending) peer.socket.end();
        },
        setup,
      );
      await fails(run, 'connect-failed', message);
    });
  }
});

const connectLines = (at: string, login = ''): string => `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n${login}\r\n`;

const http = (request: string, answer: string) => async (peer: Peer) => {
  assert.equal((await peer.read('\r\n\r\n')).toString(), request);
  await peer.write(answer);
};

describe('HTTP CONNECT', () => {
  const plain = connectLines('mx.example:25');
  for (const byteByByte of [false, true]) {
    const how = byteByByte ? 'a byte at a time' : 'at once';
    test(`the name goes to the proxy; what the server says at once is not lost (${how})`, async (t) => {
      const answer = 'HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n220 early\r\n\r\n';
      const channel = await through(t, http(plain, answer), { kind: 'http', byteByByte });
      assert.equal(await received(channel, 13), '220 early\r\n\r\n');
    });
  }

  test('a status line without a reason, of HTTP/1.0, is enough', async (t) => {
    await through(t, http(plain, 'HTTP/1.0 200\r\n\r\n'), { kind: 'http' });
  });

  test('user, password and an IPv6 address', async (t) => {
    const login = `Proxy-Authorization: Basic ${Buffer.from('us er:hunter2:').toString('base64')}\r\n`;
    const script = http(connectLines('[2001:db8::1]:587', login), 'HTTP/1.1 200 OK\r\n\r\n');
    await through(t, script, { kind: 'http', login: ['us er', 'hunter2:'], address: '2001:db8::1', port: 587 });
  });

  const rows: [string, string, RegExp, Setup?][] = [
    [
      '403',
      'HTTP/1.1 403 Forbidden\r\n\r\n',
      /HTTP proxy \S+ refused to connect to mx\.example:25: HTTP\/1\.1 403 Forb/,
    ],
    ['204, which is not how a tunnel begins', 'HTTP/1.1 204 No\r\n\r\n', /refused to connect.*204/],
    ['407 without a login', 'HTTP/1.1 407 Auth\r\n\r\n', /wants a login that was not given: HTTP\/1\.1 407 Auth/],
    ['an SMTP server', '220 mx.example ESMTP\r\n', /not HTTP/],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n', /not HTTP/],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', /not HTTP/],
    ['a header without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, /more than 16384 bytes/],
    ['a status line without end', `HTTP/1.1 200 ${'x'.repeat(20_000)}`, /more than 16384 bytes/],
  ];
  for (const [what, answer, message] of rows) {
    test(`${what}: not connected, and why`, async (t) => {
      await fails(through(t, http(plain, answer), { kind: 'http' }), 'connect-failed', message);
    });
  }

  test('a wrong login is told apart from a missing one', async (t) => {
    const script = async (peer: Peer) => {
      await peer.read('\r\n\r\n');
      await peer.write('HTTP/1.1 407 No\r\n\r\n');
    };
    const run = through(t, script, { kind: 'http', login: ['user', 'hunter2'] });
    await fails(run, 'connect-failed', /does not accept the user and password/);
  });

  test('the end in the middle of the header', async (t) => {
    const script = async (peer: Peer) => void peer.socket.end('HTTP/1.1 200 OK\r\n');
    await fails(through(t, script, { kind: 'http' }), 'connect-failed', /closed the connection before/);
  });

  test('a name that would be more than a name is never sent', async (t) => {
    const run = through(t, async () => undefined, { kind: 'http', address: 'mx.example\r\nX: y' });
    await fails(run, 'connect-failed', /a name like this/);
  });
});

describe('time', () => {
  for (const kind of ['socks5h', 'http'] as const) {
    test(`${kind}: silence ends at the deadline`, async (t) => {
      const run = through(t, async () => undefined, { kind, within: 30 });
      await fails(run, 'timeout', /proxy 127\.0\.0\.1:\d+ did not connect to mx\.example:25 within \d+ ms/);
    });
  }

  test('a proxy that drips is not given more time for each byte', async (t) => {
    const drip = async (peer: Peer) => {
      await peer.write('HTTP/1.1 200 OK\r\n');
      while (!peer.socket.destroyed) await peer.write('X');
    };
    await fails(through(t, drip, { kind: 'http', within: 30 }), 'timeout', /did not connect/);
  });

  test('a proxy that is not there is told as such', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const place = server.address();
    assert.ok(place && typeof place === 'object');
    await new Promise((resolve) => server.close(resolve));
    const proxy: ProxyServer = { kind: 'socks5h', host: '127.0.0.1', port: place.port };
    const run = dial({ address: 'mx.example', port: 25, deadline: systemClock.now() + 5000, proxy });
    await fails(run, 'connect-failed', /the SOCKS proxy 127\.0\.0\.1:\d+: connection refused/);
  });
});

test('a straight connection knows both of its ends', async (t) => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const place = server.address();
  assert.ok(place && typeof place === 'object');
  const channel = await dial({ address: '127.0.0.1', port: place.port, deadline: systemClock.now() + 5000 });
  t.after(() => channel.destroy());
  assert.deepEqual(channel.ends?.destination, { address: '127.0.0.1', port: place.port });
  assert.equal(channel.ends?.source.address, '127.0.0.1');
  assert.notEqual(channel.ends?.source.port, 0);
});

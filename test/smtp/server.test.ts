// The server session: every dialog of test/dialogs/ at every split, deadlines, hostile clients, and laws over any bytes.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { smtpServerLimits } from '../../src/base/limits.ts';
import { type SmtpServerOptions, serveSmtp } from '../../src/smtp/server.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Delivery } from '../../src/store/store.ts';
import type { Channel, ChannelSink } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Shutdown } from '../../src/wire/shutdown.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';
import { fakeClock } from '../support/clock.ts';
import { accountsOf, cuts, parseDialog, runDialog, serverOptions, tlsFacts } from './dialog.ts';

const dialogs = new URL('../dialogs/', import.meta.url);

for (const name of readdirSync(dialogs).filter((file) => /^(smtp|lmtp).*\.txt$/.test(file))) {
  test(`dialog ${name} holds at every split, with and without a transcript`, async () => {
    const dialog = parseDialog(readFileSync(new URL(name, dialogs), 'utf8'));
    const whole = await runDialog(dialog, 1 << 20);
    const long = dialog.steps.some(({ text }) => /\*\d{4}/.test(text));
    for (const size of long ? [7, 1000] : [1, 2, 3, 5, 7]) assert.deepEqual(await runDialog(dialog, size), whole);
    assert.deepEqual(await runDialog(dialog, 1 << 20, true), whole);
  });
}

/** A client end that sends raw bytes and collects what comes; the server's side runs on the given clock. */
function talk(
  extra: Partial<SmtpServerOptions> = {},
  clock: Clock = fakeClock(),
  transcript?: Transcript,
  tls = false,
) {
  const store = memoryStore(systemClock);
  const [ours, theirs] = memoryPair(tls ? { tls: tlsFacts } : {});
  const writes = new Writes(ours);
  const wire = new Wire(writes, clock, transcript);
  const done = serveSmtp(wire, serverOptions(store, extra));
  let heard = '';
  let ended = false;
  theirs.attach({
    data: (chunk) => {
      heard += chunk.toString('latin1');
    },
    end: () => {
      ended = true;
    },
  });
  return {
    store,
    done,
    wire,
    writes,
    client: theirs,
    send: (bytes: string | Buffer) => theirs.write(Buffer.from(bytes), () => undefined),
    heard: () => heard,
    ended: () => ended,
    /** Until the server has nothing to do but wait. */
    async settle() {
      for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Counts the writes of a channel. */
class Writes implements Channel {
  count = 0;
  readonly #inner: Channel;
  constructor(inner: Channel) {
    this.#inner = inner;
  }
  get peer(): string {
    return this.#inner.peer;
  }
  attach(sink: ChannelSink): void {
    this.#inner.attach(sink);
  }
  write(bytes: Buffer, done: (failure?: Error) => void): void {
    this.count++;
    this.#inner.write(bytes, done);
  }
  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  startTls(...given: Parameters<Channel['startTls']>): ReturnType<Channel['startTls']> {
    return this.#inner.startTls(...given);
  }
  end(): void {
    this.#inner.end();
  }
  destroy(): void {
    this.#inner.destroy();
  }
}

const envelopeLines = 'EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n';

test('all replies to one read go out in one write', async () => {
  const { send, settle, writes, heard } = talk();
  await settle();
  assert.equal(writes.count, 1);
  send(`${envelopeLines}DATA\r\n`);
  await settle();
  assert.equal(writes.count, 2);
  assert.match(heard(), /354 [^\r]*\r\n$/);
  send('hi\r\n.\r\nRSET\r\nNOOP\r\nNOOP\r\n');
  await settle();
  assert.equal(writes.count, 3);
});

test('the greeting does not wait for a turn of the event loop', () => {
  const { writes } = talk();
  return Promise.resolve().then(() => assert.equal(writes.count, 1));
});

test('a client that says nothing, or drips a command, gets 421 at the deadline of one command', async () => {
  for (const drip of [false, true]) {
    const clock = fakeClock();
    const { send, settle, heard, done, ended } = talk({}, clock);
    await settle();
    for (let part = 0; part < 6; part++) {
      if (drip) send('E');
      await settle();
      await clock.advance(smtpServerLimits.command / 6 - 1);
    }
    await settle();
    assert.doesNotMatch(heard(), /421/);
    await clock.advance(12);
    await settle();
    assert.match(heard(), /421 4\.4\.2 [^\r]*\r\n$/);
    assert.equal(ended(), true);
    await done;
  }
});

test('a body that stalls, or drips below the lowest rate, ends in 421 and stores nothing', async () => {
  for (const drip of [false, true]) {
    const clock = fakeClock();
    const { send, settle, heard, done, store } = talk({}, clock);
    send(`${envelopeLines}DATA\r\nbody `);
    await settle();
    const { bodyStall, bodyGrace } = smtpServerLimits;
    for (let spent = 0; spent <= (drip ? bodyGrace : bodyStall); spent += bodyStall / 2) {
      if (drip) send('x');
      await settle();
      await clock.advance(bodyStall / 2);
    }
    send(drip ? 'x' : '');
    await settle();
    assert.match(heard(), /421 4\.4\.2 [^\r]*\r\n$/);
    await done;
    assert.deepEqual(await store.list(), []);
  }
});

test('a client that vanishes within a body, or a chunk, leaves nothing', async () => {
  for (const body of ['DATA\r\nhalf a mess', 'BDAT 100\r\nhalf', 'BDAT 4\r\nhalf', 'BDAT 100000000000 LAST\r\nhalf']) {
    for (const leave of ['end', 'destroy'] as const) {
      let aborted = 0;
      const delivery: Delivery = {
        write: () => undefined,
        commit: () => Promise.reject(new Error('must not happen')),
        abort: async () => {
          aborted++;
        },
      };
      const { send, settle, client, done } = talk({ begin: async () => delivery });
      send(`${envelopeLines}${body}`);
      await settle();
      client[leave]();
      await done;
      assert.equal(aborted, 1, body);
    }
  }
});

test('commands in the clear behind STARTTLS end the connection, and none of them is answered', async () => {
  const tls = { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) } as const;
  const { send, settle, heard, ended, done } = talk({ tls }, fakeClock(), undefined, true);
  send('EHLO c\r\nSTARTTLS\r\nMAIL FROM:<a@x.test>\r\n');
  await settle();
  assert.equal(ended(), true);
  assert.doesNotMatch(heard(), /\r\n220|2\.1\.0/);
  await done;
});

test('who talks before a greeting that is late gets 421', async () => {
  let greet: () => void = () => undefined;
  const gate = new Promise<undefined>((resolve) => {
    greet = () => resolve(undefined);
  });
  const { send, settle, heard, done } = talk({ policy: { connect: () => gate } });
  send('EHLO c\r\n');
  await settle();
  assert.equal(heard(), '');
  greet();
  await done;
  await settle();
  assert.match(heard(), /^421 4\.7\.0 wait for the greeting\r\n$/);
});

test('a store that cannot take the message answers 452, at DATA or after the end, and the session goes on', async () => {
  const full = new EhloError('io', 'the disk is full');
  const working: Delivery = { write() {}, commit: () => Promise.reject(full), abort: async () => undefined };
  const begins: Record<string, SmtpServerOptions['begin']> = {
    begin: () => Promise.reject(full),
    write: async () => ({
      ...working,
      write() {
        throw full;
      },
    }),
    'write, later': async () => ({ ...working, write: () => Promise.reject(full) }),
    commit: async () => working,
  };
  for (const [where, begin] of Object.entries(begins)) {
    const problems: EhloError[] = [];
    const { send, settle, heard, done } = talk({ begin, onProblem: (error) => problems.push(error) });
    send(`${envelopeLines}DATA\r\n`);
    await settle();
    if (where !== 'begin') {
      send('one\r\n..two\r\nthree\r\n.\r\n');
      await settle();
    }
    assert.match(heard(), /452 4\.3\.1 [^\r]*\r\n$/, where);
    assert.deepEqual(problems, [full], where);
    send('QUIT\r\n');
    await done;
    await settle();
    assert.match(heard(), /221 [^\r]*\r\n$/, where);
  }
});

test('a fault of ours is a 421 for the client and an error for the caller', async () => {
  const { send, heard, done, settle } = talk({
    policy: {
      mail: () => {
        throw new TypeError('a bug');
      },
    },
  });
  send(envelopeLines);
  await assert.rejects(done, /a bug/);
  await settle();
  assert.match(heard(), /421 4\.3\.0 [^\r]*\r\n$/);
});

test('a shutdown ends idle sessions at once and others after their message', async () => {
  const shutdown = new Shutdown();
  const clock = fakeClock();
  const idle = talk({ shutdown }, clock);
  const busy = talk({ shutdown }, clock);
  busy.send(`${envelopeLines}DATA\r\n`);
  await busy.settle();
  shutdown.request();
  await idle.done;
  await idle.settle();
  assert.match(idle.heard(), /421 4\.3\.2 [^\r]*\r\n$/);
  assert.equal(busy.ended(), false);
  busy.send('last words\r\n.\r\n');
  await busy.settle();
  assert.match(busy.heard(), /queued as [^\r]*\r\n$/);
  // Room for a QUIT that is on its way; then the end is told.
  await clock.advance(300);
  await busy.done;
  await busy.settle();
  assert.match(busy.heard(), /250 2\.0\.0 Ok: queued as [^\r]*\r\n421 4\.3\.2 [^\r]*\r\n$/);
  assert.equal((await busy.store.list()).length, 1);
});

test('the end of data is found at every split of its bytes, and the message is the same', async () => {
  const bodies = ['', '.', 'a\r\n', '..\r\n', 'a\r\n.b\r\n', '\r\n', 'a\r\n..\r\n.\r\r\n'.replace('\r\r', '\r')];
  for (const body of bodies) {
    const stuffed = `${body.replace(/(^|\r\n)\./g, '$1..')}${body === '' || body.endsWith('\r\n') ? '' : '\r\n'}.\r\n`;
    const wanted = body === '' || body.endsWith('\r\n') ? body : `${body}\r\n`;
    for (let at = 0; at <= stuffed.length; at++) {
      const { send, settle, store, heard } = talk();
      send(`${envelopeLines}DATA\r\n`);
      await settle();
      send(stuffed.slice(0, at));
      await settle();
      send(`${stuffed.slice(at)}NOOP\r\n`);
      await settle();
      assert.match(heard(), /queued as \S+\r\n250 2\.0\.0 Ok\r\n$/, JSON.stringify([body, at]));
      const [message] = await store.list();
      const source = message && (await store.read(message.id));
      assert.equal(source?.bytes?.toString('latin1'), wanted, JSON.stringify([body, at]));
    }
  }
});

test('passwords are in no transcript, neither as sent nor in base64', async () => {
  const transcript = new Transcript(() => 0);
  const options = { accounts: accountsOf('bob', 'sesame-street'), allowInsecureAuth: true };
  const { send, settle, heard } = talk(options, fakeClock(), transcript);
  const plain = Buffer.from('\0bob\0sesame-street').toString('base64');
  send(`EHLO c\r\nAUTH PLAIN ${plain.slice(0, -1)}\r\nauth plain ${plain} more\r\nAUTH LOGIN\r\n`);
  await settle();
  send(`${Buffer.from('bob').toString('base64')}\r\n`);
  await settle();
  send(`${Buffer.from('sesame-street').toString('base64')}\r\n`);
  await settle();
  assert.match(heard(), /235 2\.7\.0/);
  const kept = JSON.stringify(transcript.events);
  assert.doesNotMatch(kept, /sesame|c2VzYW1l|AGJvYg/);
  assert.equal(transcript.events.filter(({ secret }) => secret).length, 4);
});

test('a client that never reads does not make the server hold unbounded replies', async () => {
  const clock = fakeClock();
  const store = memoryStore(systemClock);
  let sink: ChannelSink | undefined;
  let written = 0;
  let destroyed = false;
  // Takes writes and never finishes one.
  const stuck: Channel = {
    peer: 'stuck',
    attach(given) {
      sink = given;
    },
    write(bytes) {
      written += bytes.length;
    },
    pause() {},
    resume() {},
    startTls: () => Promise.reject(new Error('none')),
    end() {},
    destroy() {
      destroyed = true;
    },
  };
  const done = serveSmtp(new Wire(stuck, clock), serverOptions(store));
  await new Promise((resolve) => setImmediate(resolve));
  const flood = Buffer.from('NOOP\r\n'.repeat(10_000));
  for (let round = 0; round < 100; round++) {
    sink?.data(flood);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(written > 100_000 && written < 2 * 1024 * 1024, `${written} bytes are waiting`);
  await clock.advance(smtpServerLimits.command + 1);
  await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(10_000);
  await done;
  assert.equal(destroyed, true);
});

const clientBytes = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom(
          'EHLO c\r\n',
          'HELO c\r\n',
          'MAIL FROM:<a@x.test>\r\n',
          'RCPT TO:<b@y.test>\r\n',
          'DATA\r\n',
          'BDAT 5\r\n',
          'BDAT 3 LAST\r\n',
          'RSET\r\n',
          'NOOP\r\n',
          'QUIT\r\n',
          '.\r\n',
          '\r\n.\r\n',
          'AUTH PLAIN\r\n',
          'AUTH PLAIN AGEAYg==\r\n',
          'AUTH SCRAM-SHA-256 biws\r\n',
          '*\r\n',
          'STARTTLS\r\n',
          'GET / HTTP/1.1\r\n',
          '\n.\n',
          '\r',
          '\n',
          ' ',
          '.',
          'MAIL FROM:<@a:b@c> X=1\r\n',
          'VRFY \xff\r\n',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
    ),
    { maxLength: 25 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

test('any bytes of a client give replies and an end, never an exception, the same at every split', async () => {
  const property = fc.asyncProperty(clientBytes, fc.integer({ min: 1, max: 9 }), async (bytes, size) => {
    const results: string[] = [];
    for (const cut of [1 << 20, size]) {
      const [ours, theirs] = memoryPair({ split: cuts(cut) });
      const store = memoryStore(systemClock);
      const accounts = accountsOf('a', 'b');
      const options = serverOptions(store, { accounts, allowInsecureAuth: true });
      const done = serveSmtp(new Wire(ours, systemClock), options);
      let heard = '';
      const over = new Promise<void>((resolve) => {
        theirs.attach({
          data: (chunk) => {
            heard += chunk.toString('latin1');
          },
          end: () => resolve(),
        });
      });
      theirs.write(bytes, () => undefined);
      theirs.end();
      await Promise.all([done, over]);
      for (const line of heard.split('\r\n').slice(0, -1)) assert.match(line, /^[2-5]\d\d[ -][ -~]*$/);
      assert.ok(heard.endsWith('\r\n'));
      // SCRAM nonces and queue ids are random.
      results.push(
        heard.replace(/queued as \S+|^334 \S+$/gm, '').replace(/\r\n421 .*$/s, ''),
        String((await store.list()).length),
      );
    }
    assert.deepEqual(results.slice(0, 2), results.slice(2));
  });
  await fc.assert(property, { numRuns: 150 });
});

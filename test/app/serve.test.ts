// The serve use case without a socket: listeners in memory, time by hand, a store that can be looked into.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyAccount, namedAccounts, parseAccount, parseAccountFile } from '../../src/app/accounts.ts';
import { storeMaildrop } from '../../src/app/maildrop.ts';
import type { Listen, RunChild } from '../../src/app/ports.ts';
import { type ServeOptions, serve } from '../../src/app/serve.ts';
import { type ServeEvent, subjectOf } from '../../src/app/serve-events.ts';
import { EhloError } from '../../src/base/errors.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { deliver } from '../store/contract.ts';
import { fakeClock, settled } from '../support/clock.ts';

interface Peer {
  say(text: string): Promise<string>;
  heard(): string;
  ended(): boolean;
}

/** Ports in memory. `connect(port)` is a client from 127.0.0.1 unless told otherwise. */
function lab(extra: { runChild?: RunChild; store?: (store: Store) => Store } = {}) {
  const clock = fakeClock();
  const kept = memoryStore(clock);
  const store = extra.store ? extra.store(kept) : kept;
  const accepting = new Map<number, Parameters<Listen>[1]>();
  let nextPort = 1000;
  const listen: Listen = async ({ host, port }, accept) => {
    if (port === 1) throw new EhloError('cannot-create', 'port 1 is taken');
    const given = port === 0 ? nextPort++ : port;
    accepting.set(given, accept);
    return { host, port: given, close: async () => void accepting.delete(given) };
  };
  const listenDns = async (target: { host: string; port: number }) => ({ ...target, port: 53, close: async () => {} });
  const events: ServeEvent[] = [];
  const { runChild } = extra;
  const ports = { clock, listen, listenDns, store, pid: 4711, ...(runChild && { runChild }) };
  const start = (options: Partial<ServeOptions> = {}) =>
    serve(
      {
        smtp: { host: '127.0.0.1', port: 0 },
        pop3: { host: '127.0.0.1', port: 0 },
        dns: null,
        zones: [],
        hostname: 'mx.test',
        accounts: anyAccount,
        requireAuth: false,
        requireTls: false,
        domains: [],
        hidden: new Set(),
        ...options,
      },
      ports,
      { onEvent: (event) => events.push(event) },
    );
  const connect = async (port: number | undefined, address = '127.0.0.1'): Promise<Peer> => {
    const accept = accepting.get(port ?? 0);
    assert.ok(accept, 'nobody listens');
    const [ours, theirs] = memoryPair();
    let heard = '';
    let ended = false;
    accept(ours, { address, port: 5 });
    theirs.attach({
      data: (chunk) => {
        heard += chunk.toString('latin1');
      },
      end: () => {
        ended = true;
      },
    });
    await settled();
    return {
      async say(text) {
        const before = heard.length;
        theirs.write(Buffer.from(text), () => undefined);
        await settled(40);
        return heard.slice(before);
      },
      heard: () => heard,
      ended: () => ended,
    };
  };
  return { clock, store, kept, events, start, connect, accepting };
}

const envelope = 'EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n';
const body = 'Subject: =?utf-8?q?h=C3=A9?=\r\n two\r\n\r\nhello\r\n.\r\n';

test('ready names every listener with its URL, and comes before any message', async () => {
  const { start, events } = lab();
  const { ready, stop, finished } = await start({
    smtp: { host: '0.0.0.0', port: 0 },
    pop3: { host: '::1', port: 110 },
    dns: { host: '127.0.0.1', port: 0 },
    zones: [{ name: 'lab.zone', text: 'x.test. 60 IN MX 10 mx.x.test.\n' }],
  });
  assert.deepEqual(ready, {
    event: 'ready',
    pid: 4711,
    smtp: { host: '0.0.0.0', port: 1000, url: 'smtp://127.0.0.1:1000' },
    pop3: { host: '::1', port: 110, url: 'pop3://[::1]:110' },
    dns: { host: '127.0.0.1', port: 53, server: '127.0.0.1:53' },
  });
  assert.deepEqual(events, [ready]);
  stop('signal');
  assert.deepEqual(await finished, {
    command: 'serve',
    ok: true,
    exit: { code: 0, name: 'OK' },
    error: null,
    messages: 0,
    reason: 'signal',
    child: null,
  });
});

test('a message is one event, after it was stored, with its decoded subject', async () => {
  const { start, connect, events, kept } = lab();
  const { ready, stop, finished } = await start();
  const client = await connect(ready.smtp?.port);
  await client.say(envelope);
  assert.match(await client.say(body), /^250 2\.0\.0/);
  const [message] = await kept.list();
  const { receivedAt: _, ...event } = events[1]?.event === 'message' ? events[1] : assert.fail();
  assert.deepEqual(event, {
    event: 'message',
    id: message?.id,
    from: 'a@x.test',
    to: ['b@y.test'],
    subject: 'hé two',
    size: body.length - 3,
    helo: 'c',
    clientAddress: '127.0.0.1',
    protocol: 'ESMTP',
    tls: null,
    auth: null,
  });
  await client.say('QUIT\r\n');
  stop('signal');
  assert.equal((await finished).messages, 1);
});

test('what was sent to a mailbox is read by POP3 as its user, and everything as "all"', async () => {
  const { start, connect } = lab();
  const { ready } = await start();
  const client = await connect(ready.smtp?.port);
  await client.say(envelope);
  await client.say(body);
  const login = async (user: string) => {
    const reader = await connect(ready.pop3?.port);
    return reader.say(`USER ${user}\r\nPASS x\r\nSTAT\r\nQUIT\r\n`);
  };
  const size = body.length - 3;
  assert.match(await login('b@Y.test'), new RegExp(`\\+OK 1 ${size}\r\n`));
  assert.match(await login('other@y.test'), /\+OK 0 0\r\n/);
  assert.match(await login('all'), new RegExp(`\\+OK 1 ${size}\r\n`));
});

test('domains that are not local are refused, by name, case and IDN aside; Postmaster never is', async () => {
  const { start, connect } = lab();
  const { ready } = await start({ domains: ['Y.test', 'bücher.test'] });
  const client = await connect(ready.smtp?.port);
  await client.say('EHLO c\r\nMAIL FROM:<a@x.test> SMTPUTF8\r\n');
  for (const address of ['b@y.TEST', 'c@xn--bcher-kva.test', 'd@BÜCHER.test', 'postmaster']) {
    assert.match(await client.say(`RCPT TO:<${address}>\r\n`), /^250/, address);
  }
  for (const address of ['b@z.test', 'b@sub.y.test', '"b@y.test"@z.test', 'b%y.test@z.test', 'b@[127.0.0.1]']) {
    assert.match(await client.say(`RCPT TO:<${address}>\r\n`), /^550 5\.7\.1 relaying denied/, address);
  }
});

test('a login in the clear is for loopback clients only', async () => {
  const { start, connect } = lab();
  const { ready } = await start({ accounts: namedAccounts([parseAccount('bob:sesame')]) });
  const near = await connect(ready.smtp?.port);
  assert.match(await near.say('EHLO c\r\nAUTH PLAIN AGJvYgBzZXNhbWU=\r\n'), /235 2\.7\.0/);
  const far = await connect(ready.smtp?.port, '192.0.2.1');
  assert.match(await far.say('EHLO c\r\nAUTH PLAIN AGJvYgBzZXNhbWU=\r\n'), /538 5\.7\.11/);
});

test('the last message of --exit-after ends the server, after its client had the 250 and its QUIT', async () => {
  const { start, connect, clock, accepting } = lab();
  const { ready, finished } = await start({ exitAfter: 2 });
  const idle = await connect(ready.smtp?.port);
  const client = await connect(ready.smtp?.port);
  await client.say(envelope);
  await client.say(body);
  await client.say(envelope.replace('EHLO c\r\n', ''));
  assert.match(await client.say(body), /^250 2\.0\.0 Ok: queued as \S+\r\n$/);
  assert.equal(accepting.size, 0);
  assert.match(idle.heard(), /421 4\.3\.2/);
  assert.match(await client.say('QUIT\r\n'), /^221/);
  await clock.advance(100);
  const report = await finished;
  assert.deepEqual([report.ok, report.messages, report.reason], [true, 2, 'exit-after']);
});

test('--exit-after that is not reached within the time is exit NO', async () => {
  const { start, clock } = lab();
  const { finished } = await start({ exitAfter: 1, withinMs: 5000 });
  await clock.advance(5000);
  const report = await finished;
  assert.deepEqual([report.exit, report.reason], [{ code: 1, name: 'NO' }, 'within']);
});

test('sessions that do not end are cut off within two seconds', async () => {
  const { start, connect, clock } = lab();
  const { ready, stop, finished } = await start();
  const busy = await connect(ready.smtp?.port);
  await busy.say(envelope);
  await busy.say('half a mess');
  const reader = await connect(ready.pop3?.port);
  stop('signal');
  await clock.advance(1900);
  await finished;
  await settled();
  assert.deepEqual([busy.ended(), reader.ended()], [true, true]);
});

test('connections over the limit get 421, and others take their place', async () => {
  const { start, connect } = lab();
  const { ready } = await start({ limits: { connections: 2 } });
  const first = await connect(ready.smtp?.port);
  await connect(ready.smtp?.port);
  const third = await connect(ready.smtp?.port);
  assert.match(third.heard(), /^421 4\.3\.2/);
  assert.equal(third.ended(), true);
  await first.say('QUIT\r\n');
  assert.match((await connect(ready.smtp?.port)).heard(), /^220/);
});

/** A command that ends when told. */
function childLab() {
  const seen: { words: readonly string[]; env: Record<string, string>; killed: string[] }[] = [];
  let exit: (code: number) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const runChild: RunChild = (words, { env }) => {
    const run = { words, env, killed: [] as string[] };
    seen.push(run);
    const finished = new Promise<number>((resolve, reject) => {
      exit = resolve;
      fail = reject;
    });
    return {
      finished,
      kill: (signal) => {
        run.killed.push(signal);
        if (signal === 'SIGKILL') exit(137);
      },
    };
  };
  return { runChild, seen, exit: (code: number) => exit(code), fail: (error: Error) => fail(error) };
}

test('the command beside the server finds it in its environment, and its exit code is ours', async () => {
  for (const [code, exit] of [
    [0, { code: 0, name: 'OK' }],
    [7, { code: 7, name: 'NO' }],
  ] as const) {
    const child = childLab();
    const { start } = lab({ runChild: child.runChild });
    const { finished } = await start({ command: { words: ['npm', 'test'], stdout: 'inherit' } });
    assert.deepEqual(child.seen[0]?.words, ['npm', 'test']);
    assert.deepEqual(child.seen[0]?.env, {
      EHLO_SMTP_URL: 'smtp://127.0.0.1:1000',
      EHLO_SMTP_HOST: '127.0.0.1',
      EHLO_SMTP_PORT: '1000',
      EHLO_POP3_URL: 'pop3://127.0.0.1:1001',
    });
    child.exit(code);
    const report = await finished;
    assert.deepEqual([report.exit, report.child, report.reason], [exit, code, 'command']);
  }
});

test('a command that succeeds does not hide that messages are missing', async () => {
  const child = childLab();
  const { start } = lab({ runChild: child.runChild });
  const { finished } = await start({ command: { words: ['x'], stdout: 'inherit' }, exitAfter: 1 });
  child.exit(0);
  assert.deepEqual((await finished).exit, { code: 1, name: 'NO' });
});

test('a command that cannot be started is an error; one that outlives its time is ended', async () => {
  const broken = childLab();
  const first = lab({ runChild: broken.runChild });
  const { finished } = await first.start({ command: { words: ['x'], stdout: 'inherit' } });
  broken.fail(new EhloError('no-input', 'cannot run x'));
  assert.equal((await finished).error?.code, 'no-input');

  const endless = childLab();
  const second = lab({ runChild: endless.runChild });
  const handle = await second.start({ command: { words: ['x'], stdout: 'inherit' }, withinMs: 1000 });
  await second.clock.advance(3000);
  assert.deepEqual((await handle.finished).exit, { code: 1, name: 'NO' });
  assert.deepEqual(endless.seen[0]?.killed, ['SIGTERM', 'SIGKILL']);
});

test('a signal before the command has ended is no success, whatever the command makes of it', async () => {
  for (const code of [0, 5, undefined]) {
    const child = childLab();
    const { start, clock } = lab({ runChild: child.runChild });
    const { stop, finished } = await start({ command: { words: ['x'], stdout: 'inherit' } });
    stop('signal', new EhloError('terminated', 'ended by SIGTERM'));
    await settled();
    assert.deepEqual(child.seen[0]?.killed, ['SIGTERM']);
    if (code !== undefined) child.exit(code);
    await clock.advance(2000);
    const report = await finished;
    assert.deepEqual(
      [report.ok, report.exit, report.error?.code],
      [false, { code: 143, name: 'SIGTERM' }, 'terminated'],
    );
  }
});

test('what was left undone is said; a signal with nothing left to do is success', async () => {
  const late = lab();
  const missing = await late.start({ exitAfter: 2, withinMs: 5000 });
  await late.clock.advance(5000);
  assert.equal((await missing.finished).error?.message, '0 of 2 messages came in the time of --within');
  const plain = await lab().start();
  plain.stop('signal', new EhloError('interrupted', 'interrupted by SIGINT'));
  assert.deepEqual((await plain.finished).exit, { code: 0, name: 'OK' });
});

test('an idle POP3 session does not hold up the end; one that goes on may say QUIT', async () => {
  const { start, connect, clock } = lab();
  const { ready, stop, finished } = await start();
  const idle = await connect(ready.pop3?.port);
  const active = await connect(ready.pop3?.port);
  await active.say('USER b@y.test\r\nPASS x\r\n');
  stop('signal');
  await settled();
  assert.match(await active.say('STAT\r\nQUIT\r\n'), /^\+OK 0 0\r\n\+OK bye/);
  await clock.advance(400);
  assert.equal(idle.ended(), true);
  await finished;
});

test('a listener that cannot be had closes the others; so does a zone that cannot be read', async () => {
  const { start, accepting } = lab();
  await assert.rejects(start({ pop3: { host: '127.0.0.1', port: 1 } }), { code: 'cannot-create' });
  assert.equal(accepting.size, 0);
  const zones = [{ name: 'lab.zone', text: 'x.test. IN WHAT\n' }];
  await assert.rejects(start({ dns: { host: '127.0.0.1', port: 0 }, zones }), {
    code: 'config',
    message: /^lab\.zone: /,
  });
});

test('a store that fails is told as a problem', async () => {
  const full = new EhloError('io', 'the disk is full');
  const { start, connect, events } = lab({
    store: (store) => Object.assign(Object.create(store), { begin: () => Promise.reject(full), close: async () => {} }),
  });
  const { ready } = await start();
  const client = await connect(ready.smtp?.port);
  assert.match(await client.say(envelope), /452 4\.3\.1/);
  assert.equal(events[1]?.event === 'problem' && events[1].error.message, 'the disk is full');
});

test('a maildrop is for one session at a time, and deletes from its own mailbox only', async () => {
  const store = memoryStore(fakeClock());
  const { id } = await deliver(store, 'x', 'a@x.test', 'b@x.test');
  const maildrop = storeMaildrop(store);
  const first = await maildrop.open('a@X.test');
  assert.ok(first !== 'locked');
  assert.equal(await maildrop.open('a@x.test'), 'locked');
  assert.notEqual(await maildrop.open('b@x.test'), 'locked');
  assert.deepEqual(first.messages, [{ id, uidl: id, size: 1 }]);
  await first.delete([id]);
  first.release();
  assert.deepEqual((await store.get(id))?.mailboxes, ['b@x.test']);
  const again = await maildrop.open('a@x.test');
  assert.ok(again !== 'locked' && again.messages.length === 0);
  await assert.rejects(again.read('gone'), { code: 'io' });
});

test('subjects: the first field of the header, unfolded and decoded; never from the body', () => {
  const cases: [string, string | null][] = [
    ['Subject: a\r\n\r\n', 'a'],
    ['X: y\r\nSUBJECT : a\r\n b\r\nSubject: c\r\n\r\n', 'a b'],
    ['X: y\r\n\r\nSubject: body\r\n', null],
    ['X: subject: no\r\nNot-Subject: no\r\n\r\n', null],
    ['Subject:\r\n\r\n', ''],
    ['Subject: =?iso-8859-1?q?=E9?=\r\n\r\n', 'é'],
    ['Subject: é\r\n\r\n', 'é'],
    ['\r\nSubject: body', null],
    ['', null],
  ];
  for (const [head, subject] of cases) assert.equal(subjectOf(Buffer.from(head)), subject, JSON.stringify(head));
});

test('accounts: the first colon parts name and password; lines of a file may be comments', () => {
  const list = parseAccountFile('# who\nbob:se:same\r\n\nann:x\n');
  const accounts = namedAccounts(list);
  const password = accounts.passwordOf('bob');
  assert.ok(password && password !== 'any');
  assert.equal(password.reveal(), 'se:same');
  assert.equal(accounts.passwordOf('eve'), undefined);
  for (const text of ['bob', ':x', 'bob:']) {
    assert.throws(
      () => parseAccount(text),
      (error: EhloError) => error.code === 'usage' && !error.message.includes(text),
    );
  }
});

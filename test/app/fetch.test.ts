// `fetch` without a socket: what is stored, what is deleted, and when, against our server and against scripted ones.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import type { Connection, TlsMode } from '../../src/app/connection.ts';
import { type FetchAction, type FetchReport, type FetchRequest, fetchMail } from '../../src/app/fetch.ts';
import type { FetchOutput } from '../../src/app/fetch-output.ts';
import type { Ports } from '../../src/app/ports.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { clientDeadlines, pop3Limits } from '../../src/base/limits.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { type Pop3ServerOptions, servePop3 } from '../../src/pop3/server.ts';
import type { Channel, TlsFacts } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Wire } from '../../src/wire/wire.ts';
import { LabMaildrop, serverOptions } from '../pop3/lab.ts';
import { accountsOf, tlsFacts } from '../smtp/dialog.ts';
import { fakeClock, settled } from '../support/clock.ts';
import { type ScriptedPeer, scriptedPeer } from '../support/scripted.ts';

const open: Channel[] = [];
afterEach(() => {
  for (const channel of open.splice(0)) channel.destroy();
});

const unused = () => assert.fail('not needed here');

const portsWith = (dial: Ports['dial'], clock = systemClock): Ports => ({
  clock,
  dial,
  resolve: { exchange: { exchange: unused }, systemServers: () => [], lookup: async () => ['192.0.2.1'] },
  listen: unused,
  listenDns: unused,
  files: { read: unused, spool: unused },
  hostname: () => 'here.test',
});

const connectionTo = (host: string, tls?: TlsMode): Connection => ({
  server: { scheme: 'pop3', host },
  ...(tls ? { tls } : {}),
  tlsVerify: 'full',
  tlsClient: {},
  credentials: { user: 'bob', password: new Secret('sesame') },
  allowPlaintextAuth: false,
  deadlines: clientDeadlines,
  overrides: [],
  mxPort: 25,
});

class LabOutput implements FetchOutput {
  readonly durable: boolean;
  readonly log: string[] = [];
  readonly files = new Map<number, string>();
  broken: 'write' | 'commit' | 'settle' | undefined;

  constructor(durable = true) {
    this.durable = durable;
  }

  begin({ number }: { number: number }) {
    const parts: Buffer[] = [];
    return {
      write: async (chunk: Buffer) => {
        if (this.broken === 'write') throw new EhloError('io', 'the disk is full');
        parts.push(Buffer.from(chunk));
      },
      commit: async () => {
        if (this.broken === 'commit') throw new EhloError('io', 'the disk is full');
        await new Promise((resolve) => setImmediate(resolve));
        this.files.set(number, Buffer.concat(parts).toString('latin1'));
        this.log.push(`stored ${number}`);
        return { file: `file-${number}` };
      },
      abort: async () => {
        this.log.push(`aborted ${number}`);
      },
    };
  }

  async settle() {
    this.log.push('settled');
    if (this.broken === 'settle') throw new EhloError('io', 'the disk is full');
    return true;
  }
}

interface Setting {
  host?: string;
  tls?: TlsMode;
  connection?: Partial<Connection>;
  request?: Partial<FetchRequest>;
  signal?: AbortSignal;
}

async function run(dial: Ports['dial'], action: FetchAction, setting: Setting = {}, clock = systemClock) {
  const request: FetchRequest = {
    connection: { ...connectionTo(setting.host ?? '127.0.0.1', setting.tls), ...setting.connection },
    action,
    maxSize: pop3Limits.messageBytes,
    maxMessages: pop3Limits.messages,
    topLines: 1,
    delete: false,
    headers: true,
    ...setting.request,
  };
  const done = await fetchMail(request, portsWith(dial, clock), {
    scrubber: new Scrubber(),
    transcript: true,
    signal: setting.signal ?? new AbortController().signal,
  });
  assert.ok(!JSON.stringify(done.report).includes('sesame'), 'no password in the report');
  return done;
}

function server(maildrop: LabMaildrop, extra: Partial<Pop3ServerOptions> = {}, tls?: TlsFacts): Ports['dial'] {
  return async () => {
    const [ours, theirs] = memoryPair(tls ? { tls } : {});
    open.push(ours, theirs);
    const accounts = accountsOf('bob', 'sesame');
    void servePop3(new Wire(theirs, systemClock), serverOptions(maildrop, { accounts, ...extra }));
    return ours;
  };
}

function script(text: string, tls?: TlsFacts): { dial: Ports['dial']; peer: () => ScriptedPeer } {
  let peer: ScriptedPeer | undefined;
  return {
    dial: async () => {
      const [ours, theirs] = memoryPair(tls ? { tls } : {});
      open.push(ours, theirs);
      peer = scriptedPeer(theirs, text);
      peer.finished.catch(() => undefined);
      return ours;
    },
    peer: () => peer ?? assert.fail('nobody connected'),
  };
}

const letter = (subject: string, body = 'text\r\n'): Buffer =>
  Buffer.from(
    `From: =?utf-8?Q?Zo=C3=AB?= <zoe@x.test>\r\nTo: bob@y.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x.test>\r\nDate: Mon, 2 Jan 2023 03:04:05 +0100\r\n\r\n${body}`,
  );

const brief = (report: FetchReport) => report.messages.map(({ number, stored, deleted }) => [number, stored, deleted]);

describe('against our own server', () => {
  test('stat tells count and size', async () => {
    const { report } = await run(server(new LabMaildrop([Buffer.from('abc\r\n'), Buffer.from('d\r\n')])), 'stat');
    assert.deepEqual([report.ok, report.mailbox, report.messages], [true, { count: 2, size: 8 }, []]);
  });

  test('list tells sizes, ids and header fields without taking a body', async () => {
    const { report } = await run(server(new LabMaildrop([letter('one')])), 'list');
    assert.deepEqual(report.messages, [
      {
        number: 1,
        uid: 'uid-1',
        size: letter('one').length,
        id: '<one@x.test>',
        from: 'Zoë <zoe@x.test>',
        to: 'bob@y.test',
        subject: 'one',
        date: '2023-01-02T02:04:05.000Z',
        stored: false,
        deleted: false,
        file: null,
      },
    ]);
    assert.deepEqual(report.server, {
      host: '127.0.0.1',
      address: '127.0.0.1',
      port: 110,
      tls: null,
      auth: 'SCRAM-SHA-256',
    });
  });

  test('get stores every message byte for byte and keeps it on the server', async () => {
    const texts = ['one', 'two', 'three'].map((name) => letter(name, '.dot\r\n..\r\nbare\nlf\r\n'));
    const maildrop = new LabMaildrop(texts);
    const output = new LabOutput();
    const { report } = await run(server(maildrop), 'get', { request: { output } });
    assert.equal(report.exit.code, 0);
    assert.deepEqual([...output.files.values()], texts.map(String));
    assert.deepEqual(brief(report), [
      [1, true, false],
      [2, true, false],
      [3, true, false],
    ]);
    assert.deepEqual(maildrop.deleted, []);
    assert.equal(report.notes.filter((note) => note.includes('bare LF at byte')).length, 3);
  });

  test('get --delete deletes after everything is stored and settled', async () => {
    const maildrop = new LabMaildrop([letter('one'), letter('two')]);
    const output = new LabOutput();
    const { report } = await run(server(maildrop), 'get', { request: { output, delete: true } });
    assert.deepEqual(output.log, ['stored 1', 'stored 2', 'settled']);
    assert.deepEqual(brief(report), [
      [1, true, true],
      [2, true, true],
    ]);
    assert.deepEqual(maildrop.deleted, [1, 2]);
  });

  test('--max and message numbers choose, and only what was chosen is deleted', async () => {
    for (const [chosen, deleted] of [
      [{ max: 1 }, [1]],
      [{ numbers: [3, 2] }, [2, 3]],
      [{ numbers: [3, 2], max: 1 }, [2]],
    ] as const) {
      const maildrop = new LabMaildrop(['one', 'two', 'three'].map((name) => letter(name)));
      const request = {
        output: new LabOutput(),
        delete: true,
        ...chosen,
        numbers: 'numbers' in chosen ? [...chosen.numbers] : [1, 2, 3],
      };
      await run(server(maildrop), 'get', { request });
      assert.deepEqual(maildrop.deleted, deleted);
    }
  });

  test('a message over --max-size stays where it is, and the report says so', async () => {
    const maildrop = new LabMaildrop([letter('one'), letter('two', 'x'.repeat(2000))]);
    const output = new LabOutput();
    const { report } = await run(server(maildrop), 'get', { request: { output, delete: true, maxSize: 1000 } });
    assert.deepEqual(brief(report), [
      [1, true, true],
      [2, false, false],
    ]);
    assert.match(report.notes.join(), /message 2 has \d+ bytes and was left on the server/);
  });

  test('delete deletes without fetching', async () => {
    const maildrop = new LabMaildrop([letter('one'), letter('two')]);
    const { report } = await run(server(maildrop), 'delete', { request: { numbers: [2] } });
    assert.deepEqual([maildrop.deleted, brief(report)], [[2], [[2, false, true]]]);
  });

  test('top takes the header and the lines asked for', async () => {
    const output = new LabOutput(false);
    const { report } = await run(server(new LabMaildrop([letter('one', 'a\r\nb\r\n')])), 'top', {
      request: { output },
    });
    assert.match(output.files.get(1) ?? '', /\r\n\r\na\r\n$/);
    assert.deepEqual([report.messages[0]?.stored, report.messages[0]?.subject], [false, 'one']);
  });

  test('a message that is not there is the answer no', async () => {
    const { report } = await run(server(new LabMaildrop([letter('one')])), 'get', {
      request: { output: new LabOutput(), numbers: [1, 7] },
    });
    assert.deepEqual([report.exit.code, report.error?.message], [1, 'there is no message 7; the mailbox has 1']);
  });

  test('an empty mailbox is fine', async () => {
    for (const action of ['list', 'get', 'delete'] as const) {
      const { report } = await run(server(new LabMaildrop([])), action, { request: { output: new LabOutput() } });
      assert.deepEqual([report.exit.code, report.mailbox], [0, { count: 0, size: 0 }]);
    }
  });

  test('a wrong password is NOPERM, a mailbox in use is TEMP', async () => {
    const maildrop = new LabMaildrop([]);
    const wrong = await run(server(maildrop, { accounts: accountsOf('bob', 'other') }), 'stat');
    assert.deepEqual([wrong.report.exit.code, wrong.report.error?.code], [77, 'auth-rejected']);
    maildrop.busy = true;
    const busy = await run(server(maildrop), 'stat');
    assert.deepEqual([busy.report.exit.code, busy.report.error?.code], [75, 'mailbox-locked']);
  });
});

describe('nothing is deleted that is not stored', () => {
  for (const broken of ['write', 'commit', 'settle'] as const) {
    test(`when the disk fails at ${broken}`, async () => {
      const maildrop = new LabMaildrop([letter('one'), letter('two')]);
      const output = new LabOutput();
      output.broken = broken;
      const { report } = await run(server(maildrop), 'get', { request: { output, delete: true } });
      assert.deepEqual([report.exit.code, report.error?.code], [74, 'io']);
      await settled();
      assert.deepEqual(maildrop.deleted, []);
      assert.ok(report.messages.every((message) => message.deleted === false));
    });
  }

  test('when there is no durable place', async () => {
    const maildrop = new LabMaildrop([letter('one')]);
    for (const request of [{ delete: true }, { delete: true, output: new LabOutput(false) }]) {
      const { report } = await run(server(maildrop), 'get', { request });
      assert.equal(report.exit.code, 64);
    }
    assert.deepEqual(maildrop.opened, []);
  });
});

/** A server up to the answers to STAT, LIST and UIDL, for user bob on loopback. */
const upTo = (stat: string, list: string, uidl: string, more = '') =>
  `S: +OK
   C: CAPA
   S! +OK\\r\\nUSER\\r\\nTOP\\r\\nUIDL\\r\\n.\\r\\n
   C: USER bob
   S: +OK
   C: PASS sesame
   S: +OK
   C: STAT
   S: +OK ${stat}
   C: LIST
   S! +OK\\r\\n${list}.\\r\\n
   C: UIDL
   S! +OK\\r\\n${uidl}.\\r\\n
   ${more}`;

describe('against a hostile server', () => {
  const one = upTo('1 10', '1 10\\r\\n', '1 a\\r\\n');

  test('more bytes than --max-size, whatever LIST said: stopped, aborted, not deleted, TEMP', async () => {
    const { dial, peer } = script(`${one}\nC: RETR 1\nS: +OK\n${`S: ${'x'.repeat(100)}\n`.repeat(100)}`);
    const output = new LabOutput();
    const { report } = await run(dial, 'get', { request: { output, delete: true, maxSize: 1000 } });
    assert.deepEqual([report.exit.code, report.error?.code], [75, 'size-exceeded']);
    assert.deepEqual(output.log, ['aborted 1', 'settled']);
    assert.ok(!peer().received().includes('DELE'));
  });

  test('a message shorter than LIST said is stored, with a note', async () => {
    const { dial } = script(`${one}\nC: RETR 1\nS! +OK\\r\\nabc\\r\\n.\\r\\n\nC: QUIT\nS: +OK`);
    const { report } = await run(dial, 'get', { request: { output: new LabOutput() } });
    assert.deepEqual([report.exit.code, report.messages[0]?.size], [0, 5]);
    assert.match(report.notes.join(), /message 1 has 5 bytes, LIST said 10/);
  });

  test('an end before the dot: the part is thrown away, nothing is deleted, TEMP', async () => {
    const { dial } = script(`${one}\nC: RETR 1\nS! +OK\\r\\nabc\\r\\n\nF`);
    const output = new LabOutput();
    const { report } = await run(dial, 'get', { request: { output, delete: true } });
    assert.deepEqual([report.exit.code, report.error?.code, output.log], [75, 'lost', ['aborted 1', 'settled']]);
    assert.deepEqual(brief(report), [[1, false, false]]);
  });

  for (const [name, uidl] of [
    ['an id twice', '1 a\\r\\n2 a\\r\\n'],
    ['an id missing', '1 a\\r\\n'],
    ['an id that is an escape sequence', '1 a\\r\\n2 \\x1b[2J\\r\\n'],
  ] as const) {
    test(`${name}: refused for --delete before anything is fetched, a note otherwise`, async () => {
      const start = upTo('2 20', '1 10\\r\\n2 10\\r\\n', uidl);
      const deleting = script(start);
      const refused = await run(deleting.dial, 'get', { request: { output: new LabOutput(), delete: true } });
      assert.deepEqual([refused.report.exit.code, refused.report.error?.code], [76, 'peer-lied']);
      assert.ok(!deleting.peer().received().includes('RETR'));
      const bodies = 'C: RETR 1\nS! +OK\\r\\n.\\r\\n\nC: RETR 2\nS! +OK\\r\\n.\\r\\n\nC: QUIT\nS: +OK';
      const kept = await run(script(`${start}\n${bodies}`).dial, 'get', { request: { output: new LabOutput() } });
      assert.equal(kept.report.exit.code, 0);
      assert.match(kept.report.notes.join(), /UIDL/);
    });
  }

  test('a lost answer to QUIT: what became of the deletions is not known, and said', async () => {
    const { dial } = script(`${one}\nC: RETR 1\nS! +OK\\r\\n.\\r\\n\nC: DELE 1\nS: +OK\nC: QUIT\nF`);
    const { report } = await run(dial, 'get', { request: { output: new LabOutput(), delete: true } });
    assert.equal(report.exit.code, 75);
    assert.match(report.error?.message ?? '', /may reappear/);
    assert.deepEqual(brief(report), [[1, true, null]]);
  });

  test('a lost answer to QUIT with nothing to delete is a note', async () => {
    const { dial } = script(`${one}\nC: RETR 1\nS! +OK\\r\\n.\\r\\n\nC: QUIT\nF`);
    const { report } = await run(dial, 'get', { request: { output: new LabOutput() } });
    assert.equal(report.exit.code, 0);
    assert.match(report.notes.join(), /did not end properly/);
  });

  test('-ERR to DELE: that one is not deleted, the error says so', async () => {
    const { dial } = script(`${one}\nC: RETR 1\nS! +OK\\r\\n.\\r\\n\nC: DELE 1\nS: -ERR no\nC: QUIT\nS: +OK`);
    const { report } = await run(dial, 'get', { request: { output: new LabOutput(), delete: true } });
    assert.deepEqual([report.exit.code, brief(report)], [69, [[1, true, false]]]);
  });

  test('-ERR to RETR: the others are fetched, the error says so', async () => {
    const start = upTo('2 20', '1 10\\r\\n2 10\\r\\n', '1 a\\r\\n2 b\\r\\n');
    const { dial } = script(
      `${start}\nC: RETR 1\nS: -ERR [SYS/TEMP] busy\nC: RETR 2\nS! +OK\\r\\n.\\r\\n\nC: QUIT\nS: +OK`,
    );
    const { report } = await run(dial, 'get', { request: { output: new LabOutput() } });
    assert.deepEqual(
      [report.exit.code, brief(report)],
      [
        75,
        [
          [1, false, false],
          [2, true, false],
        ],
      ],
    );
  });

  test('a mailbox of more messages than are taken is refused, and the hint names the flag', async () => {
    const { dial } = script(upTo('20000 20000', '', ''));
    const { report } = await run(dial, 'list');
    assert.deepEqual([report.exit.code, report.error?.hint], [65, 'allow more with --max-messages 20000']);
  });
});

describe('TLS and secrets', () => {
  const remote = 'mail.example.com';
  const bad: TlsFacts = {
    ...tlsFacts,
    authorized: false,
    error: 'the certificate is self-signed',
    cause: 'self-signed',
  };
  const tls: Partial<Pop3ServerOptions> = { tls: { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) } };
  const rows: [
    name: string,
    setting: Setting,
    offers: 'stls' | 'clear',
    facts: TlsFacts | undefined,
    outcome: string,
  ][] = [
    ['a remote server without STLS', {}, 'clear', undefined, 'tls-unavailable'],
    ['a remote server with STLS', {}, 'stls', tlsFacts, 'SCRAM-SHA-256'],
    ['a remote server with a bad certificate', {}, 'stls', bad, 'tls-certificate'],
    ['a bad certificate that need not be good', { connection: { tlsVerify: 'none' } }, 'stls', bad, 'SCRAM-SHA-256'],
    [
      'PLAIN over a certificate that need not be good',
      { connection: { tlsVerify: 'none', mechanisms: ['PLAIN'] } },
      'stls',
      bad,
      'auth-plaintext',
    ],
    ['PLAIN over a good certificate', { connection: { mechanisms: ['PLAIN'] } }, 'stls', tlsFacts, 'PLAIN'],
    [
      'PLAIN over opportunistic TLS that is not verified',
      { tls: 'opportunistic', connection: { mechanisms: ['PLAIN'] } },
      'stls',
      bad,
      'auth-plaintext',
    ],
    ['PLAIN in the clear', { tls: 'off', connection: { mechanisms: ['PLAIN'] } }, 'clear', undefined, 'auth-plaintext'],
    [
      'PLAIN in the clear when the user insists',
      { tls: 'off', connection: { mechanisms: ['PLAIN'], allowPlaintextAuth: true } },
      'clear',
      undefined,
      'PLAIN',
    ],
    [
      'PLAIN in the clear on loopback',
      { host: '127.0.0.1', connection: { mechanisms: ['PLAIN'] } },
      'clear',
      undefined,
      'PLAIN',
    ],
    ['a bad certificate on loopback', { host: '127.0.0.1' }, 'stls', bad, 'SCRAM-SHA-256'],
    [
      'a bad certificate on loopback where TLS is required',
      { host: '127.0.0.1', tls: 'required' },
      'stls',
      bad,
      'tls-certificate',
    ],
  ];
  for (const [name, setting, offers, facts, outcome] of rows) {
    test(`${name}: ${outcome}`, async () => {
      const dial = server(new LabMaildrop([]), offers === 'stls' ? tls : {}, facts);
      const { report } = await run(dial, 'stat', { host: remote, ...setting });
      assert.equal(report.error?.code ?? report.server?.auth, outcome);
      assert.equal(report.exit.code, report.error ? 77 : 0);
    });
  }

  test('pop3s begins with TLS', async () => {
    const dial = server(new LabMaildrop([]), {}, tlsFacts);
    const { report } = await run(dial, 'stat', { connection: { server: { scheme: 'pop3s', host: remote } } });
    assert.deepEqual([report.ok, report.server?.port, report.server?.tls?.protocol], [true, 995, 'TLSv1.3']);
  });

  test('a name is SNI and certificate name; --tls-name and --pin go along', async () => {
    let asked: unknown;
    const dial: Ports['dial'] = async () => {
      const [ours, theirs] = memoryPair();
      open.push(ours, theirs);
      const spied: Channel = {
        peer: 'x',
        attach: (sink) => ours.attach(sink),
        write: (bytes, done) => ours.write(bytes, done),
        pause: () => undefined,
        resume: () => undefined,
        startTls: async (options) => {
          asked = options;
          throw new EhloError('tls-handshake', 'enough');
        },
        end: () => ours.end(),
        destroy: () => ours.destroy(),
      };
      return spied;
    };
    await run(dial, 'stat', { host: remote, tls: 'implicit', connection: { tlsClient: { name: 'n', pin: 'ab' } } });
    assert.deepEqual(asked, { role: 'client', servername: remote, name: 'n', pin: 'ab' });
  });

  test('without a user there is nothing to open', async () => {
    const { credentials, ...anonymous } = connectionTo('127.0.0.1');
    assert.ok(credentials);
    const { report } = await run(unused, 'stat', { connection: { ...anonymous, mechanisms: 'none' } });
    assert.equal(report.exit.code, 64);
  });
});

describe('reaching the server', () => {
  test('the next address is tried where one takes no connection, and the first reason is told where none does', async () => {
    const tried: string[] = [];
    const maildrop = new LabMaildrop([]);
    const overrides = ['127.0.0.2', '127.0.0.3'].map((address) => ({ host: 'mail.test', port: 110, address }));
    const dial: Ports['dial'] = async (target) => {
      tried.push(target.address);
      if (target.address === '127.0.0.2') throw new EhloError('connect-failed', 'refused by 2');
      return server(maildrop)(target);
    };
    const { report } = await run(dial, 'stat', { host: 'mail.test', connection: { overrides } });
    assert.deepEqual([report.ok, tried, report.server?.address], [true, ['127.0.0.2', '127.0.0.3'], '127.0.0.3']);
    const none = await run(
      async (target) => {
        throw new EhloError('connect-failed', `refused by ${target.address}`);
      },
      'stat',
      { host: 'mail.test', connection: { overrides } },
    );
    assert.deepEqual([none.report.exit.code, none.report.error?.message], [75, 'refused by 127.0.0.2']);
  });

  test('--max-time ends a session that hangs, says so, and deletes nothing', async () => {
    const clock = fakeClock();
    const { dial } = script('S: +OK\nC: CAPA\nW');
    const done = run(dial, 'stat', { connection: { maxTimeMs: 1000 } }, clock);
    await clock.advance(1000);
    const { report } = await done;
    assert.deepEqual([report.exit.code, report.error?.code], [75, 'timeout']);
    assert.match(report.error?.message ?? '', /--max-time \(1000 ms\)/);
  });

  test('Ctrl-C ends it and tells what was stored', async () => {
    const stop = new AbortController();
    const { dial } = script(`${upTo('1 10', '1 10\\r\\n', '1 a\\r\\n')}\nC: RETR 1\nS: +OK\nW`);
    const done = run(dial, 'get', { signal: stop.signal, request: { output: new LabOutput() } });
    await settled(60);
    stop.abort('SIGINT');
    const { report } = await done;
    assert.match(report.error?.message ?? '', /^interrupted.*; 0 of 1 messages were stored, and nothing was deleted/);
  });
});

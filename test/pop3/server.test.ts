// The POP3 server: every dialog of test/dialogs/pop3-* at every split, deadlines, back-pressure, and laws over any bytes.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { pop3Limits } from '../../src/base/limits.ts';
import { type Pop3ServerOptions, servePop3 } from '../../src/pop3/server.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';
import { parseDialog } from '../smtp/dialog.ts';
import { fakeClock, settled } from '../support/clock.ts';
import { chunkedSource, hastyClock, LabMaildrop, runPop3Dialog, serverOptions } from './lab.ts';

const dialogs = new URL('../dialogs/', import.meta.url);

for (const name of readdirSync(dialogs).filter((file) => /^pop3.*\.txt$/.test(file))) {
  test(`dialog ${name} holds at every split, with and without a transcript`, async () => {
    const dialog = parseDialog(readFileSync(new URL(name, dialogs), 'utf8'));
    const whole = await runPop3Dialog(dialog, 1 << 20);
    const long = dialog.steps.some(({ text }) => /\*\d{3}/.test(text));
    for (const size of long ? [7, 1000] : [1, 2, 3, 5, 7]) assert.deepEqual(await runPop3Dialog(dialog, size), whole);
    assert.deepEqual(await runPop3Dialog(dialog, 1 << 20, true), whole);
  });
}

/** A client end that sends raw bytes and collects what comes, and counts the server's writes. */
function talk(maildrop: LabMaildrop, extra: Partial<Pop3ServerOptions> = {}, clock: Clock = systemClock) {
  const [ours, theirs] = memoryPair();
  const heard: Buffer[] = [];
  const state = { writes: 0, ended: false };
  const counted: Channel = {
    peer: ours.peer,
    attach: (sink) => ours.attach(sink),
    write(bytes, done) {
      state.writes++;
      ours.write(bytes, done);
    },
    pause: () => ours.pause(),
    resume: () => ours.resume(),
    startTls: (options, deadline) => ours.startTls(options, deadline),
    end: () => ours.end(),
    destroy: () => ours.destroy(),
  };
  const transcript = new Transcript(() => 0);
  const done = servePop3(new Wire(counted, clock, transcript), serverOptions(maildrop, extra));
  theirs.attach({
    data: (chunk) => heard.push(chunk),
    end: () => {
      state.ended = true;
    },
  });
  return {
    done,
    state,
    transcript,
    send: (text: string | Buffer) => theirs.write(Buffer.from(text), () => undefined),
    heard: () => Buffer.concat(heard).toString('latin1'),
    close: () => theirs.end(),
    reset: () => theirs.destroy(),
  };
}

const login = 'USER bob\r\nPASS x\r\n';

test('all replies to one read go out in one write, small messages too', async () => {
  const { send, state, heard, close, done } = talk(new LabMaildrop([Buffer.from('one\r\n'), Buffer.from('two\r\n')]));
  await settled();
  assert.equal(state.writes, 1);
  send(`${login}STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nTOP 1 0\r\nDELE 1\r\n`);
  await settled();
  assert.equal(state.writes, 2);
  assert.match(heard(), /two\r\n\.\r\n\+OK\r\none\r\n\.\r\n\+OK message 1 deleted\r\n$/);
  close();
  await done;
});

test('a message arrives as it is stored: dots, bare line ends, NUL, 8 bits, with CRLF at the end where it was missing', async () => {
  const messages = [
    '',
    '.',
    '.\r\n',
    '..\r\n.\r\n',
    'a\n.\nb',
    'a\r.\r\nb\r',
    '\0\xff\r\n',
    '\n.\r\n',
    '\r\n.\r\n',
    'x\r\n',
  ];
  const maildrop = new LabMaildrop(messages.map((text) => Buffer.from(text, 'latin1')));
  const { send, done, heard } = talk(maildrop);
  send(`${login}${messages.map((_, at) => `RETR ${at + 1}\r\n`).join('')}QUIT\r\n`);
  await done;
  await settled();
  const stuffed = messages.map((text) => {
    const whole = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
    const body = whole.replace(/(^|\r\n)\./g, '$1..');
    return `+OK ${text.length} octets\r\n${body}.\r\n`;
  });
  assert.ok(heard().endsWith(`${stuffed.join('')}+OK bye\r\n`), JSON.stringify(heard()));
});

test('a message in chunks reads like the same message in one piece, for any chunks', async () => {
  const text = fc.array(fc.constantFrom('\r\n', '\r', '\n', '.', '\r\n.', 'a', 'A: b\r\n', '\r\n\r\n'), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 5 }), fc.nat(4), async (parts, size, lines) => {
      const bytes = Buffer.from(parts.join(''));
      const { send, done, heard } = talk(new LabMaildrop([bytes, chunkedSource(bytes, size)]));
      send(`${login}RETR 1\r\nRETR 2\r\nTOP 1 ${lines}\r\nTOP 2 ${lines}\r\nQUIT\r\n`);
      await done;
      await settled(3);
      const replies = heard().split('+OK');
      const [retr1, retr2, top1, top2] = replies.slice(-5, -1);
      assert.equal(retr2, retr1);
      assert.equal(top2, top1);
    }),
    { numRuns: 60 },
  );
});

test('a mailbox is free again for whoever has read the +OK of QUIT', async () => {
  const maildrop = new LabMaildrop([]);
  const first = talk(maildrop);
  first.send(login);
  await settled();
  const second = talk(maildrop);
  second.send(login);
  await settled();
  assert.match(second.heard(), /-ERR \[IN-USE\]/);
  first.send('QUIT\r\n');
  await first.done;
  second.send(`${login}QUIT\r\n`);
  await second.done;
  await settled();
  assert.match(second.heard(), /\+OK 0 0\r\n\+OK bye\r\n$/);
});

test('a client that resets the connection leaves nothing deleted and nothing locked', async () => {
  const maildrop = new LabMaildrop([Buffer.from('a\r\n')]);
  const { send, reset, done } = talk(maildrop);
  send(`${login}DELE 1\r\n`);
  await settled();
  reset();
  await done;
  assert.deepEqual([maildrop.deleted, maildrop.released], [[], 1]);
});

test('a silent client, and one that drips a command, is left at the deadline without a word, and nothing is deleted', async () => {
  for (const drip of [false, true]) {
    const clock = fakeClock();
    const maildrop = new LabMaildrop([Buffer.from('a\r\n')]);
    const { send, state, heard, done } = talk(maildrop, {}, clock);
    send(`${login}DELE 1\r\n`);
    await settled();
    const before = heard();
    for (let part = 0; part < 10; part++) {
      if (drip) send('Q');
      await settled();
      await clock.advance(pop3Limits.command / 10);
    }
    await done;
    await settled();
    assert.equal(state.ended, true);
    assert.equal(heard(), before);
    assert.deepEqual(maildrop.deleted, []);
  }
});

test('a client that asks for much and reads nothing does not fill our memory', async () => {
  const [ours] = memoryPair();
  let queued = 0;
  let mostQueued = 0;
  const waiting: { length: number; done: () => void }[] = [];
  let feed: (chunk: Buffer) => void = () => undefined;
  const channel: Channel = {
    peer: 'slow',
    attach: (sink) => {
      feed = (chunk) => sink.data(chunk);
    },
    write(bytes, done) {
      queued += bytes.length;
      mostQueued = Math.max(mostQueued, queued);
      waiting.push({ length: bytes.length, done });
    },
    pause: () => undefined,
    resume: () => undefined,
    startTls: (options, deadline) => ours.startTls(options, deadline),
    end: () => undefined,
    destroy: () => undefined,
  };
  const big = Buffer.alloc(300_000, 'x');
  const done = servePop3(
    new Wire(channel, systemClock),
    serverOptions(new LabMaildrop([big, chunkedSource(big, 50_000)])),
  );
  feed(Buffer.from(`${login}${'RETR 1\r\nRETR 2\r\n'.repeat(200)}QUIT\r\n`));
  let total = 0;
  for (let turn = 0; turn < 5000 && total < 400 * 300_000; turn++) {
    await settled(1);
    const next = waiting.shift();
    if (!next) continue;
    queued -= next.length;
    total += next.length;
    next.done();
  }
  await done;
  assert.ok(total > 400 * 300_000);
  assert.ok(mostQueued < 2_000_000, `${mostQueued} bytes were queued`);
});

test('a message that breaks off while it is read breaks the connection: half of it must not look whole', async () => {
  const broken = {
    size: 10,
    async *chunks() {
      yield Buffer.from('half\r\n');
      throw new EhloError('io', 'the disk is on fire');
    },
  };
  const { send, done, heard, state } = talk(new LabMaildrop([broken]));
  send(`${login}RETR 1\r\n`);
  await done;
  await settled();
  assert.equal(state.ended, true);
  assert.ok(!heard().includes('\r\n.\r\n'));
});

test('no password is in the transcript', async () => {
  const { send, done, transcript } = talk(
    new LabMaildrop([]),
    { accounts: { passwordOf: () => undefined } },
    hastyClock(),
  );
  const plain = Buffer.from('\0bob\0hunter2').toString('base64');
  const hex = Buffer.alloc(16, 7).toString('hex');
  send(`USER bob\r\nPASS hunter2\r\nAPOP bob ${hex}\r\nAUTH PLAIN\r\n${plain}\r\nPASS\thunter2\r\n`);
  await done;
  const shown = JSON.stringify(transcript.events);
  for (const secret of ['hunter2', plain, hex]) assert.ok(!shown.includes(secret), secret);
});

test('only +OK, -ERR and + lines, no bug and no lock left, for any bytes of a client', async () => {
  const word = fc.constantFrom(
    ...['USER bob', 'PASS x', 'STAT', 'LIST', 'UIDL 1', 'RETR 1', 'TOP 1 0', 'DELE 1', 'RSET', 'CAPA', 'STLS', 'QUIT'],
    ...['AUTH PLAIN', 'AUTH SCRAM-SHA-256 biws', 'AUTH LOGIN', 'Ym9i', '*', '=', '', 'APOP a b'],
  );
  const line = fc.oneof(
    word.map((text) => Buffer.from(`${text}\r\n`)),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 25 }), async (lines) => {
      const maildrop = new LabMaildrop([Buffer.from('text\r\n')]);
      const accounts = { passwordOf: (user: string) => (user === 'bob' ? ('any' as const) : undefined) };
      const { send, close, done, heard } = talk(maildrop, { accounts }, hastyClock());
      for (const bytes of lines) send(bytes);
      close();
      await done;
      await settled(3);
      assert.equal(maildrop.open_, 0);
      assert.ok(heard().startsWith('+OK'));
      assert.ok(heard().endsWith('\r\n'));
    }),
    { numRuns: 150 },
  );
});

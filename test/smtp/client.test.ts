// The client against scripted servers: honest ones, broken ones and hostile ones. Each row is a server's script, what must
// come of the message, and what the client must have sent. All rows run at several splits of the bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { asEhloError } from '../../src/base/errors.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { SmtpClient } from '../../src/smtp/client.ts';
import { verdictOf } from '../../src/smtp/phases.ts';
import { transaction } from '../../src/smtp/transaction.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';
import { fakeClock } from '../support/clock.ts';
import { scriptedPeer } from '../support/scripted.ts';

/** Short where the row is about silence; long enough elsewhere for a busy machine. */
const quick = { ...clientDeadlines, greeting: 60, reply: 60, writeStall: 60, dataVerdict: 60, quit: 60 };

interface Result {
  statuses: string[];
  error: string | null;
  mayDuplicate: boolean;
}

async function deliver(
  script: string,
  options: {
    split?: (bytes: Buffer) => Buffer[];
    silent?: boolean;
    to?: string[];
    body?: string;
    abort?: boolean;
    lmtp?: boolean;
  } = {},
): Promise<Result & { sent: string; scriptError: unknown }> {
  const [ours, theirs] = memoryPair(options.split ? { split: options.split } : {});
  const peer = scriptedPeer(theirs, script);
  let scriptError: unknown = null;
  peer.finished.catch((error) => {
    scriptError = error;
  });
  const wire = new Wire(ours, systemClock, new Transcript(() => 0));
  const client = new SmtpClient(wire, {
    deadlines: options.silent ? quick : clientDeadlines,
    protocol: options.lmtp ? 'lmtp' : 'smtp',
  });
  const to = (options.to ?? ['b@y.test']).map((address) => ({ address }));
  let result: Result;
  try {
    const banner = await client.greet();
    if (verdictOf('banner', banner) !== 'yes') throw new Error(`banner ${banner.code}`);
    await client.hello('client.test', 'helo');
    const body = Buffer.from(options.body ?? 'Subject: hi\r\n\r\n.dot\r\nend\r\n');
    const outcome = await transaction(
      client,
      { from: 'a@x.test', to },
      { source: bytesSource(body), eightBit: false, utf8Headers: false },
      { onReject: options.abort ? 'abort' : 'continue', pipelining: true },
    );
    let error = outcome.error;
    if (!error) error = await client.goodbye();
    result = {
      statuses: outcome.recipients.map((one) => one.status),
      error: error?.code ?? null,
      mayDuplicate: error?.mayDuplicate ?? false,
    };
  } catch (thrown) {
    const error = asEhloError(thrown);
    result = { statuses: [], error: error.code === 'internal' ? error.message : error.code, mayDuplicate: false };
  }
  wire.close();
  await new Promise((resolve) => setImmediate(resolve));
  return { ...result, sent: peer.received(), scriptError };
}

const hello = 'S: 220 mx.test ready\nC: EHLO client.test\nS: 250 mx.test';
const helloPipelining = 'S: 220 mx.test ready\nC: EHLO client.test\nS: 250-mx.test\nS: 250 PIPELINING';
const oneByOne = `${hello}\nC: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\n`;
const grouped = `${helloPipelining}\nC: MAIL\nC: RCPT\nC: DATA\n`;

interface Row {
  name: string;
  script: string;
  statuses?: string[];
  error: string | null;
  mayDuplicate?: true;
  silent?: true;
  to?: string[];
  abort?: true;
  lmtp?: true;
  neverSends?: string;
}

const rows: Row[] = [
  {
    name: 'one by one',
    script: `${oneByOne}S: 354 go\nM\nS: 250 2.0.0 queued\nC: QUIT\nS: 221 bye\nF`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: 'grouped',
    script: `${grouped}S: 250 ok\nS: 250 ok\nS: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: 'a bare 250 without text is legal',
    script: `${oneByOne}S: 354\nM\nS: 250\nC: QUIT\nS: 221`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: 'bare LF replies are taken',
    script: `S! 220 hi\\n\nC: EHLO\nS! 250 hi\\n\nC: MAIL\nS! 250 ok\\n\nC: RCPT\nS! 250 ok\\n\nC: DATA\nS! 354 go\\n\nM\nS! 250 ok\\n\nC: QUIT\nS: 221 bye`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: 'HELO where EHLO is unknown',
    script: `S: 220 hi\nC: EHLO\nS: 502 what\nC: HELO client.test\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: '250 to QUIT is tolerated',
    script: `${oneByOne}S: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 250 bye\nF`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: 'loss at QUIT changes nothing',
    script: `${oneByOne}S: 354 go\nM\nS: 250 ok\nC: QUIT\nR`,
    statuses: ['accepted'],
    error: null,
  },
  {
    name: '421 behind the verdict changes nothing',
    script: `${oneByOne}S: 354 go\nM\nS! 250 ok\\r\\n421 closing\\r\\n\nF`,
    statuses: ['accepted'],
    error: null,
  },

  { name: 'silence instead of a greeting', script: 'W', error: 'timeout', silent: true },
  { name: 'a greeting without end', script: `S! ${'220-x\\r\\n'.repeat(150)}`, error: 'reply-too-long' },
  { name: 'a greeting line without end', script: `S! ${'220 '.padEnd(9000, 'x')}`, error: 'line-too-long' },
  { name: 'a blank line', script: 'S:', error: 'reply-malformed' },
  {
    name: 'EHLO lines without end',
    script: `S: 220 hi\nC: EHLO\nS! ${'250-X\\r\\n'.repeat(300)}`,
    error: 'reply-too-long',
  },
  {
    name: 'all replies up front',
    script: 'S! 220 hi\\r\\n250 hi\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n221 bye\\r\\n',
    error: 'reply-out-of-turn',
    neverSends: 'MAIL',
  },
  {
    name: 'one reply too many after RCPT',
    script: `${hello}\nC: MAIL\nS: 250 ok\nC: RCPT\nS! 250 ok\\r\\n250 ok\\r\\n\nW`,
    statuses: ['deferred'],
    error: 'reply-out-of-turn',
    neverSends: 'DATA',
  },
  {
    name: 'one reply too many after 354',
    script: `${oneByOne}S! 354 go\\r\\n250 ok\\r\\n\nW`,
    statuses: ['deferred'],
    error: 'reply-out-of-turn',
    neverSends: 'Subject',
  },
  {
    name: 'one reply too many after the verdict',
    script: `${oneByOne}S: 354 go\nM\nS! 250 ok\\r\\n250 ok\\r\\n\nW`,
    statuses: ['unknown'],
    error: 'reply-out-of-turn',
    mayDuplicate: true,
  },
  {
    name: 'one reply too many, late',
    script: `${oneByOne}S: 354 go\nM\nS: 250 ok\nC: QUIT\nS! 250 ok\\r\\n221 bye\\r\\n`,
    statuses: ['accepted'],
    error: 'reply-out-of-turn',
  },
  {
    name: '250 in answer to DATA',
    script: `${oneByOne}S: 250 ok\nW`,
    statuses: ['deferred'],
    error: 'reply-unexpected',
    neverSends: 'Subject',
  },
  {
    name: '354 in answer to MAIL',
    script: `${hello}\nC: MAIL\nS: 354 go\nW`,
    statuses: ['deferred'],
    error: 'reply-unexpected',
  },
  {
    name: '354 in answer to RCPT',
    script: `${hello}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 354 go\nW`,
    statuses: ['deferred'],
    error: 'reply-unexpected',
  },
  {
    name: 'two codes in one reply',
    script: `${hello}\nC: MAIL\nS! 250-a\\r\\n550 b\\r\\n\nW`,
    statuses: ['deferred'],
    error: 'reply-malformed',
  },
  ...['2banana', '25 x', '2500 x', '22X', '220OK', '699 x', '199 x', '250_ok'].map((line) => ({
    name: `no reply: ${line}`,
    script: `${oneByOne}S: 354 go\nM\nS: ${line}\nW`,
    statuses: ['unknown'],
    error: 'reply-malformed',
    mayDuplicate: true as const,
  })),
  { name: 'an HTTP server', script: 'S: HTTP/1.1 400 Bad Request\nW', error: 'reply-malformed' },
  { name: 'an SSH server', script: 'S: SSH-2.0-OpenSSH_9.2\nW', error: 'reply-malformed' },

  {
    name: 'MAIL refused for good',
    script: `${hello}\nC: MAIL\nS: 550 5.7.1 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    statuses: ['rejected'],
    error: null,
  },
  {
    name: 'RCPT deferred',
    script: `${hello}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 450 4.2.0 later\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    statuses: ['deferred'],
    error: null,
  },
  {
    name: 'one of three refused',
    script: `${helloPipelining}\nC: MAIL\nC: RCPT\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    to: ['a@y.test', 'b@y.test', 'c@y.test'],
    statuses: ['accepted', 'rejected', 'accepted'],
    error: null,
  },
  {
    name: 'one of two refused, and none may then get it',
    script: `${helloPipelining}\nC: MAIL\nC: RCPT\nC: RCPT\nS: 250 ok\nS: 250 ok\nS: 550 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    to: ['a@y.test', 'b@y.test'],
    statuses: ['deferred', 'rejected'],
    error: null,
    abort: true,
    neverSends: 'DATA',
  },
  {
    name: 'all refused and 354 all the same',
    script: `${grouped}S: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 554 no recipients\nC: QUIT\nS: 221 bye`,
    statuses: ['rejected'],
    error: null,
    neverSends: 'Subject',
  },
  {
    name: 'LMTP: all refused and 354 all the same; nobody is left to be answered for',
    script:
      'S: 220 hi\nC: LHLO client.test\nS: 250-hi\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nC: QUIT\nS: 221 bye',
    statuses: ['rejected'],
    error: null,
    lmtp: true,
    neverSends: 'Subject',
  },
  {
    name: 'LMTP: a verdict for each recipient',
    script:
      'S: 220 hi\nC: LHLO client.test\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 ok\nS: 452 full\nC: QUIT\nS: 221 bye',
    to: ['a@y.test', 'b@y.test'],
    statuses: ['accepted', 'deferred'],
    error: null,
    lmtp: true,
  },
  {
    name: 'LMTP: lost between two verdicts',
    script:
      'S: 220 hi\nC: LHLO client.test\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 ok\nF',
    to: ['a@y.test', 'b@y.test'],
    statuses: ['accepted', 'unknown'],
    error: 'outcome-unknown',
    mayDuplicate: true,
    lmtp: true,
  },
  {
    name: 'MAIL refused in a group',
    script: `${grouped}S: 550 no\nS: 503 no\nS: 503 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye`,
    statuses: ['rejected'],
    error: null,
  },
  {
    name: 'replies short by one',
    script: `${grouped}S: 250 ok\nS: 250 ok\nW`,
    statuses: ['deferred'],
    error: 'timeout',
    silent: true,
  },
  {
    name: 'the message refused',
    script: `${oneByOne}S: 354 go\nM\nS: 554 5.7.1 spam\nC: QUIT\nS: 221 bye`,
    statuses: ['rejected'],
    error: null,
  },
  {
    name: 'the message deferred',
    script: `${oneByOne}S: 354 go\nM\nS: 451 4.3.0 later\nC: QUIT\nS: 221 bye`,
    statuses: ['deferred'],
    error: null,
  },
  {
    name: '421 to RCPT in a group',
    script: `${grouped}S: 250 ok\nS: 421 4.3.2 closing\nF`,
    statuses: ['deferred'],
    error: null,
  },
  { name: '421 to DATA', script: `${oneByOne}S: 421 closing\nF`, statuses: ['deferred'], error: null },
  {
    name: '421 after the dot',
    script: `${oneByOne}S: 354 go\nM\nS: 421 closing\nF`,
    statuses: ['deferred'],
    error: null,
  },
  {
    name: 'a message larger than SIZE',
    script: `S: 220 hi\nC: EHLO\nS: 250-hi\nS: 250 SIZE 10\nW`,
    statuses: ['deferred'],
    error: 'message-too-large',
    neverSends: 'MAIL',
  },

  { name: 'lost at MAIL', script: `${hello}\nC: MAIL\nR`, statuses: ['deferred'], error: 'lost' },
  { name: 'lost at RCPT', script: `${hello}\nC: MAIL\nS: 250 ok\nC: RCPT\nF`, statuses: ['deferred'], error: 'lost' },
  { name: 'lost at DATA', script: `${oneByOne}R`, statuses: ['deferred'], error: 'lost' },
  {
    name: 'closed right behind 354',
    script: `${oneByOne}S: 354 go\nF`,
    statuses: ['deferred'],
    error: 'lost',
    neverSends: 'Subject',
  },
  {
    name: 'lost after the dot',
    script: `${oneByOne}S: 354 go\nM\nR`,
    statuses: ['unknown'],
    error: 'outcome-unknown',
    mayDuplicate: true,
  },
  {
    name: 'half a verdict',
    script: `${oneByOne}S: 354 go\nM\nS! 250 queued as 12\nF`,
    statuses: ['unknown'],
    error: 'outcome-unknown',
    mayDuplicate: true,
  },
  {
    name: 'silence after the dot',
    script: `${oneByOne}S: 354 go\nM\nW`,
    statuses: ['unknown'],
    error: 'outcome-unknown',
    mayDuplicate: true,
    silent: true,
  },
];

const splits: Record<string, (bytes: Buffer) => Buffer[]> = {
  whole: (bytes) => [bytes],
  'byte by byte': (bytes) => [...bytes].map((byte) => Buffer.of(byte)),
  'in sevens': (bytes) =>
    Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7)),
};

/** Byte by byte, what lies behind a reply is seen only later: rows about one segment hold for the whole split alone. */
const oneSegment = /too many|up front/;

for (const [name, split] of Object.entries(splits)) {
  test(`outcome of a transaction, ${name}`, async (t) => {
    for (const row of rows) {
      if (name !== 'whole' && (oneSegment.test(row.name) || row.silent)) continue;
      await t.test(row.name, async () => {
        const { statuses, error, mayDuplicate, sent, scriptError } = await deliver(row.script, { ...row, split });
        assert.equal(scriptError, null);
        assert.deepEqual(
          { statuses, error, mayDuplicate },
          { statuses: row.statuses ?? [], error: row.error, mayDuplicate: row.mayDuplicate ?? false },
        );
        if (row.neverSends) assert.ok(!sent.includes(row.neverSends), `sent: ${sent}`);
      });
    }
  });
}

test('with PIPELINING, MAIL, RCPT and DATA go out in one write, and the message with its end in another', async () => {
  const writes: string[] = [];
  const script = `${grouped}S: 250 ok\nS: 250 ok\nS: 354 go\nM\nS: 250 ok\nC: QUIT\nS: 221 bye`;
  const result = await deliver(script, {
    split: (bytes) => {
      writes.push(bytes.toString());
      return [bytes];
    },
  });
  assert.deepEqual(result.statuses, ['accepted']);
  const ours = writes.filter((text) => /^(EHLO|MAIL|Subject|QUIT)/.test(text));
  assert.deepEqual(ours, [
    'EHLO client.test\r\n',
    'MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n',
    'Subject: hi\r\n\r\n..dot\r\nend\r\n.\r\n',
    'QUIT\r\n',
  ]);
});

test('a bare line end in the message is refused with its offset and the end of data is never sent', async () => {
  const script = `${oneByOne}S: 354 go\nM\nS: 250 ok`;
  const result = await deliver(script, { body: 'Subject: hi\r\n\r\nbare\nline\r\n' });
  assert.equal(result.error, 'bare-line-end');
  assert.ok(!result.sent.includes('\r\n.\r\n'));
});

test('a server that never reads the rest of a large message has not got it', async () => {
  const [ours, theirs] = memoryPair();
  scriptedPeer(theirs, `${oneByOne}S: 354 go\nW`).finished.catch(() => {});
  let full = false;
  const never: Channel = {
    peer: ours.peer,
    attach: (sink) => ours.attach(sink),
    // The kernel takes no more: nobody says that the bytes are out.
    write: (bytes, done) => {
      full ||= bytes.length > 100_000;
      if (!full) ours.write(bytes, done);
    },
    pause: () => ours.pause(),
    resume: () => ours.resume(),
    startTls: (options, deadlineMs) => ours.startTls(options, deadlineMs),
    end: () => ours.end(),
    destroy: () => ours.destroy(),
  };
  const client = new SmtpClient(new Wire(never, systemClock), {
    deadlines: { ...clientDeadlines, writeStall: 20 },
    protocol: 'smtp',
  });
  await client.greet();
  await client.hello('client.test', 'none');
  const outcome = await transaction(
    client,
    { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
    { source: bytesSource(Buffer.from('text of a line\r\n'.repeat(50_000))), eightBit: false, utf8Headers: false },
    { onReject: 'continue', pipelining: true },
  );
  assert.deepEqual([outcome.error?.code, outcome.recipients[0]?.status], ['timeout', 'deferred']);
});

test('a reply that never ends is late by the whole time that it had, not by its last wait', async () => {
  const [ours, theirs] = memoryPair();
  const clock = fakeClock();
  theirs.attach({ data() {}, end() {} });
  const client = new SmtpClient(new Wire(ours, clock), { deadlines: clientDeadlines, protocol: 'smtp' });
  const greeted = client.greet().catch((error) => error);
  for (let at = 0; at < 70; at++) {
    theirs.write(Buffer.from('2'), () => {});
    await clock.advance(1000);
  }
  const error = await greeted;
  assert.equal(error.code, 'timeout');
  assert.match(error.message, /within 60000 ms$/);
});

test('a command with a line end in it never goes out', async () => {
  const [ours, theirs] = memoryPair();
  const peer = scriptedPeer(theirs, 'W');
  const client = new SmtpClient(new Wire(ours, systemClock), { deadlines: clientDeadlines, protocol: 'smtp' });
  await assert.rejects(client.hello('x\r\nMAIL FROM:<>', 'none'), { code: 'internal' });
  assert.equal(peer.received(), '');
});

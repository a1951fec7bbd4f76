// A channel may tell that bytes went out only after the answer to them has come in: TLS does, in one turn of the event loop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { SmtpClient } from '../../src/smtp/client.ts';
import { transaction } from '../../src/smtp/transaction.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Wire } from '../../src/wire/wire.ts';
import { scriptedPeer } from '../support/scripted.ts';

/** Reports a write as done one turn after the next bytes came in. */
function lateChannel(inner: Channel): Channel {
  let held: (() => void)[] = [];
  return {
    peer: inner.peer,
    attach: (sink) =>
      inner.attach({
        data: (chunk) => {
          const done = held;
          held = [];
          setImmediate(() => {
            for (const one of done) one();
          });
          sink.data(chunk);
        },
        end: (cause) => sink.end(cause),
      }),
    write: (bytes, done) => inner.write(bytes, (failure) => held.push(() => done(failure))),
    pause: () => inner.pause(),
    resume: () => inner.resume(),
    startTls: (options, deadlineMs) => inner.startTls(options, deadlineMs),
    end: () => inner.end(),
    destroy: () => inner.destroy(),
  };
}

const rows = [
  { reply: '250 2.0.0 queued', status: 'accepted' },
  { reply: '550 5.7.1 no', status: 'rejected' },
  { reply: '451 4.0.0 later', status: 'deferred' },
];
for (const { reply, status } of rows) {
  test(`"${reply}" counts although it overtook the news that the end of data went out`, async () => {
    const [ours, theirs] = memoryPair();
    scriptedPeer(
      theirs,
      `S: 220 mx.test ready\nC: EHLO client.test\nS: 250 mx.test\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: ${reply}\nC: QUIT\nS: 221 bye`,
    ).finished.catch(() => {});
    const client = new SmtpClient(new Wire(lateChannel(ours), systemClock), {
      deadlines: clientDeadlines,
      protocol: 'smtp',
    });
    await client.greet();
    await client.hello('client.test', 'none');
    const outcome = await transaction(
      client,
      { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
      { source: bytesSource(Buffer.from('Subject: hi\r\n\r\nend\r\n')), eightBit: false, utf8Headers: false },
      { onReject: 'continue', pipelining: true },
    );
    assert.equal(outcome.error, null);
    assert.deepEqual([outcome.recipients[0]?.status, outcome.usable], [status, true]);
    client.wire.close();
  });
}

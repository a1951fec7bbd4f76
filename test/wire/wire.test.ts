// The conversation over a channel: lines, blocks and counts at any split, deadlines that a drip cannot extend, TLS injection.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { readHighWater } from '../../src/base/limits.ts';
import type { Channel, ChannelSink, TlsFacts } from '../../src/wire/channel.ts';
import { DotWriter } from '../../src/wire/dot.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';
import { fakeClock, settled } from '../support/clock.ts';
import { cut, cutLengths, simpleSplits } from '../support/splits.ts';

const tls: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  authorized: true,
  error: null,
  cause: null,
  subject: 'mx.example',
  issuer: null,
  validFrom: null,
  validTo: null,
  altNames: [],
  fingerprint: null,
};

const far = Number.POSITIVE_INFINITY;
const pace = { stallMs: 1000 };

const failsWith = (code: ErrorCode, message?: RegExp) => (error: unknown) =>
  error instanceof EhloError && error.code === code && (message === undefined || message.test(error.message));

/** A wire whose peer is the test. */
function open(): { wire: Wire; peer: Channel; say: (text: string) => void; clock: ReturnType<typeof fakeClock> } {
  const clock = fakeClock();
  const [near, peer] = memoryPair({ tls, names: ['near', 'peer'] });
  const wire = new Wire(near, clock);
  return { wire, peer, clock, say: (text) => peer.write(Buffer.from(text, 'latin1'), () => {}) };
}

/** A channel that keeps what is written until the test says that it went out. */
function stuckChannel(): {
  channel: Channel;
  sink: () => ChannelSink;
  release: (failure?: Error) => void;
  calls: string[];
} {
  const waiting: ((failure?: Error) => void)[] = [];
  const calls: string[] = [];
  let sink: ChannelSink | undefined;
  const channel: Channel = {
    peer: 'stuck',
    attach: (given) => {
      sink = given;
    },
    write: (_bytes, done) => waiting.push(done),
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    startTls: () => Promise.reject(new Error('none')),
    end: () => calls.push('end'),
    destroy: () => calls.push('destroy'),
  };
  return {
    channel,
    calls,
    sink: () => sink ?? assert.fail('nobody attached'),
    release: (failure) => {
      for (const done of waiting.splice(0)) done(failure);
    },
  };
}

async function allLines(wire: Wire, limit = 100): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = wire.takeLine(limit) ?? (await wire.readLine(limit, far));
    if (!line) return lines;
    lines.push(`${line.bytes.toString('latin1')}|${line.ending}`);
  }
}

describe('lines', () => {
  test('any bytes give the same lines at any split', async () => {
    const text = fc
      .array(fc.constantFrom('\r\n', '\n', '\r', 'a', '250 ok', '\0\xff'), { maxLength: 30 })
      .map((parts) => `${parts.join('')}\n`);
    await fc.assert(
      fc.asyncProperty(text, cutLengths, async (said, lengths) => {
        const expected = said
          .split('\n')
          .slice(0, -1)
          .map((line) => (line.endsWith('\r') ? `${line.slice(0, -1)}|crlf` : `${line}|lf`));
        const { wire, peer } = open();
        for (const chunk of cut(Buffer.from(said, 'latin1'), lengths)) peer.write(chunk, () => {});
        peer.end();
        assert.deepEqual(await allLines(wire, 1000), expected);
      }),
      { numRuns: 200 },
    );
  });

  test('a clean end between two lines is undefined, within a line it is lost', async () => {
    const { wire, peer, say } = open();
    say('220 hi\r\n250 half');
    peer.end();
    assert.equal((await wire.readLine(100, far))?.bytes.toString(), '220 hi');
    await assert.rejects(wire.readLine(100, far), failsWith('lost', /in the middle of a line/));

    const clean = open();
    clean.peer.end();
    assert.equal(await clean.wire.readLine(100, far), undefined);
  });

  test('a reset is lost, with the reason in words', async () => {
    const { wire, peer } = open();
    peer.destroy();
    await assert.rejects(
      wire.readLine(100, far),
      failsWith('lost', /peer closed the connection at stage connect \(connection reset\)/),
    );
  });

  test('a line of exactly the limit passes, one byte more does not, whether or not its end has come', async () => {
    for (const chunks of simpleSplits(Buffer.from('12345678\r\n'))) {
      const { wire, peer } = open();
      for (const chunk of chunks) peer.write(chunk, () => {});
      assert.equal((await wire.readLine(10, far))?.bytes.toString(), '12345678');
    }
    for (const text of ['123456789\r\n', '1234567890', '12345678901234567890']) {
      for (const chunks of simpleSplits(Buffer.from(text))) {
        const { wire, peer } = open();
        for (const chunk of chunks) peer.write(chunk, () => {});
        await assert.rejects(wire.readLine(10, far), failsWith('line-too-long', /more than 10 bytes/));
      }
    }
  });
});

describe('deadlines', () => {
  test('a byte a second does not extend the deadline of a line', async () => {
    const { wire, say, clock } = open();
    wire.stage = 'banner';
    const reading = assert.rejects(
      wire.readLine(100, clock.now() + 5000),
      failsWith('timeout', /peer at stage banner/),
    );
    for (let second = 0; second < 5; second++) {
      say('2');
      await clock.advance(1000);
    }
    await reading;
    assert.equal(clock.now(), 5000);
  });

  test('silence ends at the deadline and not before', async () => {
    const { wire, say, clock } = open();
    const late = wire.readLine(100, 1000);
    await clock.advance(999);
    say('ok\r\n');
    await clock.advance(0);
    assert.equal((await late)?.bytes.toString(), 'ok');
    const silent = assert.rejects(wire.readLine(100, 2000), failsWith('timeout'));
    await clock.advance(1001);
    await silent;
  });

  test('a shorter deadline after a longer one is kept, and the reverse', async () => {
    const { wire, say, clock } = open();
    const first = wire.readLine(100, 10_000);
    await clock.advance(1);
    say('a\r\n');
    await settled();
    await first;
    const second = assert.rejects(wire.readLine(100, 500), failsWith('timeout'));
    await clock.advance(600);
    await second;
    const third = wire.readLine(100, 20_000);
    await clock.advance(15_000);
    say('b\r\n');
    await settled();
    assert.equal((await third)?.bytes.toString(), 'b');
  });
});

describe('blocks', () => {
  test('a dot block reads the same at any split, and what follows is left', async () => {
    const text = fc
      .array(fc.constantFrom('\r\n', '.', 'a', 'line of text', '\r\n.'), { maxLength: 30 })
      .map((parts) => Buffer.from(`${parts.join('')}\r\n`));
    await fc.assert(
      fc.asyncProperty(text, cutLengths, async (content, lengths) => {
        const writer = new DotWriter();
        const block = Buffer.concat([...writer.write(content), writer.end(), Buffer.from('QUIT\r\n')]);
        const { wire, peer } = open();
        for (const chunk of cut(block, lengths)) peer.write(chunk, () => {});
        const parts: Buffer[] = [];
        const report = await wire.readDots({ write: (part) => void parts.push(Buffer.from(part)) }, pace);
        assert.deepEqual(Buffer.concat(parts), content);
        assert.deepEqual(report, { bytes: content.length });
        assert.equal((await wire.readLine(100, far))?.bytes.toString(), 'QUIT');
      }),
      { numRuns: 200 },
    );
  });

  test('readExact takes that many bytes, at every split', async () => {
    for (const chunks of simpleSplits(Buffer.from('abc\r\nX\r\n'))) {
      const { wire, peer } = open();
      for (const chunk of chunks) peer.write(chunk, () => {});
      const parts: Buffer[] = [];
      await wire.readExact(5, { write: (part) => void parts.push(Buffer.from(part)) }, pace);
      assert.equal(Buffer.concat(parts).toString(), 'abc\r\n');
      assert.equal((await wire.readLine(100, far))?.bytes.toString(), 'X');
    }
  });

  test('a sink that is slow holds the reading back', async () => {
    const { wire, say } = open();
    let free = (): void => {};
    const seen: string[] = [];
    const reading = wire.readDots(
      {
        write: (part) => {
          seen.push(part.toString());
          return new Promise<void>((resolve) => {
            free = resolve;
          });
        },
      },
      pace,
    );
    say('one\r\n');
    await settled();
    say('two\r\n.\r\n');
    await settled();
    assert.deepEqual(seen, ['one\r\n']);
    free();
    await settled();
    assert.deepEqual(seen, ['one\r\n', 'two\r\n']);
    free();
    await reading;
  });

  test('a body that stalls times out, and so does one below the pace after the grace', async () => {
    const stalled = open();
    const stall = assert.rejects(stalled.wire.readDots({ write() {} }, { stallMs: 1000 }), failsWith('timeout'));
    stalled.say('half a li');
    await stalled.clock.advance(1001);
    await stall;

    const dripping = open();
    const drip = assert.rejects(
      dripping.wire.readDots({ write() {} }, { stallMs: 1000, graceMs: 5000, bytesPerSecond: 100 }),
      failsWith('timeout', /slower than 100 bytes a second/),
    );
    for (let second = 0; second < 12; second++) {
      dripping.say('x');
      await dripping.clock.advance(500);
    }
    await drip;
  });

  test('the end of the connection within a block is lost', async () => {
    const { wire, peer, say } = open();
    const reading = assert.rejects(wire.readDots({ write() {} }, pace), failsWith('lost'));
    say('text\r\n.');
    peer.end();
    await reading;
  });
});

describe('back-pressure', () => {
  test('an unread peer is paused at the high-water mark and resumed once half is read', () => {
    const { channel, sink, calls } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    sink().data(Buffer.from(`${'x'.repeat(99)}\n`.repeat(readHighWater / 100 + 1)));
    assert.deepEqual(calls, ['pause']);
    while (wire.takeLine(200)) if (wire.buffered < readHighWater / 2) break;
    assert.deepEqual(calls, ['pause', 'resume']);
  });
});

describe('flush', () => {
  test('waits until what was written is handed on', async () => {
    const { channel, release } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    wire.write('MAIL FROM:<>\r\n');
    let state = 'waiting';
    const flushing = wire.flush(far).then((result) => {
      state = result;
    });
    await settled();
    assert.equal(state, 'waiting');
    release();
    await flushing;
    assert.equal(state, 'sent');
  });

  test('comes back with input when the peer speaks meanwhile', async () => {
    const { channel, sink } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    wire.write('body');
    const flushing = wire.flush(far);
    sink().data(Buffer.from('552 too much\r\n'));
    assert.equal(await flushing, 'input');
  });

  test('a peer that never reads times out', async () => {
    const { channel } = stuckChannel();
    const clock = fakeClock();
    const wire = new Wire(channel, clock);
    wire.write('body');
    const flushing = assert.rejects(wire.flush(1000), failsWith('timeout'));
    await clock.advance(1000);
    await flushing;
  });

  test('a failed write is lost', async () => {
    const { channel, release } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    wire.write('body');
    const flushing = assert.rejects(wire.flush(far), failsWith('lost', /connection reset while writing/));
    release(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await flushing;
  });

  test('more than the high-water mark unsent is congestion', () => {
    const { channel, release } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    wire.write(Buffer.alloc(300 * 1024));
    assert.equal(wire.congested, true);
    release();
    assert.equal(wire.congested, false);
  });

  test('nothing is written after close', () => {
    const { channel, calls } = stuckChannel();
    const wire = new Wire(channel, fakeClock());
    wire.close();
    wire.write('x'.repeat(300 * 1024));
    assert.equal(wire.congested, false);
    assert.deepEqual(calls, ['end']);
  });
});

describe('STARTTLS', () => {
  const options = { role: 'client', servername: 'mx.example' } as const;

  test('bytes behind the line that allowed it are an attack, at every split', async () => {
    for (const injected of ['250 injected\r\n', 'x', '\r\n']) {
      for (const chunks of simpleSplits(Buffer.from(`220 go\r\n${injected}`))) {
        const { wire, peer } = open();
        for (const chunk of chunks) peer.write(chunk, () => {});
        await wire.readLine(100, far);
        await settled(chunks.length + 2);
        await assert.rejects(wire.startTls(options, 1000), failsWith('starttls-injection'));
        assert.equal(wire.tls, undefined);
      }
    }
  });

  test('its facts are kept, and the transcript says so from there on', async () => {
    const clock = fakeClock();
    const [near, peer] = memoryPair({ tls });
    const transcript = new Transcript(clock.now);
    const wire = new Wire(near, clock, transcript);
    peer.write(Buffer.from('220 go\r\n'), () => {});
    await wire.readLine(100, far);
    assert.equal((await wire.startTls(options, 1000)).protocol, 'TLSv1.3');
    assert.equal(wire.tls?.cipher, 'TLS_AES_128_GCM_SHA256');
    assert.deepEqual(
      transcript.events.map(({ dir, tls, text }) => ({ dir, tls, text })),
      [{ dir: 'info', tls: true, text: 'TLS TLSv1.3 TLS_AES_128_GCM_SHA256' }],
    );
  });
});

// A send that is ended from outside: Ctrl-C, SIGTERM, --max-time. What the server has then, and what the one document says.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { socketChannel } from '../../src/net/channel.ts';
import { type Ran, type RunOptions, runBundled } from '../support/program.ts';
import { scriptedPeer } from '../support/scripted.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
/** More than sockets hold: the client is still writing when nobody reads on. */
const large = join(directory, 'large.eml');
writeFileSync(large, `Subject: large\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(300_000)}`);

const untilData = 'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go';

/** Runs a send against a script. `stuck`: the server reads no further then. `end` is called once the script has come to its end. */
async function sendTo(
  script: string,
  args: string[],
  end: (child: { kill(signal: NodeJS.Signals): boolean }) => void,
  options: RunOptions & { stuck?: boolean } = {},
): Promise<Ran & { received: string }> {
  let received = () => '';
  let reached = () => {};
  let letGo = () => {};
  let readOut = (): Promise<void> => Promise.resolve();
  const there = new Promise<void>((resolve) => (reached = resolve));
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = scriptedPeer(socketChannel(socket, 'client'), script);
    received = peer.received;
    // All that the client had handed on, up to the end of its connection.
    readOut = () =>
      new Promise((resolve) => {
        if (socket.closed || socket.readableEnded) resolve();
        socket
          .once('end', resolve)
          .once('close', () => resolve())
          .resume();
      });
    peer.finished.then(() => {
      if (options.stuck) socket.pause();
      reached();
    }, reached);
    letGo = () => socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    const ran = await runBundled(['send', '--server', `127.0.0.1:${port}`, '--from', 'a@x.test', 'b@y.test', ...args], {
      ...options,
      started: (child) => void there.then(() => end(child)),
    });
    if (options.stuck) await readOut();
    return { ...ran, received: received() };
  } finally {
    letGo();
    server.close();
  }
}

const oneDocument = (ran: Ran) => {
  const { ok, exit, error, recipients } = JSON.parse(ran.stdout);
  assert.equal(ran.stderr, '');
  return { ok, exit, code: error.code, mayDuplicate: error.mayDuplicate, status: recipients?.[0]?.status };
};

describe('a send that is ended from outside', { concurrency: 2 }, () => {
  for (const [signal, code, error] of [
    ['SIGINT', 130, 'interrupted'],
    ['SIGTERM', 143, 'terminated'],
  ] as const) {
    test(`${signal} in the middle of the message: the end of data never goes out`, async () => {
      const ran = await sendTo(`${untilData}\nC: Subject`, ['--raw', large, '--json'], (child) => child.kill(signal), {
        stuck: true,
      });
      assert.equal(ran.code, code, ran.stderr);
      assert.deepEqual(oneDocument(ran), {
        ok: false,
        exit: { code, name: signal },
        code: error,
        mayDuplicate: false,
        status: 'deferred',
      });
      assert.doesNotMatch(ran.received, /\r\n\.\r\n/);
    });
  }

  test('SIGINT while waiting for a reply says that nothing was sent', async () => {
    const ran = await sendTo('S: 220 hi\nC: EHLO', ['--body', 'hi'], (child) => child.kill('SIGINT'));
    assert.equal(ran.code, 130);
    assert.match(ran.stderr, /^ehlo: interrupted by SIGINT[\s\S]*nothing was sent/);
    assert.doesNotMatch(ran.received, /MAIL/);
  });

  test('SIGINT behind the end of data: nobody knows, and that is said', async () => {
    const script = `${untilData}\nM`;
    const ran = await sendTo(script, ['--body', 'hi', '--json'], (child) => child.kill('SIGINT'));
    assert.equal(ran.code, 4);
    assert.deepEqual(oneDocument(ran), {
      ok: false,
      exit: { code: 4, name: 'UNKNOWN' },
      code: 'outcome-unknown',
      mayDuplicate: true,
      status: 'unknown',
    });
  });

  test('--max-time is a timeout that names itself, in one document', async () => {
    const ran = await sendTo('S: 220 hi\nC: EHLO', ['--body', 'hi', '--json', '--max-time', '400ms'], () => {});
    assert.equal(ran.code, 75);
    assert.deepEqual(oneDocument(ran).code, 'timeout');
    assert.match(JSON.parse(ran.stdout).error.message, /--max-time/);
  });

  test('--max-time also ends the wait for standard input', async () => {
    const ran = await sendTo('W', ['--json', '--max-time', '300ms'], () => {}, { keepInput: true });
    assert.equal(ran.code, 75);
    const { error } = JSON.parse(ran.stdout);
    assert.match(error.message, /--max-time/);
    assert.equal(ran.received, '');
  });

  for (const [what, args, exit] of [
    ['a missing file', ['--raw', '/nowhere/x.eml'], 66],
    ['a bad address', ['--body', 'hi', 'not an address'], 65],
    ['a bad option', ['--tls', 'perhaps'], 64],
  ] as const) {
    test(`${what} is one document too`, async () => {
      const ran = await sendTo('W', [...args, '--json'], () => {});
      assert.equal(ran.code, exit);
      const document = JSON.parse(ran.stdout);
      assert.deepEqual([document.command, document.ok, document.exit.code], ['send', false, exit]);
      assert.equal(ran.stderr, '');
    });
  }
});

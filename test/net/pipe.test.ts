// A child process in place of a connection: real shells and node children, with a clock that the test moves for the grace.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Connection } from '../../src/app/connection.ts';
import { emptyInput } from '../../src/app/message-input.ts';
import { send } from '../../src/app/send.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { parseConnection } from '../../src/cli/connection.ts';
import { createPorts } from '../../src/cli/ports.ts';
import { openPipe, type Pipe } from '../../src/net/pipe.ts';
import type { Channel } from '../../src/wire/channel.ts';
import { testCertificate, testKey } from '../support/certificate.ts';
import { type FakeClock, fakeClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

const open = async (t: TestContext, command: string, clock = fakeClock()): Promise<Pipe> => {
  const pipe = await openPipe(command, clock);
  t.after(async () => {
    pipe.channel.destroy();
    await clock.advance(10_000);
    await pipe.ended;
  });
  return pipe;
};

/** A node child; no quotes of the shell are in the code. */
const nodeChild = (code: string): string =>
  `'${process.execPath}' --input-type=commonjs -e "eval(Buffer.from('${Buffer.from(code).toString('base64')}','base64').toString())"`;

function reader(channel: Channel): { until(mark: string): Promise<string>; ended: Promise<void> } {
  let text = '';
  let over = false;
  let wake = (): void => undefined;
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  channel.attach({
    data(chunk) {
      text += chunk.toString('latin1');
      wake();
    },
    end() {
      over = true;
      wake();
      end();
    },
  });
  return {
    ended,
    async until(mark) {
      while (!text.includes(mark)) {
        if (over) throw new Error(`the command ended after "${text}"`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const found = text.slice(0, text.indexOf(mark) + mark.length);
      text = text.slice(found.length);
      return found;
    },
  };
}

const say = (channel: Channel, text: string): void => channel.write(Buffer.from(text), () => undefined);

test('its output arrives, it gets what is written, and ends when its input does', async (t) => {
  const { channel, ended } = await open(t, 'printf "220 hi\\r\\n"; tr a-z A-Z');
  assert.equal(channel.peer, 'pipe: printf "220 hi\\r\\n"; tr a-z A-Z');
  assert.equal(channel.ends, undefined);
  const input = reader(channel);
  assert.equal(await input.until('\r\n'), '220 hi\r\n');
  say(channel, 'quit\r\n');
  channel.end();
  await ended;
});

test('the end of the command is the end of what it says', async (t) => {
  const { channel, ended } = await open(t, 'printf bye; exit 3');
  const input = reader(channel);
  assert.equal(await input.until('bye'), 'bye');
  await Promise.all([input.ended, ended]);
});

test('a command that is not there ends at once', async (t) => {
  const { channel, ended } = await open(t, 'exec 2>&-; /nonexistent/command');
  const input = reader(channel);
  await assert.rejects(input.until('220'), /ended after ""/);
  await ended;
});

test('a lot of bytes in both directions, with the reader pausing', async (t) => {
  const { channel } = await open(t, 'cat');
  const size = 3_000_000;
  let got = 0;
  const all = new Promise<void>((resolve) => {
    channel.attach({
      data(chunk) {
        got += chunk.length;
        channel.pause();
        setImmediate(() => channel.resume());
        if (got === size) resolve();
      },
      end: () => undefined,
    });
  });
  channel.write(Buffer.alloc(size, 'x'), () => undefined);
  await all;
});

test('TLS goes over it in place, and ends with it', async (t) => {
  const server = `
    const plain = new (require('node:net').Socket)({ fd: 0, readable: true, writable: true });
    const { TLSSocket } = require('node:tls');
    const facts = ${JSON.stringify({ isServer: true, cert: testCertificate, key: testKey })};
    plain.once('data', () => {
      plain.pause();
      plain.write('220 go\\r\\n');
      const tls = new TLSSocket(plain, facts);
      tls.on('data', (chunk) => tls.write(chunk.toString().toUpperCase()));
      tls.on('end', () => process.exit(0));
    });
  `;
  const { channel, ended } = await open(t, nodeChild(server));
  const input = reader(channel);
  say(channel, 'STARTTLS\r\n');
  assert.equal(await input.until('\r\n'), '220 go\r\n');
  const options = { role: 'client', servername: 'localhost', ca: Buffer.from(testCertificate) } as const;
  const facts = await channel.startTls(options, 10_000);
  assert.equal(facts.authorized, true);
  say(channel, 'ehlo\r\n');
  assert.equal(await input.until('\r\n'), 'EHLO\r\n');
  channel.end();
  await ended;
});

test('what ignores the end of its input is ended: SIGTERM after the grace, SIGKILL after another', async (t) => {
  for (const { stubborn, at } of [
    { stubborn: false, at: 2000 },
    { stubborn: true, at: 4000 },
  ]) {
    const moved = fakeClock();
    let armed = (): void => undefined;
    const grace = new Promise<void>((resolve) => {
      armed = resolve;
    });
    const clock: FakeClock = {
      ...moved,
      after: (ms, run) => {
        armed();
        return moved.after(ms, run);
      },
    };
    const trap = stubborn ? "process.on('SIGTERM', () => {});" : '';
    const { channel, ended } = await open(
      t,
      `exec ${nodeChild(`${trap} setInterval(() => {}, 1000); console.log('ready')`)}`,
      clock,
    );
    const input = reader(channel);
    await input.until('ready');
    let over = false;
    void ended.then(() => {
      over = true;
    });
    channel.end();
    await grace;
    await clock.advance(at - 1);
    assert.equal(over, false, `ended before ${at} ms`);
    await clock.advance(1);
    await ended;
  }
});

test('a signal reaches the program itself, not only the shell that began it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'slow'), 'echo $$; exec sleep 1000');
  const clock = fakeClock();
  const { channel, ended } = await open(t, `sh ${directory}/slow "$HOME"`, clock);
  const pid = Number(await reader(channel).until('\n'));
  channel.destroy();
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over) await clock.advance(100);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('what is no program is left to the shell', async (t) => {
  for (const [command, says] of [
    ['echo a; echo b', 'a\nb\n'],
    ['echo "$1[$2]"', '[]\n'],
    ['X=1 sh -c "echo \\$X"', '1\n'],
    ['if true; then echo yes; fi', 'yes\n'],
    ['umask 22', ''],
  ] as const) {
    const { channel, ended } = await open(t, command);
    const input = reader(channel);
    if (says) assert.equal(await input.until(says), says);
    await Promise.all([input.ended, ended]);
  }
});

test('it sees our environment, but no variable of ours', async (t) => {
  process.env['EHLO_PIPE_TEST'] = 'hunter2';
  process.env['PIPE_TEST'] = 'seen';
  t.after(() => {
    delete process.env['EHLO_PIPE_TEST'];
    delete process.env['PIPE_TEST'];
  });
  const { channel } = await open(t, 'echo "[$EHLO_PIPE_TEST$PIPE_TEST]"');
  assert.equal(await reader(channel).until('\n'), '[seen]\n');
});

const smtpChild = nodeChild(`
  const say = (text) => process.stdout.write(text + '\\r\\n');
  let body = false;
  say('220 hi');
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    if (body ? line !== '.' : /^DATA/.test(line)) {
      if (!body) say('354 go');
      body = true;
    } else {
      say(body ? '250 queued as PIPE1' : /^QUIT/.test(line) ? '221 bye' : /^EHLO/.test(line) ? '250-hi\\r\\n250 AUTH PLAIN' : '250 ok');
      body = false;
    }
  });
`);

async function sendThrough(t: TestContext, login: Partial<Connection> = {}) {
  const { signal } = new AbortController();
  const ports = createPorts({ stdin: () => process.stdin, signal });
  t.after(() => ports.settled?.());
  const connection = { ...(await parseConnection({ pipe: smtpChild }, testContext({ ports }))), ...login };
  const input = { ...emptyInput, from: 'a@x.test', to: ['b@y.test'], text: { kind: 'text' as const, text: 'hi' } };
  const request = { connection, input, onReject: 'continue' as const, pipelining: false, dryRun: false };
  return (await send(request, ports, { scrubber: new Scrubber(), signal })).report;
}

test('a message goes to an SMTP server that is a child process', async (t) => {
  const report = await sendThrough(t);
  assert.deepEqual([report.exit.name, report.queueId], ['OK', 'PIPE1']);
  assert.deepEqual([report.server?.host, report.server?.port], ['pipe', 0]);
});

test('no password goes to a command without TLS: nobody knows where it takes it', async (t) => {
  const credentials = { user: 'me', password: new Secret('hunter2') };
  const { error } = await sendThrough(t, { credentials });
  assert.equal(error?.code, 'tls-unavailable');
  const off = await sendThrough(t, { credentials, tls: 'off' });
  assert.equal(off.error?.code, 'auth-plaintext');
});

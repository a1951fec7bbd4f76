// `ehlo fetch` as a user meets it: options, standard output and files, against our own server in memory.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Command } from 'commander';
import type { Ports } from '../../src/app/ports.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { Scrubber } from '../../src/base/secret.ts';
import type { Context } from '../../src/cli/command.ts';
import { fetchCommand } from '../../src/cli/commands/fetch.ts';
import { withOrigins } from '../../src/cli/origins.ts';
import { servePop3 } from '../../src/pop3/server.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Wire } from '../../src/wire/wire.ts';
import { LabMaildrop, serverOptions } from '../pop3/lab.ts';
import { accountsOf } from '../smtp/dialog.ts';

const root = mkdtempSync(join(tmpdir(), 'ehlo-fetch-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `case-${++count}`);

class Capture {
  text = '';
  isTTY = false;
  width = 80;
  style = (_role: string, text: string) => text;
  write(text: string | Buffer): void {
    this.text += typeof text === 'string' ? text : text.toString('latin1');
  }
}

const unused = () => assert.fail('not needed here');

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  deleted: number[];
}

/** `words` as on the command line, behind `ehlo fetch`. */
async function ehloFetch(
  words: string[],
  setting: {
    messages?: string[];
    format?: Context['format'];
    verbosity?: number;
    tty?: boolean;
    /** As layers leave them. */
    options?: Record<string, unknown>;
  } = {},
): Promise<Ran> {
  const maildrop = new LabMaildrop((setting.messages ?? []).map((text) => Buffer.from(text)));
  const accounts = accountsOf('bob', 'sesame');
  const ports: Ports = {
    clock: systemClock,
    dial: async () => {
      const [ours, theirs] = memoryPair();
      void servePop3(new Wire(theirs, systemClock), serverOptions(maildrop, { accounts }));
      return ours;
    },
    resolve: { exchange: { exchange: unused }, systemServers: () => [], lookup: unused },
    listen: unused,
    listenDns: unused,
    files: { read: unused, spool: unused },
    hostname: () => 'here.test',
  };
  const stdout = new Capture();
  const stderr = new Capture();
  stdout.isTTY = setting.tty ?? false;
  const command = new Command('fetch').exitOverride();
  fetchCommand.define(command);
  command.parse(words, { from: 'user' });
  const code = await fetchCommand.run(command.args, Object.assign(command.opts(), setting.options), {
    ports,
    stdin: process.stdin,
    stdout,
    stderr,
    env: { PW: 'sesame' },
    signal: new AbortController().signal,
    format: setting.format ?? 'human',
    verbosity: setting.verbosity ?? 0,
    interactive: false,
    scrubber: new Scrubber(),
  });
  return { code, stdout: stdout.text, stderr: stderr.text, deleted: maildrop.deleted };
}

const url = ['pop3://bob@127.0.0.1:1110', '--password-env', 'PW'];
const letter = (subject: string) => `Subject: ${subject}\r\nFrom: a@x.test\r\n\r\n.text\r\n`;
const messages = [letter('one'), letter('two')];

describe('a configuration', () => {
  const layered = (name: string, value: string | boolean): Record<string, unknown> =>
    withOrigins({ [name]: value }, new Map([[name, { name, value, origin: '/c.toml', from: 'file' }]]));

  for (const action of ['list', 'stat', 'top', 'delete']) {
    test(`with output and delete for get does not stand in the way of ${action}`, async () => {
      const folder = fresh();
      for (const options of [layered('output', folder), layered('delete', true)]) {
        const ran = await ehloFetch([...url, action, ...(action === 'stat' ? [] : ['1'])], { messages, options });
        assert.equal(ran.code, 0, ran.stderr);
        assert.deepEqual(ran.deleted, action === 'delete' ? [1] : []);
        assert.equal(existsSync(folder), false);
      }
    });
  }

  test('is where get takes them from', async () => {
    const folder = fresh();
    await ehloFetch(url, { messages, options: layered('output', folder) });
    assert.equal(readdirSync(folder).length, 2);
  });
});

describe('standard output', () => {
  test('get writes the messages and nothing else, byte for byte', async () => {
    const ran = await ehloFetch(url, { messages });
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, messages.join(''), '']);
    assert.equal((await ehloFetch([...url, '-o', '-'], { messages })).stdout, messages.join(''));
  });

  test('numbers choose, with and without the word get', async () => {
    assert.equal((await ehloFetch([...url, 'get', '2'], { messages })).stdout, messages[1]);
    assert.equal((await ehloFetch([...url, '2'], { messages })).stdout, messages[1]);
  });

  test('a terminal sees escapes in place of control characters, unless --force-raw', async () => {
    const hostile = ['Subject: \x1b[2J\r\n\r\n\x9b31m caf\u00e9 \u202e\r\n'];
    const shown = await ehloFetch(url, { messages: hostile, tty: true });
    for (const char of ['\x1b', '\x9b', '\u202e', '\r']) assert.ok(!shown.stdout.includes(char));
    assert.match(shown.stdout, /Subject: \\x1b\[2J\n\n/);
    const raw = await ehloFetch([...url, '--force-raw'], { messages: hostile, tty: true });
    assert.equal(raw.stdout, Buffer.from(hostile[0] ?? '').toString('latin1'));
  });

  test('list and stat show what is there, hostile text made harmless', async () => {
    const listed = await ehloFetch([...url, 'list'], {
      messages: ['Subject: \x1b]0;x\x07\r\n\r\n', messages[1] ?? ''],
    });
    assert.match(listed.stdout, /\\x1b\]0;x\\x07/);
    assert.match(listed.stdout, /two\n2 messages, \d+ B\n$/);
    assert.match((await ehloFetch([...url, 'stat'], { messages })).stdout, /^2 messages, \d+ B\n$/);
  });

  test('--json is one document, --ndjson an event a message and a report', async () => {
    const json = await ehloFetch([...url, 'list'], { messages, format: 'json' });
    const report = JSON.parse(json.stdout);
    assert.deepEqual([report.command, report.ok, report.messages[1].subject], ['fetch', true, 'two']);
    const lines = (await ehloFetch([...url, 'list'], { messages, format: 'ndjson' })).stdout.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).event),
      ['message', 'message', 'report'],
    );
  });

  test('-v shows the conversation on stderr without the password', async () => {
    const { stderr } = await ehloFetch([...url, 'stat', '--auth', 'USER'], { verbosity: 1 });
    assert.match(stderr, /-> PASS <secret>/);
    assert.ok(!stderr.includes('sesame'));
  });
});

describe('files', () => {
  test('-o DIR makes a folder; --delete takes the messages off the server', async () => {
    const directory = fresh();
    const ran = await ehloFetch([...url, 'get', '-o', directory, '--delete'], { messages });
    assert.deepEqual([ran.code, ran.deleted], [0, [1, 2]]);
    const files = readdirSync(directory).sort();
    assert.deepEqual(
      files.map((name) => readFileSync(join(directory, name), 'utf8')),
      messages,
    );
    assert.match(ran.stdout, /stored 2 messages .*; deleted 2 messages on the server\n$/);
  });

  test('--format maildir makes a Maildir, raw one file, and one message can be one .eml', async () => {
    const maildir = fresh();
    await ehloFetch([...url, '--format', 'maildir', '-o', maildir], { messages });
    assert.equal(readdirSync(join(maildir, 'new')).length, 2);
    const raw = fresh();
    await ehloFetch([...url, '--format', 'raw', '-o', raw], { messages });
    assert.equal(readFileSync(raw, 'utf8'), messages.join(''));
    const single = `${fresh()}.eml`;
    await ehloFetch([...url, 'get', '2', '-o', single], { messages });
    assert.equal(readFileSync(single, 'utf8'), messages[1]);
  });

  test('--json with -o tells the file of each message', async () => {
    const directory = fresh();
    const report = JSON.parse((await ehloFetch([...url, '-o', directory], { messages, format: 'json' })).stdout);
    assert.deepEqual(
      readdirSync(directory).map((name) => join(directory, name)),
      report.messages.map((one: { file: string }) => one.file),
    );
  });
});

describe('what is refused before anything is connected to', () => {
  const file = fresh();
  writeFileSync(file, '');
  const rows: [words: string[], code: string, format?: Context['format']][] = [
    [[...url, 'burn'], 'usage'],
    [[...url, 'get', 'x'], 'usage'],
    [[...url, 'get', '0'], 'usage'],
    [[...url, 'stat', '1'], 'usage'],
    [[...url, 'get', '--delete'], 'usage'],
    [[...url, 'get', '--delete', '-o', '-'], 'usage'],
    [[...url, 'get', '--delete', '--keep', '-o', 'x'], 'usage'],
    [[...url, 'list', '-o', 'x'], 'usage'],
    [[...url, 'delete', '-o', 'x'], 'usage'],
    [[...url, 'list', '--delete'], 'usage'],
    [[...url, '--format', 'mbox'], 'usage'],
    [[...url, '--format', 'maildir'], 'usage'],
    [[...url, '--format', 'raw', '-o', root], 'usage'],
    [[...url, '-o', join(root, 'all.eml')], 'usage'],
    [[...url, '-o', file], 'cannot-create'],
    [[...url, '--format', 'raw', '-o', file], 'cannot-create'],
    [[...url, '--max', '0'], 'usage'],
    [[...url, '--max', '1k'], 'usage'],
    [[...url, '--max-size', 'big'], 'usage'],
    [[...url, 'get'], 'usage', 'json'],
    [[...url, 'get', '-o', '-'], 'usage', 'ndjson'],
    [['smtp://bob@127.0.0.1', '--password-env', 'PW'], 'usage'],
  ];
  for (const [words, code, format] of rows) {
    test(`${words.slice(words[0] === url[0] ? 3 : 0).join(' ')} ${format ?? ''}`, async () => {
      await assert.rejects(
        ehloFetch(words, format ? { format } : {}),
        (thrown: unknown) => thrown instanceof EhloError && thrown.code === code,
      );
    });
  }
});

test('failures have the exit code of the tool, and one clear sentence', async () => {
  const missing = await ehloFetch([...url, 'get', '9'], { messages });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^ehlo: there is no message 9; the mailbox has 2\n/);
  const stranger = await ehloFetch(['pop3://eve@127.0.0.1', '--password-env', 'PW', 'stat']);
  assert.equal(stranger.code, 77);
  assert.match(stranger.stderr, /refused AUTH \[AUTH\]: wrong user name or password/);
});

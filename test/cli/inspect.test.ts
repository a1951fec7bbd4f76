// `ehlo inspect`: which target is what, and which stream gets what.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { Scrubber } from '../../src/base/secret.ts';
import type { Context } from '../../src/cli/command.ts';
import { inspectCommand } from '../../src/cli/commands/inspect.ts';
import { plainStyle } from '../../src/render/color.ts';

const message = [
  'From: a@x.test',
  'Date: Tue, 01 Sep 2026 10:00:00 +0000',
  'Message-ID: <1@x.test>',
  'Subject: hi',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  '',
  'text \x1b[31m',
  '--b',
  'Content-Disposition: attachment; filename=../a.bin',
  'Content-Transfer-Encoding: base64',
  '',
  'AP8=',
  '--b--',
  '',
].join('\r\n');

async function inspect(
  target: string,
  options: Record<string, unknown> = {},
  facts: { format?: Context['format']; isTTY?: boolean } = {},
): Promise<{ code: number; out: Buffer }> {
  const written: Buffer[] = [];
  const output = (keep: boolean) => ({
    write: (text: string | Buffer) => {
      if (keep) written.push(Buffer.from(text));
    },
    style: plainStyle,
    isTTY: facts.isTTY ?? false,
    width: 80,
  });
  const ports = {
    clock: systemClock,
    hostname: () => 'here.test',
    dial: () => Promise.reject(new EhloError('connect-failed', 'nobody listens', { stage: 'connect' })),
    resolve: { lookup: async () => ['127.0.0.1'], systemServers: () => [] },
    files: {
      read: async (path: string) => {
        if (path !== 'mail.eml' && path !== '-' && path !== 'localhost:25')
          throw new EhloError('no-input', `${path} is not there`);
        return { ...bytesSource(Buffer.from(message)), name: path };
      },
    },
  };
  const context = {
    ports,
    stdout: output(true),
    stderr: output(false),
    env: {},
    signal: new AbortController().signal,
    format: facts.format ?? 'human',
    verbosity: 0,
    interactive: false,
    scrubber: new Scrubber(),
    // The command uses nothing else of its context.
  } as unknown as Context;
  const code = await inspectCommand.run([target], options, context);
  return { code, out: Buffer.concat(written) };
}

const fails = (run: Promise<unknown>, code: string, word: RegExp): Promise<void> =>
  assert.rejects(run, (thrown: unknown) => {
    assert.ok(thrown instanceof EhloError, String(thrown));
    assert.equal(thrown.code, code);
    assert.match(`${thrown.message} ${thrown.hint}`, word);
    return true;
  });

test('a file or - is a message, a URL or host:port a server, and a domain says what to use', async () => {
  for (const target of ['mail.eml', '-', 'localhost:25'])
    assert.match((await inspect(target)).out.toString(), /^message {2}<1@x\.test>/);
  await fails(inspect('other.eml'), 'no-input', /not there/);
  await fails(inspect('./example.com'), 'no-input', /not there/);
  for (const target of ['smtp://127.0.0.1', '127.0.0.1:26', '[::1]:25'])
    await fails(inspect(target), 'connect-failed', /nobody/);
  await fails(inspect('mail.eml', { as: 'server' }), 'connect-failed', /nobody/);
  await fails(inspect('pop3://127.0.0.1'), 'connect-failed', /nobody/);
  await fails(inspect('mx:example.com'), 'usage', /does not name one server/);
  await fails(inspect('nosuch.eml', { failOn: 'never' }), 'usage', /--fail-on/);
  await fails(inspect('example.com'), 'usage', /domain.*relay-test example\.com/);
  await fails(inspect('mail.eml', { as: 'domain' }), 'usage', /domain/);
  await fails(inspect('example.com', { as: 'message' }), 'no-input', /not there/);
  await fails(inspect('mail.eml', { as: 'spam' }), 'usage', /--as/);
});

test('--json is one document with the names of the contract', async () => {
  const { code, out } = await inspect('mail.eml', {}, { format: 'json' });
  const report = JSON.parse(out.toString());
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(report), [
    'command',
    'ok',
    'exit',
    'error',
    'message',
    'mime',
    'headers',
    'hops',
    'attachments',
    'findings',
  ]);
  assert.equal(report.attachments[0].sha256, '06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8');
  assert.match(out.toString(), /^[\x20-\x7e\n]*$/);
});

test('--fail-on sets the exit code', async () => {
  assert.equal((await inspect('mail.eml', { failOn: 'warn' })).code, 0);
  await fails(inspect('mail.eml', { failOn: 'info' }), 'usage', /--fail-on/);
});

test('--part writes the decoded bytes, never to a terminal', async () => {
  assert.deepEqual((await inspect('mail.eml', { part: '2' })).out, Buffer.from([0x00, 0xff]));
  await fails(inspect('mail.eml', { part: '2' }, { isTTY: true }), 'usage', /terminal/);
  await fails(inspect('mail.eml', { part: '7' }), 'usage', /no part "7"/);
  await fails(inspect('mail.eml', { part: '2' }, { format: 'json' }), 'usage', /--part/);
});

test('--headers and --text show only that, made safe', async () => {
  assert.equal((await inspect('mail.eml', { headers: true })).out.toString().split('\n')[3], 'Subject: hi');
  assert.equal((await inspect('mail.eml', { text: true })).out.toString(), 'text \\x1b[31m\n');
});

test('--save-attachments writes safe names and reports them', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const { out } = await inspect('mail.eml', { saveAttachments: join(directory, 'out') }, { format: 'json' });
  assert.deepEqual(readdirSync(join(directory, 'out')), ['001-a.bin']);
  assert.match(JSON.parse(out.toString()).attachments[0].savedAs, /\/out\/001-a\.bin$/);
});

// `send --dry-run`: what would be sent, also where it is too large to be held, and nothing else done.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runBundled } from '../support/program.ts';

const addresses = ['--from', 'a@x.test', 'b@y.test'];

describe('send --dry-run', { concurrency: 2 }, () => {
  test('prints a message from standard input that went through a temporary file, byte for byte', async () => {
    const input = `From: a@x.test\r\nSubject: large\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(150_000)}`;
    const ran = await runBundled(['send', '--dry-run', '--raw', '-', ...addresses], { input });
    assert.equal(ran.code, 0, ran.stderr);
    assert.ok(ran.stdout === input);
  });

  test('--print has its value of what would be sent', async () => {
    const ran = await runBundled(['send', '--dry-run', '--body', 'hi', '--print', 'message-id', ...addresses]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^<[^<>\s]+@x\.test>\n$/);
  });

  test('options behind an address are of the envelope, and no part of To', async () => {
    const named = ['--from', 'a@x.test', 'b@y.test?notify=never&orcpt=rfc822;c@z.test'];
    const shown = await runBundled(['send', '--dry-run', '--body', 'hi', ...named]);
    assert.match(shown.stdout, /^To: b@y\.test\r$/m, shown.stderr);
    const planned = await runBundled(['send', '--dry-run', '--json', '--body', 'hi', ...named]);
    assert.deepEqual(JSON.parse(planned.stdout).envelope.to, ['b@y.test']);
  });

  test('fetches no password and asks nobody for one', async () => {
    const login = ['--server', 'smtp://me@127.0.0.1:1', '--password-command', 'echo fetched >&2; echo secret'];
    const ran = await runBundled(['send', '--dry-run', '--body', 'hi', ...login, ...addresses]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.doesNotMatch(ran.stderr, /fetched/);
  });
});

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
});

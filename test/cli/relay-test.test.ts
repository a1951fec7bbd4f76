// `ehlo relay-test`: which target is what, what a server URL brings along, and what is refused before anything is asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import type { Context } from '../../src/cli/command.ts';
import { relayTestCommand } from '../../src/cli/commands/relay-test.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { testContext } from '../support/context.ts';
import { scriptedPeer } from '../support/scripted.ts';

interface Ran {
  code: number;
  out: string;
  dialled: string[];
}

/** Each connection follows the script; without one nobody listens. */
async function relayTest(
  target: string,
  options: Record<string, unknown> = {},
  facts: { script?: string; format?: Context['format'] } = {},
): Promise<Ran> {
  const dialled: string[] = [];
  const context = testContext({
    format: facts.format ?? 'human',
    ports: {
      dial: async ({ address, port }) => {
        dialled.push(`${address}:${port}`);
        if (facts.script === undefined) throw new EhloError('connect-failed', 'nobody listens', { stage: 'connect' });
        const [ours, theirs] = memoryPair();
        scriptedPeer(theirs, facts.script);
        return ours;
      },
    },
  });
  const code = await relayTestCommand.run([target], options, context);
  return { code, out: context.stdout.text, dialled };
}

const servers: [target: string, dialled: string][] = [
  ['smtp://127.0.0.1', '127.0.0.1:25'],
  ['127.0.0.1:2525', '127.0.0.1:2525'],
  ['[::1]:2525', '::1:2525'],
  ['[::1]', '::1:25'],
  ['smtps://127.0.0.1', '127.0.0.1:465'],
  ['lmtp+unix:/tmp/lmtp', '/tmp/lmtp:0'],
  ['you@[127.0.0.1]', '127.0.0.1:25'],
  ['[127.0.0.1]', '127.0.0.1:25'],
];

for (const [target, dialled] of servers) {
  test(`relay-test ${target} connects to ${dialled}`, async () => {
    const ran = await relayTest(target);
    assert.deepEqual(ran.dialled, [dialled]);
    assert.equal(ran.code, 75);
  });
}

const refused: [target: string, options: Record<string, unknown>, word: RegExp][] = [
  ['pop3://127.0.0.1', {}, /not pop3/],
  ['mx:x.test', {}, /./],
  ['you@x.test', { server: 'pop3s://127.0.0.1' }, /not pop3s/],
  ['smtp://127.0.0.1', { server: '127.0.0.2' }, /both name a server/],
  ['a b', {}, /not valid/],
  ['', {}, /empty/],
  ['a@b@c', {}, /more than one @/],
  ['x.test', { localDomain: ['a b'] }, /--local-domain/],
  ['x.test', { from: 'nobody' }, /--from/],
  ['x.test', { stopAt: 'dot' }, /--stop-at/],
];

for (const [target, options, word] of refused) {
  test(`relay-test ${JSON.stringify(target)} ${JSON.stringify(options)} is refused before anything is asked`, async () => {
    await assert.rejects(relayTest(target, options), (thrown: unknown) => {
      assert.ok(thrown instanceof EhloError, String(thrown));
      assert.match(thrown.message, word);
      assert.ok(['usage', 'bad-address'].includes(thrown.code), thrown.code);
      return true;
    });
  });
}

const opens = 'S: 220 hi\nC: EHLO\nS: 250-hi\nS: 250 PIPELINING\n';

test('a server without a recipient is not said to take mail for anybody', async () => {
  const script = `${opens}C: MAIL\nS: 250 ok\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF`;
  const { code, out } = await relayTest('smtp://127.0.0.1', {}, { script });
  assert.equal(code, 0, out);
  assert.match(out, /agrees up to mail; no recipient was asked for: 250 ok/);
});

test('a recipient that was asked for is named in the verdict', async () => {
  const script = `${opens}C: MAIL\nS: 250 ok\nC: RCPT TO:<postmaster@[127.0.0.1]>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF`;
  const { out } = await relayTest('[127.0.0.1]', {}, { script });
  assert.match(out, /would take mail for postmaster@\[127\.0\.0\.1\]: 250 ok/);
});

test('a password in the URL of the target is in no output', async () => {
  for (const format of ['human', 'json'] as const) {
    const { out } = await relayTest('smtp://me:hunter2-secret@127.0.0.1', {}, { format });
    assert.match(out, /me@127\.0\.0\.1/);
    assert.doesNotMatch(out, /hunter2/);
  }
});

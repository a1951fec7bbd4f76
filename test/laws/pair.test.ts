// Law: our client against our server, over memory, comes to the same however the bytes are cut: the same outcomes, and what is
// stored is what was sent, byte for byte.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { Secret } from '../../src/base/secret.ts';
import { createSaslClient, secretForms } from '../../src/sasl/mechanisms.ts';
import { SmtpClient } from '../../src/smtp/client.ts';
import { reply } from '../../src/smtp/reply.ts';
import { serveSmtp } from '../../src/smtp/server.ts';
import { transaction } from '../../src/smtp/transaction.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Wire } from '../../src/wire/wire.ts';
import { accountsOf, serverOptions, tlsFacts } from '../smtp/dialog.ts';
import { cut, cutLengths } from '../support/splits.ts';

interface Mail {
  to: string[];
  body: Buffer;
}

interface Session {
  mechanism: string | null;
  protocol: 'smtp' | 'lmtp';
  pipelining: boolean;
  tls: boolean;
  onReject: 'continue' | 'abort';
  mails: Mail[];
  split: (bytes: Buffer) => Buffer[];
}

const password = 'pencil-case';
/** What the server refuses, by the name in front of the @. */
const refusals: Record<string, number> = { gone: 550, later: 451 };

/** What the rules say must come of it. */
function expected({ onReject, mails }: Session): { statuses: string[]; stored: number }[] {
  return mails.map(({ to }) => {
    const own = to.map((address) => refusals[address.split('@')[0] ?? '']);
    const nobody = own.every((code) => code !== undefined) || (onReject === 'abort' && own.some((code) => code));
    const kept = nobody ? 'deferred' : 'accepted';
    return {
      statuses: own.map((code) => (code === undefined ? kept : code >= 500 ? 'rejected' : 'deferred')),
      stored: nobody ? 0 : 1,
    };
  });
}

async function converse(session: Session): Promise<{ outcomes: string[][]; bodies: Buffer[]; rcpt: string[][] }> {
  const store = memoryStore(systemClock);
  const [ours, theirs] = memoryPair({ split: session.split, ...(session.tls ? { tls: tlsFacts } : {}) });
  const served = serveSmtp(
    new Wire(theirs, systemClock),
    serverOptions(store, {
      protocol: session.protocol,
      accounts: accountsOf('alice', password),
      allowInsecureAuth: true,
      ...(session.tls ? { tls: { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) } } : {}),
      policy: {
        rcpt: ({ address }) => {
          const code = refusals[address.split('@')[0] ?? ''];
          return code === undefined ? undefined : reply(code, null, 'no');
        },
      },
    }),
  );
  const client = new SmtpClient(new Wire(ours, systemClock), {
    deadlines: clientDeadlines,
    protocol: session.protocol,
  });
  assert.equal((await client.greet()).code, 220);
  assert.equal((await client.hello('client.test', 'none')).code, 250);
  if (session.tls) {
    const { answer } = await client.secure({ role: 'client', servername: 'mx.test' });
    assert.equal(answer.code, 220);
    assert.equal((await client.hello('client.test', 'none')).code, 250);
  }
  if (session.mechanism) {
    const secret = new Secret(password);
    const credentials = { user: 'alice', password: secret, token: secret };
    const answer = await client.login(createSaslClient(session.mechanism, credentials), secretForms(credentials));
    assert.equal(answer.code, 235, session.mechanism);
  }
  const outcomes: string[][] = [];
  for (const { to, body } of session.mails) {
    const outcome = await transaction(
      client,
      { from: 'a@x.test', to: to.map((address) => ({ address })) },
      { source: bytesSource(body), eightBit: true, utf8Headers: false },
      { onReject: session.onReject, pipelining: session.pipelining },
    );
    assert.equal(outcome.error, null);
    assert.equal(outcome.usable, true);
    outcomes.push(outcome.recipients.map(({ status }) => status));
  }
  assert.equal(await client.goodbye(), null);
  client.wire.close();
  await served;
  const stored = await store.list();
  const bodies: Buffer[] = [];
  for (const { id } of stored) {
    const source = await store.read(id);
    if (source) bodies.push(await readAll(source));
  }
  return { outcomes, bodies, rcpt: stored.map(({ envelope }) => envelope.rcptTo.map(({ address }) => address)) };
}

async function holds(session: Session): Promise<void> {
  const wanted = expected(session);
  const { outcomes, bodies, rcpt } = await converse(session);
  assert.deepEqual(
    outcomes,
    wanted.map(({ statuses }) => statuses),
  );
  const sent = session.mails.filter((_, at) => wanted[at]?.stored === 1);
  assert.equal(bodies.length, sent.length);
  for (const [at, { body, to }] of sent.entries()) {
    // The server puts its own trace fields in front.
    assert.ok(bodies[at]?.subarray(-body.length).equals(body), `message ${at}`);
    assert.deepEqual(
      rcpt[at],
      to.filter((address) => refusals[address.split('@')[0] ?? ''] === undefined),
    );
  }
}

const mails: Mail[] = [
  { to: ['b@y.test'], body: Buffer.from('Subject: one\r\n\r\n.\r\n..\r\n.x\r\n') },
  {
    to: ['gone@y.test', 'b@y.test', 'later@y.test', 'c@y.test'],
    body: Buffer.from('Subject: two\r\n\r\nGr\u00fc\u00dfe\r\n'),
  },
  { to: ['gone@y.test'], body: Buffer.from('Subject: three\r\n\r\nnobody\r\n') },
  { to: ['d@y.test'], body: Buffer.from('Subject: four\r\n\r\nlast\r\n') },
];
const plain: Session = {
  mechanism: null,
  protocol: 'smtp',
  pipelining: true,
  tls: false,
  onReject: 'continue',
  mails,
  split: (bytes) => [bytes],
};
const bySize = (size: number) => (bytes: Buffer) => cut(bytes, Array(Math.ceil(bytes.length / size)).fill(size));

describe('client and server as a pair', () => {
  for (const [how, split] of Object.entries({
    whole: plain.split,
    'byte by byte': bySize(1),
    'in sevens': bySize(7),
  })) {
    for (const variant of [
      {},
      { pipelining: false },
      { onReject: 'abort' as const },
      { protocol: 'lmtp' as const },
      { tls: true },
    ]) {
      test(`${JSON.stringify(variant)}, ${how}`, () => holds({ ...plain, ...variant, split }));
    }
  }

  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256', 'XOAUTH2', 'OAUTHBEARER']) {
    test(`AUTH ${mechanism}, whole and byte by byte`, async () => {
      for (const split of [plain.split, bySize(1)])
        await holds({ ...plain, mechanism, split, mails: mails.slice(0, 1) });
    });
  }

  test('at any split, with any text that is made of lines', async () => {
    const line = fc.constantFrom('', '.', '..', '.x', 'text', 'x'.repeat(998), '\u00e9');
    const body = fc
      .array(line, { maxLength: 12 })
      .map((lines) => Buffer.from(`Subject: x\r\n\r\n${lines.join('\r\n')}\r\n`));
    const names = fc.constantFrom('b', 'c', 'gone', 'later');
    const to = fc.uniqueArray(names, { minLength: 1, maxLength: 4 }).map((all) => all.map((name) => `${name}@y.test`));
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          mechanism: fc.constantFrom(null, 'PLAIN', 'CRAM-MD5'),
          protocol: fc.constantFrom('smtp' as const, 'lmtp' as const),
          pipelining: fc.boolean(),
          tls: fc.boolean(),
          onReject: fc.constantFrom('continue' as const, 'abort' as const),
          mails: fc.array(fc.record({ to, body }), { minLength: 1, maxLength: 3 }),
          lengths: cutLengths,
        }),
        ({ lengths, ...session }) => holds({ ...session, split: (bytes) => cut(bytes, lengths) }),
      ),
      { numRuns: 60 },
    );
  });
});

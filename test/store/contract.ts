// What every store must do. Called by memory.test.ts and maildir.test.ts with a way to open a fresh one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAll } from '../../src/base/bytes.ts';
import type { ReceivedEnvelope, Store, StoredMessage } from '../../src/store/store.ts';

export const envelope = (...rcptTo: string[]): ReceivedEnvelope => ({
  mailFrom: 'sender@a.test',
  mailParams: [{ keyword: 'SIZE', value: '10' }, { keyword: 'SMTPUTF8' }],
  rcptTo: rcptTo.map((address) => ({ address, params: [] })),
  helo: 'client.test',
  clientAddress: '127.0.0.1',
  protocol: 'ESMTP',
  tls: null,
  auth: { mechanism: 'PLAIN', identity: 'u' },
});

export async function deliver(store: Store, bytes: string | Buffer, ...rcptTo: string[]): Promise<StoredMessage> {
  const delivery = await store.begin(envelope(...rcptTo));
  await delivery.write(Buffer.from(bytes));
  return delivery.commit();
}

export async function bytesOf(store: Store, id: string): Promise<Buffer | undefined> {
  const source = await store.read(id);
  return source && readAll(source);
}

const ids = (messages: StoredMessage[]) => messages.map(({ id }) => id);

export function storeContract(name: string, open: () => Promise<Store>): void {
  const law = (what: string, run: (store: Store) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });

  law('keeps the bytes exactly, whatever they are and however they come', async (store) => {
    const all = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff));
    for (const cut of [1, 1000, 65_536, all.length]) {
      const part = all.subarray(0, cut === 1 ? 300 : all.length);
      const delivery = await store.begin(envelope('bob@x.test'));
      const reused = Buffer.alloc(cut);
      for (let at = 0; at < part.length; at += cut) {
        const length = part.copy(reused, 0, at, at + cut);
        // The buffer is the caller's again once write() has resolved.
        await delivery.write(reused.subarray(0, length));
        reused.fill(0);
      }
      const message = await delivery.commit();
      assert.equal(message.size, part.length);
      assert.deepEqual(await bytesOf(store, message.id), part);
    }
  });

  law('a source can be read twice, whole and in chunks', async (store) => {
    for (const size of [0, 5, 700_000]) {
      const { id } = await deliver(store, Buffer.alloc(size, 'x'), 'bob@x.test');
      const source = await store.read(id);
      assert.ok(source);
      assert.equal(source.size, size);
      for (let round = 0; round < 2; round++) {
        const chunks: Buffer[] = [];
        for await (const chunk of source.chunks()) chunks.push(chunk);
        assert.equal(Buffer.concat(chunks).length, size);
      }
    }
  });

  law('tells the envelope, the mailboxes and a usable id', async (store) => {
    const message = await deliver(store, 'hi\r\n', 'bob@X.test', 'bob@x.TEST', 'Ann@x.test', 'Postmaster');
    assert.match(message.id, /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/);
    assert.deepEqual(message.mailboxes, ['bob@x.test', 'Ann@x.test', 'Postmaster']);
    assert.equal(message.size, 4);
    assert.deepEqual(message.envelope, envelope('bob@X.test', 'bob@x.TEST', 'Ann@x.test', 'Postmaster'));
    assert.deepEqual(await store.get(message.id), message);
  });

  law('lists oldest first, all or one mailbox, each message once', async (store) => {
    const first = await deliver(store, '1', 'a@x.test', 'b@x.test');
    const second = await deliver(store, '2', 'b@x.test');
    const third = await deliver(store, '3', 'a@x.test');
    assert.deepEqual(ids(await store.list()), ids([first, second, third]));
    assert.deepEqual(ids(await store.list('a@x.test')), ids([first, third]));
    assert.deepEqual(ids(await store.list('b@x.test')), ids([first, second]));
    assert.deepEqual(await store.list('nobody@x.test'), []);
  });

  law('an aborted or unfinished delivery is nowhere', async (store) => {
    const aborted = await store.begin(envelope('a@x.test'));
    await aborted.write(Buffer.alloc(200_000, 'x'));
    await aborted.abort();
    const open_ = await store.begin(envelope('a@x.test'));
    await open_.write(Buffer.alloc(200_000, 'x'));
    assert.deepEqual(await store.list(), []);
    await open_.abort();
    assert.deepEqual(await store.list(), []);
  });

  law('the same bytes twice are two messages', async (store) => {
    const one = await deliver(store, 'Message-ID: <same@x>\r\n\r\n', 'a@x.test');
    const two = await deliver(store, 'Message-ID: <same@x>\r\n\r\n', 'a@x.test');
    assert.notEqual(one.id, two.id);
    assert.equal((await store.list('a@x.test')).length, 2);
  });

  law('deletes from one mailbox, from all, and says when there was nothing', async (store) => {
    const { id } = await deliver(store, 'x', 'a@x.test', 'b@x.test', 'c@x.test');
    assert.equal(await store.delete(id, 'other@x.test'), false);
    assert.equal(await store.delete(id, 'a@x.test'), true);
    assert.equal(await store.delete(id, 'a@x.test'), false);
    assert.deepEqual((await store.get(id))?.mailboxes, ['b@x.test', 'c@x.test']);
    assert.equal((await bytesOf(store, id))?.toString(), 'x');
    assert.equal(await store.delete(id), true);
    assert.equal(await store.get(id), undefined);
    assert.equal(await store.read(id), undefined);
    assert.equal(await store.delete(id), false);
    assert.deepEqual(await store.list(), []);
  });

  law('the last mailbox takes the message with it', async (store) => {
    const { id } = await deliver(store, 'x', 'a@x.test');
    assert.equal(await store.delete(id, 'a@x.test'), true);
    assert.equal(await store.get(id), undefined);
  });

  law('knows no id that it did not give, whatever it looks like', async (store) => {
    await deliver(store, 'x', 'a@x.test');
    for (const id of ['', '.', '..', '../a@x.test', '/etc/passwd', 'a/b', 'nope', '__proto__', 'x\0y']) {
      assert.equal(await store.get(id), undefined);
      assert.equal(await store.read(id), undefined);
      assert.equal(await store.delete(id), false);
    }
  });

  law('tells listeners after the commit, until they stop', async (store) => {
    const heard: string[] = [];
    const stop = store.onMessage((message) => heard.push(message.id));
    const aborted = await store.begin(envelope('a@x.test'));
    await aborted.abort();
    const first = await deliver(store, '1', 'a@x.test');
    stop();
    await deliver(store, '2', 'a@x.test');
    assert.deepEqual(heard, [first.id]);
  });

  law('waits for a match: one already here, one to come, or none once aborted', async (store) => {
    const first = await deliver(store, '1', 'a@x.test');
    const never = new AbortController();
    assert.equal((await store.waitFor((message) => message.size === 1, never.signal))?.id, first.id);
    const judged: string[] = [];
    const waiting = store.waitFor(async (message) => {
      judged.push(message.id);
      return message.size === 3;
    }, never.signal);
    const second = await deliver(store, '22', 'a@x.test');
    const third = await deliver(store, '333', 'a@x.test');
    assert.equal((await waiting)?.id, third.id);
    assert.deepEqual(judged, ids([first, second, third]));
    const given = new AbortController();
    const none = store.waitFor(() => false, given.signal);
    given.abort();
    assert.equal(await none, undefined);
    assert.equal(await store.waitFor(() => true, given.signal), undefined);
  });

  law('many deliveries at once all arrive', async (store) => {
    await Promise.all(Array.from({ length: 40 }, (_, at) => deliver(store, `${at}`, `${at % 3}@x.test`)));
    const messages = await store.list();
    assert.equal(messages.length, 40);
    const bodies = await Promise.all(messages.map(async ({ id }) => (await bytesOf(store, id))?.toString()));
    assert.deepEqual(
      bodies.map(Number).sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, at) => at),
    );
  });

  law('mailbox names of any shape are kept apart', async (store) => {
    const names = [
      'a@x.test',
      '..',
      '.hidden@x.test',
      'a/b@x.test',
      'ü@x.test',
      '"a b"@x.test',
      'A@x.test',
      '%41@x.test',
    ];
    for (const name of names) await deliver(store, name, name);
    for (const name of names) {
      const found = await store.list(name);
      assert.equal(found.length, 1, name);
      assert.equal((await bytesOf(store, found[0]?.id ?? ''))?.toString(), name);
      assert.deepEqual(found[0]?.mailboxes, [name]);
    }
  });
}

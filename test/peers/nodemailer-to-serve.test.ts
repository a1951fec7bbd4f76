// nodemailer's client, which shares no code with us, against `serve` over loopback: plain, STARTTLS, AUTH, DSN, dots, pools.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createTransport } from 'nodemailer';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { namedAccounts, parseAccount } from '../../src/app/accounts.ts';
import { type ServeOptions, serve } from '../../src/app/serve.ts';
import { systemClock } from '../../src/base/clock.ts';
import { listenTcp } from '../../src/net/listen.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf } from '../store/contract.ts';
import { testCertificate, testKey } from '../support/certificate.ts';

async function withServer(options: Partial<ServeOptions>, run: (port: number, store: Store) => Promise<void>) {
  const store = memoryStore(systemClock);
  const listenDns = () => Promise.reject(new Error('no DNS here'));
  const handle = await serve(
    {
      smtp: { host: '127.0.0.1', port: 0 },
      pop3: null,
      dns: null,
      zones: [],
      hostname: 'mx.test',
      accounts: namedAccounts([parseAccount('bob:sesame')]),
      requireAuth: false,
      requireTls: false,
      domains: [],
      hidden: new Set(),
      ...options,
    },
    { clock: systemClock, listen: listenTcp, listenDns, store, pid: 1 },
  );
  try {
    await run(handle.ready.smtp?.port ?? 0, store);
  } finally {
    handle.stop('stopped');
    await handle.finished;
  }
}

const tls = { role: 'server', cert: Buffer.from(testCertificate), key: Buffer.from(testKey) } as const;
const client = { tls: { ca: testCertificate, servername: 'localhost' }, name: 'client.test' };

test('a composed message arrives with its envelope', () =>
  withServer({}, async (port, store) => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, name: 'client.test' });
    const sent = await transport.sendMail({
      from: 'Ann <ann@x.test>',
      to: ['bob@y.test', 'carl@y.test'],
      bcc: 'dora@y.test',
      subject: 'Grüße',
      text: '.\n..\n...\nlast line without end',
    });
    assert.deepEqual(sent.accepted, ['bob@y.test', 'carl@y.test', 'dora@y.test']);
    assert.match(sent.response, /^250 2\.0\.0 Ok: queued as /);
    const [message] = await store.list();
    assert.equal(message?.envelope.mailFrom, 'ann@x.test');
    assert.deepEqual(message.mailboxes, ['bob@y.test', 'carl@y.test', 'dora@y.test']);
    assert.equal(message.envelope.helo, 'client.test');
    assert.match(
      (await bytesOf(store, message.id))?.toString() ?? '',
      /\r\n\r\n\.\r\n\.\.\r\n\.\.\.\r\nlast line without end\r\n$/,
    );
  }));

test('STARTTLS and each login mechanism of nodemailer work', () =>
  withServer({ tls, requireTls: true, requireAuth: true }, async (port, store) => {
    for (const method of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      const auth = { user: 'bob', pass: 'sesame' };
      const transport = createTransport({
        host: '127.0.0.1',
        port,
        requireTLS: true,
        auth,
        authMethod: method,
        ...client,
      });
      await transport.sendMail({ from: 'a@x.test', to: 'b@y.test', subject: method, text: 'x' });
    }
    const messages = await store.list();
    assert.deepEqual(
      messages.map(({ envelope }) => [envelope.protocol, envelope.auth?.mechanism, envelope.auth?.identity]),
      ['PLAIN', 'LOGIN', 'CRAM-MD5'].map((method) => ['ESMTPSA', method, 'bob']),
    );
    assert.match(messages[0]?.envelope.tls?.protocol ?? '', /^TLSv1\.[23]$/);
  }));

test('a wrong password is refused', () =>
  withServer({}, async (port, store) => {
    const auth = { user: 'bob', pass: 'wrong' };
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, auth });
    await assert.rejects(transport.sendMail({ from: 'a@x.test', to: 'b@y.test', text: 'x' }), { responseCode: 535 });
    assert.deepEqual(await store.list(), []);
  }));

test('DSN, SIZE and SMTPUTF8 parameters come through', () =>
  withServer({}, async (port, store) => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
    await transport.sendMail({
      envelope: { from: 'ann@x.test', to: ['bücher@y.test'], size: 200 },
      from: 'ann@x.test',
      to: 'bücher@y.test',
      text: 'x',
      dsn: { id: 'id 1', return: 'headers', notify: ['success', 'delay'], recipient: 'ann@x.test' },
    });
    const envelope = (await store.list())[0]?.envelope;
    assert.equal(envelope?.protocol, 'UTF8SMTP');
    const keywords = envelope.mailParams.map(({ keyword }) => keyword).sort();
    assert.deepEqual(keywords, ['ENVID', 'RET', 'SIZE', 'SMTPUTF8']);
    assert.equal(envelope.rcptTo[0]?.address, 'bücher@y.test');
    assert.deepEqual(
      envelope.rcptTo[0]?.params.map(({ keyword }) => keyword),
      ['NOTIFY', 'ORCPT'],
    );
  }));

test('a refused recipient does not stop the others', () =>
  withServer({ domains: ['y.test'] }, async (port, store) => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
    const sent = await transport.sendMail({ from: 'a@x.test', to: ['b@y.test', 'c@z.test'], text: 'x' });
    assert.deepEqual(sent.rejected, ['c@z.test']);
    assert.deepEqual((await store.list())[0]?.mailboxes, ['b@y.test']);
  }));

test('a message over the limit is refused, and the connection is usable for the next', () =>
  withServer({ limits: { messageBytes: 2000 } }, async (port, store) => {
    const connection = new SMTPConnection({ host: '127.0.0.1', port, ignoreTLS: true });
    await new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));
    const send = (text: string) =>
      new Promise<number>((resolve) =>
        connection.send({ from: 'a@x.test', to: 'b@y.test' }, text, (error, info) =>
          resolve(error?.responseCode ?? Number(info.response.slice(0, 3))),
        ),
      );
    assert.equal(await send('x'.repeat(3000)), 552);
    assert.equal(await send('hello'), 250);
    connection.quit();
    assert.equal((await store.list()).length, 1);
  }));

test('a pool sends many messages over few connections', () =>
  withServer({}, async (port, store) => {
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true, pool: true, maxConnections: 4 });
    const numbers = Array.from({ length: 100 }, (_, at) => at);
    await Promise.all(
      numbers.map((at) => transport.sendMail({ from: 'a@x.test', to: `${at}@y.test`, text: `body ${at}` })),
    );
    transport.close();
    const messages = await store.list();
    assert.equal(new Set(messages.flatMap(({ mailboxes }) => mailboxes)).size, 100);
  }));

/** Everything a raw client hears, after it has sent `bytes` and closed its side. */
async function raw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text) => {
    heard += text;
  });
  socket.on('error', () => undefined);
  socket.end(bytes);
  await once(socket, 'close');
  return heard;
}

test('a client that sends everything and closes its side still gets all its answers', () =>
  withServer({}, async (port) => {
    const heard = await raw(
      port,
      'EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n',
    );
    assert.match(heard, /^220 [\s\S]*\r\n354 .*\r\n250 2\.0\.0 .*\r\n221 .*\r\n$/);
  }));

test('something that is no mail client is sent away', () =>
  withServer({}, async (port) => {
    assert.match(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /421 4\.7\.0 this is a mail server/);
    assert.match(await raw(port, Buffer.alloc(6000, 'x')), /421 4\.7\.0 the line is too long/);
    await raw(port, Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
  }));

test('commands in the clear behind STARTTLS are never answered', () =>
  withServer({ tls }, async (port, store) => {
    const heard = await raw(port, 'EHLO c\r\nSTARTTLS\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n');
    assert.match(heard, /STARTTLS[\s\S]*250 HELP\r\n(?:220 .*\r\n)?$/);
    assert.deepEqual(await store.list(), []);
  }));

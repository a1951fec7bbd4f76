// `ehlo serve` as an SMTP server for the clients that people use: what they sent is what is stored, and they see no error.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createTransport } from 'nodemailer';
import { type Certificate, certificate } from './certificate.ts';
import { readMessage } from './read-message.ts';
import { type Served, type ServedMessage, startServe } from './serve.ts';
import { ehlo, freshPath, type Ran, runPython, tool } from './support.ts';

const raw = Buffer.concat([
  Buffer.from(
    'From: a@x.test\r\nTo: b@x.test\r\nSubject: raw\r\nDate: Thu, 29 Feb 2024 12:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n',
  ),
  Buffer.from('MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\n.dot\r\n\r\n'),
  Buffer.from([0xff, 0xe4, 0x0d, 0x0a]),
  Buffer.from(`${'long '.repeat(190)}\r\n.\r\n`),
]);

const succeeded = (ran: Ran): Ran => {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return ran;
};

describe('serve receives mail', () => {
  let server: Served;
  let tls: Certificate;
  let rawFile: string;
  let seen = 0;
  before(async () => {
    tls = await certificate();
    rawFile = freshPath('raw.eml');
    writeFileSync(rawFile, raw);
    const accounts = ['--auth', 'jo:pass word', '--auth', 'al:x'];
    const local = ['--domain', 'x.test', '--domain', 'bücher.test', '--helo-name', 'ehlo.test'];
    server = await startServe(['--tls', `${tls.cert},${tls.key}`, ...accounts, ...local]);
  });
  after(() => server.stop());

  /** The messages since the last call: so many, and no more. */
  async function arrived(count = 1): Promise<ServedMessage[]> {
    const all = await server.messages(seen + count);
    const fresh = all.slice(seen);
    seen = all.length;
    assert.equal(fresh.length, count);
    return fresh;
  }

  async function arrivedOne(): Promise<ServedMessage> {
    const [message] = await arrived();
    assert.ok(message);
    return message;
  }

  const stored = ({ id }: ServedMessage, mailbox = 'b@x.test'): Buffer =>
    readFileSync(join(server.maildir, mailbox, 'new', id));

  describe('swaks', () => {
    const swaks = (...args: string[]): Promise<Ran> =>
      tool('swaks', ['--server', `127.0.0.1:${server.smtp}`, '--from', 'a@x.test', '--to', 'b@x.test', ...args]);

    test('a plain session', async () => {
      succeeded(await swaks('--header', 'Subject: plain', '--body', 'hello\n.dot\n'));
      const message = await arrivedOne();
      assert.deepEqual([message.from, message.to, message.subject], ['a@x.test', ['b@x.test'], 'plain']);
      assert.match(stored(message).toString(), /\r\n\r\nhello\r\n\.dot\r\n/);
    });

    test('--pipeline, two recipients, an attachment', async () => {
      const file = freshPath('data.bin');
      writeFileSync(file, randomBytes(10_000));
      succeeded(await swaks('--pipeline', '--to', 'b@x.test,c@x.test', '--attach', `@${file}`));
      const message = await arrivedOne();
      assert.deepEqual(message.to, ['b@x.test', 'c@x.test']);
      assert.deepEqual(stored(message), stored(message, 'c@x.test'));
      const { parts } = await readMessage(stored(message));
      assert.equal(parts.at(-1)?.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
    });

    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      test(`--auth ${mechanism}, and over TLS`, async () => {
        const login = ['--auth', mechanism, '--auth-user', 'jo', '--auth-password', 'pass word'];
        succeeded(await swaks(...login));
        assert.deepEqual((await arrivedOne()).auth, { mechanism, identity: 'jo' });
        succeeded(await swaks(...login, '--tls', '--tls-verify', '--tls-ca-path', tls.ca));
        const { auth, tls: layer, protocol } = await arrivedOne();
        assert.deepEqual([auth?.mechanism, layer?.protocol, protocol], [mechanism, 'TLSv1.3', 'ESMTPSA']);
        const wrong = await swaks('--auth', mechanism, '--auth-user', 'jo', '--auth-password', 'wrong');
        assert.equal(wrong.code, 28, 'swaks: authentication failed');
      });
    }

    test('a recipient elsewhere is refused, the other gets the message', async () => {
      const ran = await swaks('--to', 'b@x.test,d@elsewhere.test');
      assert.match(ran.stdout, /550 5\.7\.1/);
      assert.deepEqual((await arrivedOne()).to, ['b@x.test']);
      assert.equal((await swaks('--to', 'd@elsewhere.test')).code, 24, 'swaks: no recipient accepted');
    });

    test('a client that quits before the end of data leaves nothing behind', async () => {
      await swaks('--drop-after', 'DATA');
      await swaks('--quit-after', 'RCPT');
      succeeded(await swaks('--header', 'Subject: after'));
      assert.equal((await arrivedOne()).subject, 'after');
      assert.deepEqual(readdirSync(join(server.maildir, 'b@x.test', 'tmp')), []);
    });
  });

  describe('msmtp', () => {
    const msmtp = (...args: string[]): Promise<Ran> => {
      const asItIs = [
        '--set-date-header=off',
        '--set-from-header=off',
        '--set-msgid-header=off',
        '--undisclosed-recipients=off',
      ];
      const target = ['--host=127.0.0.1', `--port=${server.smtp}`, '--from=a@x.test', ...asItIs];
      return tool('msmtp', [...target, ...args, 'b@x.test'], { input: raw });
    };

    test('in the clear: the same bytes', async () => {
      succeeded(await msmtp('--tls=off'));
      assert.deepEqual(stored(await arrivedOne()), raw);
    });

    for (const mechanism of ['plain', 'login', 'cram-md5', 'scram-sha-256']) {
      test(`over TLS with ${mechanism}: the same bytes`, async () => {
        const login = [`--auth=${mechanism}`, '--user=jo', "--passwordeval=echo 'pass word'"];
        succeeded(await msmtp('--tls=on', `--tls-trust-file=${tls.ca}`, ...login));
        const message = await arrivedOne();
        assert.deepEqual(stored(message), raw);
        assert.deepEqual(message.auth, { mechanism: mechanism.toUpperCase(), identity: 'jo' });
      });
    }
  });

  describe('curl', () => {
    const curl = (...args: string[]): Promise<Ran> =>
      tool('curl', [
        ...[
          '-sS',
          '--url',
          `smtp://127.0.0.1:${server.smtp}/curl.test`,
          '--mail-from',
          'a@x.test',
          '--mail-rcpt',
          'b@x.test',
        ],
        ...args,
      ]);

    test('in the clear: the same bytes', async () => {
      succeeded(await curl('-T', rawFile));
      assert.deepEqual(stored(await arrivedOne()), raw);
    });

    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      test(`--ssl-reqd with ${mechanism}: the same bytes`, async () => {
        const login = ['--user', 'jo:pass word', '--login-options', `AUTH=${mechanism}`];
        succeeded(await curl('-T', rawFile, '--ssl-reqd', '--cacert', tls.ca, ...login));
        const message = await arrivedOne();
        assert.deepEqual(stored(message), raw);
        assert.equal(message.auth?.mechanism, mechanism);
      });
    }

    test('bare LF is refused after the end of data, and the next message is taken', async () => {
      const file = freshPath('lf.eml');
      writeFileSync(file, 'Subject: lf\n\nhello\n.\nMAIL FROM:<evil@x.test>\n');
      const ran = await curl('-T', file);
      assert.notEqual(ran.code, 0);
      succeeded(await curl('-T', rawFile));
      assert.equal((await arrivedOne()).subject, 'raw');
    });
  });

  test('s-nail: a text in UTF-8 with an attachment, over TLS with a login', async () => {
    const file = freshPath('data.bin');
    writeFileSync(file, randomBytes(5000));
    const options = [
      'v15-compat',
      `mta=smtp://jo:pass%20word@localhost:${server.smtp}`,
      'smtp-auth=plain',
      'smtp-use-starttls',
    ];
    const more = [`tls-ca-file=${tls.ca}`, 'tls-verify=strict', 'from=a@x.test', 'sendwait', 'DEAD=/dev/null'];
    const set = [...options, ...more].map((option) => `-S${option}`);
    const args = ['-:/', ...set, '-s', 'Größe', '-a', file, 'b@x.test'];
    succeeded(await tool('s-nail', args, { input: 'Grüße\n.\n' }));
    const message = await arrivedOne();
    assert.deepEqual([message.subject, message.auth?.identity, message.tls?.protocol], ['Größe', 'jo', 'TLSv1.3']);
    const facts = await readMessage(stored(message));
    assert.equal(facts.plain?.replaceAll('\r\n', '\n'), 'Grüße\n.\n');
    assert.equal(facts.parts.at(-1)?.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
  });

  for (const flags of [[], ['-d'], ['-d', '-r', '5']]) {
    test(`smtp-source${flags.map((flag) => ` ${flag}`).join('')}: 400 messages in 8 sessions, each stored once and whole`, async () => {
      const args = [
        '-s',
        '8',
        '-m',
        '400',
        '-l',
        '3000',
        '-f',
        'a@x.test',
        '-t',
        'many@x.test',
        '-M',
        'me.test',
        ...flags,
      ];
      succeeded(await tool('smtp-source', [...args, `127.0.0.1:${server.smtp}`]));
      const messages = await arrived(400);
      assert.equal(new Set(messages.map(({ id }) => id)).size, 400);
      for (const message of messages) {
        const mailbox = message.to[0] ?? '';
        assert.ok(existsSync(join(server.maildir, mailbox, 'new', message.id)), message.id);
        assert.ok(message.size >= 3000, String(message.size));
      }
    });
  }

  describe('smtplib', () => {
    const smtplib = (input: Buffer | string, ...args: string[]): Promise<Ran> =>
      runPython('smtp-client.py', [String(server.smtp), ...args], { input });

    test('8-bit bytes and dots, three messages a session: the same bytes', async () => {
      succeeded(await smtplib(raw, '--option', 'BODY=8BITMIME', '--repeat', '3'));
      for (const message of await arrived(3)) assert.deepEqual(stored(message), raw);
    });

    test('SMTPUTF8: addresses and headers in UTF-8', async () => {
      const text = Buffer.from('From: jörg@x.test\r\nTo: ü@bücher.test\r\nSubject: Größe\r\n\r\nGrüße\r\n');
      succeeded(
        await smtplib(
          text,
          '--sender',
          'jörg@x.test',
          '--to',
          'ü@bücher.test',
          '--option',
          'SMTPUTF8',
          '--option',
          'BODY=8BITMIME',
        ),
      );
      const message = await arrivedOne();
      assert.deepEqual([message.from, message.to, message.subject], ['jörg@x.test', ['ü@bücher.test'], 'Größe']);
      assert.equal(message.protocol, 'UTF8SMTP');
    });

    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      test(`STARTTLS and ${mechanism}`, async () => {
        succeeded(await smtplib(raw, '--ca', tls.ca, '--login', `${mechanism}:jo:pass word`));
        assert.deepEqual((await arrivedOne()).auth, { mechanism, identity: 'jo' });
      });
    }

    test('one of two recipients refused: Python sees 550 for that one alone', async () => {
      const { stdout } = succeeded(await smtplib(raw, '--to', 'b@x.test', '--to', 'd@elsewhere.test'));
      assert.deepEqual(JSON.parse(stdout), { 'd@elsewhere.test': 550 });
      assert.deepEqual((await arrivedOne()).to, ['b@x.test']);
    });
  });

  describe('nodemailer', () => {
    test('a pool over TLS with a login: 40 messages', async () => {
      const ca = readFileSync(tls.ca);
      const transport = createTransport({
        ...{ pool: true, maxConnections: 4, host: '127.0.0.1', port: server.smtp, requireTLS: true, tls: { ca } },
        auth: { user: 'jo', pass: 'pass word' },
      });
      try {
        const mail = (n: number) => ({ from: 'a@x.test', to: 'b@x.test', subject: `pool ${n}`, text: `text ${n}` });
        await Promise.all(Array.from({ length: 40 }, (_, n) => transport.sendMail(mail(n))));
      } finally {
        transport.close();
      }
      const subjects = (await arrived(40)).map(({ subject }) => subject);
      assert.equal(new Set(subjects).size, 40);
    });

    test('attachments and names in UTF-8', async () => {
      const content = randomBytes(100_000);
      const transport = createTransport({ host: '127.0.0.1', port: server.smtp, ignoreTLS: true });
      await transport.sendMail({
        ...{ from: 'Jörg <a@x.test>', to: 'b@x.test', subject: 'Größe', text: '.\n..\nGrüße' },
        attachments: [{ filename: 'daten ä.bin', content }],
      });
      const facts = await readMessage(stored(await arrivedOne()));
      assert.deepEqual([facts.subject, facts.fromNames], ['Größe', ['Jörg']]);
      assert.equal(facts.parts.at(-1)?.filename, 'daten ä.bin');
      assert.equal(facts.parts.at(-1)?.sha256, createHash('sha256').update(content).digest('hex'));
    });
  });

  describe('ehlo send', () => {
    const send = (...args: string[]): Promise<Ran> =>
      ehlo(
        [
          'send',
          '--json',
          '--server',
          `smtp://127.0.0.1:${server.smtp}`,
          '--ca',
          tls.ca,
          '--from',
          'a@x.test',
          'b@x.test',
          ...args,
        ],
        {
          input: raw,
          env: { PW: 'pass word' },
        },
      );

    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256']) {
      test(`--raw over STARTTLS with ${mechanism}: the same bytes`, async () => {
        succeeded(await send('--raw', '-', '--user', 'jo', '--password-env', 'PW', '--auth', mechanism));
        const message = await arrivedOne();
        assert.deepEqual(stored(message), raw);
        assert.deepEqual(message.auth, { mechanism, identity: 'jo' });
      });
    }

    test('one of two recipients refused: exit 3; with --on-reject abort: exit 69 and nothing arrives', async () => {
      const partial = await send('d@elsewhere.test', '--raw', '-');
      assert.equal(partial.code, 3, partial.stdout);
      assert.deepEqual((await arrivedOne()).to, ['b@x.test']);
      const aborted = await send('d@elsewhere.test', '--raw', '-', '--on-reject', 'abort');
      assert.equal(aborted.code, 69, aborted.stdout);
      succeeded(await send('--raw', '-', '--no-pipelining'));
      assert.equal((await arrivedOne()).to.length, 1);
    });
  });
});

// `ehlo fetch` against Dovecot: every way to log in, STLS, exact bytes into each kind of output, deletion only after storing.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { certificate } from './certificate.ts';
import { type Dovecot, password, startDovecot } from './dovecot.ts';
import { ehlo, freshPath, type Ran } from './support.ts';

const head = (subject: string): string => `From: a@x.test\r\nTo: b@x.test\r\nSubject: ${subject}\r\n\r\n`;
const messages = [
  Buffer.from(`${head('dots')}.\r\n..\r\n.a\r\n\r\n`),
  Buffer.concat([Buffer.from(head('octets')), Buffer.from([0xff, 0xe4, 0x01, 0x7f, 0x0d, 0x0a])]),
  Buffer.from(`${head('long')}${'x'.repeat(100_000)}\r\n`),
  Buffer.from(`${head('=?utf-8?q?Gr=C3=B6=C3=9Fe?=')}${'line\r\n'.repeat(50_000)}`),
  Buffer.from(head('empty')),
];

interface Listed {
  number: number;
  uid: string;
  size: number;
  subject: string | null;
  stored: boolean;
  deleted: boolean;
  file: string | null;
}

interface Report {
  ok: boolean;
  server: { auth: string; tls: { protocol: string; authorized: boolean } | null };
  mailbox: { count: number; size: number };
  messages: Listed[];
}

const report = (ran: Ran): Report => {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return JSON.parse(ran.stdout);
};

describe('fetch from Dovecot', () => {
  let dovecot: Dovecot;
  let ca: string;
  before(async () => {
    ({ ca } = await certificate());
    dovecot = await startDovecot();
  });
  after(() => dovecot.stop());

  const fetch = (user: string, ...args: string[]): Promise<Ran> =>
    ehlo(['fetch', '--json', `pop3://${user}@127.0.0.1:${dovecot.port}`, ...args, '--ca', ca, '--password-env', 'PW'], {
      env: { PW: password },
    });

  for (const mechanism of ['USER', 'APOP', 'PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256']) {
    test(`logs in with ${mechanism}, behind STLS`, async () => {
      dovecot.fill(mechanism.toLowerCase(), messages);
      const { server, mailbox } = report(await fetch(mechanism.toLowerCase(), 'stat', '--auth', mechanism));
      assert.equal(server.auth, mechanism);
      assert.equal(server.tls?.authorized, true);
      assert.equal(mailbox.count, messages.length);
    });
  }

  test('a wrong password, an unknown authority and a wrong name are exit 77', async () => {
    const url = `pop3://wrong@127.0.0.1:${dovecot.port}`;
    const attempt = (pw: string, ...args: string[]) =>
      ehlo(['fetch', '--json', url, 'stat', '--tls', 'required', '--password-env', 'PW', ...args], { env: { PW: pw } });
    assert.equal((await attempt('wrong', '--ca', ca)).code, 77);
    assert.equal((await attempt(password)).code, 77);
    assert.equal((await attempt(password, '--ca', ca, '--tls-name', 'other.test')).code, 77);
  });

  test('list: numbers, sizes, ids and subjects', async () => {
    dovecot.fill('list', messages);
    const { messages: listed, mailbox } = report(await fetch('list', 'list'));
    assert.deepEqual(
      listed.map(({ number, size, subject }) => ({ number, size, subject })),
      ['dots', 'octets', 'long', 'Größe', 'empty'].map((subject, index) => ({
        number: index + 1,
        size: messages[index]?.length,
        subject,
      })),
    );
    assert.equal(new Set(listed.map(({ uid }) => uid)).size, messages.length);
    assert.equal(
      mailbox.size,
      messages.reduce((sum, { length }) => sum + length, 0),
    );
  });

  for (const format of ['eml', 'maildir']) {
    test(`get --format ${format}: the same bytes, and nothing is deleted`, async () => {
      const user = `get-${format}`;
      dovecot.fill(user, messages);
      const target = freshPath(user);
      const { messages: got } = report(await fetch(user, 'get', '--format', format, '-o', target));
      for (const [index, { stored, deleted, file }] of got.entries()) {
        assert.deepEqual([stored, deleted], [true, false]);
        assert.deepEqual(readFileSync(file ?? ''), messages[index], `message ${index + 1}`);
      }
      assert.equal(got.length, messages.length);
      assert.equal(dovecot.left(user), messages.length);
      if (format === 'maildir') assert.equal(readdirSync(join(target, 'new')).length, messages.length);
    });
  }

  test('get 2 to standard output is that message, byte for byte', async () => {
    dovecot.fill('one', messages);
    const ran = await ehlo(
      ['fetch', `pop3://one@127.0.0.1:${dovecot.port}`, 'get', '2', '--ca', ca, '--password-env', 'PW'],
      { env: { PW: password } },
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(ran.output, messages[1]);
  });

  test('top shows the header and no more of the body than asked for', async () => {
    dovecot.fill('top', messages);
    const ran = await ehlo(
      ['fetch', `pop3://top@127.0.0.1:${dovecot.port}`, 'top', '4', '--lines', '2', '--ca', ca, '--password-env', 'PW'],
      { env: { PW: password } },
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout, `${head('=?utf-8?q?Gr=C3=B6=C3=9Fe?=')}line\r\nline\r\n`);
  });

  test('get --delete: stored first, then gone from the server; a second run has nothing to do', async () => {
    dovecot.fill('delete', messages);
    const target = freshPath('deleted');
    const { messages: got } = report(await fetch('delete', 'get', '--format', 'maildir', '-o', target, '--delete'));
    assert.deepEqual(
      got.map(({ stored, deleted }) => [stored, deleted]),
      messages.map(() => [true, true]),
    );
    for (const [index, { file }] of got.entries()) assert.deepEqual(readFileSync(file ?? ''), messages[index]);
    assert.equal(dovecot.left('delete'), 0);
    const again = report(await fetch('delete', 'get', '--format', 'maildir', '-o', target, '--delete'));
    assert.deepEqual([again.mailbox.count, again.messages], [0, []]);
  });

  test('delete 2 removes that message and no other', async () => {
    dovecot.fill('pick', messages);
    report(await fetch('pick', 'delete', '2'));
    const { messages: left } = report(await fetch('pick', 'list'));
    assert.deepEqual(
      left.map(({ subject }) => subject),
      ['dots', 'long', 'Größe', 'empty'],
    );
  });

  test('get --delete with a place that cannot be written deletes nothing', async () => {
    dovecot.fill('blocked', messages);
    const target = freshPath('blocked');
    mkdirSync(target);
    // Not even root can make a folder where a file is.
    writeFileSync(join(target, 'new'), '');
    const ran = await fetch('blocked', 'get', '--format', 'maildir', '-o', target, '--delete');
    assert.equal(ran.code, 73, ran.stdout + ran.stderr);
    assert.equal(dovecot.left('blocked'), messages.length);
  });

  test('2000 messages come in one pipelined session', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => Buffer.from(`${head(`number ${index}`)}body ${index}\r\n`));
    dovecot.fill('many', many);
    const target = freshPath('many');
    const { messages: got } = report(await fetch('many', 'get', '-o', target));
    assert.equal(got.length, many.length);
    for (const [index, { file }] of got.entries()) assert.deepEqual(readFileSync(file ?? ''), many[index]);
  });
});

// `ehlo serve` as a POP3 server for the clients that people use: the bytes that came in go out, ids stay, deletions hold.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Certificate, certificate } from './certificate.ts';
import { type Served, startServe } from './serve.ts';
import { ehlo, freshPath, type Ran, runPython, tool } from './support.ts';

const head = (subject: string): string => `From: a@x.test\r\nTo: b@x.test\r\nSubject: ${subject}\r\n\r\n`;
const messages = [
  Buffer.from(`${head('dots')}.\r\n..\r\n.a\r\n\r\n.\r\n`),
  Buffer.concat([Buffer.from(head('octets')), Buffer.from([0xff, 0xe4, 0x01, 0x7f, 0x0d, 0x0a])]),
  Buffer.from(`${head('long')}${'x'.repeat(900)}\r\n${'line\r\n'.repeat(20_000)}`),
  Buffer.from(head('empty')),
];
const asText = (message: Buffer | undefined): string =>
  (message ?? Buffer.alloc(0)).toString('latin1').replaceAll('\r\n', '\n');

const succeeded = (ran: Ran): Ran => {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  return ran;
};

/** In this order, to one mailbox. */
async function fill(server: Served, mailbox: string, list: readonly Buffer[] = messages): Promise<void> {
  for (const input of list) {
    const args = [String(server.smtp), '--to', mailbox, '--option', 'BODY=8BITMIME'];
    succeeded(await runPython('smtp-client.py', args, { input }));
  }
}

interface Seen {
  count: number;
  size: number;
  sizes: number[];
  uidl: string[];
  top: string[];
}

async function poplib(server: Served, user: string, ...args: string[]): Promise<Seen> {
  return JSON.parse(succeeded(await runPython('pop3-client.py', [String(server.pop3), user, 'pw', ...args])).stdout);
}

for (const memory of [false, true]) {
  describe(`serve --store ${memory ? 'memory' : 'maildir'} hands mail out by POP3`, () => {
    let server: Served;
    let tls: Certificate;
    before(async () => {
      tls = await certificate();
      const names = ['b', 'mpop', 'fetchmail', 'curl', 'ehlo', 'gone', 'all'];
      const accounts = names.flatMap((name) => ['--auth', `${name === 'all' ? name : `${name}@x.test`}:pw`]);
      server = await startServe(['--tls', `${tls.cert},${tls.key}`, ...accounts], { memory });
    });
    after(() => server.stop());

    test('poplib: sizes, headers and bytes are those of the messages; ids are the same in every session', async () => {
      await fill(server, 'b@x.test');
      const directory = freshPath('poplib');
      const seen = await poplib(server, 'b@x.test', '--directory', directory);
      assert.deepEqual(
        seen.sizes,
        messages.map(({ length }) => length),
      );
      assert.equal(seen.count, messages.length);
      assert.equal(
        seen.size,
        seen.sizes.reduce((sum, size) => sum + size, 0),
      );
      for (const [index, message] of messages.entries()) {
        assert.deepEqual(readFileSync(join(directory, `${index + 1}.eml`)), message, `message ${index + 1}`);
        const text = message.toString('latin1');
        assert.equal(`${seen.top[index]}\r\n`, text.slice(0, text.indexOf('\r\n\r\n') + 4));
      }
      assert.equal(new Set(seen.uidl).size, messages.length);
      const overTls = await poplib(server, 'b@x.test', '--ca', tls.ca);
      assert.deepEqual(overTls.uidl, seen.uidl);
      assert.deepEqual((await poplib(server, 'b@x.test', '--apop')).uidl, seen.uidl);
    });

    test('poplib: DELE holds only with QUIT', async () => {
      await fill(server, 'gone@x.test');
      const { uidl } = await poplib(server, 'gone@x.test');
      await poplib(server, 'gone@x.test', '--delete', '1', '--vanish');
      assert.deepEqual((await poplib(server, 'gone@x.test')).uidl, uidl);
      await poplib(server, 'gone@x.test', '--delete', '1', '--delete', '3');
      assert.deepEqual((await poplib(server, 'gone@x.test')).uidl, [uidl[1], uidl[3]]);
    });

    for (const [name, flags] of [
      ['user', ['--tls=off']],
      ['apop', ['--tls=off']],
      ['cram-md5', ['--tls=off']],
      ['plain', ['--tls=on', '--tls-starttls=on']],
      ['scram-sha-256', ['--tls=on', '--tls-starttls=on']],
    ] as const) {
      test(`mpop with ${name} ${flags[0]}: every message, the same bytes; a second run fetches nothing`, async () => {
        const user = 'mpop@x.test';
        if (name === 'user') await fill(server, user);
        const maildir = freshPath('mpop');
        for (const part of ['', 'new', 'cur', 'tmp']) mkdirSync(join(maildir, part));
        const place = [`--delivery=maildir,${maildir}`, `--uidls-file=${freshPath('uidls')}`, '--received-header=off'];
        const login = [`--port=${server.pop3}`, `--auth=${name}`, `--user=${user}`, '--passwordeval=echo pw', ...flags];
        const trust = flags[0] === '--tls=on' ? [`--tls-trust-file=${tls.ca}`] : [];
        const mpop = () => tool('mpop', ['--host=127.0.0.1', ...login, ...trust, ...place, '--keep=on']);
        succeeded(await mpop());
        const got = readdirSync(join(maildir, 'new')).map((file) => asText(readFileSync(join(maildir, 'new', file))));
        assert.deepEqual(got.sort(), messages.map(asText).sort());
        succeeded(await mpop());
        assert.equal(readdirSync(join(maildir, 'new')).length, messages.length);
      });
    }

    test('mpop --keep=off: fetched and gone', async () => {
      const user = 'mpop@x.test';
      const file = freshPath('mbox');
      writeFileSync(file, '');
      const place = [`--delivery=mbox,${file}`, `--uidls-file=${freshPath('uidls')}`];
      const login = [`--port=${server.pop3}`, '--auth=user', `--user=${user}`, '--passwordeval=echo pw', '--tls=off'];
      succeeded(await tool('mpop', ['--host=127.0.0.1', ...login, ...place, '--keep=off']));
      assert.equal(readFileSync(file, 'latin1').match(/^From /gm)?.length, messages.length);
      assert.equal((await poplib(server, user)).count, 0);
    });

    test('fetchmail: every message to its program, over STLS, then gone', async () => {
      const user = 'fetchmail@x.test';
      await fill(server, user);
      const [rc, target] = [freshPath('fetchmailrc'), freshPath('fetchmail')];
      mkdirSync(target);
      const poll = `poll 127.0.0.1 service ${server.pop3} protocol pop3 uidl username "${user}" password "pw"`;
      const options = `ssl sslproto auto sslcertck sslcertfile "${tls.ca}" sslcommonname "localhost"`;
      writeFileSync(
        rc,
        `${poll} ${options.replace('ssl sslproto auto', "sslproto 'TLS1.2+'")} no rewrite mda "/bin/cat > ${target}/$$.eml"\n`,
      );
      chmodSync(rc, 0o600);
      succeeded(await tool('fetchmail', ['-f', rc, '--nosyslog', '--nodetach', '-v']));
      const got = readdirSync(target).map((file) => readFileSync(join(target, file), 'latin1'));
      assert.equal(got.length, messages.length);
      for (const message of messages) {
        // It puts fields of its own before the others.
        const [fields = '', body = ''] = asText(message).split(/\n\n(.*)/s);
        assert.ok(
          got.some((one) => one.includes(`${fields}\n`) && one.endsWith(`\n\n${body}`)),
          `${fields}\n--\n${got.map((one) => one.slice(0, 400)).join('\n--\n')}`,
        );
      }
      assert.equal((await poplib(server, user)).count, 0);
    });

    for (const flags of [
      [],
      ['--ssl-reqd'],
      ['--login-options', 'AUTH=+APOP'],
      ['--login-options', 'AUTH=PLAIN'],
      ['--login-options', 'AUTH=CRAM-MD5'],
    ]) {
      test(`curl ${flags.join(' ')}: each message, the same bytes`, async () => {
        const user = 'curl@x.test';
        if (flags.length === 0) await fill(server, user);
        for (const [index, message] of messages.entries()) {
          const url = `pop3://127.0.0.1:${server.pop3}/${index + 1}`;
          const ran = succeeded(await tool('curl', ['-sS', '--user', `${user}:pw`, '--cacert', tls.ca, ...flags, url]));
          assert.deepEqual(ran.output, message, `message ${index + 1}`);
        }
      });
    }

    test('ehlo fetch: every way to log in, the same bytes, then deleted', async () => {
      const user = 'ehlo@x.test';
      await fill(server, user);
      const fetch = (...args: string[]) =>
        ehlo(
          [
            'fetch',
            '--json',
            '--user',
            user,
            `pop3://127.0.0.1:${server.pop3}`,
            ...args,
            '--ca',
            tls.ca,
            '--password-env',
            'PW',
          ],
          {
            env: { PW: 'pw' },
          },
        );
      for (const mechanism of ['USER', 'APOP', 'PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256']) {
        const ran = succeeded(await fetch('stat', '--auth', mechanism));
        assert.equal(JSON.parse(ran.stdout).server.auth, mechanism);
      }
      const target = freshPath('fetched');
      const ran = succeeded(await fetch('get', '-o', target, '--delete'));
      const files: { file: string }[] = JSON.parse(ran.stdout).messages;
      assert.deepEqual(
        files.map(({ file }) => readFileSync(file).toString('latin1')),
        messages.map((message) => message.toString('latin1')),
      );
      assert.equal((await poplib(server, user)).count, 0);
    });

    test('the user "all" sees every mailbox', async () => {
      const { count } = await poplib(server, 'all');
      const mailboxes = await Promise.all(
        ['b@x.test', 'gone@x.test', 'curl@x.test'].map((user) => poplib(server, user)),
      );
      assert.equal(
        count,
        mailboxes.reduce((sum, one) => sum + one.count, 0),
      );
    });
  });
}

test('UIDL stays the same when the server starts again on its Maildir', async (t) => {
  const first = await startServe();
  await fill(first, 'b@x.test');
  const before = await poplib(first, 'b@x.test');
  await first.stop();
  const second = await startServe(['--store', `maildir:${first.maildir}`], { memory: true });
  t.after(() => second.stop());
  assert.deepEqual((await poplib(second, 'b@x.test')).uidl, before.uidl);
});

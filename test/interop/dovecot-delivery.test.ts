// `ehlo send` to Dovecot: LMTP with a verdict a recipient, over TCP and a Unix socket, and its submission service, which hands on
// to a server of Postfix's that keeps what it gets.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { unable, until } from './able.ts';
import { certificate } from './certificate.ts';
import { type DeliveringDovecot, password, startDeliveringDovecot, user } from './dovecot-delivery.ts';
import { ehlo, freePort, freshPath, home, type Ran, type Running, startServer } from './support.ts';

let dovecot: DeliveringDovecot;
let relay: Running;
let dumps: string;
let ca: string;

interface Report {
  error: { stage: string | null } | null;
  recipients: { address: string; status: string; code: number | null; enhanced: string | null }[];
}

function reportOf(ran: Ran, exit: number): Report {
  assert.equal(ran.code, exit, ran.stdout + ran.stderr);
  return JSON.parse(ran.stdout);
}

const fates = ({ recipients }: Report): unknown[] =>
  recipients.map(({ status, code, enhanced }) => [status, code, enhanced]);

let made = 0;
const note = (body: string): { mark: string; text: string } => {
  const mark = `Message-ID: <${++made}@x.test>`;
  return { mark, text: `From: a@x.test\r\n${mark}\r\nSubject: note\r\n\r\n${body}` };
};

const send = (server: string, args: readonly string[], input: string, env: Record<string, string> = {}): Promise<Ran> =>
  ehlo(['send', '--json', '--server', server, '--from', 'a@x.test', '--raw', '-', '--ca', ca, ...args], { input, env });

/** The message as it was sent is the end of the file; what stands before it is the trace of the server. */
function sameBytes(file: Buffer | undefined, text: string): void {
  const [got, sent] = [file?.toString() ?? '', text.replaceAll('\r\n', '\n')];
  assert.ok(got.endsWith(sent), `${JSON.stringify(got)} does not end with ${JSON.stringify(sent)}`);
}

const programs = ['dovecot', '/usr/lib/dovecot/lmtp', '/usr/lib/dovecot/submission', 'smtp-sink'];

describe('send to Dovecot', { skip: unable(programs) }, () => {
  before(async () => {
    ({ ca } = await certificate());
    dumps = freshPath('relay');
    mkdirSync(dumps);
    chmodSync(home(), 0o755);
    chmodSync(dumps, 0o777);
    const port = await freePort();
    relay = await startServer('smtp-sink', ['-u', 'nobody', '-d', join(dumps, 'm.'), `127.0.0.1:${port}`, '16'], port);
    dovecot = await startDeliveringDovecot(port);
  });
  after(async () => {
    await dovecot?.stop();
    await relay?.stop();
  });

  const doors = { tcp: () => `lmtp://127.0.0.1:${dovecot.lmtpPort}`, unix: () => `lmtp+unix:${dovecot.lmtpSocket}` };
  for (const [name, server] of Object.entries(doors)) {
    test(`LMTP over ${name}: saved, unknown and over quota each have their verdict`, async () => {
      const { mark, text } = note('.\r\ncafé\r\n..\r\n');
      const to = [user, 'no-one@x.test', 'tiny@x.test'];
      // A Unix socket has no name that a certificate could be for.
      const report = reportOf(await send(server(), ['--tls', 'off', ...to], text), 3);
      assert.deepEqual(
        report.recipients.map(({ address }) => address),
        to,
      );
      assert.deepEqual(fates(report), [
        ['accepted', 250, '2.0.0'],
        ['rejected', 550, '5.1.1'],
        ['rejected', 552, '5.2.2'],
      ]);
      sameBytes(await dovecot.delivered(user, mark), text);
    });
  }

  const ways = [['--bdat', 'auto'], ['--bdat', '7'], ['--no-pipelining'], ['--tls', 'required']];
  for (const args of ways) {
    test(`LMTP with ${args.join(' ')}: the same bytes in the mailbox`, async () => {
      const { mark, text } = note('.\r\n..\r\nline\r\n\r\n.last\r\n');
      reportOf(await send(doors.tcp(), [...args, user], text), 0);
      sameBytes(await dovecot.delivered(user, mark), text);
    });
  }

  test('LMTP with BDAT: verdicts after the last chunk, in the order of the accepted recipients', async () => {
    const { text } = note('chunked\r\n');
    const to = ['tiny@x.test', 'no-one@x.test', user];
    const report = reportOf(await send(doors.tcp(), ['--bdat', '10', ...to], text), 3);
    assert.deepEqual(fates(report), [
      ['rejected', 552, '5.2.2'],
      ['rejected', 550, '5.1.1'],
      ['accepted', 250, '2.0.0'],
    ]);
  });

  test('LMTP, nobody can take it: 69', async () => {
    const report = reportOf(await send(doors.tcp(), ['tiny@x.test', 'no-one@x.test'], note('x\r\n').text), 69);
    assert.deepEqual(
      report.recipients.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
  });

  test('LMTP and --on-reject abort: nobody gets it', async () => {
    const { mark, text } = note('all or none\r\n');
    const report = reportOf(await send(doors.tcp(), ['--on-reject', 'abort', user, 'no-one@x.test'], text), 69);
    assert.deepEqual(
      report.recipients.map(({ status }) => status),
      ['deferred', 'rejected'],
    );
    const later = note('later\r\n');
    reportOf(await send(doors.tcp(), [user], later.text), 0);
    await dovecot.delivered(user, later.mark);
    assert.equal(dovecot.has(user, mark), false);
  });

  const relayed = (mark: string): Promise<Buffer> =>
    until(
      () =>
        readdirSync(dumps)
          .map((name) => readFileSync(join(dumps, name)))
          .find((file) => file.includes(mark)) ?? null,
      `${mark} at the relay`,
      dovecot.printed,
    );

  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256']) {
    test(`submission over STARTTLS with AUTH ${mechanism}: the relay gets the same bytes`, async () => {
      const server = `smtp://${encodeURIComponent(user)}@127.0.0.1:${dovecot.submissionPort}`;
      const args = ['--auth', mechanism, '--password-env', 'PW', 'b@elsewhere.test', 'c@elsewhere.test'];
      const { mark, text } = note('.\r\nhello\r\n..\r\n');
      reportOf(await send(server, args, text, { PW: password }), 0);
      const dump = await relayed(mark);
      assert.match(dump.toString(), /^X-Rcpt-Args: <b@elsewhere\.test>/m);
      assert.match(dump.toString(), /^X-Rcpt-Args: <c@elsewhere\.test>/m);
      sameBytes(dump.subarray(0, dump.length - 1), text);
      assert.equal(reportOf(await send(server, args, text, { PW: 'wrong' }), 77).error?.stage, 'auth');
    });
  }

  test('submission with --bdat, beside BURL and what else it offers', async () => {
    const server = `smtp://${encodeURIComponent(user)}@127.0.0.1:${dovecot.submissionPort}`;
    const { mark, text } = note('.\r\nin chunks\r\n');
    const args = ['--bdat', '16', '--password-env', 'PW', 'b@elsewhere.test'];
    const ran = await send(server, args, text, { PW: password });
    reportOf(ran, 0);
    const { extensions }: { extensions: string[] } = JSON.parse(ran.stdout);
    assert.ok(extensions.some((one) => one.startsWith('BURL')) && extensions.includes('CHUNKING'), extensions.join());
    const dump = await relayed(mark);
    sameBytes(dump.subarray(0, dump.length - 1), text);
  });

  test('submission without a login, and over its size', async () => {
    const plain = `127.0.0.1:${dovecot.submissionPort}`;
    assert.equal(reportOf(await send(plain, ['b@elsewhere.test'], note('x\r\n').text), 69).error?.stage, 'mail');
    const server = `smtp://${encodeURIComponent(user)}@${plain}`;
    const large = note(`${'x'.repeat(70)}\r\n`.repeat(6000));
    const ran = await send(server, ['--password-env', 'PW', 'b@elsewhere.test'], large.text, { PW: password });
    reportOf(ran, 65);
  });
});

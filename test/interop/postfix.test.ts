// `ehlo send` against Postfix, with logins checked by Dovecot: what its log and the mailboxes have of what was sent.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { unable } from './able.ts';
import { certificate } from './certificate.ts';
import { type DeliveringDovecot, password, startDeliveringDovecot, user } from './dovecot-delivery.ts';
import { type Door, master, type Postfix, sizeLimit, startPostfix } from './postfix.ts';
import { ehlo, type Ran } from './support.ts';

let dovecot: DeliveringDovecot;
let postfix: Postfix;
let policy: Policy;

interface Policy {
  server: Server;
  port: number;
}

/** A greylist: the first time a recipient that begins with `grey` is asked for, it is to be tried again. */
async function startPolicy(): Promise<Policy> {
  const known = new Set<string>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (question) => {
      const recipient = /^recipient=(grey.*)$/m.exec(question.toString())?.[1];
      const late = recipient !== undefined && !known.has(recipient);
      if (late) known.add(recipient);
      socket.write(`action=${late ? '450 4.2.0 greylisted' : 'dunno'}\n\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

interface Sending {
  door?: Door;
  from?: string;
  env?: Record<string, string>;
  /** In place of the door's. */
  server?: string;
}

/** What one message is: a mark that finds it again, and bytes. */
interface Note {
  mark: string;
  bytes: Buffer;
}

let made = 0;

function note(body: string | Buffer = 'hello\r\n'): Note {
  const mark = `Message-ID: <note-${++made}@x.test>`;
  const date = 'Date: Mon, 01 Jan 2024 00:00:00 +0000';
  const head = `From: <a@x.test>\r\nTo: <b@x.test>\r\n${date}\r\n${mark}\r\nSubject: note\r\n\r\n`;
  return { mark, bytes: Buffer.concat([Buffer.from(head), Buffer.from(body)]) };
}

function send({ bytes }: Note, args: readonly string[], sending: Sending = {}): Promise<Ran> {
  const { door = 'plain', from = 'a@x.test', env = {} } = sending;
  const server = sending.server ?? `127.0.0.1:${postfix.port[door]}`;
  return ehlo(['send', '--json', '--raw', '-', '--server', server, '--from', from, ...args], { input: bytes, env });
}

interface Report {
  exit: { code: number };
  error: { stage: string | null; message: string } | null;
  queueId: string | null;
  server: { tls: { authorized: boolean; protocol: string } | null };
  recipients: { address: string; status: string; code: number | null }[];
}

function reportOf(ran: Ran, exit: number): Report {
  assert.equal(ran.code, exit, ran.stdout + ran.stderr);
  const report: Report = JSON.parse(ran.stdout);
  assert.equal(report.exit.code, exit);
  return report;
}

/** As it is on the disk of a Unix system. */
const onDisk = ({ bytes }: Note): string => bytes.toString('latin1').replaceAll('\r\n', '\n');

/** Sent, taken, and in the mailbox byte for byte; the trace of the server is the result. */
async function arrives(sent: Note, args: readonly string[], sending: Sending = {}, mailbox = 'b'): Promise<string> {
  const report = reportOf(await send(sent, args, sending), 0);
  const { message, trace } = await postfix.delivered(mailbox, sent.mark);
  assert.equal(message.toString('latin1'), onDisk(sent));
  assert.ok(report.queueId && trace.includes(` id ${report.queueId}`), `${report.queueId} is not in ${trace}`);
  return trace;
}

const octets = Buffer.from(
  Array.from({ length: 256 }, (_, octet) => octet).filter((one) => ![0, 10, 13].includes(one)),
);
const awkward = Buffer.concat([
  Buffer.from('.\r\n..\r\n.a\r\n\r\n'),
  octets,
  Buffer.from(`\r\n${'x'.repeat(60_000)}\r\n`),
]);
const lines = Buffer.from(
  randomBytes(90_000)
    .toString('base64')
    .replace(/.{1,70}/g, '$&\r\n'),
);

describe('send to Postfix', { skip: unable([master, 'dovecot', '/usr/lib/dovecot/lmtp']) }, () => {
  before(async () => {
    policy = await startPolicy();
    dovecot = await startDeliveringDovecot(9);
    postfix = await startPostfix({
      authSocket: dovecot.authSocket,
      policyPort: policy.port,
      lmtpPort: dovecot.lmtpPort,
    });
  });
  after(async () => {
    await postfix?.stop();
    await dovecot?.stop();
    policy?.server.close();
  });

  const ways: { says: string; args: string[]; body: Buffer; log: RegExp }[] = [
    { says: 'DATA: dots, all octets, a long line', args: [], body: awkward, log: / data=1 quit=1/ },
    { says: 'DATA without pipelining', args: ['--no-pipelining'], body: awkward, log: / data=1 quit=1/ },
    { says: '--bdat auto', args: ['--bdat', 'auto'], body: awkward, log: / bdat=1 quit=1/ },
    { says: '--bdat 1000', args: ['--bdat', '1000'], body: lines, log: / bdat=124 quit=1/ },
    {
      says: '--bdat 1: CR and LF each in a chunk',
      args: ['--bdat', '1'],
      body: Buffer.from('.\r\n'),
      log: / bdat=1\d\d /,
    },
  ];
  for (const { says, args, body, log } of ways) {
    test(`${says}: the same bytes in the mailbox`, async () => {
      const trace = await arrives(note(body), [...args, 'b@x.test']);
      assert.match(trace, /with ESMTP id/);
      await postfix.logged(log);
    });
  }

  test('STARTTLS, verified with --ca; without it, and TLS required, nothing is sent', async () => {
    const { ca } = await certificate();
    const sent = note();
    const trace = await arrives(sent, ['--tls', 'required', '--ca', ca, 'b@x.test'], { door: 'tls' });
    assert.match(trace, /using TLSv1\.3/);
    assert.match(trace, /with ESMTPS id/);
    const refused = await send(note(), ['--tls', 'required', 'b@x.test'], { door: 'tls', from: 'untrusting@x.test' });
    assert.equal(reportOf(refused, 77).recipients[0]?.status, 'rejected');
    // The server hears nothing of the sender.
    await arrives(note(), ['b@x.test']);
    assert.doesNotMatch(postfix.printed(), /untrusting@x\.test/);
  });

  test('a server that wants STARTTLS and does not get it: refused at MAIL', async () => {
    const report = reportOf(await send(note(), ['--tls', 'off', 'b@x.test'], { door: 'tls' }), 69);
    assert.equal(report.error?.stage, 'mail');
  });

  test('SMTPUTF8: an address beyond ASCII has its mailbox', async () => {
    const trace = await arrives(note('Grüße\r\n'), ['jörg@x.test'], {}, 'jörg');
    assert.match(trace, /with UTF8SMTP id/);
  });

  test('DSN on success: the notification comes, with ORCPT and ENVID', async () => {
    const sent = note();
    const recipient = 'b@x.test?notify=success&orcpt=rfc822;first+b@x.test';
    reportOf(await send(sent, ['--envid', 'envelope+1=x', '--rcpt', recipient]), 0);
    const notification = (await postfix.delivered('a', sent.mark)).message.toString('latin1');
    assert.match(notification, /^Original-Envelope-Id: envelope\+1=x$/m);
    assert.match(notification, /^Original-Recipient: rfc822;\s?first\+b@x\.test$/m);
    assert.match(notification, /^Action: delivered$/m);
  });

  // RET concerns failures only (RFC 3461 4.3).
  for (const [ret, part] of [
    ['hdrs', 'text/rfc822-headers'],
    ['full', 'message/rfc822'],
  ] as const) {
    test(`DSN on failure, --dsn-ret ${ret}: the notification brings back ${part}`, async () => {
      const sent = note('the body itself\r\n');
      reportOf(await send(sent, ['--dsn', 'failure', '--dsn-ret', ret, 'bounce@x.test']), 0);
      const notification = (await postfix.delivered('a', sent.mark)).message.toString('latin1');
      assert.match(notification, /^Action: failed$/m);
      assert.ok(notification.includes(`Content-Type: ${part}`), notification);
      assert.equal(notification.includes('the body itself'), ret === 'full');
    });
  }

  test('--dsn never: no notification comes back though delivery fails', async () => {
    const sent = note();
    const { queueId } = reportOf(await send(sent, ['--dsn', 'never', 'bounce@x.test']), 0);
    await postfix.logged(new RegExp(`${queueId}: .*status=bounced`));
    await postfix.logged(new RegExp(`${queueId}: removed`));
    assert.doesNotMatch(postfix.printed(), new RegExp(`${queueId}: sender non-delivery notification`));
    const loud = reportOf(await send(note(), ['--dsn', 'failure', 'bounce@x.test']), 0);
    await postfix.logged(new RegExp(`${loud.queueId}: sender non-delivery notification`));
  });

  test('a message over SIZE is refused before it is sent', async () => {
    const large = note(Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(sizeLimit / 60)));
    for (const args of [[], ['--bdat', 'auto']]) {
      const report = reportOf(await send(large, [...args, 'b@x.test'], { from: 'large@x.test' }), 65);
      assert.equal(report.error?.stage, 'mail');
      assert.match(report.error?.message ?? '', new RegExp(`${sizeLimit}`));
    }
    assert.doesNotMatch(postfix.printed(), /large@x\.test/);
  });

  test('--require: what the server lacks is 69, and nothing is sent', async () => {
    const { ca } = await certificate();
    const report = reportOf(
      await send(note(), ['--require', 'requiretls', '--ca', ca, 'b@x.test'], { door: 'tls', from: 'strict@x.test' }),
      69,
    );
    assert.match(report.error?.message ?? '', /REQUIRETLS/i);
    assert.doesNotMatch(postfix.printed(), /strict@x\.test/);
    reportOf(
      await send(note(), ['--require', 'dsn,smtputf8,8bitmime,starttls', '--ca', ca, 'b@x.test'], { door: 'tls' }),
      0,
    );
  });

  test('one of three refused in a pipeline: exit 3; with --on-reject abort 69, and nobody gets it', async () => {
    const three = ['b@x.test', 'no-one@x.test', 'c@x.test'];
    const sent = note();
    const report = reportOf(await send(sent, three), 3);
    assert.deepEqual(
      report.recipients.map(({ status, code }) => [status, code]),
      [
        ['accepted', 250],
        ['rejected', 550],
        ['accepted', 250],
      ],
    );
    for (const mailbox of ['b', 'c'])
      assert.equal((await postfix.delivered(mailbox, sent.mark)).message.toString('latin1'), onDisk(sent));
    for (const args of [[], ['--bdat', 'auto'], ['--no-pipelining']]) {
      const none = reportOf(
        await send(note(), ['--on-reject', 'abort', ...args, ...three], { from: 'all@x.test' }),
        69,
      );
      assert.deepEqual(
        none.recipients.map(({ status }) => status),
        ['deferred', 'rejected', 'deferred'],
      );
    }
    assert.doesNotMatch(postfix.printed(), /from=<all@x\.test>, size=/);
  });

  const fates: { to: string[]; exit: number; status: string[]; code: number; says: string }[] = [
    { to: ['no-one@x.test'], exit: 69, status: ['rejected'], code: 550, says: 'an unknown mailbox' },
    { to: ['full@x.test'], exit: 69, status: ['rejected'], code: 552, says: '552' },
    { to: ['slow@x.test'], exit: 75, status: ['deferred'], code: 450, says: '450' },
    { to: ['full@x.test', 'slow@x.test'], exit: 75, status: ['rejected', 'deferred'], code: 552, says: '552 and 450' },
    { to: ['b@x.test', 'slow@x.test'], exit: 3, status: ['accepted', 'deferred'], code: 250, says: '250 and 450' },
    {
      to: ['gone@x.test', 'b@x.test'],
      exit: 75,
      status: ['deferred', 'deferred'],
      code: 421,
      says: '421, and hung up',
    },
  ];
  for (const { to, exit, status, code, says } of fates) {
    test(`recipients: ${says}: exit ${exit}`, async () => {
      const report = reportOf(await send(note(), to), exit);
      assert.deepEqual(
        report.recipients.map((one) => one.status),
        status,
      );
      assert.equal(report.recipients[0]?.code, code);
    });
  }

  test('a greylist: 75, and --retry gets through, once', async () => {
    reportOf(await send(note(), ['grey+1@x.test']), 75);
    const sent = note();
    const report = reportOf(await send(sent, ['--retry', '2', '--retry-delay', '10ms', 'grey@x.test', 'c@x.test']), 0);
    assert.deepEqual(
      report.recipients.map(({ status }) => status),
      ['accepted', 'accepted'],
    );
    for (const mailbox of ['grey', 'c']) await postfix.delivered(mailbox, sent.mark);
    const id = sent.mark.slice('Message-ID: '.length);
    const taken = postfix
      .printed()
      .split('\n')
      .filter((line) => line.includes(`message-id=${id}`));
    assert.equal(taken.length, 2, 'one transaction for c, one for grey');
  });

  test('--xclient: the server takes the client for the one that is told', async () => {
    const told = ['ADDR=192.0.2.7', 'NAME=far.test', 'HELO=greeting.test', 'LOGIN=mary'].flatMap((one) => [
      '--xclient',
      one,
    ]);
    const trace = await arrives(note(), [...told, '--helo', 'greeting.test', 'b@x.test'], { door: 'xclient' });
    assert.match(trace, /from greeting\.test \(far\.test \[192\.0\.2\.7\]\)/);
    assert.match(trace, /Authenticated sender: mary/);
    const six = await arrives(note(), ['--xclient', 'ADDR=IPV6:2001:db8::7', 'b@x.test'], { door: 'xclient' });
    assert.match(six, /\[IPv6:2001:db8::7\]/);
    // Not offered at the other door.
    const report = reportOf(await send(note(), ['--xclient', 'ADDR=192.0.2.7', 'b@x.test']), 69);
    assert.equal(report.recipients[0]?.status, 'rejected');
  });

  const proxies: { header: string; client: RegExp }[] = [
    { header: 'v1', client: /\[127\.0\.0\.1\]/ },
    { header: 'v2', client: /\[127\.0\.0\.1\]/ },
    { header: 'v2:local', client: /\[127\.0\.0\.1\]/ },
    { header: 'v1:192.0.2.9:1234:127.0.0.1:25', client: /\[192\.0\.2\.9\]/ },
    { header: 'v2:192.0.2.9:1234:127.0.0.1:25', client: /\[192\.0\.2\.9\]/ },
    { header: 'v2:[2001:db8::9]:1234:[2001:db8::1]:25', client: /\[IPv6:2001:db8::9\]/ },
  ];
  for (const { header, client } of proxies) {
    test(`--proxy-protocol ${header}`, async () => {
      const trace = await arrives(note(), ['--proxy-protocol', header, 'b@x.test'], { door: 'proxy' });
      assert.match(trace, client);
    });
  }

  test('a server behind a proxy hangs up on a client without a PROXY header: 75', async () => {
    reportOf(await send(note(), ['b@x.test'], { door: 'proxy' }), 75);
  });

  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256']) {
    test(`submission with AUTH ${mechanism}: the login is in the log, a wrong password is 77`, async () => {
      const { ca } = await certificate();
      const server = `smtp://${encodeURIComponent(user)}@127.0.0.1:${postfix.port.submission}`;
      const args = ['--ca', ca, '--auth', mechanism, '--password-env', 'PW', 'b@x.test'];
      const trace = await arrives(note(), args, { server, env: { PW: password } });
      assert.match(trace, /Authenticated sender: jo@x\.test/);
      assert.match(trace, /with ESMTPSA id/);
      await postfix.logged(new RegExp(`sasl_method=${mechanism}, sasl_username=jo@x\\.test`));
      const wrong = await send(note(), args, { server, env: { PW: 'wrong' } });
      assert.equal(reportOf(wrong, 77).error?.stage, 'auth');
    });
  }

  test('submission without a login is refused', async () => {
    const { ca } = await certificate();
    const report = reportOf(await send(note(), ['--ca', ca, 'b@x.test'], { door: 'submission' }), 69);
    assert.equal(report.error?.stage, 'rcpt');
  });
});

// `ehlo send` against aiosmtpd: exact bytes, SMTPUTF8, logins, STARTTLS, and composed messages as Python's email reads them.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { certificate } from './certificate.ts';
import { readMessage } from './read-message.ts';
import { ehlo, freePort, freshPath, startPython } from './support.ts';

interface Received {
  from: string;
  to: string[];
  mailOptions: string[];
  smtputf8: boolean;
  tls: boolean;
  user: string | null;
}

interface Peer {
  port: number;
  message(number?: number): Buffer;
  envelope(number?: number): Received;
}

async function aiosmtpd(t: TestContext, flags: readonly string[] = []): Promise<Peer> {
  const port = await freePort();
  const directory = freshPath('aiosmtpd');
  mkdirSync(directory);
  const server = await startPython('smtp-server.py', [String(port), directory, ...flags], port);
  t.after(() => server.stop());
  const read = (number: number, kind: string): Buffer => readFileSync(join(directory, `${number}.${kind}`));
  return {
    port,
    message: (number = 1) => read(number, 'eml'),
    envelope: (number = 1) => JSON.parse(read(number, 'json').toString()),
  };
}

const head = 'From: a@x.test\r\nSubject: bytes\r\n\r\n';
const allOctets = Buffer.from(
  Array.from({ length: 256 }, (_, octet) => octet).filter((octet) => ![0, 10, 13].includes(octet)),
);

/** What is sent, and what the server must have: the same, but for a last line end that SMTP itself needs (RFC 5321 4.1.1.4). */
const bodies: { says: string; body: Buffer; arrives?: Buffer }[] = [
  { says: 'dot lines', body: Buffer.from('.\r\n..\r\n...\r\n.a\r\n\r\n.\r\n') },
  { says: 'a dot as the first octet', body: Buffer.from('.first\r\n') },
  { says: 'every octet but NUL, CR and LF', body: Buffer.concat([allOctets, Buffer.from('\r\n')]) },
  { says: 'a line of 200 000 octets', body: Buffer.from(`${'x'.repeat(200_000)}\r\n.y\r\n`) },
  { says: 'no final line end', body: Buffer.from('cut'), arrives: Buffer.from('cut\r\n') },
  { says: 'a dot without a line end at the end', body: Buffer.from('a\r\n.'), arrives: Buffer.from('a\r\n.\r\n') },
  { says: 'empty lines at the end', body: Buffer.from('a\r\n\r\n\r\n\r\n') },
  { says: 'an empty body', body: Buffer.alloc(0) },
];

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('send to aiosmtpd', { concurrency: 2 }, () => {
  test('--raw: the bytes that arrive are the bytes that were sent', async (t) => {
    const peer = await aiosmtpd(t);
    const server = ['--server', `127.0.0.1:${peer.port}`, '--from', 'a@x.test', 'b@x.test'];
    for (const [index, { says, body, arrives }] of bodies.entries()) {
      const ran = await ehlo(['send', '--json', ...server, '--raw', '-'], {
        input: Buffer.concat([Buffer.from(head), body]),
      });
      assert.equal(ran.code, 0, `${says}: ${ran.stdout}${ran.stderr}`);
      const expected = Buffer.concat([Buffer.from(head), arrives ?? body]);
      assert.deepEqual(peer.message(index + 1).toString('latin1'), expected.toString('latin1'), says);
    }
  });

  test('--raw: bare CR and LF, NUL and an empty input are refused before anything is sent', async (t) => {
    const peer = await aiosmtpd(t);
    const server = ['--server', `127.0.0.1:${peer.port}`, '--from', 'a@x.test', 'b@x.test'];
    for (const input of ['Subject: a\n\nb\n', 'Subject: a\r\n\r\nb\rc\r\n', 'Subject: a\r\n\r\nb\r\n.\n', '']) {
      const ran = await ehlo(['send', '--json', ...server, '--raw', '-'], { input });
      assert.equal(ran.code, 65, `${JSON.stringify(input)}: ${ran.stdout}${ran.stderr}`);
    }
    assert.throws(() => peer.message(1), /ENOENT/);
    const fixed = await ehlo(['send', '--json', ...server, '--raw', '-', '--fix-eol'], {
      input: 'Subject: a\n\nb\rc\n',
    });
    assert.equal(fixed.code, 0, fixed.stdout + fixed.stderr);
    assert.equal(peer.message(1).toString(), 'Subject: a\r\n\r\nb\r\nc\r\n');
  });

  test('SMTPUTF8: addresses and headers in UTF-8 arrive, and are not sent where the server lacks it', async (t) => {
    const [able, unable] = [await aiosmtpd(t, ['--smtputf8']), await aiosmtpd(t)];
    const send = (port: number) =>
      ehlo([
        'send',
        '--json',
        '--server',
        `127.0.0.1:${port}`,
        '--from',
        'jörg@x.test',
        'Ünal <ü@x.test>',
        '-s',
        'Größe',
        '--body',
        'Grüße',
      ]);
    const ran = await send(able.port);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    const { from, to, smtputf8 } = able.envelope();
    assert.deepEqual({ from, to, smtputf8 }, { from: 'jörg@x.test', to: ['ü@x.test'], smtputf8: true });
    const facts = await readMessage(able.message());
    assert.equal(facts.subject, 'Größe');
    const refused = await send(unable.port);
    assert.equal(refused.code, 65, refused.stdout + refused.stderr);
    assert.throws(() => unable.message(), /ENOENT/);
  });

  test('STARTTLS with the test authority, then a login with each mechanism', async (t) => {
    const { ca, cert, key } = await certificate();
    const peer = await aiosmtpd(t, ['--cert', cert, '--key', key, '--require-tls', '--account', 'jo:pässword']);
    const base = ['send', '--json', '--server', `smtp://jo@127.0.0.1:${peer.port}`, '--from', 'a@x.test', 'b@x.test'];
    const options = { env: { PW: 'pässword', WRONG: 'wrong' }, input: 'hello' };
    for (const [index, mechanism] of ['PLAIN', 'LOGIN'].entries()) {
      const ran = await ehlo([...base, '--ca', ca, '--password-env', 'PW', '--auth', mechanism], options);
      assert.equal(ran.code, 0, `${mechanism}: ${ran.stdout}${ran.stderr}`);
      assert.deepEqual(peer.envelope(index + 1).user, `${mechanism} jo`);
      assert.equal(peer.envelope(index + 1).tls, true);
      assert.equal(JSON.parse(ran.stdout).server.tls.authorized, true);
    }
    const wrong = await ehlo([...base, '--ca', ca, '--password-env', 'WRONG'], options);
    assert.equal(wrong.code, 77, wrong.stdout + wrong.stderr);
    // On loopback TLS is a bonus unless it is asked for.
    const untrusted = await ehlo([...base, '--password-env', 'PW', '--tls', 'required'], options);
    assert.equal(untrusted.code, 77, 'a certificate of an unknown authority');
    assert.throws(() => peer.message(3), /ENOENT/);
  });

  test('implicit TLS; a certificate for another name is refused', async (t) => {
    const { ca, cert, key } = await certificate();
    const peer = await aiosmtpd(t, ['--cert', cert, '--key', key, '--implicit']);
    const send = (...args: string[]) =>
      ehlo(
        [
          'send',
          '--json',
          '--server',
          `smtps://127.0.0.1:${peer.port}`,
          '--ca',
          ca,
          '--from',
          'a@x.test',
          'b@x.test',
          ...args,
        ],
        { input: 'hi' },
      );
    const ran = await send();
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.equal(peer.envelope().tls, true);
    assert.equal((await send('--tls-name', 'other.test')).code, 77);
  });

  test('a login is never sent in the clear to a server that lost STARTTLS', async (t) => {
    const peer = await aiosmtpd(t, ['--account', 'jo:secret']);
    const ran = await ehlo(
      [
        'send',
        '--json',
        '-v',
        '--server',
        `smtp://jo@127.0.0.1:${peer.port}`,
        '--tls',
        'required',
        '--password-env',
        'PW',
        '--from',
        'a@x.test',
        'b@x.test',
      ],
      { env: { PW: 'secret' }, input: 'hi' },
    );
    assert.equal(ran.code, 77, ran.stdout + ran.stderr);
    assert.doesNotMatch(ran.stdout, /AUTH PLAIN [A-Za-z0-9]/);
  });

  test('a composed message: subject, addresses, texts, file names and bytes as Python reads them', async (t) => {
    const peer = await aiosmtpd(t);
    const binary = randomBytes(300_001);
    const lines = Buffer.from('From the start\n.\n..\r\nlast without end');
    const [first, second] = [freshPath('data.bin'), freshPath('übersicht €.txt')];
    writeFileSync(first, binary);
    writeFileSync(second, lines);
    const subject = 'Rechnung № 42 — naïve café, long enough to be folded over more than a single line of a header';
    const ran = await ehlo(
      [
        ...['send', '--json', '--server', `127.0.0.1:${peer.port}`, '--from', '"Jörg, Ü." <a@x.test>', 'b@x.test'],
        ...[
          '--cc',
          'c@x.test',
          '--bcc',
          'hidden@x.test',
          '-s',
          subject,
          '--body',
          'Grüße\n.\nvon hier',
          '--html',
          '<b>Grüße</b>',
        ],
        ...[
          '-a',
          `${first};name=daten ä.bin;type=application/x-test`,
          '-a',
          second,
          '--inline',
          `pic=${first};type=image/png`,
        ],
      ],
      {},
    );
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    assert.deepEqual(peer.envelope().to, ['b@x.test', 'c@x.test', 'hidden@x.test']);
    const facts = await readMessage(peer.message());
    assert.equal(facts.subject, subject);
    assert.deepEqual(facts.from, ['a@x.test']);
    assert.deepEqual(facts.fromNames, ['Jörg, Ü.']);
    assert.deepEqual([facts.to, facts.cc, facts.bcc], [['b@x.test'], ['c@x.test'], null]);
    assert.equal(facts.plain?.replaceAll('\r\n', '\n').trimEnd(), 'Grüße\n.\nvon hier');
    assert.equal(facts.html?.trim(), '<b>Grüße</b>');
    assert.deepEqual(facts.defects, []);
    assert.equal(facts.messageId, JSON.parse(ran.stdout).messageId);
    const named = (name: string) => facts.parts.find(({ filename }) => filename === name);
    assert.deepEqual(
      [named('daten ä.bin')?.sha256, named('daten ä.bin')?.type],
      [sha256(binary), 'application/x-test'],
    );
    assert.equal(named(basename(second))?.sha256, sha256(lines));
    assert.equal(facts.parts.find(({ cid }) => cid === '<pic>')?.sha256, sha256(binary));
  });

  test('one recipient of two refused: exit 3, and the message arrives for the other', async (t) => {
    const peer = await aiosmtpd(t);
    const ran = await ehlo(
      ['send', '--json', '--server', `127.0.0.1:${peer.port}`, '--from', 'a@x.test', 'b@x.test', 'no-one@x.test'],
      { input: 'hi' },
    );
    assert.equal(ran.code, 3, ran.stdout + ran.stderr);
    assert.deepEqual(peer.envelope().to, ['b@x.test']);
  });
});

// `ehlo send` against smtp-sink of Postfix: what each command's refusal or loss comes to, and the dialects it can speak.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ehlo, freePort, freshPath, home, type Ran, startServer } from './support.ts';

const note = 'Subject: note\r\n\r\nhello\r\n';

/** smtp-sink gives up the privileges of root by itself, and asks for a user to be. */
const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];

async function sink(t: TestContext, flags: readonly string[]): Promise<number> {
  const port = await freePort();
  const server = await startServer('smtp-sink', [...user, ...flags, `127.0.0.1:${port}`, '16'], port);
  t.after(() => server.stop());
  return port;
}

const sendTo = (port: number, args: readonly string[] = [], input: string | Buffer = note): Promise<Ran> =>
  ehlo(['send', '--json', '--server', `127.0.0.1:${port}`, '--from', 'a@x.test', 'b@x.test', '--raw', '-', ...args], {
    input,
  });

interface Row {
  flags: string;
  exit: number;
  /** Of the error, or of the only recipient where there is none. */
  stage?: string;
  says: string;
  args?: string[];
  input?: string | Buffer;
}

const rows: Row[] = [
  { flags: '-f CONNECT', exit: 69, stage: 'banner', says: 'a 5xx greeting' },
  { flags: '-f EHLO', exit: 0, says: 'EHLO refused: HELO is enough for a plain message' },
  { flags: '-f EHLO,HELO', exit: 69, stage: 'ehlo', says: 'EHLO and HELO refused' },
  { flags: '-f MAIL', exit: 69, stage: 'mail', says: 'MAIL refused' },
  { flags: '-f RCPT', exit: 69, stage: 'rcpt', says: 'RCPT refused' },
  { flags: '-f DATA', exit: 69, stage: 'data', says: 'DATA refused' },
  { flags: '-f .', exit: 69, stage: 'dot', says: 'the message refused' },
  { flags: '-f QUIT', exit: 0, says: 'QUIT refused: the message was accepted all the same' },
  { flags: '-A 0', exit: 69, stage: 'dot', says: 'a verdict in the middle of the data', input: bigNote() },
  { flags: '-r CONNECT', exit: 75, stage: 'banner', says: 'a 4xx greeting' },
  { flags: '-r EHLO', exit: 75, stage: 'ehlo', says: 'EHLO deferred' },
  { flags: '-r MAIL', exit: 75, stage: 'mail', says: 'MAIL deferred' },
  { flags: '-r RCPT', exit: 75, stage: 'rcpt', says: 'RCPT deferred' },
  { flags: '-r DATA', exit: 75, stage: 'data', says: 'DATA deferred' },
  { flags: '-r .', exit: 75, stage: 'dot', says: 'the message deferred' },
  { flags: '-r QUIT', exit: 0, says: 'QUIT deferred: the message was accepted' },
  { flags: '-q CONNECT', exit: 75, stage: 'banner', says: 'lost before the greeting' },
  { flags: '-q EHLO', exit: 75, stage: 'ehlo', says: 'lost at EHLO' },
  { flags: '-q MAIL', exit: 75, stage: 'mail', says: 'lost at MAIL' },
  { flags: '-q RCPT', exit: 75, stage: 'rcpt', says: 'lost at RCPT' },
  { flags: '-q DATA', exit: 75, stage: 'data', says: 'lost at DATA' },
  { flags: '-q .', exit: 4, stage: 'dot', says: 'lost after the end of data: nobody knows' },
  { flags: '-q QUIT', exit: 0, says: 'lost at QUIT: the message was accepted' },
  { flags: '-Q CONNECT', exit: 75, stage: 'banner', says: '421 instead of a greeting' },
  { flags: '-Q EHLO', exit: 75, stage: 'ehlo', says: '421 at EHLO' },
  { flags: '-Q MAIL', exit: 75, stage: 'mail', says: '421 at MAIL' },
  { flags: '-Q RCPT', exit: 75, stage: 'rcpt', says: '421 at RCPT' },
  { flags: '-Q DATA', exit: 75, stage: 'data', says: '421 at DATA' },
  { flags: '-Q .', exit: 75, stage: 'dot', says: '421 after the end of data: refused, not unknown' },
  { flags: '-Q QUIT', exit: 0, says: '421 at QUIT: the message was accepted' },
  { flags: '-p', exit: 0, says: 'no PIPELINING' },
  { flags: '-e', exit: 0, says: 'no ESMTP in the greeting' },
  { flags: '-P', exit: 0, says: 'a greeting of asterisks, as from a firewall' },
  { flags: '-E', exit: 0, says: 'no ENHANCEDSTATUSCODES' },
  {
    flags: '-8',
    exit: 65,
    stage: 'mail',
    says: '8-bit text and no 8BITMIME',
    input: 'Subject: note\r\n\r\ncaf\u00e9\r\n',
  },
];

function bigNote(): Buffer {
  return Buffer.concat([Buffer.from('Subject: big\r\n\r\n'), Buffer.alloc(8_000_000, `${'x'.repeat(70)}\r\n`)]);
}

interface Report {
  ok: boolean;
  exit: { code: number };
  error: { stage: string | null; mayDuplicate: boolean } | null;
  recipients: { address: string; status: string; code: number | null }[];
  extensions: string[];
}

describe('send to smtp-sink', { concurrency: 2 }, () => {
  for (const { flags, exit, stage, says, args, input } of rows) {
    test(`smtp-sink ${flags}: ${says}, exit ${exit}`, async (t) => {
      const port = await sink(t, flags.split(' '));
      const ran = await sendTo(port, args, input);
      assert.equal(ran.code, exit, ran.stdout + ran.stderr);
      const report: Report = JSON.parse(ran.stdout);
      assert.equal(report.exit.code, exit);
      assert.equal(report.ok, exit === 0);
      if (exit === 0) {
        assert.equal(report.error, null);
        assert.equal(report.recipients[0]?.status, 'accepted');
      } else {
        assert.equal(report.error?.stage, stage);
        assert.equal(report.error?.mayDuplicate, exit === 4);
      }
    });
  }

  const lmtp = [
    { flags: '-L', exit: 0 },
    { flags: '-L -f .', exit: 69 },
    { flags: '-L -r .', exit: 75 },
    { flags: '-L -q .', exit: 4 },
    { flags: '-L -f RCPT', exit: 69 },
  ];
  for (const { flags, exit } of lmtp) {
    test(`LMTP, smtp-sink ${flags}: exit ${exit}, a verdict for each recipient`, async (t) => {
      const port = await sink(t, flags.split(' '));
      const ran = await sendTo(port, ['c@x.test', '--server', `lmtp://127.0.0.1:${port}`]);
      assert.equal(ran.code, exit, ran.stdout + ran.stderr);
      const report: Report = JSON.parse(ran.stdout);
      assert.deepEqual(
        report.recipients.map(({ address }) => address),
        ['b@x.test', 'c@x.test'],
      );
      const status = { 0: 'accepted', 69: 'rejected', 75: 'deferred', 4: 'unknown' }[exit];
      assert.deepEqual(
        report.recipients.map((one) => one.status),
        [status, status],
      );
    });
  }

  test('smtp-sink -d: envelope, parameters and text arrive as they were sent', async (t) => {
    const directory = freshPath('dump');
    mkdirSync(directory);
    // The sink writes as another user.
    chmodSync(directory, 0o777);
    chmodSync(home(), 0o755);
    const port = await sink(t, ['-d', join(directory, 'm.')]);
    const text = 'Subject: dots\r\n\r\n.\r\n..\r\n...two\r\n\r\n.last\r\n';
    const args = [
      '--mail-from',
      '<>',
      '--dsn',
      'failure,delay',
      '--dsn-ret',
      'hdrs',
      '--envid',
      'a+b=c',
      '--helo',
      'me.test',
    ];
    const ran = await sendTo(port, args, text);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
    const [name = ''] = readdirSync(directory);
    const dump = readFileSync(join(directory, name), 'latin1');
    assert.match(dump, /^X-Helo-Args: me\.test$/m);
    assert.match(dump, /^X-Mail-Args: <> RET=HDRS ENVID=a\+2Bb\+3Dc$/m);
    assert.match(dump, /^X-Rcpt-Args: <b@x\.test> NOTIFY=FAILURE,DELAY/m);
    assert.ok(dump.endsWith(`${text.replaceAll('\r\n', '\n')}\n`), dump);
  });
});

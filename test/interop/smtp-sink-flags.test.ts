// `ehlo send` against smtp-sink's other flags: extensions that are missing, texts of refusals, delays at each command, and what
// --retry, --bdat, --xclient and LMTP make of them. Refusals at each command are in smtp-sink.test.ts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ehlo, freePort, freshPath, startServer } from './support.ts';

/** smtp-sink gives up the privileges of root by itself, and asks for a user to be. */
const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];

interface Row {
  flags: string;
  args?: string[];
  exit: number;
  says: string;
  stage?: string;
  status?: string;
  /** Lines of the transcript that must, or must not, be there. */
  talk?: RegExp;
  silent?: RegExp;
  tries?: number;
  input?: Buffer;
}

const small = Buffer.from('Subject: note\r\n\r\n.\r\nhello\r\n');
const big = Buffer.concat([Buffer.from('Subject: big\r\n\r\n'), Buffer.alloc(8_000_000, `${'x'.repeat(70)}\r\n`)]);
const again = ['--retry', '2', '--retry-delay', '10ms'];

const rows: Row[] = [
  { flags: '', exit: 0, says: 'nothing special', talk: /^-> EHLO/m },
  { flags: '-e', exit: 0, says: 'no ESMTP in the greeting', talk: /^-> EHLO/m },
  {
    flags: '-p',
    exit: 0,
    says: 'no PIPELINING: each reply before the next command',
    talk: /^<- 250.*\n-> RCPT.*\n<- 250.*\n-> DATA$/m,
  },
  { flags: '-8', exit: 0, says: 'no 8BITMIME, and ASCII', silent: /BODY=/ },
  { flags: '-F', exit: 0, says: 'no XFORWARD' },
  { flags: '-h sink.test', exit: 0, says: 'another name', talk: /^<- 220 sink\.test/m },
  {
    flags: '',
    args: ['--xclient', 'NAME=far.test'],
    exit: 0,
    says: 'XCLIENT is offered',
    talk: /^-> XCLIENT NAME=far\.test$/m,
  },
  {
    flags: '',
    args: ['--xclient', 'ADDR=192.0.2.7'],
    exit: 69,
    says: 'XCLIENT is offered, without that attribute',
    status: 'rejected',
    silent: /-> (XCLIENT|MAIL)/,
  },
  {
    flags: '-C',
    args: ['--xclient', 'NAME=far.test'],
    exit: 69,
    says: 'XCLIENT is not',
    status: 'rejected',
    silent: /-> (XCLIENT|MAIL)/,
  },
  { flags: '', args: ['--dsn', 'never', '--require', 'dsn'], exit: 0, says: 'DSN is offered', talk: /NOTIFY=NEVER/ },
  {
    flags: '-N',
    args: ['--dsn', 'never', '--require', 'dsn'],
    exit: 69,
    says: 'DSN is not',
    status: 'rejected',
    silent: /-> MAIL/,
  },
  {
    flags: '-B 550_5.7.1_no -f RCPT',
    exit: 69,
    says: 'another hard text',
    stage: 'rcpt',
    status: 'rejected',
    talk: /^<- 550 5\.7\.1 no$/m,
  },
  {
    flags: '-b 451_4.2.1_later -r RCPT',
    exit: 75,
    says: 'another soft text',
    stage: 'rcpt',
    talk: /^<- 451 4\.2\.1 later$/m,
  },
  { flags: '-f RCPT', exit: 69, says: 'nobody is left: no DATA', stage: 'rcpt', status: 'rejected', silent: /-> DATA/ },
  { flags: '-w 1', args: ['--timeout', '10s'], exit: 0, says: 'a second before DATA is answered' },
  { flags: '-p -w 20', args: ['--timeout', '500ms'], exit: 75, says: 'DATA later than --timeout', stage: 'data' },
  { flags: '-W .:1', args: ['--timeout', '500ms'], exit: 0, says: 'a verdict may take longer than a reply' },
  {
    flags: '-W .:20',
    args: ['--data-timeout', '500ms'],
    exit: 4,
    says: 'no verdict in --data-timeout',
    stage: 'dot',
    status: 'unknown',
  },
  { flags: '-p -W RCPT:20', args: ['--timeout', '500ms'], exit: 75, says: 'RCPT later than --timeout', stage: 'rcpt' },
  {
    flags: '-W CONNECT:20',
    args: ['--timeout', '500ms'],
    exit: 75,
    says: 'a greeting later than --timeout',
    stage: 'banner',
  },
  { flags: '-W QUIT:20', args: ['--timeout', '500ms'], exit: 0, says: 'no answer to QUIT' },
  { flags: '-H 1', exit: 0, says: 'a sink that reads late, and much to send', input: big },
  { flags: '-A 1', exit: 69, says: 'a verdict before the message is read', stage: 'dot', status: 'rejected' },
  {
    flags: '-A 0',
    args: ['--no-pipelining'],
    exit: 69,
    says: 'a verdict amid the data',
    stage: 'dot',
    status: 'rejected',
    input: big,
  },
  { flags: '-r MAIL', args: again, exit: 75, says: 'three tries and no more', stage: 'mail', tries: 3 },
  { flags: '-q RCPT', args: again, exit: 75, says: 'lost at RCPT: tried again', stage: 'rcpt', tries: 3 },
  { flags: '-Q DATA', args: again, exit: 75, says: '421 at DATA: tried again', stage: 'data', tries: 3 },
  {
    flags: '-q .',
    args: again,
    exit: 4,
    says: 'lost after the end of data: never again',
    stage: 'dot',
    status: 'unknown',
    tries: 1,
  },
  {
    flags: '-f .',
    args: again,
    exit: 69,
    says: 'refused for good: not again',
    stage: 'dot',
    status: 'rejected',
    tries: 1,
  },
  { flags: '', args: ['--bdat', 'auto'], exit: 0, says: 'BDAT is not offered: DATA', talk: /^-> DATA/m },
  {
    flags: '',
    args: ['--bdat', '10', '--require', 'chunking'],
    exit: 69,
    says: 'BDAT is required',
    status: 'rejected',
    silent: /-> MAIL/,
  },
  { flags: '-L -p', args: ['--lmtp'], exit: 0, says: 'LMTP without PIPELINING', talk: /^-> LHLO/m },
  { flags: '-L -f LHLO', args: ['--lmtp'], exit: 69, says: 'LMTP, LHLO refused', stage: 'ehlo', status: 'rejected' },
  { flags: '-L -Q .', args: ['--lmtp'], exit: 75, says: 'LMTP, 421 for a verdict', stage: 'dot' },
  { flags: '-L -f DATA', args: ['--lmtp'], exit: 69, says: 'LMTP, DATA refused', stage: 'data', status: 'rejected' },
  { flags: '-L -q DATA', args: ['--lmtp'], exit: 75, says: 'LMTP, lost at DATA', stage: 'data' },
];

interface Report {
  error: { stage: string | null; mayDuplicate: boolean } | null;
  recipients: { status: string }[];
  attempts: unknown[];
}

describe('send to smtp-sink, flag by flag', { concurrency: 2 }, () => {
  for (const { flags, args = [], exit, says, stage, status, talk, silent, tries, input = small } of rows) {
    test(`smtp-sink ${flags} ${args.join(' ')}: ${says}, exit ${exit}`, async (t) => {
      const port = await freePort();
      // Blanks within a value are written as `_` above.
      const words = flags
        .split(' ')
        .filter(Boolean)
        .map((word) => word.replaceAll('_', ' '));
      const server = await startServer('smtp-sink', [...user, ...words, `127.0.0.1:${port}`, '16'], port);
      t.after(() => server.stop());
      const transcript = freshPath('transcript');
      const to = ['--server', `127.0.0.1:${port}`, '--from', 'a@x.test', 'b@x.test'];
      const ran = await ehlo(['send', '--json', ...to, '--raw', '-', '--transcript', transcript, ...args], { input });
      assert.equal(ran.code, exit, ran.stdout + ran.stderr);
      const report: Report = JSON.parse(ran.stdout);
      if (stage) assert.equal(report.error?.stage, stage);
      assert.equal(report.error?.mayDuplicate ?? false, exit === 4);
      assert.equal(report.recipients[0]?.status, status ?? (exit === 0 ? 'accepted' : 'deferred'));
      // Without the times.
      const said = readFileSync(transcript, 'utf8').replace(/^ *[\d.]+ m?s /gm, '');
      if (talk) assert.match(said, talk);
      if (silent) assert.doesNotMatch(said, silent);
      if (tries) assert.equal(report.attempts.length, tries, said);
    });
  }
});

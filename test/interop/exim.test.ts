// `ehlo send` to Exim: PRDR's verdict on each recipient (draft-hall-prdr), and CHUNKING (RFC 3030), against what is in its queue.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Exim, startExim, withoutExim } from './exim.ts';
import { ehlo } from './support.ts';

let exim: Exim;

interface Report {
  extensions: string[];
  response: string | null;
  queueId: string | null;
  recipients: { address: string; status: string; code: number | null }[];
}

const head = 'From: a@x.test\r\nTo: b@x.test\r\nMessage-ID: <1@x.test>\r\nSubject: note\r\n\r\n';

async function send(exit: number, args: readonly string[], body: string | Buffer = 'hello\r\n'): Promise<Report> {
  const input = Buffer.concat([Buffer.from(head), Buffer.from(body)]);
  const base = ['send', '--json', '--raw', '-', '--server', `127.0.0.1:${exim.port}`, '--from', 'a@x.test'];
  const ran = await ehlo([...base, ...args], { input });
  assert.equal(ran.code, exit, ran.stdout + ran.stderr + exim.printed());
  return JSON.parse(ran.stdout);
}

/** The recipients and text of the message that the reply named. */
function kept(report: Report): { to: string[]; body: string } {
  const id = /id=(\S+)/.exec(report.response ?? '')?.[1] ?? '';
  const queued = exim.queued(id);
  assert.ok(queued, `no ${id} in the queue: ${JSON.stringify(report.response)}\n${exim.printed()}`);
  const to = queued.envelope.split('\n').filter((line) => /^[a-z]+@x\.test( |$)/.test(line));
  return { to: to.map((line) => line.split(' ')[0] ?? ''), body: queued.body.toString('latin1') };
}

const fates = ({ recipients }: Report): unknown[] => recipients.map(({ status, code }) => [status, code]);
const octets = Buffer.from(
  Array.from({ length: 256 }, (_, octet) => octet).filter((one) => ![0, 10, 13].includes(one)),
);
const awkward = Buffer.concat([Buffer.from('.\r\n..\r\n.a\r\n\r\n'), octets, Buffer.from('\r\n.\r\n')]);
const onDisk = (body: Buffer): string => body.toString('latin1').replaceAll('\r\n', '\n');

describe('send to Exim', { skip: withoutExim() }, () => {
  before(async () => {
    exim = await startExim();
  });
  after(() => exim?.stop());

  for (const args of [
    [],
    ['--bdat', 'auto'],
    ['--bdat', '3'],
    ['--prdr'],
    ['--prdr', '--bdat', '50'],
    ['--no-pipelining'],
  ]) {
    test(`${args.join(' ') || 'DATA'}: the same bytes in the queue`, async () => {
      const report = await send(0, [...args, 'b@x.test', 'c@x.test'], awkward);
      const { to, body } = kept(report);
      assert.deepEqual(to, ['b@x.test', 'c@x.test']);
      assert.equal(body, onDisk(awkward));
    });
  }

  const verdicts = [
    { to: ['b', 'picky', 'c'], exit: 3, fates: [['accepted'], ['rejected', 550], ['accepted']], kept: ['b', 'c'] },
    { to: ['b', 'slow'], exit: 3, fates: [['accepted'], ['deferred', 450]], kept: ['b'] },
    {
      to: ['unknown', 'b', 'picky'],
      exit: 3,
      fates: [['rejected', 550], ['accepted'], ['rejected', 550]],
      kept: ['b'],
    },
    { to: ['b', 'c'], exit: 0, fates: [['accepted'], ['accepted']], kept: ['b', 'c'] },
  ];
  for (const row of verdicts) {
    for (const more of [[], ['--bdat', '20']]) {
      test(`--prdr ${more.join(' ')} ${row.to.join(' ')}: exit ${row.exit}, a verdict each`, async () => {
        const report = await send(row.exit, ['--prdr', ...more, ...row.to.map((name) => `${name}@x.test`)]);
        for (const [index, [status, code]] of row.fates.entries()) {
          assert.equal(report.recipients[index]?.status, status, JSON.stringify(report.recipients));
          if (code !== undefined) assert.equal(report.recipients[index]?.code, code);
        }
        if (row.kept.length > 0)
          assert.deepEqual(
            kept(report).to.sort(),
            row.kept.map((name) => `${name}@x.test`),
          );
      });
    }
  }

  test('--prdr, everybody refuses: 69 or 75 by the worst, and nothing is kept', async () => {
    const before = exim.count();
    assert.deepEqual(fates(await send(69, ['--prdr', 'picky@x.test', 'fussy@x.test'])), [
      ['rejected', 550],
      ['rejected', 550],
    ]);
    assert.equal((await send(75, ['--prdr', 'picky@x.test', 'slow@x.test'])).recipients[1]?.status, 'deferred');
    assert.equal(exim.count(), before);
  });

  test('--prdr, all recipients accept and the message is refused at the end: nobody has it', async () => {
    const before = exim.count();
    const report = await send(69, ['--prdr', 'b@x.test', 'c@x.test'], 'forbidden\r\n');
    assert.deepEqual(
      report.recipients.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(exim.count(), before);
  });

  test('without --prdr the server asks nobody in particular', async () => {
    const report = await send(0, ['b@x.test', 'c@x.test']);
    assert.deepEqual(kept(report).to, ['b@x.test', 'c@x.test']);
  });
});

// `ehlo send` against aiosmtpd that refuses, defers or dawdles at each stage: exit code, fate, and whether the message was taken.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ehlo, freePort, startPython } from './support.ts';

interface Row {
  says: string;
  flags: string[];
  args?: string[];
  exit: number;
  /** Of the error; none where the message went through. */
  stage?: string;
  /** Of b@x.test and c@x.test. */
  status?: [string, string];
  /** Who the server has a message for. */
  taken?: string[];
}

const both = ['b@x.test', 'c@x.test'];
const [refused, deferred] = ['554 5.7.1 no', '451 4.7.1 later'];
const fate = { 69: 'rejected', 75: 'deferred' } as const;

/** What a 5xx and a 4xx come to, at every stage before anything is accepted. */
const answered: Row[] = ['mail', 'rcpt', 'dot'].flatMap((stage) =>
  ([69, 75] as const).map((exit) => {
    const reply = exit === 69 ? refused : deferred;
    const status: [string, string] = [fate[exit], fate[exit]];
    return { says: `${reply} at ${stage}`, flags: ['--reply', `${stage}=${reply}`], exit, stage, status };
  }),
);

const rows: Row[] = [
  ...answered,
  { says: '5xx to EHLO: HELO is enough', flags: ['--reply', 'ehlo=502 5.5.1 what'], exit: 0, taken: both },
  {
    says: '5xx to EHLO and HELO',
    flags: ['--reply', 'ehlo=502 5.5.1 what', '--reply', 'helo=554 no'],
    exit: 69,
    stage: 'ehlo',
  },
  { says: '4xx to EHLO', flags: ['--reply', `ehlo=${deferred}`], exit: 75, stage: 'ehlo' },
  { says: '5xx to QUIT: accepted all the same', flags: ['--reply', `quit=${refused}`], exit: 0, taken: both },
  {
    says: '5xx to one recipient',
    flags: ['--reply', `rcpt:c@x.test=${refused}`],
    exit: 3,
    stage: 'rcpt',
    status: ['accepted', 'rejected'],
    taken: ['b@x.test'],
  },
  {
    says: '4xx to one recipient',
    flags: ['--reply', `rcpt:b@x.test=${deferred}`],
    exit: 3,
    stage: 'rcpt',
    status: ['deferred', 'accepted'],
    taken: ['c@x.test'],
  },
  {
    says: '4xx to one and 5xx to the other: worth another try',
    flags: ['--reply', `rcpt:b@x.test=${deferred}`, '--reply', `rcpt:c@x.test=${refused}`],
    exit: 75,
    stage: 'rcpt',
    status: ['deferred', 'rejected'],
  },
  {
    says: 'a reply to EHLO that is later than --timeout',
    flags: ['--slow', 'ehlo=20'],
    args: ['--timeout', '300ms'],
    exit: 75,
    stage: 'ehlo',
  },
  {
    says: 'a reply to MAIL that is later than --timeout',
    flags: ['--slow', 'mail=20'],
    args: ['--timeout', '300ms'],
    exit: 75,
    stage: 'mail',
  },
  {
    says: 'a verdict that is later than --timeout, which is not for it',
    flags: ['--slow', 'dot=1'],
    args: ['--timeout', '300ms'],
    exit: 0,
    taken: both,
  },
  {
    says: 'a verdict that is later than --data-timeout: nobody knows',
    flags: ['--slow', 'dot=20'],
    args: ['--data-timeout', '300ms'],
    exit: 4,
    stage: 'dot',
    status: ['unknown', 'unknown'],
  },
  {
    says: 'a verdict that is later than --max-time: nobody knows',
    flags: ['--slow', 'dot=20'],
    args: ['--max-time', '1s'],
    exit: 4,
    stage: 'dot',
    status: ['unknown', 'unknown'],
  },
  {
    says: 'a reply to QUIT that never comes: accepted',
    flags: ['--slow', 'quit=20'],
    args: ['--timeout', '300ms'],
    exit: 0,
    taken: both,
  },
];

interface Report {
  error: { stage: string | null; mayDuplicate: boolean } | null;
  recipients: { address: string; status: string }[];
}

describe('send to aiosmtpd, stage by stage', { concurrency: 2 }, () => {
  for (const { says, flags, args = [], exit, stage, status, taken = [] } of rows) {
    test(`${says}: exit ${exit}`, async (t) => {
      const port = await freePort();
      const server = await startPython('stage-server.py', [String(port), ...flags], port);
      t.after(() => server.stop());
      const base = ['send', '--json', '--server', `127.0.0.1:${port}`, '--from', 'a@x.test', '--raw', '-'];
      const input = 'Subject: stages\r\n\r\n.\r\nhello\r\n';
      const ran = await ehlo([...base, ...args, ...both], { input });
      assert.equal(ran.code, exit, ran.stdout + ran.stderr);
      const report: Report = JSON.parse(ran.stdout);
      assert.equal(report.error?.stage, stage);
      assert.equal(report.error?.mayDuplicate ?? false, exit === 4);
      if (status)
        assert.deepEqual(
          report.recipients.map((one) => one.status),
          status,
        );
      const messages: { to: string[]; text: string }[] = server
        .printed()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      assert.deepEqual(messages, taken.length === 0 ? [] : [{ to: taken, text: input }]);
    });
  }
});

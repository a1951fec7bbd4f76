// `ehlo send --csv` against our own server in memory: who gets what, what is refused beforehand, and what a report remembers.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { normalControl } from '../../src/app/control.ts';
import { EhloError } from '../../src/base/errors.ts';
import { reply } from '../../src/smtp/reply.ts';
import { fakeClock, settled } from '../support/clock.ts';
import { type LabRan, type MergeLab, mergeLab } from '../support/merge-lab.ts';

const labs: MergeLab[] = [];
after(() => {
  for (const lab of labs) lab.close();
});
const open = (): MergeLab => {
  const lab = mergeLab();
  labs.push(lab);
  return lab;
};

/** Rows r1 to rN, one recipient each. */
const list = (count: number, from = 1): string =>
  `email,name\n${Array.from({ length: count }, (_, at) => `r${at + from}@x.test,Name ${at + from}\n`).join('')}`;
const basic = (csv: string): string[] => ['--csv', csv, '--to', '{{email}}', '--subject', 'Hi {{name}}', '--body', 'b'];

const recipients = (lab: MergeLab): string[] => lab.accepted.flatMap(({ to }) => to).sort();
const refused = (ran: LabRan, exit: string, message: RegExp): void => {
  assert.ok(ran.code instanceof EhloError, `thrown, not ${String(ran.code)}\n${ran.out}${ran.err}`);
  assert.match(ran.code.message, message);
  assert.equal(ran.code.exit, exit);
};
const statuses = (ran: LabRan): unknown[] =>
  ran.events
    .filter(({ event }) => event === 'row')
    .map(({ row, status }) => `${row} ${status}`)
    .sort();
const last = (ran: LabRan): Record<string, Record<string, unknown>> =>
  ran.events.at(-1) as Record<string, Record<string, unknown>>;

describe('one message a row', () => {
  test('every field takes values, and data stays data', async () => {
    const lab = open();
    lab.write('doc-7.txt', 'attached');
    const csv = lab.write(
      'list.csv',
      'email,name,cc,id,note\na@x.test,"Bee, Ann",c@x.test,7,<b>&\nb@x.test,Bob,,7,"two\nlines"\n',
    );
    const ran = await lab.run([
      ...[
        '--csv',
        csv,
        '--to',
        '{{name}} <{{email}}>',
        '--cc',
        '{{#if cc}}{{cc}}{{/if}}',
        '--rcpt',
        'copy+{{id}}@x.test',
      ],
      ...['--from', '{{name}} via us <me@sender.test>', '--mail-from', 'bounce+{{id}}@sender.test'],
      ...['--reply-to', 'r{{id}}@sender.test', '--subject', 'Hi {{name}}', '--header', 'X-Id: {{id}}'],
      ...['--body', 'Note: {{note}}', '--html', '<p>{{note}}</p>', '--attach', `${lab.path('doc-')}{{id}}.txt`],
    ]);
    assert.equal(ran.code, 0, ran.err);
    assert.equal(ran.err, '');
    assert.match(ran.out, /^2 rows: 2 accepted {2}in /);
    const [first, second] = lab.accepted;
    assert.deepEqual(first?.to, ['a@x.test', 'c@x.test', 'copy+7@x.test']);
    assert.deepEqual(second?.to, ['b@x.test', 'copy+7@x.test']);
    for (const part of [
      /^From: "Bee, Ann via us" <me@sender\.test>|^From: .*Bee, Ann.* <me@sender\.test>/m,
      /^To: "Bee, Ann" <a@x\.test>\r$/m,
      /^Cc: c@x\.test\r$/m,
      /^Reply-To: r7@sender\.test\r$/m,
      /^Subject: Hi Bee, Ann\r$/m,
      /^X-Id: 7\r$/m,
      /^Note: <b>&\r$/m,
      /<p>&lt;b&gt;&amp;<\/p>/,
      /filename="?doc-7\.txt/,
      /^Message-ID: <[^>]+@sender\.test>\r$/m,
    ]) {
      assert.match(first?.text ?? '', part);
    }
    assert.doesNotMatch(second?.text ?? '', /^Cc:/m);
    assert.match(second?.text ?? '', /<p>two\r?\nlines<\/p>/);
  });

  test('a template brings fields and body; the command line wins; --data names the rest', async () => {
    const lab = open();
    const csv = lab.write('list.csv', list(2));
    const data = lab.write('data.json', '{"shop":{"name":"Pens & Ink"},"items":[{"n":"pen"},{"n":"ink"}]}');
    const template = lab.write(
      'letter.html',
      'From: Shop <shop@sender.test>\nTo: {{name}} <{{email}}>\nSubject: from the template\nX-Mailing: autumn\n' +
        'Content-Type: text/html\n\n<p>{{name}} at {{shop.name}}</p>\n{{#each items}}\n<li>{{@index}} {{this.n}}</li>\n{{/each}}\n',
    );
    const ran = await lab.run(['--csv', csv, '--template', template, '--data', data, '--subject', 'Hi {{name}}']);
    assert.equal(ran.code, 0, ran.err);
    const text = lab.accepted[1]?.text ?? '';
    assert.match(text, /^From: Shop <shop@sender\.test>\r$/m);
    assert.match(text, /^To: Name 2 <r2@x\.test>\r$/m);
    assert.match(text, /^Subject: Hi Name 2\r$/m);
    assert.match(text, /^X-Mailing: autumn\r$/m);
    assert.match(text, /^Content-Type: text\/html/m);
    assert.match(text, /<p>Name 2 at Pens &amp; Ink<\/p>\r\n<li>0 pen<\/li>\r\n<li>1 ink<\/li>\r\n/);
  });

  test('rows from standard input, a byte order mark, semicolons', async () => {
    const lab = open();
    const ran = await lab.run(basic('-'), { input: '\ufeffemail;name\r\na@x.test;Ann\r\n' });
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.err, /note: the columns are parted by ;/);
    assert.deepEqual(recipients(lab), ['a@x.test']);
  });

  test('a table without rows is no failure, and says so', async () => {
    const lab = open();
    const ran = await lab.run(basic(lab.write('list.csv', 'email,name\n')));
    assert.equal(ran.code, 0);
    assert.match(ran.out, /^0 rows: nothing to send/);
  });

  test('sessions are used again: one for each lane', async () => {
    for (const [jobs, most] of [
      ['1', 1],
      ['3', 3],
    ] as const) {
      const lab = open();
      const ran = await lab.run([...basic(lab.write('list.csv', list(20))), '--jobs', jobs]);
      assert.equal(ran.code, 0, ran.err);
      assert.equal(lab.accepted.length, 20);
      assert.ok(lab.dialled <= most, `${lab.dialled} connections for ${jobs}`);
    }
  });

  test('--dry-run checks every row, shows the first message and connects to nothing', async () => {
    const lab = open();
    const csv = lab.write('list.csv', list(3));
    const request = { dryRun: true };
    const ran = await lab.run([...basic(csv), '--report', lab.path('r')], { request });
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /^Subject: Hi Name 1\r$/m);
    assert.match(ran.out, /\n3 rows would be sent; nothing was\n$/);
    assert.equal(lab.dialled, 0);
    assert.throws(() => lab.read('r'), /ENOENT/);
    const plan = await lab.run(basic(csv), { request, format: 'ndjson' });
    assert.deepEqual(statuses(plan), ['1 planned', '2 planned', '3 planned']);
  });
});

describe('what is wrong is found before the first message', () => {
  const rows = 'email,name,file\na@x.test,Ann,x\nb@x.test,Bob,y\n';
  const table: [what: string, csv: string, args: string[], message: RegExp, exit?: string][] = [
    ['an address', `${rows}not an address,C,z\n`, [], /^row 3 \(line 4\): the address 'not an address' is not valid/],
    [
      'a line end in a header',
      `${rows}c@x.test,"C\r\nBcc: e@evil.test",z\n`,
      [],
      /^row 3 \(line 4\): the value of "name" holds U\+000D/,
    ],
    ['a ragged row', `${rows}c@x.test\n`, [], /line 4: the row has 1 field/],
    [
      'a name that is no column',
      rows,
      ['--header', 'X: {{nmae}}'],
      /^row 1 \(line 2\): the header X, character 1: "nmae" is not among the names: email, name, file$/,
    ],
    ['an unclosed block', rows, ['--header', 'X: {{#if name}}'], /never closed/],
    ['a field that comes to nothing', `${rows},C,z\n`, [], /^row 3 \(line 4\): To "\{\{email\}\}" comes to nothing/],
    [
      'a path out of its folder',
      `${rows}c@x.test,C,../z\n`,
      ['--attach', 'files/{{file}}'],
      /row 3 .* would lead out of the folder/,
    ],
    ['options in a recipient', `${rows}c@x.test?notify=never,C,z\n`, ['--rcpt', 'x{{email}}'], /row 3/],
    [
      'an option more behind those of a recipient',
      `${rows}c@x.test,never&orcpt=rfc822;d@x.test,z\n`,
      ['--rcpt', '{{email}}?notify={{#if name}}never{{/if}}&orcpt=rfc822;{{name}}'],
      /row 3 .*: --rcpt.*: the value of "name", "never&orcpt=rfc822;d@x\.test", holds options/,
    ],
    [
      'a path that begins at the root because a value is empty',
      `${rows}c@x.test,C,\n`,
      ['--attach', '{{file}}/etc/hostname'],
      /would lead out of the folder/,
    ],
    ['an unknown delimiter', rows, ['--csv-delimiter', 'ab'], /--csv-delimiter: "ab" parts no columns/, 'USAGE'],
    ['an unknown rate', rows, ['--rate', 'fast'], /--rate: "fast" is not a rate/, 'USAGE'],
    ['too many lanes', rows, ['--jobs', '65'], /--jobs: "65" is not a number from 1 to 64/, 'USAGE'],
    ['an unknown key', rows, ['--csv-key', 'id'], /there is no column "id"/, 'USAGE'],
    [
      'a key that is not one',
      `${rows}a@x.test,C,z\n`,
      ['--csv-key', 'email'],
      /line 4: the key of the row is given twice/,
    ],
    ['a list that is not there', '', ['--csv', '/nowhere/list.csv'], /\/nowhere\/list\.csv does not exist/, 'NOINPUT'],
  ];
  for (const [what, csv, args, message, exit = 'DATA'] of table) {
    test(what, async () => {
      const lab = open();
      const ran = await lab.run([...basic(lab.write('list.csv', csv)), ...args]);
      refused(ran, exit, message);
      assert.equal(lab.dialled, 0);
    });
  }

  test('a column and a name of --data that are the same', async () => {
    const lab = open();
    const data = lab.write('data.json', '{"email":"x"}');
    refused(
      await lab.run([...basic(lab.write('list.csv', rows)), '--data', data]),
      'DATA',
      /"email" is a column .* too/,
    );
  });

  test('more rows than one JSON document should hold', async () => {
    const lab = open();
    const ran = await lab.run(basic(lab.write('list.csv', list(10_001))), { format: 'json' });
    refused(ran, 'USAGE', /10001 rows do not go into one JSON document/);
    assert.equal(lab.dialled, 0);
  });
});

test('options of a recipient are written behind its value', async () => {
  const lab = open();
  const csv = lab.write('list.csv', 'email,name\na@x.test,A\n"""a?b@c""@x.test",B\n');
  const ran = await lab.run(['--csv', csv, '--rcpt', '{{email}}?notify=never&orcpt=rfc822;{{email}}', '--body', 'b']);
  assert.equal(ran.code, 0, String(ran.code));
  assert.deepEqual(recipients(lab), ['"a?b@c"@x.test', 'a@x.test']);
});

test('a name stays a name in every field of addresses', async () => {
  const lab = open();
  const csv = lab.write('list.csv', 'email,name\na@x.test,"C, e@evil.test"\n');
  const fields = ['Resent-To', 'Disposition-Notification-To', 'Mail-Followup-To', 'Errors-To'];
  const headers = fields.flatMap((field) => ['--header', `${field}: {{name}} <{{email}}>`]);
  assert.equal((await lab.run([...basic(csv), ...headers])).code, 0);
  for (const field of fields)
    assert.match(lab.accepted[0]?.text ?? '', new RegExp(`^${field}: "C, e@evil\\.test" <a@x\\.test>\r$`, 'm'));
});

test('sessions that would end before a message are refused: no row could be told rightly', async () => {
  const lab = open();
  const control = { ...normalControl, stop: { after: 'rcpt', how: 'quit' } } as const;
  const ran = await lab.run(basic(lab.write('list.csv', list(1))), { request: { control } });
  refused(ran, 'USAGE', /the sessions would end behind rcpt/);
  assert.equal(lab.dialled, 0);
});

describe('what becomes of rows', () => {
  const verdicts = (lab: MergeLab): void => {
    lab.policy = {
      rcpt: ({ address }) => {
        if (address.startsWith('no')) return reply(550, '5.1.1', 'nobody\u001b[2J here');
        if (address.startsWith('later')) return reply(451, '4.7.1', 'try later');
        return undefined;
      },
    };
  };
  const csvOf = (...emails: string[]): string => `email,name\n${emails.map((email) => `"${email}",N\n`).join('')}`;

  const exits: [what: string, emails: string[], code: number, name: string][] = [
    ['all', ['a@x.test', 'b@x.test'], 0, 'OK'],
    ['some', ['a@x.test', 'no@x.test'], 3, 'PARTIAL'],
    ['one recipient of two', ['a@x.test, no@x.test'], 3, 'PARTIAL'],
    ['nobody: refused', ['no@x.test', 'no2@x.test'], 69, 'REJECTED'],
    ['nobody: later', ['later@x.test'], 75, 'TEMP'],
    ['nobody: the worst counts', ['later@x.test', 'no@x.test'], 69, 'REJECTED'],
  ];
  for (const [what, emails, code, name] of exits) {
    test(`accepted: ${what} is exit ${code}`, async () => {
      const lab = open();
      verdicts(lab);
      const ran = await lab.run(basic(lab.write('list.csv', csvOf(...emails))), { format: 'json' });
      assert.equal(ran.code, code);
      assert.deepEqual(last(ran)['exit'], { code, name });
      assert.equal((ran.events[0]?.['error'] === null) === (code === 0), true);
    });
  }

  test('a line for each row that was not accepted, harmless to a terminal, and a sum', async () => {
    const lab = open();
    verdicts(lab);
    const ran = await lab.run(basic(lab.write('list.csv', csvOf('a@x.test', 'no@x.test', 'later@x.test'))));
    assert.equal(ran.code, 3);
    assert.match(ran.out, /^rejected {2}row 2 \(line 3\) {2}no@x\.test {2}550 5\.1\.1 .*nobody.*$/m);
    assert.match(ran.out, /^deferred {2}row 3 \(line 4\) {2}later@x\.test {2}451 4\.7\.1 try later$/m);
    assert.match(ran.out, /^3 rows: 1 accepted, 1 rejected, 1 deferred {2}in .*\n$/m);
    assert.ok(!(ran.out + ran.err).includes('\u001b'));
    assert.match(ran.err, /^ehlo: 1 of 3 messages accepted/);
  });

  test('NDJSON: an event a row as it ends, then the report', async () => {
    const lab = open();
    verdicts(lab);
    const ran = await lab.run([...basic(lab.write('list.csv', csvOf('a@x.test', 'no@x.test'))), '--csv-key', 'email'], {
      format: 'ndjson',
    });
    const [good, bad, report] = ran.events;
    assert.deepEqual(
      { ...good, messageId: typeof good?.['messageId'], queueId: typeof good?.['queueId'], text: 0, ms: 0 },
      {
        event: 'row',
        row: 1,
        line: 2,
        key: 'a@x.test',
        to: ['a@x.test'],
        status: 'accepted',
        messageId: 'string',
        code: 250,
        enhanced: '2.0.0',
        text: 0,
        queueId: 'string',
        attempts: 1,
        ms: 0,
      },
    );
    assert.deepEqual(
      [bad?.['row'], bad?.['status'], bad?.['code'], bad?.['enhanced'], bad?.['queueId']],
      [2, 'rejected', 550, '5.1.1', null],
    );
    const { event, merge, ...head } = report as Record<string, Record<string, unknown>>;
    assert.equal(event, 'report');
    assert.deepEqual(
      { ...merge, ms: 0 },
      {
        rows: 2,
        accepted: 1,
        partial: 0,
        rejected: 1,
        deferred: 0,
        unknown: 0,
        failed: 0,
        skipped: 0,
        notSent: 0,
        ms: 0,
      },
    );
    assert.deepEqual([head['command'], head['ok'], head['error']?.['code']], ['send', false, 'partial']);
  });

  test('a server that is not there: each row is deferred, or the run stops as asked', async () => {
    const lab = open();
    lab.up = false;
    const csv = lab.write('list.csv', list(5));
    assert.deepEqual(
      statuses(await lab.run(basic(csv), { format: 'ndjson' })),
      [1, 2, 3, 4, 5].map((row) => `${row} deferred`),
    );
    const ran = await lab.run([...basic(csv), '--stop-after', '2'], { format: 'ndjson' });
    assert.equal(ran.code, 75);
    assert.deepEqual(statuses(ran), ['1 deferred', '2 deferred']);
    assert.equal(last(ran)['merge']?.['notSent'], 3);
    assert.match(String(last(ran)['error']?.['message']), /^stopped after 2 failures/);
  });

  test('an attachment that is missing fails its row alone', async () => {
    const lab = open();
    lab.write('f1', 'x');
    const csv = lab.write('list.csv', 'email,name,f\na@x.test,A,f1\nb@x.test,B,f2\n');
    const ran = await lab.run([...basic(csv), '--attach', `${lab.path('')}/{{f}}`], { format: 'ndjson' });
    assert.equal(ran.code, 3);
    assert.deepEqual(statuses(ran), ['1 accepted', '2 failed']);
  });

  test('--rate spaces the messages of all lanes together', async () => {
    const lab = open();
    const clock = fakeClock();
    const times: number[] = [];
    lab.policy = { message: () => void times.push(clock.now()) };
    let over = false;
    const running = lab.run([...basic(lab.write('list.csv', list(6))), '--rate', '2/s', '--jobs', '4'], { clock });
    void running.finally(() => {
      over = true;
    });
    while (!over) {
      await settled();
      if (times.length > 0) await clock.advance(50);
    }
    assert.equal((await running).code, 0);
    assert.equal(times.length, 6);
    for (const [at, time] of times.entries()) assert.ok(time >= at * 500, `message ${at + 1} at ${time} ms`);
  });
});

describe('--expect', () => {
  const expecting = (stage: 'dot' | 'rcpt', codes: string) => ({
    format: 'ndjson' as const,
    request: { control: { ...normalControl, expect: [{ stage, codes }] } },
  });

  test('a message that was accepted otherwise than expected is an error, and is never sent again', async () => {
    const lab = open();
    const args = [...basic(lab.write('list.csv', list(2))), '--report', lab.path('report')];
    const first = await lab.run(args, expecting('dot', '251'));
    assert.equal(first.code, 1);
    assert.deepEqual(statuses(first), ['1 accepted', '2 accepted']);
    assert.match(String(first.events[0]?.['text']), /^expected 251 at dot, got 250/);
    assert.equal(last(first)['error']?.['code'], 'answer-no');
    const second = await lab.run(args, expecting('dot', '251'));
    assert.deepEqual(statuses(second), ['1 skipped', '2 skipped']);
    assert.equal(lab.accepted.length, 2);
  });

  test('a refusal that was expected is no failure', async () => {
    const lab = open();
    lab.policy = { rcpt: () => reply(550, '5.1.1', 'nobody') };
    const ran = await lab.run(basic(lab.write('list.csv', list(1))), expecting('rcpt', '550'));
    assert.equal(ran.code, 0);
    assert.deepEqual(statuses(ran), ['1 rejected']);
  });
});

test('what to do next: with a report the same command, without one anything but that', async () => {
  const lab = open();
  lab.policy = { rcpt: ({ address }) => (address === 'r2@x.test' ? reply(451, null, 'later') : undefined) };
  const args = basic(lab.write('list.csv', list(2)));
  const hint = async (...more: string[]) =>
    String(last(await lab.run([...args, ...more], { format: 'json' }))['error']?.['hint']);
  assert.match(await hint(), /^the same command would send every row again/);
  assert.match(await hint('--report', lab.path('report')), /^the same command with the same --report goes on/);
});

describe('a run that is ended from outside', () => {
  test('while it waits for another try, it ends at once, though it ended the wait for a verdict before', async () => {
    const lab = open();
    const ending = new AbortController();
    lab.policy = {
      message: () => {
        ending.abort('SIGINT');
        return reply(451, '4.7.1', 'later');
      },
    };
    const clock = fakeClock();
    const ran = await lab.run(basic(lab.write('list.csv', list(2))), {
      format: 'ndjson',
      signal: ending.signal,
      clock,
      request: { retry: { count: 3, delayMs: 60_000 } },
    });
    assert.deepEqual(statuses(ran), ['1 deferred']);
    assert.equal(ran.code, 130);
  });

  test('no new row begins, and what is past its end of data gets its verdict', async () => {
    const lab = open();
    const ending = new AbortController();
    let letGo = (): void => {};
    lab.policy = {
      message: () =>
        new Promise((resolve) => {
          ending.abort('SIGINT');
          letGo = () => resolve(undefined);
          setImmediate(() => setImmediate(() => letGo()));
        }),
    };
    const ran = await lab.run([...basic(lab.write('list.csv', list(4))), '--report', lab.path('r')], {
      format: 'ndjson',
      signal: ending.signal,
    });
    assert.equal(ran.code, 3);
    assert.deepEqual(statuses(ran), ['1 accepted']);
    assert.equal(last(ran)['merge']?.['notSent'], 3);
    assert.match(
      String(last(ran)['error']?.['message']),
      /1 of 4 messages accepted, 3 not sent: interrupted by SIGINT/,
    );
    lab.policy = {};
    const again = await lab.run([...basic(lab.path('list.csv')), '--report', lab.path('r')], { format: 'ndjson' });
    assert.equal(again.code, 0);
    assert.deepEqual(recipients(lab), ['r1@x.test', 'r2@x.test', 'r3@x.test', 'r4@x.test']);
  });

  test('before the end of data the row ends with the run and is left for the next', async () => {
    const lab = open();
    const ending = new AbortController();
    lab.policy = {
      rcpt: () => {
        ending.abort('SIGTERM');
        return new Promise(() => {});
      },
    };
    const ran = await lab.run(basic(lab.write('list.csv', list(3))), { format: 'ndjson', signal: ending.signal });
    assert.equal(ran.code, 143);
    assert.deepEqual(statuses(ran), ['1 deferred']);
    assert.equal(lab.accepted.length, 0);
  });

  test('--max-time is of the whole run and waits for no verdict', async () => {
    const lab = open();
    const clock = fakeClock();
    lab.policy = { message: () => new Promise(() => {}) };
    const running = lab.run(basic(lab.write('list.csv', list(3))), { format: 'ndjson', clock, maxTimeMs: 5000 });
    while (lab.dialled === 0) await settled();
    await settled(60);
    await clock.advance(5001);
    const ran = await running;
    assert.equal(ran.code, 4);
    assert.deepEqual(statuses(ran), ['1 unknown']);
  });
});

describe('a report that a later run goes on with', () => {
  const withReport = (lab: MergeLab, ...more: string[]): string[] => [
    ...basic(lab.path('list.csv')),
    '--report',
    lab.path('report'),
    ...more,
  ];
  const refusing = (lab: MergeLab, replies: Record<string, number>): void => {
    lab.policy = {
      rcpt: ({ address }) => {
        const code = replies[address];
        return code === undefined ? undefined : reply(code, null, 'no');
      },
    };
  };

  test('accepted rows are skipped, deferred ones tried, refused ones left until asked for', async () => {
    const lab = open();
    lab.write('list.csv', list(4));
    refusing(lab, { 'r2@x.test': 451, 'r3@x.test': 550 });
    const first = await lab.run(withReport(lab), { format: 'ndjson' });
    assert.deepEqual(statuses(first), ['1 accepted', '2 deferred', '3 rejected', '4 accepted']);
    lab.policy = {};
    const second = await lab.run(withReport(lab), { format: 'ndjson' });
    assert.equal(second.code, 3);
    assert.deepEqual(statuses(second), ['1 skipped', '2 accepted', '3 rejected', '4 skipped']);
    assert.equal(last(second)['merge']?.['skipped'], 2);
    const third = await lab.run(withReport(lab, '--resend-rejected'), { format: 'ndjson' });
    assert.equal(third.code, 0);
    assert.deepEqual(statuses(third), ['1 skipped', '2 skipped', '3 accepted', '4 skipped']);
    assert.deepEqual(recipients(lab), ['r1@x.test', 'r2@x.test', 'r3@x.test', 'r4@x.test']);
    assert.equal(
      (await lab.run(withReport(lab))).out.split('\n')[0]?.replace(/ {2}in .*/, ''),
      '4 rows: 4 accepted before',
    );
  });

  test('a row that began and has no end is unknown: it is listed, not sent, until asked for', async () => {
    const lab = open();
    lab.write('list.csv', list(3));
    await lab.run(withReport(lab));
    const lines = lab.read('report').trim().split('\n');
    const ends = lines.findIndex((line) => line.includes('"event":"end"') && line.includes('"row":2'));
    // As a killed run leaves it: no end of row 2, none of the run, which is another process, and the last line torn.
    const killed = lines
      .filter((line, at) => at !== ends && !line.includes('"close"'))
      .map((line) => line.replace(/"owner":"(\d+)-\d+-/, '"owner":"$1-1-'));
    lab.write('report', `${killed.join('\n')}\n{"event":"end","id":"00`);
    lab.accepted = [];
    const ran = await lab.run(withReport(lab), { format: 'ndjson' });
    assert.equal(ran.code, 4);
    assert.deepEqual(statuses(ran), ['1 skipped', '2 unknown', '3 skipped']);
    assert.deepEqual(ran.events[1]?.['to'], ['r2@x.test']);
    assert.equal(last(ran)['error']?.['mayDuplicate'], true);
    assert.deepEqual(recipients(lab), []);
    const resent = await lab.run(withReport(lab, '--resend-unknown'), { format: 'ndjson' });
    assert.equal(resent.code, 0);
    assert.deepEqual(recipients(lab), ['r2@x.test']);
  });

  test('rows may come and go and change places; equal rows count as many as they are', async () => {
    const lab = open();
    lab.write('list.csv', 'email,name\na@x.test,A\nb@x.test,B\na@x.test,A\n');
    assert.equal((await lab.run(withReport(lab))).code, 0);
    assert.deepEqual(recipients(lab), ['a@x.test', 'a@x.test', 'b@x.test']);
    lab.write('list.csv', 'email,name\nc@x.test,C\na@x.test,A\nb@x.test,B2\na@x.test,A\na@x.test,A\n');
    const ran = await lab.run(withReport(lab), { format: 'ndjson' });
    assert.deepEqual(statuses(ran), ['1 accepted', '2 skipped', '3 accepted', '4 skipped', '5 accepted']);
  });

  test('with a key column rows are known by it alone, whatever else changed', async () => {
    const lab = open();
    lab.write('list.csv', list(2));
    const args = withReport(lab, '--csv-key', 'email');
    await lab.run(args);
    lab.write('list.csv', 'name,email,more\nOther,r2@x.test,x\nNew,r3@x.test,y\n');
    const ran = await lab.run([...args, '--header', 'X-New: {{more}}']);
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.err, /note: since the report began, the columns and the template or options changed/);
    assert.deepEqual(recipients(lab), ['r1@x.test', 'r2@x.test', 'r3@x.test']);
  });

  const strangers: [what: string, prepare: (lab: MergeLab) => string[] | Promise<string[]>, message: RegExp][] = [
    [
      'another template',
      async (lab) => [...withReport(lab), '--header', 'X: 1'],
      /it is of another job: the template or options changed/,
    ],
    [
      'other columns',
      (lab) => withReport(lab, '--csv', lab.write('list.csv', 'email,name,x\na@x.test,A,\n')),
      /the columns .*changed/,
    ],
    ['another key', (lab) => withReport(lab, '--csv-key', 'email'), /another --csv-key/],
    [
      'no report at all',
      (lab) => withReport(lab, '--report', lab.write('report', 'Dear diary\n')),
      /it is no report of a mail merge/,
    ],
    [
      'a damaged line',
      (lab) =>
        withReport(
          lab,
          '--report',
          lab.write('report', lab.read('report').replace(/"event":"end","id"/, '"event":"end",id')),
        ),
      /line \d+ is damaged/,
    ],
    [
      'a line without end',
      (lab) => withReport(lab, '--report', lab.write('report', 'x'.repeat(40 * 1024 * 1024))),
      /line 1 is too long for one of a report/,
    ],
  ];
  for (const [what, prepare, message] of strangers) {
    test(`refused, and left as it is: ${what}`, async () => {
      const lab = open();
      lab.write('list.csv', list(2));
      assert.equal((await lab.run(withReport(lab))).code, 0);
      const args = await prepare(lab);
      const before = lab.read('report');
      refused(await lab.run(args), 'USAGE', message);
      assert.equal(lab.accepted.length, 2);
      if (!what.includes('damaged')) assert.equal(lab.read('report'), before);
    });
  }

  test('two runs at once: the second is refused, and the first goes on', async () => {
    const lab = open();
    lab.write('list.csv', list(2));
    let second: LabRan | undefined;
    lab.policy = {
      message: async () => {
        second ??= await lab.run(withReport(lab));
        return undefined;
      },
    };
    const first = await lab.run(withReport(lab));
    assert.equal(first.code, 0);
    assert.ok(second);
    refused(second, 'USAGE', /is in use by another run/);
    assert.equal(lab.accepted.length, 2);
    assert.equal((await lab.run(withReport(lab))).code, 0);
  });

  test('it is private, and names each row before it is sent', async () => {
    const lab = open();
    const { statSync } = await import('node:fs');
    lab.write('list.csv', list(1));
    let during = '';
    lab.policy = {
      rcpt: () => {
        during = lab.read('report');
        return undefined;
      },
    };
    await lab.run(withReport(lab));
    assert.equal(statSync(lab.path('report')).mode & 0o777, 0o600);
    const began = during
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .find(({ event }) => event === 'begin');
    assert.deepEqual([began.row, began.line, began.to], [1, 2, ['r1@x.test']]);
    assert.match(lab.accepted[0]?.text ?? '', new RegExp(`^Message-ID: ${began.messageId}`, 'm'));
  });
});

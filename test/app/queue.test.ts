// The queue over scripted hosts, a real directory and a clock that is moved by hand: who is tried when, what is recorded, what
// is never sent twice, what the sender hears.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { dueRecipients, waitAfter } from '../../src/app/backoff.ts';
import type { Connection } from '../../src/app/connection.ts';
import type { DeliveredRecipient } from '../../src/app/delivery-outcome.ts';
import { manage } from '../../src/app/queue.ts';
import { listQueue, showEntry } from '../../src/app/queue-list.ts';
import { runQueue, watchQueue } from '../../src/app/queue-run.ts';
import { tryEntry } from '../../src/app/queue-try.ts';
import type { QueueEntry } from '../../src/app/spool.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { reply } from '../../src/smtp/reply.ts';
import { type MailLab, takes } from './lab.ts';
import { bodyOf, mxRoute, type QueueLab, queueLab } from './queue-lab.ts';

const minute = 60_000;
const hour = 60 * minute;

type Hosts = Record<string, string[]>;

const within =
  (hosts: Hosts, work: (lab: QueueLab) => Promise<void>, change = {}) =>
  async (): Promise<void> => {
    const lab = await queueLab(hosts, change);
    try {
      await work(lab);
    } finally {
      await lab.close();
    }
  };

const greylist = takes({ rcpt: '451 4.7.1 try later' });
const refuse = takes({ rcpt: '550 5.1.1 nobody \u001b[31mhere' });
/** Takes the message and is gone before a verdict. */
const gone = 'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nR';

test(
  'what is due is delivered once, and nothing is left in the directory',
  within({ '127.0.0.2': [takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }]);
    const { report, error } = await lab.run();
    assert.equal(error, null);
    assert.deepEqual(
      report.entries.map((one) => one.result),
      ['delivered'],
    );
    assert.match(
      lab.heard('127.0.0.2')[0] ?? '',
      /MAIL FROM:<a@sender.test>\r\nRCPT TO:<x@a.test>[\s\S]*body\r\n\.\r\n/,
    );
    assert.deepEqual(readdirSync(lab.directory), []);
    const again = await lab.run();
    assert.deepEqual([again.report.exit.code, again.report.entries.length, lab.dialled.length], [0, 0, 1]);
  }),
);

test('the waits between tries grow to an hour and stay there', () => {
  const waits = Array.from({ length: 9 }, (_, index) => waitAfter(index + 1) / minute);
  assert.deepEqual(waits, [1, 2, 5, 10, 20, 30, 60, 60, 60]);
});

test(
  'a deferred recipient waits its time, is tried again, and the others are not sent to again',
  within({ '127.0.0.2': [greylist, greylist, takes()], '127.0.0.3': [takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }, { address: 'y@b.test' }]);
    const first = await lab.run();
    assert.deepEqual([first.report.exit.code, first.report.entries[0]?.result], [75, 'waiting']);
    const [entry] = await lab.entries();
    assert.deepEqual(
      entry?.recipients.map((one) => [one.status, one.last?.code, one.last?.text]),
      [
        ['waiting', 451, 'try later'],
        ['accepted', 250, 'Ok: queued as LAB1'],
      ],
    );
    await lab.clock.advance(minute - 1);
    assert.equal((await lab.run()).report.entries.length, 0, 'not due yet');
    await lab.clock.advance(1);
    assert.equal((await lab.run()).report.exit.code, 75);
    await lab.clock.advance(2 * minute - 1);
    assert.equal((await lab.run()).report.entries.length, 0, 'the second wait is longer');
    await lab.clock.advance(1);
    assert.equal((await lab.run()).report.exit.code, 0);
    assert.equal(lab.heard('127.0.0.3').length, 1, 'who accepted is never sent to again');
    assert.deepEqual(readdirSync(lab.directory), []);
  }),
);

test(
  '--all and ids do not wait; a held entry is not tried until it is released',
  within({ '127.0.0.2': [greylist, greylist, greylist, takes()] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    await lab.run();
    assert.equal((await lab.run({ all: true })).report.exit.code, 75);
    assert.equal((await lab.run({ ids: [id] })).report.exit.code, 75);
    await manage(lab.spool, 'hold', [id], { force: false }, lab.clock);
    assert.deepEqual((await lab.run({ all: true })).report.entries, []);
    assert.equal((await lab.run({ ids: [id] })).report.entries[0]?.result, 'skipped');
    await manage(lab.spool, 'release', [id], { force: false }, lab.clock);
    assert.equal((await lab.run()).report.exit.code, 0);
  }),
);

test(
  'a refusal is told to the sender by a notice from the null sender, tried in the same run',
  within({ '127.0.0.2': [refuse], '127.0.0.4': [takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test', orcpt: 'rfc822;alias@a.test' }], {
      envelope: { from: 'a@sender.test', to: [{ address: 'x@a.test', orcpt: 'rfc822;alias@a.test' }], envid: 'E=1' },
    });
    const { report } = await lab.run();
    assert.deepEqual(
      report.entries.map((one) => one.result),
      ['bounced', 'delivered'],
    );
    assert.deepEqual([report.exit.code, report.error?.hint], [69, 'the sender was sent a notice']);
    const [sent = ''] = lab.heard('127.0.0.4');
    assert.match(sent, /MAIL FROM:<>\r\nRCPT TO:<a@sender.test>\r\n/);
    assert.match(sent, /From: Mail Delivery System <MAILER-DAEMON@client.test>\r\n/);
    assert.match(sent, /Original-Envelope-Id: E=1\r\n/);
    assert.match(
      sent,
      /Original-Recipient: rfc822; alias@a.test\r\nFinal-Recipient: rfc822; x@a.test\r\nAction: failed\r\nStatus: 5.1.1\r\n/,
    );
    assert.match(sent, /Diagnostic-Code: smtp; 550 5.1.1 nobody \\x\{1b\}\[31mhere\r\n/);
    assert.match(sent, /Content-Type: message\/rfc822\r\n\r\nFrom: a@sender.test\r\nSubject: hello\r\n\r\nbody\r\n/);
    assert.deepEqual(readdirSync(lab.directory), []);
  }),
);

const silent: [string, string, string[] | undefined][] = [
  ['NOTIFY=NEVER', 'a@sender.test', ['NEVER']],
  ['NOTIFY=SUCCESS alone', 'a@sender.test', ['SUCCESS']],
  ['the null sender', '', undefined],
];
for (const [name, from, notify] of silent) {
  test(
    `${name}: a refusal is not told`,
    within({ '127.0.0.2': [refuse] }, async (lab) => {
      const to = [{ address: 'x@a.test', ...(notify ? { notify } : {}) }];
      await lab.add(to, { envelope: { from, to } });
      const { report } = await lab.run();
      assert.deepEqual([report.exit.code, report.entries.length, report.entries[0]?.notices], [69, 1, []]);
      assert.equal(
        report.entries[0]?.notes.some((note) => note.includes('nobody is told')),
        from === '',
      );
      assert.deepEqual(readdirSync(lab.directory), []);
    }),
  );
}

test(
  'a notice that is refused is dropped, and said so',
  within({ '127.0.0.2': [refuse], '127.0.0.4': [refuse] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }]);
    const { report } = await lab.run();
    assert.deepEqual(
      report.entries.map((one) => [one.result, one.notices.length]),
      [
        ['bounced', 1],
        ['bounced', 0],
      ],
    );
    assert.match(report.entries[1]?.notes.join() ?? '', /null sender/);
    assert.deepEqual(readdirSync(lab.directory), []);
  }),
);

test(
  'after its time a message is tried a last time and comes back with the last reply',
  within({ '127.0.0.2': [greylist, greylist], '127.0.0.4': [greylist] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }], { expiresMs: hour });
    await lab.run();
    await lab.clock.advance(2 * hour);
    const { report } = await lab.run();
    assert.deepEqual(
      report.entries.map((one) => one.result),
      ['bounced', 'waiting'],
    );
    assert.equal(report.entries[0]?.recipients[0]?.status, 'expired');
    const [notice] = await lab.entries();
    assert.ok(notice);
    assert.match(await bodyOf(lab.spool, notice), /Status: 4.7.1\r\n[\s\S]*smtp; 451 4.7.1 try later\r\n/);
  }),
);

test(
  'a message whose time is over before its next try is not kept longer than that',
  within({ '127.0.0.2': [greylist, greylist], '127.0.0.4': [takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }], { expiresMs: 30_000 });
    assert.equal((await lab.run()).report.entries[0]?.next, '2024-02-29T12:00:30.000Z');
    await lab.clock.advance(30_000);
    const { report } = await lab.run();
    assert.deepEqual(
      report.entries.map((one) => one.result),
      ['bounced', 'delivered'],
    );
  }),
);

test(
  'what a server repeats of a secret is not written down',
  within({ '127.0.0.2': [takes({ rcpt: '451 I heard hunter2-secret' })] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }]);
    const scrubber = new Scrubber();
    scrubber.add('hunter2-secret');
    await runQueue({ ids: [], all: false, jobs: 1 }, lab.door, { scrubber });
    const written = JSON.stringify(await lab.spool.list());
    assert.match(written, /I heard /);
    assert.doesNotMatch(written, /hunter2-secret/);
  }),
);

test(
  'all or nobody along MX records of several domains is refused before anything is queued',
  within({}, async (lab) => {
    const to = [{ address: 'x@a.test' }, { address: 'y@b.test' }];
    await assert.rejects(lab.add(to, { onReject: 'abort' }), { code: 'usage' });
  }),
);

test(
  'a delay is told after four hours, once, and only to who asked for it',
  within({ '127.0.0.2': [greylist, greylist, greylist], '127.0.0.4': [takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test', notify: ['DELAY', 'FAILURE'] }, { address: 'y@a.test' }]);
    await lab.run({ all: true });
    assert.equal(lab.heard('127.0.0.4').length, 0);
    await lab.clock.advance(4 * hour);
    await lab.run({ all: true });
    const [sent = ''] = lab.heard('127.0.0.4');
    assert.match(sent, /Final-Recipient: rfc822; x@a.test\r\nAction: delayed\r\n/);
    assert.match(sent, /Will-Retry-Until: /);
    assert.doesNotMatch(sent, /y@a.test/);
    await lab.clock.advance(hour);
    await lab.run({ all: true });
    assert.equal(lab.heard('127.0.0.4').length, 1);
  }),
);

const offersDsn = takes().replace('S: 250 hi', 'S: 250-hi\nS: 250 DSN');
for (const [name, script, notices] of [
  ['a host with DSN tells of success itself', offersDsn, 0],
  ['behind a host without DSN the sender is told "relayed"', takes(), 1],
] as const) {
  test(
    name,
    within({ '127.0.0.2': [script], '127.0.0.4': [takes()] }, async (lab) => {
      await lab.add([{ address: 'x@a.test', notify: ['SUCCESS'] }]);
      await lab.run();
      const sent = lab.heard('127.0.0.4');
      assert.equal(sent.length, notices);
      if (notices) assert.match(sent[0] ?? '', /Action: relayed\r\nStatus: 2\.0\.0/);
    }),
  );
}

test(
  'a verdict that was never read is unknown: kept, not sent again, until it is released by force',
  within({ '127.0.0.2': [gone, takes()] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    const { report } = await lab.run();
    assert.deepEqual([report.exit.code, report.entries[0]?.result], [4, 'unknown']);
    await lab.clock.advance(30 * 24 * hour);
    assert.deepEqual((await lab.run({ all: true })).report.entries, []);
    assert.equal((await listQueue(lab.spool, 'q', lab.clock.date())).entries[0]?.state, 'unknown');
    const kept = await manage(lab.spool, 'release', [id], { force: false }, lab.clock);
    assert.equal(kept.error?.code, 'outcome-unknown');
    assert.equal(lab.dialled.length, 1);
    await manage(lab.spool, 'release', [id], { force: true }, lab.clock);
    assert.equal((await lab.run()).report.exit.code, 0);
    assert.equal(lab.heard('127.0.0.2').length, 2);
  }),
);

test(
  'a try without a recorded end (the process was killed) is unknown for those it was for, and for nobody else',
  within({ '127.0.0.3': [takes()] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }, { address: 'y@b.test' }]);
    const claimed = await lab.spool.claim(id);
    assert.equal(claimed.kind, 'claimed');
    if (claimed.kind !== 'claimed') return;
    const since = lab.clock.date().toISOString();
    await claimed.claim.update({ ...claimed.claim.entry, trying: { since, recipients: ['x@a.test'] } });
    await claimed.claim.release();
    const { report } = await lab.run();
    assert.equal(report.exit.code, 4);
    assert.deepEqual(
      (await lab.entries())[0]?.recipients.map((one) => one.status),
      ['unknown', 'accepted'],
    );
    assert.deepEqual(
      lab.dialled.map((one) => one.address),
      ['127.0.0.3'],
    );
  }),
);

test(
  'before the first byte goes out, the doubt is on the disk; with the outcome it goes',
  within({ '127.0.0.2': [greylist] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    const seen: unknown[] = [];
    const { dial } = lab.ports;
    lab.door.ports.dial = async (target) => {
      const item = await lab.spool.find(id);
      seen.push(item?.kind === 'entry' ? [item.claim, item.entry.trying?.recipients] : item);
      return dial(target);
    };
    await lab.run();
    assert.deepEqual(seen, [['claimed', ['x@a.test']]]);
    assert.equal((await lab.entries())[0]?.trying, null);
  }),
);

test(
  'two runs at once send each message once',
  within({ '127.0.0.2': [takes(), takes(), takes(), takes(), takes(), takes()] }, async (lab) => {
    for (let n = 0; n < 3; n++) await lab.add([{ address: `x${n}@a.test` }]);
    const runs = await Promise.all([lab.run({ jobs: 2 }), lab.run({ jobs: 2 }), lab.run()]);
    assert.deepEqual(
      runs.map((one) => one.report.exit.code),
      [0, 0, 0],
    );
    const sent = lab.heard('127.0.0.2').map((text) => /RCPT TO:<(x\d)/.exec(text)?.[1]);
    assert.deepEqual(sent.sort(), ['x0', 'x1', 'x2']);
  }),
);

test(
  'a login, a certificate or a file of ours that does not work lets a message wait, never bounce',
  within(
    {},
    async (lab) => {
      await lab.add([{ address: 'x@a.test' }]);
      const { report, error } = await lab.run();
      assert.deepEqual([error?.code, report.entries[0]?.result], ['usage', 'waiting']);
      const [entry] = await lab.entries();
      assert.deepEqual([entry?.trying, entry?.domains[0]?.tries], [null, 1]);
      assert.equal(entry?.recipients[0]?.last?.text, '--password-env: the environment variable PW is not set');
    },
    {
      connectionOf: async () => {
        throw new EhloError('usage', '--password-env: the environment variable PW is not set');
      },
    },
  ),
);

test(
  'all or nobody: one refusal and nobody is sent to, and the sender hears of everybody',
  within(
    {
      '127.0.0.2': [
        'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 550 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF',
      ],
      '127.0.0.4': [greylist],
    },
    async (lab) => {
      await lab.add([{ address: 'x@a.test' }, { address: 'y@a.test' }], { onReject: 'abort' });
      const { report } = await lab.run();
      assert.deepEqual(
        report.entries[0]?.recipients.map((one) => one.status),
        ['rejected', 'rejected'],
      );
      assert.match(report.entries[0]?.recipients[0]?.text ?? '', /not sent, since others were refused/);
      assert.doesNotMatch(lab.heard('127.0.0.2')[0] ?? '', /DATA/);
    },
  ),
);

const outcome = (address: string, status: DeliveredRecipient['status'], code: number): DeliveredRecipient => ({
  address,
  status,
  reply: reply(code, null, 'said'),
  stage: 'rcpt',
  host: 'mx.a.test',
  error: null,
});

test(
  'after a try only those whom it deferred are queued, a minute from their next try',
  within({ '127.0.0.2': [takes()] }, async (lab) => {
    const to = ['x@a.test', 'y@a.test', 'z@a.test', 'u@a.test'].map((address) => ({ address }));
    const tried = [
      outcome('x@a.test', 'accepted', 250),
      outcome('y@a.test', 'deferred', 451),
      outcome('z@a.test', 'rejected', 550),
      outcome('u@a.test', 'unknown', 250),
    ];
    const entry = await lab.add(to, { tried });
    assert.deepEqual(
      entry.recipients.map((one) => [one.address, one.last?.code]),
      [['y@a.test', 451]],
    );
    assert.equal((await lab.run()).report.entries.length, 0);
    await lab.clock.advance(minute);
    assert.equal((await lab.run()).report.exit.code, 0);
    await assert.rejects(lab.add(to.slice(0, 1), { tried }), /nothing was queued/);
  }),
);

const secrets: [string, Record<string, string>, RegExp][] = [
  ['--password', { server: 'h', user: 'u', password: 'pw' }, /--password cannot be kept/],
  ['a URL with a password', { server: 'smtp://u:pw@h' }, /a password in the URL of --server/],
  ['one of a user with an @', { proxy: 'http://u@x.test:p@w@h:1' }, /a password in the URL of --proxy/],
  ['a proxy with a password', { server: 'h', proxy: 'socks5h://u:pw@h' }, /URL of --proxy/],
  ['standard input', { server: 'h', user: 'u', 'password-file': '-' }, /--password-file - cannot/],
  ['a question', { server: 'smtp://u@h' }, /a password that is asked for/],
  ['a question for --user', { server: 'h', user: 'u' }, /a password that is asked for/],
];
for (const [name, options, message] of secrets) {
  test(
    `nothing is queued whose password would be from ${name}`,
    within({}, async (lab) => {
      await assert.rejects(lab.add([{ address: 'x@a.test' }], { route: { options, pipelining: true } }), (thrown) => {
        assert.ok(thrown instanceof EhloError);
        assert.equal(thrown.code, 'usage');
        assert.match(thrown.message, message);
        assert.doesNotMatch(thrown.message, /pw/);
        return true;
      });
      assert.deepEqual(readdirSync(lab.directory), []);
    }),
  );
}

for (const options of [
  { server: 'smtp://u@h', 'password-env': 'PW' },
  { server: 'smtp://u@h', auth: 'none' },
  { server: 'h', user: 'u', 'token-command': 'token' },
  { server: 'h', user: 'u', oauth2: '/token.toml' },
]) {
  test(
    `what can be fetched again can be queued: ${Object.keys(options).join(', ')}`,
    within({}, async (lab) => {
      const { id } = await lab.add([{ address: 'x@a.test' }], { route: { options, pipelining: true } });
      const shown = await showEntry(lab.spool, id, lab.clock.date());
      assert.deepEqual(shown.entry.route, options);
      assert.deepEqual(
        shown.headers.map(({ name }) => name),
        ['From', 'Subject'],
      );
    }),
  );
}

test(
  'drop takes an entry away without a word; what is not there is said',
  within({}, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    const { entries, error } = await manage(lab.spool, 'drop', [id, 'none'], { force: false }, lab.clock);
    assert.deepEqual(
      entries.map((one) => one.done),
      [true, false],
    );
    assert.equal(error?.code, 'no-input');
    assert.deepEqual(readdirSync(lab.directory), []);
  }),
);

test(
  'watch tries what falls due, round after round, until the signal',
  within({ '127.0.0.2': [greylist, takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }]);
    const ending = new AbortController();
    const results: string[] = [];
    const watching = watchQueue({ ids: [], all: false, jobs: 1, intervalMs: 30_000 }, lab.door, {
      scrubber: new Scrubber(),
      signal: ending.signal,
      onEntry: (run) => results.push(run.result),
    });
    // File system calls take turns of their own: wait for what must come, then move the clock on.
    const until = async (count: number): Promise<void> => {
      while (results.length < count) await lab.clock.advance(0);
    };
    await until(1);
    while (results.length < 2) await lab.clock.advance(30_000);
    assert.deepEqual(results, ['waiting', 'delivered']);
    ending.abort('SIGTERM');
    await watching;
  }),
);

test(
  'a signal before the end of data leaves the message as due as it was',
  within({ '127.0.0.2': ['S: 220 hi\nC: EHLO\nW', takes()] }, async (lab) => {
    await lab.add([{ address: 'x@a.test' }]);
    const ending = new AbortController();
    const running = runQueue({ ids: [], all: false, jobs: 1 }, lab.door, {
      scrubber: new Scrubber(),
      signal: ending.signal,
    });
    while (!lab.heard('127.0.0.2')[0]?.includes('EHLO')) await lab.clock.advance(0);
    ending.abort('SIGTERM');
    await running;
    const [entry] = await lab.entries();
    assert.deepEqual([entry?.trying, entry?.recipients[0]?.status, entry?.domains[0]?.tries], [null, 'waiting', 0]);
    assert.equal((await lab.run()).report.exit.code, 0);
  }),
);

test(
  'a crash between the queueing of a notice and its record makes no second notice',
  within({ '127.0.0.2': [refuse, refuse], '127.0.0.4': [greylist] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    // The notice is queued already, as if the process had died before it wrote that down.
    const ghost = await lab.add([{ address: 'a@sender.test' }], { id: `${id}-n1` });
    assert.equal(ghost.id, `${id}-n1`);
    await lab.run();
    const [notice, ...others] = (await lab.entries()).filter((one) => one.id !== id);
    assert.equal(notice?.id, ghost.id);
    assert.deepEqual(others, [], 'no second notice');
  }),
);

/** Held back by all or nobody: no reply, nothing broken (smtp/transaction.ts). */
const heldBack = (address: string): DeliveredRecipient => ({ ...outcome(address, 'deferred', 250), reply: null });

const notQueued: [string, DeliveredRecipient[]][] = [
  ['one is refused and the other held back', [outcome('x@a.test', 'rejected', 550), heldBack('y@a.test')]],
  [
    'one is refused and the other deferred',
    [outcome('x@a.test', 'rejected', 550), outcome('y@a.test', 'deferred', 451)],
  ],
];
for (const [name, tried] of notQueued) {
  test(
    `all or nobody: where ${name}, nobody is queued to be sent to later`,
    within({}, async (lab) => {
      const to = tried.map(({ address }) => ({ address }));
      await assert.rejects(lab.add(to, { tried, onReject: 'abort' }), /nothing was queued/);
      await assert.rejects(lab.add(to, { tried, onReject: 'abort', laterOnReject: 'continue' }), /nothing was queued/);
      assert.deepEqual(readdirSync(lab.directory), []);
    }),
  );
}

test(
  'all or nobody of the first try need not bind the later ones',
  within({}, async (lab) => {
    const tried = [outcome('x@a.test', 'deferred', 451), heldBack('y@a.test')];
    const to = tried.map(({ address }) => ({ address }));
    const entry = await lab.add(to, { tried, onReject: 'abort', laterOnReject: 'continue' });
    assert.deepEqual([entry.onReject, entry.recipients.length], ['continue', 2]);
  }),
);

test(
  'who ends a run does not find its message sent later',
  within({}, async (lab) => {
    const error = new EhloError('interrupted', 'interrupted by SIGINT before the work was done');
    const tried = [outcome('x@a.test', 'deferred', 451), { ...heldBack('y@b.test'), error }];
    const to = tried.map(({ address }) => ({ address }));
    await assert.rejects(lab.add(to, { tried }), /nothing was queued/);
  }),
);

test(
  'what a server repeated of a secret in the first try is not written down',
  within({}, async (lab) => {
    const tried = [{ ...outcome('x@a.test', 'deferred', 451), reply: reply(451, null, 'I heard hunter2-secret') }];
    const scrubber = new Scrubber();
    scrubber.add('hunter2-secret');
    await lab.add([{ address: 'x@a.test' }], { tried, scrub: (text) => scrubber.scrub(text) });
    const written = JSON.stringify(await lab.spool.list());
    assert.match(written, /I heard /);
    assert.doesNotMatch(written, /hunter2-secret/);
  }),
);

test(
  'a clock that was set back keeps nobody waiting longer than the longest wait',
  within({ '127.0.0.2': [greylist, takes()] }, async (lab) => {
    await lab.clock.advance(30 * 24 * hour);
    await lab.add([{ address: 'x@a.test' }]);
    await lab.run();
    const [entry] = await lab.entries();
    assert.ok(entry);
    const earlier = new Date(lab.clock.date().getTime() - 30 * 24 * hour);
    assert.deepEqual(dueRecipients(entry, earlier, false), ['x@a.test']);
    assert.deepEqual(dueRecipients(entry, lab.clock.date(), false), [], 'the right clock waits its minute');
  }),
);

test(
  'a held entry whose end nobody was told of stays until it is released, and then tells',
  within({ '127.0.0.4': [takes()] }, async (lab) => {
    const { id } = await lab.add([{ address: 'x@a.test' }]);
    const claimed = await lab.spool.claim(id);
    assert.ok(claimed.kind === 'claimed');
    const { entry } = claimed.claim;
    // The process died between the outcome and the notice; then somebody held it.
    const recipients = entry.recipients.map((one) => ({ ...one, status: 'rejected' as const }));
    await claimed.claim.update({ ...entry, recipients, held: true });
    await claimed.claim.release();
    await lab.run({ ids: [id] });
    assert.equal((await lab.entries()).length, 1);
    await manage(lab.spool, 'release', [id], { force: false }, lab.clock);
    await lab.run();
    assert.match(lab.heard('127.0.0.4')[0] ?? '', /Action: failed/);
  }),
);

test(
  'what was required of the way of a message is not required of the notice that it failed',
  within(
    { '127.0.0.2': ['S: 220 hi\nC: EHLO\nS: 250 hi\nC: QUIT\nS: 221 bye\nF'], '127.0.0.4': [takes()] },
    async (lab) => {
      const control = {
        bdat: 'off' as const,
        prdr: true,
        force: false,
        heloOnly: false,
        strict: false,
        require: ['DSN', 'REQUIRETLS'],
      };
      await lab.add([{ address: 'x@a.test' }], { route: { ...mxRoute, control } });
      const notice = await keptNotice(lab);
      assert.deepEqual(
        notice.route.control?.require,
        ['REQUIRETLS'],
        'but what keeps it from being read on the way is',
      );
    },
  ),
);

/** Runs as far as the notice, which is left in the queue. */
async function keptNotice(lab: QueueLab): Promise<QueueEntry> {
  const [first] = await lab.entries();
  await tryEntry(first?.id ?? '', true, lab.door, { scrubber: new Scrubber() });
  const notice = (await lab.entries()).find((one) => one.id.endsWith('-n1'));
  assert.ok(notice, 'a notice is queued');
  return notice;
}

const eightBit = Buffer.from('From: a@sender.test\r\nSubject: hello\r\n\r\nb\u00f6dy\r\n');
const offers8bit = takes({ rcpt: '550 5.1.1 no' }).replace('S: 250 hi', 'S: 250-hi\nS: 250 8BITMIME');
for (const [name, script, full] of [
  ['a host without 8BITMIME could not take', takes(), false],
  ['a host with 8BITMIME refused', offers8bit, true],
] as const) {
  test(
    `an 8-bit message that ${name} comes back ${full ? 'whole' : 'as its header, which any host can take'}`,
    within({ '127.0.0.2': [script] }, async (lab) => {
      await lab.add([{ address: 'x@a.test' }], {
        message: { source: bytesSource(eightBit), eightBit: true, utf8Headers: false },
      });
      const notice = await keptNotice(lab);
      assert.equal(notice.eightBit, full);
      assert.match(await bodyOf(lab.spool, notice), full ? /message\/rfc822/ : /text\/rfc822-headers/);
    }),
  );
}

test(
  'nobody was ever reached: the notice says that the time was over (RFC 3463 3.5, X.4.7)',
  within({}, async (lab) => {
    await lab.add([{ address: 'x@a.test' }], { expiresMs: minute });
    await lab.clock.advance(minute);
    assert.match(await bodyOf(lab.spool, await keptNotice(lab)), /Action: failed\r\nStatus: 4\.4\.7\r\n/);
  }),
);

test(
  'what --lmtp took is delivered, not passed on',
  within(
    { '127.0.0.9': [takes()] },
    async (lab) => {
      const route = { options: { server: '127.0.0.9', lmtp: true }, pipelining: true };
      await lab.add([{ address: 'x@a.test', notify: ['SUCCESS'] }], { route });
      assert.match(await bodyOf(lab.spool, await keptNotice(lab)), /Action: delivered\r\n/);
    },
    {
      connectionOf: async (lab: MailLab): Promise<Connection> => ({
        ...lab.connection,
        server: { scheme: 'smtp', host: '127.0.0.9' },
      }),
    },
  ),
);

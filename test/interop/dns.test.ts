// `ehlo serve --zone` answering dig, and routing by it: relay-test and send find the mail hosts that the zone names.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Served, startServe } from './serve.ts';
import { ehlo, type Ran, tool } from './support.ts';

const zone = fileURLToPath(new URL('lab.zone', import.meta.url));

interface Answer {
  status: string;
  flags: string[];
  answer: string[];
  authority: string[];
}

/** What dig prints, its sections taken apart. */
function parseDig({ stdout }: Ran): Answer {
  const section = (name: string): string[] => {
    const text = new RegExp(`;; ${name} SECTION:\\n((?:.+\\n)*)`).exec(stdout)?.[1] ?? '';
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(/\s+/g, ' ')]));
  };
  return {
    status: /status: (\w+)/.exec(stdout)?.[1] ?? stdout,
    flags: /flags: ([a-z ]*);/.exec(stdout)?.[1]?.split(' ') ?? [],
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
  };
}

describe('serve --zone', () => {
  let server: Served;
  before(async () => {
    server = await startServe(['--zone', zone, '--domain', 'lab.test', '--domain', 'implicit.lab.test']);
  });
  after(() => server.stop());

  describe('dig', () => {
    const dig = async (...args: string[]): Promise<Answer> => {
      const show = ['+noall', '+comments', '+answer', '+authority', '+tries=1'];
      return parseDig(await tool('dig', ['-r', '@127.0.0.1', '-p', String(server.dns), ...show, ...args]));
    };
    const soa = 'lab.test. 60 IN SOA ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 60';
    const mx = ['lab.test. 300 IN MX 10 mx1.lab.test.', 'lab.test. 300 IN MX 20 mx2.lab.test.'];
    const rows: { query: string; status: string; answer: string[]; authority?: string[] }[] = [
      { query: 'lab.test MX', status: 'NOERROR', answer: mx },
      { query: '+tcp lab.test MX', status: 'NOERROR', answer: mx },
      { query: '+noedns lab.test MX', status: 'NOERROR', answer: mx },
      { query: 'mx2.lab.test A', status: 'NOERROR', answer: ['mx2.lab.test. 60 IN A 127.0.0.1'] },
      { query: 'MX2.Lab.TEST AAAA', status: 'NOERROR', answer: ['mx2.lab.test. 300 IN AAAA ::1'] },
      { query: 'lab.test TXT', status: 'NOERROR', answer: ['lab.test. 300 IN TXT "v=spf1 mx -all"'] },
      {
        query: 'www.lab.test A',
        status: 'NOERROR',
        answer: ['www.lab.test. 300 IN CNAME mx2.lab.test.', 'mx2.lab.test. 60 IN A 127.0.0.1'],
      },
      { query: 'null.lab.test MX', status: 'NOERROR', answer: ['null.lab.test. 300 IN MX 0 .'] },
      { query: 'nothing.lab.test A', status: 'NOERROR', answer: [], authority: [soa] },
      { query: 'no.lab.test A', status: 'NXDOMAIN', answer: [], authority: [soa] },
      { query: 'broken.lab.test MX', status: 'SERVFAIL', answer: [] },
      { query: 'elsewhere.test A', status: 'REFUSED', answer: [] },
    ];
    for (const { query, status, answer, authority } of rows) {
      test(`${query}: ${status}, ${answer.length} records`, async () => {
        const got = await dig(...query.split(' '));
        assert.equal(got.status, status);
        assert.deepEqual(got.answer.sort(), answer.sort());
        assert.deepEqual(got.authority, authority ?? []);
      });
    }

    test('an answer larger than the client takes is cut short, and whole over TCP', async () => {
      const cut = await dig('+ignore', '+bufsize=512', 'big.lab.test', 'TXT');
      assert.ok(cut.flags.includes('tc'), cut.flags.join(' '));
      const whole = await dig('+bufsize=512', 'big.lab.test', 'TXT');
      assert.equal(whole.answer.length, 6);
      assert.ok(!whole.flags.includes('tc'));
    });
  });

  const routed = (): string[] => ['--dns', `127.0.0.1:${server.dns}`, '--mx-port', String(server.smtp)];

  const outcomes = [
    { domain: 'lab.test', exit: 0, status: 'deliverable', hosts: ['mx1.lab.test', 'mx2.lab.test'] },
    { domain: 'implicit.lab.test', exit: 0, status: 'deliverable', hosts: ['implicit.lab.test'] },
    { domain: 'www.lab.test', exit: 69, status: 'rejected', hosts: ['www.lab.test'] },
    { domain: 'null.lab.test', exit: 68, status: 'null-mx', hosts: [] },
    { domain: 'nothing.lab.test', exit: 68, status: 'no-such-domain', hosts: [] },
    { domain: 'no.lab.test', exit: 68, status: 'no-such-domain', hosts: [] },
    { domain: 'broken.lab.test', exit: 75, status: 'deferred', hosts: [] },
  ];
  for (const { domain, exit, status, hosts } of outcomes) {
    test(`relay-test and send agree on ${domain}: ${status}, exit ${exit}`, async () => {
      const walked = await ehlo(['relay-test', '--json', `b@${domain}`, ...routed()]);
      assert.equal(walked.code, exit, walked.stdout + walked.stderr);
      const report: { verdict: { status: string }; hops: { host: string }[] } = JSON.parse(walked.stdout);
      assert.equal(report.verdict.status, status);
      assert.deepEqual(
        report.hops.map(({ host }) => host),
        hosts,
      );
      const sent = await ehlo(['send', '--json', '--server', 'mx:', '--from', 'a@x.test', `b@${domain}`, ...routed()], {
        input: 'hello',
      });
      assert.equal(sent.code, exit, sent.stdout + sent.stderr);
    });
  }

  test('recipients of several domains each go to their own hosts', async () => {
    const to = ['b@lab.test', 'b@implicit.lab.test', 'b@null.lab.test'];
    const ran = await ehlo(['send', '--json', '--server', 'mx:', '--from', 'a@x.test', ...to, ...routed()], {
      input: 'hi',
    });
    assert.equal(ran.code, 3, ran.stdout + ran.stderr);
    const { recipients }: { recipients: { status: string; host: string | null }[] } = JSON.parse(ran.stdout);
    assert.deepEqual(
      recipients.map(({ status, host }) => [status, host]),
      [
        ['accepted', 'mx2.lab.test'],
        ['accepted', 'implicit.lab.test'],
        ['rejected', null],
      ],
    );
  });
});

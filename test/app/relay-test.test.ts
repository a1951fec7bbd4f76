// relay-test: situations and what must be said of them: verdict, exit code, findings; and that no DATA ever goes out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RelayTarget, relayTest } from '../../src/app/relay-test.ts';
import { EhloError } from '../../src/base/errors.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { mailLab, probed } from './lab.ts';

const zone = `$ORIGIN y.test.
@ 60 MX 10 mx1
@ 60 MX 20 mx2
mx1 60 A 127.0.0.2
mx2 60 A 127.0.0.4
only 60 A 127.0.0.5
null 60 MX 0 .
alias 60 MX 10 other
other 60 CNAME mx2
;!servfail down
`;

const opens = 'S: 220 hi\nC: EHLO\nS: 250 hi\n';

interface Row {
  name: string;
  target?: RelayTarget;
  hosts?: Record<string, string[]>;
  allHosts?: true;
  stopAt?: 'ehlo' | 'mail' | 'data';
  localDomains?: string[];
  failOn?: 'warn';
  verdict: string;
  exit: number;
  hops: string[];
  findings?: string[];
}

const domain = (name: string): RelayTarget => ({ kind: 'domain', domain: name });

const rows: Row[] = [
  {
    name: 'the best host would take it',
    hosts: { '127.0.0.2': [probed()] },
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
    findings: [],
  },
  {
    name: 'all hosts',
    hosts: { '127.0.0.2': [probed()], '127.0.0.4': [probed('450 later')] },
    allHosts: true,
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable', 'deferred'],
  },
  {
    name: 'the first host is down',
    hosts: { '127.0.0.4': [probed()] },
    verdict: 'deliverable',
    exit: 0,
    hops: ['unreachable', 'deliverable'],
    findings: ['HOST-UNREACHABLE'],
  },
  {
    name: 'the first host is down, and that is a failure',
    hosts: { '127.0.0.4': [probed()] },
    failOn: 'warn',
    verdict: 'deliverable',
    exit: 1,
    hops: ['unreachable', 'deliverable'],
  },
  { name: 'nobody is there', verdict: 'unreachable', exit: 75, hops: ['unreachable', 'unreachable'] },
  {
    name: 'the recipient is refused',
    hosts: { '127.0.0.2': [probed('550 5.1.1 who?')] },
    verdict: 'rejected',
    exit: 69,
    hops: ['rejected'],
  },
  {
    name: 'greylisting',
    hosts: { '127.0.0.2': [probed('450 4.7.1 Greylisted')], '127.0.0.4': [probed('450 4.7.1 Greylisted')] },
    verdict: 'deferred',
    exit: 75,
    hops: ['deferred', 'deferred'],
    findings: ['GREYLIST', 'GREYLIST'],
  },
  {
    name: 'a host that breaks the protocol',
    hosts: { '127.0.0.2': ['S: HTTP/1.1 400 no\nF'], '127.0.0.4': [probed()] },
    verdict: 'deliverable',
    exit: 0,
    hops: ['rejected', 'deliverable'],
    findings: ['HOST-PROTOCOL'],
  },
  { name: 'a null MX', target: domain('null.y.test'), verdict: 'null-mx', exit: 68, hops: [] },
  { name: 'no such domain', target: domain('nowhere.y.test'), verdict: 'no-such-domain', exit: 68, hops: [] },
  {
    name: 'DNS out of order',
    target: domain('down.y.test'),
    verdict: 'deferred',
    exit: 75,
    hops: [],
    findings: ['MX-LOOKUP-FAILED'],
  },
  {
    name: 'no MX',
    target: domain('only.y.test'),
    hosts: { '127.0.0.5': [probed()] },
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
    findings: ['MX-IMPLICIT'],
  },
  {
    name: 'an MX that is an alias',
    target: domain('alias.y.test'),
    hosts: { '127.0.0.4': [probed()] },
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
    findings: ['MX-CNAME'],
  },
  {
    name: 'our own domain',
    target: domain('Y.test'),
    localDomains: ['y.TEST'],
    verdict: 'deliverable',
    exit: 0,
    hops: [],
  },
  {
    name: 'only as far as EHLO',
    hosts: { '127.0.0.2': [`${opens}C: QUIT\nS: 221 bye\nF`] },
    stopAt: 'ehlo',
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
  },
  {
    name: 'only as far as MAIL',
    hosts: { '127.0.0.2': [`${opens}C: MAIL FROM:<>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF`] },
    stopAt: 'mail',
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
  },
  {
    name: 'as far as DATA, and away',
    hosts: { '127.0.0.2': [`${opens}C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: x`] },
    stopAt: 'data',
    verdict: 'deliverable',
    exit: 0,
    hops: ['deliverable'],
  },
];

for (const row of rows) {
  test(`relay-test: ${row.name}`, async () => {
    const { ports, connection, dialled } = mailLab(zone, row.hosts ?? {});
    const { report } = await relayTest(
      {
        connection,
        target: row.target ?? { kind: 'address', address: 'b@y.test' },
        written: 'as typed',
        from: '',
        stopAt: row.stopAt ?? 'rcpt',
        allHosts: row.allHosts ?? false,
        localDomains: row.localDomains ?? [],
        ignore: ['TLS-NONE'],
        failOn: row.failOn,
      },
      ports,
      { scrubber: new Scrubber(), signal: new AbortController().signal },
    );
    assert.deepEqual(
      {
        verdict: report.verdict.status,
        exit: report.exit.code,
        ok: report.ok,
        hops: report.hops.map((hop) => hop.verdict.status),
      },
      { verdict: row.verdict, exit: row.exit, ok: row.exit === 0, hops: row.hops },
    );
    if (row.findings) assert.deepEqual(report.findings.map((finding) => finding.id).sort(), row.findings);
    for (const { peer } of dialled) {
      await peer?.finished;
      assert.ok(row.stopAt === 'data' || !peer?.received().includes('DATA'));
    }
  });
}

test('relay-test: nobody answers on port 25 at all, so the network is suspected', async () => {
  const { ports, connection } = mailLab(zone, {});
  const silent = () =>
    Promise.reject(new EhloError('timeout', 'no answer to the connection attempt', { stage: 'connect' }));
  const { report } = await relayTest(
    {
      connection: { ...connection, mxPort: 25 },
      target: { kind: 'address', address: 'b@y.test' },
      written: 'b@y.test',
      from: '',
      stopAt: 'rcpt',
      allHosts: false,
      localDomains: [],
      ignore: [],
      failOn: undefined,
    },
    { ...ports, dial: silent },
    { scrubber: new Scrubber(), signal: new AbortController().signal },
  );
  assert.equal(report.verdict.status, 'unreachable');
  assert.ok(report.findings.some(({ id }) => id === 'PORT-25-BLOCKED'));
});

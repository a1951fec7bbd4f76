// Which hosts a delivery tries, in which order, and when it must stop: each row is a zone, hosts and what must come of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliver } from '../../src/app/deliver.ts';
import { deliveryError } from '../../src/app/delivery-outcome.ts';
import { resolverFor } from '../../src/app/mx.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { mailLab, takes } from './lab.ts';

const zone = `$ORIGIN y.test.
@ 60 MX 10 mx1
@ 60 MX 20 mx2
mx1 60 A 127.0.0.2
mx1 60 A 127.0.0.3
mx2 60 A 127.0.0.4
only 60 A 127.0.0.5
null 60 MX 0 .
broken 60 MX 10 broken-host
;!servfail down
`;

interface Row {
  name: string;
  to?: string;
  hosts: Record<string, string[]>;
  dialled: string[];
  status: string;
  exit: string;
  /** One refused recipient, and nobody gets it. */
  abort?: true;
  /** Statuses of all recipients, where there is more than one. */
  statuses?: string[];
}

const gone = 'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nR';
const refusesSecond =
  'S: 220 hi\nC: EHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 550 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\nF';
const lostVerdict = takes({ dot: 'R' });

const rows: Row[] = [
  {
    name: 'the best host takes it',
    hosts: { '127.0.0.2': [takes()] },
    dialled: ['127.0.0.2'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'every address of a host, then the next host',
    hosts: { '127.0.0.4': [takes()] },
    dialled: ['127.0.0.2', '127.0.0.3', '127.0.0.4'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'nobody can be reached',
    hosts: {},
    dialled: ['127.0.0.2', '127.0.0.3', '127.0.0.4'],
    status: 'deferred',
    exit: 'TEMP',
  },
  {
    name: 'a 4xx to the recipient goes on to the next address',
    hosts: { '127.0.0.2': [takes({ rcpt: '450 4.2.0 later' })], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2', '127.0.0.3'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'a 5xx to the recipient is the verdict',
    hosts: { '127.0.0.2': [takes({ rcpt: '550 5.1.1 no such user' })], '127.0.0.3': [takes()], '127.0.0.4': [takes()] },
    dialled: ['127.0.0.2'],
    status: 'rejected',
    exit: 'REJECTED',
  },
  {
    name: 'a 5xx to the message is the verdict',
    hosts: { '127.0.0.2': [takes({ dot: 'S: 554 5.7.1 spam' })], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2'],
    status: 'rejected',
    exit: 'REJECTED',
  },
  {
    name: 'a 554 greeting is that host alone',
    hosts: { '127.0.0.2': ['S: 554 go away\nC: QUIT\nS: 221 bye\nF'], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2', '127.0.0.3'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'a host whose EHLO fails is that host alone',
    hosts: { '127.0.0.2': ['S: 220 hi\nC: EHLO\nS: 550 no\nC: QUIT\nS: 221 bye\nF'], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2', '127.0.0.3'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'all or nobody: who was not refused is not sent to elsewhere',
    to: 'b@y.test,c@y.test',
    abort: true,
    hosts: { '127.0.0.2': [refusesSecond], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2'],
    status: 'deferred',
    statuses: ['deferred', 'rejected'],
    exit: 'REJECTED',
  },
  {
    name: 'a loss before the end of data goes on',
    hosts: { '127.0.0.2': [gone], '127.0.0.3': [takes()] },
    dialled: ['127.0.0.2', '127.0.0.3'],
    status: 'accepted',
    exit: 'OK',
  },
  {
    name: 'a loss after the end of data never goes on',
    hosts: { '127.0.0.2': [lostVerdict], '127.0.0.3': [takes()], '127.0.0.4': [takes()] },
    dialled: ['127.0.0.2'],
    status: 'unknown',
    exit: 'UNKNOWN',
  },
  {
    name: 'a deferral says more than a host that is down',
    hosts: { '127.0.0.2': [takes({ rcpt: '450 4.2.0 later' })] },
    dialled: ['127.0.0.2', '127.0.0.3', '127.0.0.4'],
    status: 'deferred',
    exit: 'TEMP',
  },
  {
    name: 'no MX: the domain itself',
    to: 'b@only.y.test',
    hosts: { '127.0.0.5': [takes()] },
    dialled: ['127.0.0.5'],
    status: 'accepted',
    exit: 'OK',
  },
  { name: 'a null MX', to: 'b@null.y.test', hosts: {}, dialled: [], status: 'rejected', exit: 'NOHOST' },
  { name: 'no such domain', to: 'b@nowhere.y.test', hosts: {}, dialled: [], status: 'rejected', exit: 'NOHOST' },
  {
    name: 'an MX without an address',
    to: 'b@broken.y.test',
    hosts: {},
    dialled: [],
    status: 'rejected',
    exit: 'NOHOST',
  },
  {
    name: 'SERVFAIL is not "no such domain"',
    to: 'b@down.y.test',
    hosts: {},
    dialled: [],
    status: 'deferred',
    exit: 'TEMP',
  },
  {
    name: 'an address literal',
    to: 'b@[127.0.0.5]',
    hosts: { '127.0.0.5': [takes()] },
    dialled: ['127.0.0.5'],
    status: 'accepted',
    exit: 'OK',
  },
];

for (const row of rows) {
  test(`deliver by MX: ${row.name}`, async () => {
    const { ports, connection, dialled } = mailLab(zone, row.hosts);
    const delivered = await deliver(
      {
        connection,
        envelope: { from: 'a@x.test', to: (row.to ?? 'b@y.test').split(',').map((address) => ({ address })) },
        message: { source: bytesSource(Buffer.from('Subject: hi\r\n\r\nhi\r\n')), eightBit: false, utf8Headers: false },
        onReject: row.abort ? 'abort' : 'continue',
        pipelining: true,
      },
      ports,
      { resolver: () => resolverFor(connection, ports), scrubber: new Scrubber() },
    );
    if (row.statuses) {
      assert.deepEqual(
        delivered.recipients.map(({ status }) => status),
        row.statuses,
      );
    }
    assert.deepEqual(
      {
        dialled: dialled.map((one) => one.address),
        status: delivered.recipients[0]?.status,
        exit: deliveryError(delivered.recipients)?.exit ?? 'OK',
      },
      { dialled: row.dialled, status: row.status, exit: row.exit },
    );
    assert.ok(dialled.every((one) => one.port === 2525));
  });
}

test('recipients of several domains each go their own way, and the result is partial', async () => {
  const { ports, connection } = mailLab(zone, { '127.0.0.5': [takes()] });
  const delivered = await deliver(
    {
      connection,
      envelope: { from: 'a@x.test', to: [{ address: 'b@only.y.test' }, { address: 'c@null.y.test' }] },
      message: { source: bytesSource(Buffer.from('Subject: hi\r\n\r\nhi\r\n')), eightBit: false, utf8Headers: false },
      onReject: 'continue',
      pipelining: true,
    },
    ports,
    { resolver: () => resolverFor(connection, ports), scrubber: new Scrubber() },
  );
  assert.deepEqual(
    delivered.recipients.map((one) => one.status),
    ['accepted', 'rejected'],
  );
  assert.equal(deliveryError(delivered.recipients)?.exit, 'PARTIAL');
});

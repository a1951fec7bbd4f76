// Our client against the smtp-server package, which shares no code with us: plain, STARTTLS, implicit TLS, AUTH, refusals.
// That server waits a fixed 100 ms before each greeting, so one server serves all rows.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import type { Connection } from '../../src/app/connection.ts';
import { type DeliverRequest, deliver } from '../../src/app/deliver.ts';
import { deliveryError } from '../../src/app/delivery-outcome.ts';
import type { Ports } from '../../src/app/ports.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { dial } from '../../src/net/dial.ts';
import { mailLab } from '../app/lab.ts';
import { testCertificate, testKey } from '../support/certificate.ts';

const certificate = Buffer.from(testCertificate);
const body = 'Subject: hi\r\n\r\n.one dot\r\n..two\r\n.\r\nlast\r\n';

interface Row {
  name: string;
  tls?: Connection['tls'];
  implicit?: true;
  mechanism?: string;
  password?: string;
  to?: string[];
  exit?: string;
  statuses?: string[];
}

const rows: Row[] = [
  { name: 'in the clear', tls: 'off' },
  { name: 'over STARTTLS, verified', tls: 'required' },
  { name: 'over TLS from the first byte', tls: 'implicit', implicit: true },
  { name: 'TLS where there is none', tls: 'implicit', exit: 'PROTO', statuses: ['rejected'] },
  { name: 'AUTH PLAIN', tls: 'required', mechanism: 'PLAIN' },
  { name: 'AUTH LOGIN', tls: 'required', mechanism: 'LOGIN' },
  {
    name: 'a wrong password',
    tls: 'required',
    mechanism: 'PLAIN',
    password: 'wrong',
    exit: 'NOPERM',
    statuses: ['rejected'],
  },
  {
    name: 'one of two refused',
    to: ['bob@y.test', 'nobody@y.test'],
    exit: 'PARTIAL',
    statuses: ['accepted', 'rejected'],
  },
  { name: 'refused after the data', to: ['spamtrap@y.test'], exit: 'REJECTED', statuses: ['rejected'] },
];

test('send to the smtp-server package', async (t) => {
  const received: { to: string[]; text: string; user: unknown; secure: boolean }[] = [];
  const options = {
    logger: false,
    key: testKey,
    cert: testCertificate,
    authOptional: true,
    allowInsecureAuth: false,
    onAuth(auth, _session, done) {
      if (auth.username === 'bob' && auth.password === 'sesame') done(null, { user: auth.username });
      else done(new Error('no'));
    },
    onRcptTo({ address }, _session, done) {
      done(address.startsWith('nobody') ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null);
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map(({ address }) => address);
        if (to.includes('spamtrap@y.test')) return done(Object.assign(new Error('spam'), { responseCode: 554 }));
        received.push({
          to,
          text: Buffer.concat(chunks).toString(),
          user: session.user || undefined,
          secure: session.secure,
        });
        return done();
      });
    },
  } satisfies ConstructorParameters<typeof SMTPServer>[0];
  const servers = { plain: new SMTPServer(options), implicit: new SMTPServer({ ...options, secure: true }) };
  const portOf = async (server: SMTPServer): Promise<number> => {
    const listening = server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    return (listening.address() as AddressInfo).port;
  };
  const ports = { plain: await portOf(servers.plain), implicit: await portOf(servers.implicit) };
  t.after(async () => {
    await Promise.all(Object.values(servers).map((server) => new Promise<void>((resolve) => server.close(resolve))));
  });

  for (const row of rows) {
    await t.test(row.name, async () => {
      received.length = 0;
      const to = row.to ?? ['bob@y.test'];
      const { statuses, exit } = await send(row, row.implicit ? ports.implicit : ports.plain, to);
      assert.deepEqual({ statuses, exit }, { statuses: row.statuses ?? ['accepted'], exit: row.exit ?? 'OK' });
      const accepted = to.filter((_, at) => statuses[at] === 'accepted');
      assert.deepEqual(
        received,
        accepted.length === 0
          ? []
          : [{ to: accepted, text: body, user: row.mechanism && 'bob', secure: row.tls !== 'off' }],
      );
    });
  }
});

async function send(row: Row, port: number, to: string[]) {
  const lab = mailLab('$ORIGIN y.test.\n', {});
  const ports: Ports = { ...lab.ports, clock: systemClock, dial };
  const request: DeliverRequest = {
    connection: {
      ...lab.connection,
      server: { scheme: 'smtp', host: '127.0.0.1', port },
      ...(row.tls ? { tls: row.tls } : {}),
      tlsClient: { ca: certificate },
      deadlines: clientDeadlines,
      ...(row.mechanism
        ? {
            credentials: { user: 'bob', password: new Secret(row.password ?? 'sesame') },
            mechanisms: [row.mechanism],
          }
        : {}),
    },
    envelope: { from: 'ann@x.test', to: to.map((address) => ({ address })) },
    message: { source: bytesSource(Buffer.from(body)), eightBit: false, utf8Headers: false },
    onReject: 'continue',
    pipelining: true,
  };
  const delivered = await deliver(request, ports, {
    resolver: () => Promise.reject(new Error('no DNS is needed')),
    scrubber: new Scrubber(),
  });
  return {
    statuses: delivered.recipients.map((one) => one.status),
    exit: deliveryError(delivered.recipients)?.exit ?? 'OK',
  };
}

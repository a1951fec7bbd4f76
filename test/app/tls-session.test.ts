// What a session does with TLS besides encrypting: the name it asks for, the chain it hands on, the login it binds to it.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import type { Connection } from '../../src/app/connection.ts';
import { openMailbox } from '../../src/app/mailbox-session.ts';
import { noPop3Facts } from '../../src/app/pop3-session.ts';
import type { Ports } from '../../src/app/ports.ts';
import { openSession, planFor } from '../../src/app/session.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { clientDeadlines } from '../../src/base/limits.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import type { Channel, ChannelBinding, TlsFacts, TlsOptions } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { tlsFacts } from '../smtp/dialog.ts';
import { scriptedPeer } from '../support/scripted.ts';

const open: Channel[] = [];
afterEach(() => {
  for (const channel of open.splice(0)) channel.destroy();
});

const unused = () => assert.fail('not needed here');
const exporter: ChannelBinding = { type: 'tls-exporter', bytes: Buffer.alloc(32, 5) };

interface Lab {
  ports: Ports;
  asked: TlsOptions[];
  received(): string;
}

/** One connection to a peer that follows the script, with TLS of these facts. */
function lab(script: string, tls: TlsFacts): Lab {
  const [ours, theirs] = memoryPair({ tls });
  open.push(ours, theirs);
  const asked: TlsOptions[] = [];
  const peer = scriptedPeer(theirs, script);
  peer.finished.catch(() => undefined);
  const startTls = ours.startTls.bind(ours);
  ours.startTls = (options, deadline) => {
    asked.push(options);
    return startTls(options, deadline);
  };
  return {
    asked,
    received: peer.received,
    ports: {
      clock: systemClock,
      dial: async () => ours,
      resolve: { exchange: { exchange: unused }, systemServers: () => [], lookup: async () => ['192.0.2.1'] },
      listen: unused,
      listenDns: unused,
      files: { read: unused, spool: unused },
      hostname: () => 'here.test',
    },
  };
}

const connectionTo = (host: string, given: Partial<Connection> = {}): Connection => ({
  server: { scheme: 'pop3', host },
  tlsVerify: 'full',
  tlsClient: {},
  credentials: { user: 'bob', password: new Secret('sesame') },
  allowPlaintextAuth: false,
  deadlines: clientDeadlines,
  overrides: [],
  mxPort: 25,
  ...given,
});

async function openPop3(connection: Connection, ports: Ports): Promise<unknown> {
  const { server } = connection;
  if (!server) return assert.fail('no server');
  const hooks = { transcript: undefined, scrubber: new Scrubber(), signal: new AbortController().signal };
  return openMailbox(connection, server, ports, noPop3Facts(), hooks).catch((thrown: unknown) => thrown);
}

const capa = (sasl: string): string => `S: +OK\nS: SASL ${sasl}\nS: STLS\nS: .`;
const pop3Script = (before: string, under: string): string =>
  `S: +OK hi\nC: CAPA\n${capa(before)}\nC: STLS\nS: +OK go\nC: CAPA\n${capa(under)}\nC: AUTH\nS: -ERR no\nW`;

/** The gs2-header of the first message of SCRAM. */
const headerOf = (received: string): string | undefined => {
  const [, mechanism, initial = ''] = /AUTH (\S+) (\S+)\r\n/.exec(received) ?? [];
  const [flag, authzid] = Buffer.from(initial, 'base64').toString().split(',');
  return mechanism && `${mechanism} ${flag},${authzid}`;
};

describe('a POP3 session', () => {
  const bound: TlsFacts = { ...tlsFacts, channelBindings: () => [exporter] };

  test('binds the login to TLS where the server offers it', async () => {
    const { ports, received } = lab(pop3Script('PLAIN', 'PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS'), bound);
    const thrown = await openPop3(connectionTo('pop.test', { tls: 'required' }), ports);
    assert.ok(thrown instanceof EhloError && thrown.code === 'auth-rejected', String(thrown));
    assert.equal(headerOf(received()), 'SCRAM-SHA-256-PLUS p=tls-exporter,');
  });

  test('says that it could have, where the server does not offer it', async () => {
    const { ports, received } = lab(pop3Script('PLAIN', 'PLAIN SCRAM-SHA-256'), bound);
    await openPop3(connectionTo('pop.test', { tls: 'required' }), ports);
    assert.equal(headerOf(received()), 'SCRAM-SHA-256 y,');
  });

  test('does not bind where it cannot', async () => {
    const { ports, received } = lab(pop3Script('PLAIN', 'SCRAM-SHA-256 SCRAM-SHA-256-PLUS'), tlsFacts);
    await openPop3(connectionTo('pop.test', { tls: 'required' }), ports);
    assert.equal(headerOf(received()), 'SCRAM-SHA-256 n,');
  });

  test('asks for the A-labels of its server, and hands the chain on before it judges it', async () => {
    const chains: (readonly string[])[] = [];
    const bad: TlsFacts = { ...tlsFacts, authorized: false, cause: 'expired', error: 'it has expired', chain: ['PEM'] };
    const { ports, asked, received } = lab(pop3Script('PLAIN', 'PLAIN'), bad);
    const onChain = async (chain: readonly string[]) => void chains.push(chain);
    const thrown = await openPop3(connectionTo('bücher.example', { tls: 'required', onChain }), ports);
    assert.ok(thrown instanceof EhloError && thrown.code === 'tls-certificate', String(thrown));
    assert.deepEqual(
      asked.map((one) => one.role === 'client' && one.servername),
      ['xn--bcher-kva.example'],
    );
    assert.deepEqual(chains, [['PEM']]);
    assert.doesNotMatch(received(), /AUTH/);
  });
});

describe('an SMTP session', () => {
  test('asks for the A-labels of its server', async () => {
    const script = 'S: 220 hi\nC: EHLO\nS: 250-hi\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nC: EHLO\nS: 250 hi\nW';
    const { ports, asked } = lab(script, tlsFacts);
    const { credentials: _, ...anonymous } = connectionTo('bücher.example', { tls: 'required' });
    const target = { host: 'bücher.example', address: '192.0.2.1', port: 25 };
    const plan = planFor(
      { ...anonymous, server: { scheme: 'smtp', host: target.host } },
      target,
      'server',
      'here.test',
    );
    const session = await openSession(plan, ports.dial, ports.clock, { transcript: new Transcript(() => 0) });
    session.wire?.close();
    assert.equal(session.error, null);
    assert.deepEqual(
      asked.map((one) => one.role === 'client' && one.servername),
      ['xn--bcher-kva.example'],
    );
  });

  test('binds the login to TLS where the server offers it, and hands the chain on', async () => {
    const script = `S: 220 hi\nC: EHLO\nS: 250-hi\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nC: EHLO\nS: 250-hi
      S: 250 AUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\nC: AUTH\nS: 535 5.7.8 no\nW`;
    const { ports, received } = lab(script, { ...tlsFacts, channelBindings: () => [exporter], chain: ['PEM'] });
    const chains: (readonly string[])[] = [];
    const onChain = async (chain: readonly string[]) => void chains.push(chain);
    const target = { host: 'mx.test', address: '192.0.2.1', port: 25 };
    const connection = connectionTo('mx.test', { server: { scheme: 'smtp', host: 'mx.test' }, onChain });
    const plan = planFor(connection, target, 'server', 'here.test');
    const session = await openSession(plan, ports.dial, ports.clock, { transcript: new Transcript(() => 0) });
    session.wire?.close();
    assert.equal(session.error?.code, 'auth-rejected');
    assert.equal(headerOf(received()), 'SCRAM-SHA-256-PLUS p=tls-exporter,');
    assert.deepEqual(chains, [['PEM']]);
  });
});

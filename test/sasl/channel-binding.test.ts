// SCRAM-PLUS (RFC 5802 6): a login bound to its TLS connection, the flags that betray a downgrade, and the choice of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import { Secret } from '../../src/base/secret.ts';
import { chooseMechanism, createSaslClient, createSaslServer, serverMechanisms } from '../../src/sasl/mechanisms.ts';
import type { Accounts, ChannelBinding, SaslClient, SaslServer, SaslStep } from '../../src/sasl/sasl.ts';

const credentials = { user: 'user', password: new Secret('pencil') };
const accounts: Accounts = { passwordOf: (user) => (user === 'user' ? new Secret('pencil') : undefined) };
const exporter: ChannelBinding = {
  type: 'tls-exporter',
  bytes: Buffer.from(Array.from({ length: 32 }, (_, at) => at)),
};
const endPoint: ChannelBinding = { type: 'tls-server-end-point', bytes: Buffer.alloc(32, 0x2c) };

const plus = ['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'];
const textOf = (step: SaslStep): string => (step.kind === 'challenge' ? step.bytes.toString() : step.kind);

function converse(client: SaslClient, server: SaslServer): SaslStep {
  let step = server.start(client.initial);
  for (let round = 0; step.kind === 'challenge' && round < 5; round++) step = server.next(client.next(step.bytes));
  if (step.kind === 'done') client.finish();
  return step;
}

// No RFC has vectors for the -PLUS forms. These were computed by another program, which gives the RFCs' own vectors for `n,,`.
const vectors = [
  {
    mechanism: 'SCRAM-SHA-1-PLUS',
    nonce: 'fyko+d2lbbFgONRv9qkxdawL',
    serverPart: '3rfcNHYJY1ZVvWVs7j',
    salt: 'QSXCR+Q6sek8bf92',
    proof: 'i0z2xFi+ITaJvbLXpcWyruGx26U=',
    signature: 'YgmPUhdXTCPY9I7+PKzEdnp1cdo=',
  },
  {
    mechanism: 'SCRAM-SHA-256-PLUS',
    nonce: 'rOprNGfwEbeRWgbNEkqO',
    serverPart: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
    proof: 'QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=',
    signature: '2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=',
  },
];

describe('vectors', () => {
  for (const { mechanism, nonce, serverPart, salt, proof, signature } of vectors) {
    const first = `p=tls-exporter,,n=user,r=${nonce}`;
    const challenge = `r=${nonce}${serverPart},s=${salt},i=4096`;
    const final = `c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=${nonce}${serverPart},p=${proof}`;

    test(`${mechanism}, the client`, () => {
      const client = createSaslClient(mechanism, credentials, { nonce: () => nonce, bindings: [exporter, endPoint] });
      assert.equal(client.mechanism, mechanism);
      assert.equal(client.initial?.toString(), first);
      assert.equal(client.next(Buffer.from(challenge)).toString(), final);
      assert.equal(client.next(Buffer.from(`v=${signature}`)).length, 0);
      client.finish();
    });

    test(`${mechanism}, the server`, () => {
      const server = createSaslServer(mechanism, accounts, {
        nonce: () => serverPart,
        salt: () => Buffer.from(salt, 'base64'),
        bindings: [exporter],
      });
      assert.equal(server.mechanism, mechanism);
      assert.equal(textOf(server.start(Buffer.from(first))), challenge);
      assert.equal(textOf(server.next(Buffer.from(final))), `v=${signature}`);
      assert.deepEqual(server.next(Buffer.alloc(0)), { kind: 'done', identity: 'user' });
    });
  }
});

describe('our client and our server', () => {
  for (const mechanism of plus) {
    for (const binding of [exporter, endPoint]) {
      test(`${mechanism} lets in over the same connection, by ${binding.type}`, () => {
        const client = createSaslClient(mechanism, credentials, { bindings: [binding] });
        const server = createSaslServer(mechanism, accounts, { bindings: [exporter, endPoint] });
        assert.deepEqual(converse(client, server), { kind: 'done', identity: 'user' });
      });

      test(`${mechanism} refuses who is at the end of another connection, by ${binding.type}`, () => {
        const other: ChannelBinding = { type: binding.type, bytes: Buffer.alloc(32, 1) };
        const client = createSaslClient(mechanism, credentials, { bindings: [other] });
        const server = createSaslServer(mechanism, accounts, { bindings: [exporter, endPoint] });
        assert.equal(converse(client, server).kind, 'failed');
      });
    }

    test(`${mechanism} refuses a wrong password`, () => {
      const wrong = { user: 'user', password: new Secret('pen') };
      const client = createSaslClient(mechanism, wrong, { bindings: [exporter] });
      const server = createSaslServer(mechanism, accounts, { bindings: [exporter] });
      assert.equal(converse(client, server).kind, 'failed');
    });

    test(`${mechanism} is not made without TLS`, () => {
      assert.throws(
        () => createSaslClient(mechanism, credentials),
        (thrown) => thrown instanceof EhloError && thrown.code === 'auth-unavailable' && /no TLS/.test(thrown.message),
      );
    });
  }
});

describe('the flag of the client', () => {
  const initial = (bindings: ChannelBinding[], offered?: string[]): string =>
    createSaslClient('SCRAM-SHA-256', credentials, { bindings, ...(offered && { offered }), nonce: () => 'abc' })
      .initial?.toString()
      .slice(0, 3) ?? '';

  test('y where it could bind and the server does not offer to', () => {
    assert.equal(initial([exporter], ['SCRAM-SHA-256', 'PLAIN']), 'y,,');
  });
  test('n without TLS', () => assert.equal(initial([], ['SCRAM-SHA-256']), 'n,,'));
  test('n where the server offers to, but the form without was asked for', () => {
    assert.equal(initial([exporter], ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS']), 'n,,');
    assert.equal(initial([exporter], ['scram-sha-1-plus', 'SCRAM-SHA-256']), 'n,,');
  });
  test('n where the server did not tell what it offers', () => assert.equal(initial([exporter]), 'n,,'));

  test('y reaches a server without channel binding', () => {
    const client = createSaslClient('SCRAM-SHA-256', credentials, { bindings: [exporter], offered: [] });
    assert.equal(converse(client, createSaslServer('SCRAM-SHA-256', accounts)).kind, 'done');
  });

  test('y is refused by a server that does offer it: somebody took the offer away', () => {
    const client = createSaslClient('SCRAM-SHA-256', credentials, { bindings: [exporter], offered: ['SCRAM-SHA-256'] });
    const server = createSaslServer('SCRAM-SHA-256', accounts, { bindings: [exporter] });
    const step = converse(client, server);
    assert.equal(
      step.kind === 'failed' && step.reason,
      'channel binding is offered here, and the client was told it is not',
    );
  });

  const refused: [mechanism: string, first: string][] = [
    ['SCRAM-SHA-256-PLUS', 'n,,n=user,r=abc'],
    ['SCRAM-SHA-256-PLUS', 'y,,n=user,r=abc'],
    ['SCRAM-SHA-256-PLUS', 'p=tls-unique,,n=user,r=abc'],
    ['SCRAM-SHA-256-PLUS', 'p=,,n=user,r=abc'],
    ['SCRAM-SHA-256-PLUS', 'p=constructor,,n=user,r=abc'],
    ['SCRAM-SHA-256', 'p=tls-exporter,,n=user,r=abc'],
  ];
  for (const [mechanism, first] of refused) {
    test(`a server of ${mechanism} refuses ${first}`, () => {
      const server = createSaslServer(mechanism, accounts, { bindings: [exporter] });
      assert.equal(server.start(Buffer.from(first)).kind, 'failed');
    });
  }

  test('a flag that changes between the messages is refused', () => {
    const client = createSaslClient('SCRAM-SHA-256', credentials, { nonce: () => 'abc' });
    const server = createSaslServer('SCRAM-SHA-256', accounts);
    const step = server.start(Buffer.from(String(client.initial).replace('n,,', 'y,,')));
    assert.equal(step.kind, 'challenge');
    assert.equal(server.next(client.next(step.kind === 'challenge' ? step.bytes : Buffer.alloc(0))).kind, 'failed');
  });

  test('what the server says of a broken binding becomes a hint', () => {
    const client = createSaslClient('SCRAM-SHA-256-PLUS', credentials, { nonce: () => 'abc', bindings: [exporter] });
    client.next(Buffer.from('r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'));
    assert.throws(
      () => client.next(Buffer.from('e=channel-bindings-dont-match')),
      (thrown) => thrown instanceof EhloError && /something in between ends TLS/.test(thrown.hint ?? ''),
    );
  });
});

describe('the choice', () => {
  const all = ['PLAIN', 'SCRAM-SHA-1', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'];
  const rows: [
    offered: string[],
    wanted: string[] | undefined,
    bindings: ChannelBinding[],
    chosen: string | undefined,
  ][] = [
    [all, undefined, [exporter], 'SCRAM-SHA-256-PLUS'],
    [all, undefined, [], 'SCRAM-SHA-256'],
    [['SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256'], undefined, [endPoint], 'SCRAM-SHA-1-PLUS'],
    [all, ['SCRAM-SHA-256'], [exporter], 'SCRAM-SHA-256'],
    [all, ['SCRAM-SHA-256-PLUS'], [], undefined],
    [all, ['scram-sha-256-plus', 'PLAIN'], [], 'PLAIN'],
  ];
  for (const [offered, wanted, bindings, chosen] of rows) {
    const where = bindings[0]?.type ?? 'no TLS';
    test(`of ${offered.join(' ')} over ${where}, asked for ${wanted?.join(' ') ?? 'nothing'}: ${chosen ?? 'none'}`, () => {
      assert.equal(chooseMechanism(offered, wanted, credentials, bindings), chosen);
    });
  }

  test('a server offers the -PLUS forms only under TLS', () => {
    const plusOf = (bindings?: ChannelBinding[]) =>
      serverMechanisms(accounts, bindings).filter((name) => name.endsWith('-PLUS'));
    assert.deepEqual(plusOf(), []);
    assert.deepEqual(plusOf([exporter]), ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS']);
    assert.deepEqual(
      serverMechanisms({ passwordOf: () => 'any' }, [exporter]).filter((name) => /SCRAM/.test(name)),
      [],
    );
  });
});

// TLS between two real sockets: what both ends know of it, the chain that was shown, and certificates that are odd. What is
// made of a bad certificate is test/cli/send-hostile.test.ts.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { chainOf } from '../../src/net/certificate.ts';
import { signatureHash } from '../../src/net/channel-binding.ts';
import { secureSocket } from '../../src/net/tls.ts';
import type { TlsClientOptions, TlsFacts } from '../../src/wire/channel.ts';
import { testCertificate, testKey } from '../support/certificate.ts';
import { hostileCertificates, hostileKey, testAuthority } from '../support/hostile-certificates.ts';

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

const client = (options: Partial<TlsClientOptions> = {}): TlsClientOptions => ({
  role: 'client',
  servername: 'localhost',
  ...options,
});

/** A listener's port; each connection is closed at the end of the tests. */
async function listenOn(server: ReturnType<typeof createServer>): Promise<number> {
  server.on('connection', (socket: Socket) => closing.push(() => socket.destroy()));
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function dialled(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** Our client and our server over one connection. */
async function bothEnds(cert: string, key: string, options?: Partial<TlsClientOptions>): Promise<[TlsFacts, TlsFacts]> {
  const server = createServer();
  const accepted = new Promise<TlsFacts>((resolve, reject) =>
    server.on('connection', (socket) => {
      const ours = { role: 'server' as const, cert: Buffer.from(cert), key: Buffer.from(key) };
      secureSocket(socket, ours, 'client', 10_000).then(({ facts }) => resolve(facts), reject);
    }),
  );
  const socket = await dialled(await listenOn(server));
  const { facts } = await secureSocket(socket, client(options), 'server', 10_000);
  return [facts, await accepted];
}

describe('channel bindings', () => {
  test('both ends of a TLS 1.3 connection have the same ones, the exporter first', async () => {
    const [ours, theirs] = await bothEnds(testCertificate, testKey);
    assert.equal(ours.protocol, 'TLSv1.3');
    const bindings = ours.channelBindings?.() ?? [];
    assert.deepEqual(
      bindings.map(({ type }) => type),
      ['tls-exporter', 'tls-server-end-point'],
    );
    assert.deepEqual(theirs.channelBindings?.(), bindings);
    assert.equal(bindings[0]?.bytes.length, 32);
    const der = new X509Certificate(testCertificate).raw;
    assert.deepEqual(bindings[1]?.bytes, createHash('sha256').update(der).digest());
  });

  test('two connections to one server have different exporters', async () => {
    const [one] = await bothEnds(testCertificate, testKey);
    const [other] = await bothEnds(testCertificate, testKey);
    assert.notDeepEqual(one.channelBindings?.()[0], other.channelBindings?.()[0]);
    assert.deepEqual(one.channelBindings?.()[1], other.channelBindings?.()[1]);
  });

  test('with TLS 1.2 there is only the certificate (RFC 9266 4.2)', async () => {
    const server = createTlsServer({ cert: testCertificate, key: testKey, maxVersion: 'TLSv1.2' });
    const { facts } = await secureSocket(await dialled(await listenOn(server)), client(), 'server', 10_000);
    assert.equal(facts.protocol, 'TLSv1.2');
    assert.deepEqual(
      facts.channelBindings?.().map(({ type }) => type),
      ['tls-server-end-point'],
    );
  });

  test('the hash is that of the signature; other bytes have none', () => {
    assert.equal(signatureHash(new X509Certificate(testCertificate).raw), 'sha256');
    const { raw } = new X509Certificate(testCertificate);
    for (let length = 0; length < raw.length - 80; length++) signatureHash(raw.subarray(0, length));
    for (const hex of ['', '30', '3084ffffffff', '30850000000000', '3003020101']) {
      assert.equal(signatureHash(Buffer.from(hex, 'hex')), undefined, hex);
    }
  });
});

describe('the chain', () => {
  test('is what the server shows, the leaf first', async () => {
    const [facts] = await bothEnds(hostileCertificates.good + testAuthority, hostileKey);
    assert.deepEqual(facts.chain, [hostileCertificates.good, testAuthority]);
    assert.equal(facts.key, 'EC prime256v1');
  });

  test('is only what the server shows, also where the authority is known here', async () => {
    const [facts] = await bothEnds(hostileCertificates.good, hostileKey, { ca: Buffer.from(testAuthority) });
    assert.equal(facts.authorized, true);
    assert.deepEqual(facts.chain, [hostileCertificates.good]);
  });

  test('of a self-signed certificate is one', async () => {
    const [facts] = await bothEnds(testCertificate, testKey);
    assert.deepEqual(facts.chain, [testCertificate]);
  });

  test('that names itself as issuer for ever comes to an end', () => {
    const one = new X509Certificate(testCertificate);
    const two = new X509Certificate(testAuthority);
    Object.defineProperty(one, 'issuerCertificate', { value: two });
    Object.defineProperty(two, 'issuerCertificate', { value: one });
    assert.deepEqual(chainOf(one), [testCertificate, testAuthority]);
    assert.deepEqual(chainOf(undefined), []);
  });
});

/** Self-signed; of *.whole.test and ma*.wild.test. */
const wildcards = `-----BEGIN CERTIFICATE-----
MIIBozCCAUmgAwIBAgIUQYRQBTvK4RFjcjFGH3gXm2XdCo8wCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcGFydGlhbDAgFw0yNjExMjMyMTA2NDRaGA8yMTI2MTAzMDIx
MDY0NFowEjEQMA4GA1UEAwwHcGFydGlhbDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABMd2xkVjMA1D13GBehSQSKcv0Na3yJxnoeGd6E8DBjNDHUsQvmnomxX1LSMu
OKNfpcjaXMUl9Quf6ULnqzbvdbCjezB5MB0GA1UdDgQWBBSWwA8AqNQeUlfbLsdJ
LpqchpHyrzAfBgNVHSMEGDAWgBSWwA8AqNQeUlfbLsdJLpqchpHyrzAPBgNVHRMB
Af8EBTADAQH/MCYGA1UdEQQfMB2CDW1hKi53aWxkLnRlc3SCDCoud2hvbGUudGVz
dDAKBggqhkjOPQQDAgNIADBFAiEAvg5e7VoGjxRTj83UiPTmEZ/x2gptFPdul+hp
BgSk7CgCIEJTe0V+5VeArNtMnwgy+W/hqbbUhigUNLMkvR4IvMkH
-----END CERTIFICATE-----
`;

/** The test certificate with a month 13 in the end of its validity: nothing checks the signature of one's own certificate. */
function badDate(): string {
  const der = Buffer.from(new X509Certificate(testCertificate).raw);
  const at = der.indexOf('21261030180211Z');
  assert.notEqual(at, -1);
  der.write('21261330180211Z', at);
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

describe('odd certificates', () => {
  test('a date that is none is null and not accepted; the pin of exactly this certificate is', async () => {
    const cert = badDate();
    const [facts] = await bothEnds(cert, testKey, { ca: Buffer.from(cert) });
    assert.equal(facts.validTo, null);
    assert.equal(facts.validFrom, '2026-11-23T18:02:11.000Z');
    assert.equal(facts.authorized, false);
    assert.match(facts.error ?? '', /cannot be read|self-signed/);
    const [pinned] = await bothEnds(cert, testKey, { pin: facts.fingerprint ?? '' });
    assert.equal(pinned.authorized, true);
    assert.equal(pinned.validTo, null);
  });
});

describe('wildcards', () => {
  for (const [name, authorized] of [
    ['one.whole.test', true],
    ['two.one.whole.test', false],
    ['whole.test', false],
    ['mail.wild.test', false],
  ] as const) {
    test(`*.whole.test and ma*.wild.test are ${authorized ? '' : 'not '}for ${name}`, async () => {
      const [facts] = await bothEnds(wildcards, hostileKey, { ca: Buffer.from(wildcards), name });
      assert.equal(facts.authorized, authorized);
      assert.equal(facts.cause, authorized ? null : 'name');
    });
  }
});

describe('SNI', () => {
  const asked = async (servername: string): Promise<string | false | null> => {
    const server = createTlsServer({ cert: testCertificate, key: testKey });
    const named = new Promise<string | false | null>((resolve) =>
      server.on('secureConnection', (socket: TLSSocket & { servername?: string | false }) =>
        resolve(socket.servername ?? null),
      ),
    );
    await secureSocket(await dialled(await listenOn(server)), client({ servername }), 'server', 10_000);
    return named;
  };
  test('carries a name, with A-labels as they are', async () => {
    assert.equal(await asked('xn--bcher-kva.example'), 'xn--bcher-kva.example');
  });
  test('carries no address (RFC 6066 3)', async () => {
    assert.equal(await asked('127.0.0.1'), false);
    assert.equal(await asked('::1'), false);
  });
});

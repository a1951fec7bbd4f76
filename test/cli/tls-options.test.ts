// The TLS options: files and words that cannot be used are said with their option, before anybody is called.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Connection } from '../../src/app/connection.ts';
import { EhloError, type ErrorCode } from '../../src/base/errors.ts';
import { optionValues } from '../../src/cli/option-values.ts';
import { parseConnection } from '../../src/cli/options.ts';
import { readChainFile } from '../../src/cli/tls-options.ts';
import { testCertificate, testKey } from '../support/certificate.ts';
import { testContext } from '../support/context.ts';
import { hostileCertificates, hostileKey, testAuthority } from '../support/hostile-certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const connect = (options: Record<string, unknown>): Promise<Connection> => parseConnection(options, testContext());

const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' },
}).privateKey;

const cert = file('cert.pem', testCertificate);
const key = file('key.pem', testKey);
const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test('what can be used is taken as it is', async () => {
  const bundle = file('bundle.pem', `# authorities\n${testAuthority}\n${testCertificate}`);
  const chain = file('chain.pem', hostileCertificates.good + testAuthority);
  const { tlsClient } = await connect({
    ca: bundle,
    cert: chain,
    key: file('hostile.pem', hostileKey),
    ciphers: 'ECDHE+AESGCM:!aNULL:TLS_AES_128_GCM_SHA256:@SECLEVEL=1',
    tlsName: 'Bücher.example',
  });
  assert.equal(tlsClient.ca?.toString(), readFileSync(bundle, 'utf8'));
  assert.equal(tlsClient.cert?.toString(), readFileSync(chain, 'utf8'));
  assert.equal(tlsClient.key?.toString(), hostileKey);
  assert.equal(tlsClient.name, 'xn--bcher-kva.example');
});

test('a key that others may read is taken with a warning', async () => {
  for (const [mode, says] of [
    [0o600, /^$/],
    [0o640, /^ehlo: warning: --key: others may read .*key-640\.pem.*chmod 600/],
  ] as const) {
    const context = testContext();
    await parseConnection({ cert, key: file(`key-${mode.toString(8)}.pem`, testKey, mode) }, context);
    assert.match(context.stderr.text, says);
  }
});

const refused: { name: string; options: Record<string, unknown>; code?: ErrorCode; text: RegExp }[] = [
  {
    name: 'a missing --ca',
    options: { ca: join(directory, 'none') },
    code: 'no-input',
    text: /^--ca: .*does not exist/,
  },
  { name: 'a folder as --ca', options: { ca: directory }, text: /^--ca: .* is a directory/ },
  { name: 'DER', options: { ca: file('a.der', '0\u0082') }, text: /^--ca: .* holds nothing in PEM form/ },
  { name: 'a key as --ca', options: { ca: key }, text: /^--ca: .* holds no certificate/ },
  {
    name: 'a cut --ca',
    options: { ca: file('cut.pem', testAuthority.slice(0, 300)) },
    text: /^--ca: the certificate in/,
  },
  {
    name: 'one bad certificate of two',
    options: { ca: file('two.pem', testAuthority + broken) },
    text: /^--ca: certificate 2 of 2 in .*two\.pem cannot be read/,
  },
  { name: 'a bad --cert', options: { cert: file('bad.pem', broken), key }, text: /^--cert: the certificate in/ },
  {
    name: 'a certificate as --key',
    options: { cert, key: cert },
    text: /^--key: .* holds no private key.*\n.*exchanged/,
  },
  { name: 'a key as --cert', options: { cert: key, key }, text: /^--cert: .* holds no certificate.*\n.*exchanged/ },
  {
    name: 'a key of another certificate',
    options: { cert, key: file('other.pem', hostileKey) },
    text: /^--key: .*other\.pem is not the key of the certificate in .*cert\.pem/,
  },
  {
    name: 'an encrypted key',
    options: { cert, key: file('encrypted.pem', encrypted) },
    text: /^--key: .* is encrypted, .*\n.*openssl pkey/,
  },
  { name: 'an unknown cipher', options: { ciphers: 'FOO' }, text: /^--ciphers: "FOO" is no cipher/ },
  { name: 'one unknown cipher of two', options: { ciphers: 'AES128-SHA:FOO' }, text: /^--ciphers: "FOO" is no cipher/ },
  { name: 'an unknown suite of TLS 1.3', options: { ciphers: 'HIGH:TLS_FOO' }, text: /^--ciphers: "TLS_FOO"/ },
  { name: 'no cipher', options: { ciphers: '' }, text: /^--ciphers: "" is no cipher/ },
  { name: 'only what to leave out', options: { ciphers: '!aNULL' }, text: /cannot be used: no cipher match/ },
  {
    name: 'a name with a line end',
    options: { tlsName: 'a\r\nb' },
    code: 'usage',
    text: /^--tls-name: it holds U\+000D/,
  },
  { name: 'a name that is none', options: { tlsName: 'a b' }, code: 'usage', text: /^--tls-name: .*not valid/ },
  { name: '--tls-get-cert -', options: { tlsGetCert: '-' }, code: 'usage', text: /^--tls-get-cert: "-" is no file/ },
];
for (const { name, options, code = 'config', text } of refused) {
  test(`${name} is refused`, async () => {
    await assert.rejects(connect(options), (thrown) => {
      assert.ok(thrown instanceof EhloError, String(thrown));
      assert.equal(thrown.code, code, thrown.message);
      assert.match(`${thrown.message}\n${thrown.hint ?? ''}`, text);
      return true;
    });
  });
}

describe('--tls-get-cert', () => {
  const save = (path: string, chain: readonly string[]) => readChainFile(optionValues({ tlsGetCert: path }))?.(chain);

  test('writes the chain, the leaf first, for everybody to read', async () => {
    const path = join(directory, 'chain-1.pem');
    await save(path, [testCertificate.trimEnd(), testAuthority]);
    assert.equal(readFileSync(path, 'utf8'), testCertificate + testAuthority);
    assert.equal(statSync(path).mode & 0o777 & ~process.umask(), 0o644 & ~process.umask());
  });

  test('the same again is fine; other content is never replaced', async () => {
    const path = join(directory, 'chain-2.pem');
    await save(path, [testCertificate]);
    await save(path, [testCertificate]);
    await assert.rejects(
      async () => save(path, [testAuthority]),
      (thrown) =>
        thrown instanceof EhloError && thrown.code === 'cannot-create' && /other content/.test(thrown.message),
    );
    assert.equal(readFileSync(path, 'utf8'), testCertificate);
  });

  test('of several servers the first one counts; one that shows nothing does not', async () => {
    const path = join(directory, 'chain-3.pem');
    const onChain = (await connect({ tlsGetCert: path })).onChain;
    await onChain?.([]);
    await onChain?.([testCertificate]);
    await onChain?.([testAuthority]);
    assert.equal(readFileSync(path, 'utf8'), testCertificate);
  });

  test('where no file can be made it says so', async () => {
    const dangling = join(directory, 'dangling.pem');
    symlinkSync(join(directory, 'none', 'y.pem'), dangling);
    for (const path of [join(directory, 'none', 'x.pem'), dangling]) {
      await assert.rejects(
        async () => save(path, [testCertificate]),
        (thrown) =>
          thrown instanceof EhloError && thrown.code === 'cannot-create' && /^--tls-get-cert: /.test(thrown.message),
      );
    }
  });
});

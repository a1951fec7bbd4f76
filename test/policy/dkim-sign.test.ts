// Signing: the example of RFC 8463 is verified with what signing is made of, and what we sign is verified by a small
// verifier of this file; test/interop has verifiers that others wrote.
import assert from 'node:assert/strict';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  verify,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ByteSource, bytesSource, readAll } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { type Header, parseHeaders } from '../../src/message/headers.ts';
import { CanonicalBody, canonicalField } from '../../src/policy/dkim-canonical.ts';
import { type DkimKey, parseDkimKey } from '../../src/policy/dkim-key.ts';
import { signDkim } from '../../src/policy/dkim-sign.ts';

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const pair = (bits = 2048) => generateKeyPairSync('rsa', { modulusLength: bits });
const rsa = pair();
const edwards = generateKeyPairSync('ed25519');
const rsaKey = parseDkimKey({ selector: '2026', domain: 'Example.COM' }, pem(rsa.privateKey), 'rsa.pem');
const edKey = parseDkimKey({ selector: 'ed', domain: 'example.com' }, pem(edwards.privateKey), 'ed.pem');
const publicKeys: Record<string, KeyObject> = { '2026': rsa.publicKey, ed: edwards.publicKey };
const at = new Date('2026-09-01T10:00:00.900Z');

const message = (header: string[], body = 'Hi  there \r\n\r\n\r\n'): Buffer =>
  Buffer.from(`${header.join('\r\n')}\r\n\r\n${body}`);
const usual = [
  'Received: from a by b',
  'From: Alice <alice@example.com>',
  'To: bob@x.test,',
  '\tcarol@x.test',
  'Subject: one   two ',
  'Date: Tue, 01 Sep 2026 10:00:00 +0000',
  'Message-ID: <1@example.com>',
];

const signed = async (bytes: Buffer, keys: DkimKey[] = [rsaKey]): Promise<string> =>
  (await readAll(await signDkim(bytesSource(bytes), keys, at))).toString('latin1');

type Tags = Map<string, string>;
const tagsOf = (value: string): Tags =>
  new Map(
    value.split(';').flatMap((tag) => {
      const [name, text = ''] = tag.split(/=(.*)/s);
      return name?.trim() ? [[name.trim(), text.replace(/[ \t]/g, '')] as const] : [];
    }),
  );

/** What each signature of a message says: 'pass', or which hash is wrong. */
function judge(text: string, keys: Record<string, KeyObject> = publicKeys): string[] {
  const bytes = Buffer.from(text, 'latin1');
  const header = parseHeaders(bytes);
  return header.fields
    .filter(({ name }) => name.toLowerCase() === 'dkim-signature')
    .map((field) => {
      const tags = tagsOf(field.rawValue);
      const hash = createHash('sha256');
      const body = new CanonicalBody('relaxed', (piece) => void hash.update(piece));
      body.feed(bytes.subarray(header.bodyOffset));
      body.end();
      if (hash.digest('base64') !== tags.get('bh')) return 'body';
      const own = Buffer.from(field.raw.toString('latin1').replace(/([;\s]b=)[^;]*$/, '$1'), 'latin1');
      const data = Buffer.concat([...fieldsSigned(header, tags), canonicalField(own, 'relaxed').subarray(0, -2)]);
      const key = keys[tags.get('s') ?? ''];
      assert.ok(key, 'a selector of this test');
      const edwardsForm = tags.get('a') === 'ed25519-sha256';
      const given = edwardsForm ? createHash('sha256').update(data).digest() : data;
      return verify(edwardsForm ? null : 'sha256', given, key, Buffer.from(tags.get('b') ?? '', 'base64'))
        ? 'pass'
        : 'header';
    });
}

function fieldsSigned(header: Header, tags: Tags): Buffer[] {
  const left = [...header.fields].reverse();
  return (tags.get('h') ?? '').split(':').flatMap((name) => {
    const index = left.findIndex((one) => one.name.toLowerCase() === name.toLowerCase());
    return index === -1 ? [] : left.splice(index, 1).map((one) => canonicalField(one.raw, 'relaxed'));
  });
}

test('both signatures of the example in RFC 8463 verify with our canonical forms', () => {
  const text = readFileSync(new URL('../mail/dkim/rfc8463.eml', import.meta.url), 'latin1').replace(/\n/g, '\r\n');
  const spki = (base64: string) => createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
  const keys = {
    brisbane: spki(`MCowBQYDK2VwAyEA${'11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='}`),
    test: spki(
      'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
    ),
  };
  assert.deepEqual(judge(text, keys), ['pass', 'pass']);
  assert.deepEqual(judge(text.replace('lost', 'won'), keys), ['body', 'body']);
  assert.deepEqual(judge(text.replace('dinner', 'supper'), keys), ['header', 'header']);
});

test('the key of RFC 8463, read as PEM, signs its message so that the key published there verifies it', async () => {
  const seed = Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64');
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const dkim = parseDkimKey({ selector: 'brisbane', domain: 'football.example.com' }, pem(key), 'x');
  const text = readFileSync(new URL('../mail/dkim/rfc8463.eml', import.meta.url), 'latin1').replace(/\n/g, '\r\n');
  const unsigned = text.slice(text.indexOf('From: '));
  const source = await signDkim(bytesSource(Buffer.from(unsigned)), [dkim], new Date(1528637909_000));
  const result = (await readAll(source)).toString();
  assert.deepEqual(judge(result, { brisbane: createPublicKey(key) }), ['pass']);
  assert.match(result, /bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;/);
  assert.match(result, /\bt=1528637909;/);
});

test('an RSA and an Ed25519 signature stand in front of the message, which stays as it was', async () => {
  const bytes = message(usual);
  const source = await signDkim(bytesSource(bytes), [rsaKey, edKey], at);
  const text = (await readAll(source)).toString();
  assert.equal(source.size, Buffer.byteLength(text));
  assert.ok(text.endsWith(bytes.toString()));
  assert.deepEqual(judge(text), ['pass', 'pass']);
  const [first, second] = parseHeaders(Buffer.from(text)).fields.map((field) => tagsOf(field.rawValue));
  assert.deepEqual(
    ['v', 'a', 'c', 'd', 's', 't', 'l', 'x', 'i'].map((name) => first?.get(name)),
    ['1', 'rsa-sha256', 'relaxed/relaxed', 'example.com', '2026', '1788256800', undefined, undefined, undefined],
  );
  assert.equal(second?.get('a'), 'ed25519-sha256');
  assert.equal(first?.get('h'), 'From:From:To:To:Cc:Subject:Subject:Reply-To:Date:Date:Message-ID:Message-ID');
  const lines = text.slice(0, text.indexOf('Received:')).split('\r\n');
  assert.deepEqual(
    lines.filter((line) => line.length > 78),
    [],
  );
});

const whole = [...usual, 'MIME-Version: 1.0', 'Content-Type: text/plain'];
const tampering: [what: string, change: (text: string) => string, verdict: string][] = [
  ['nothing', (text) => text, 'pass'],
  ['refolded and respaced', (text) => text.replace(',\r\n\tcarol', ',\r\n    carol').replace('Hi  ', 'Hi '), 'pass'],
  ['a Received field more', (text) => `Received: from c by d\r\n${text}`, 'pass'],
  ['an X- field more', (text) => `X-Spam: no\r\n${text}`, 'pass'],
  ['trailing lines cut', (text) => text.replace(/(\r\n)+$/, '\r\n'), 'pass'],
  ['a word in the body', (text) => text.replace('there', 'where'), 'body'],
  ['a line appended', (text) => `${text}more\r\n`, 'body'],
  ['a space taken out of the body', (text) => text.replace('Hi  there', 'Hithere'), 'body'],
  ['the subject', (text) => text.replace('one', 'two'), 'header'],
  ['the date', (text) => text.replace('10:00:00', '11:00:00'), 'header'],
  ['a recipient', (text) => text.replace('carol', 'karol'), 'header'],
  ['a second From in front', (text) => `From: evil@x.test\r\n${text}`, 'header'],
  ['a second Subject behind', (text) => text.replace('\r\nDate: ', '\r\nSubject: evil\r\nDate: '), 'header'],
  ['a Reply-To that was absent', (text) => `Reply-To: evil@x.test\r\n${text}`, 'header'],
  ['a Cc that was absent', (text) => `Cc: evil@x.test\r\n${text}`, 'header'],
  ['a second Content-Type', (text) => `Content-Type: text/html\r\n${text}`, 'header'],
  ['the From taken away', (text) => text.replace(/From: Alice.*\r\n/, ''), 'header'],
  ['the time of signing', (text) => text.replaceAll('t=1788256800', 't=1788256801'), 'header'],
];

for (const [what, change, verdict] of tampering) {
  test(`tampering: ${what} is ${verdict === 'pass' ? 'forgiven' : `noticed in the ${verdict}`}`, async () => {
    const text = change(await signed(message(whole), [rsaKey, edKey]));
    assert.deepEqual(judge(text), [verdict, verdict]);
  });
}

test('messages at the edges are signed as they will arrive', async () => {
  const rows: [what: string, bytes: Buffer][] = [
    ['no body', message(usual, '')],
    ['a body of empty lines', message(usual, '\r\n\r\n\r\n')],
    ['no line end at the end', message(usual, 'a ')],
    ['no blank line behind the header', Buffer.from(`${usual.join('\r\n')}\r\n`)],
    ['8-bit header and body', message([...usual, 'X-U: ü', 'Reply-To: "ü" <ü@x.test>'], 'ü\r\n')],
    ['two List-Id and Resent blocks', message([...usual, 'Resent-From: a@b', 'Resent-From: c@d', 'List-Id: <a.b>'])],
    ['a long Subject', message([...usual.slice(0, 4), `Subject: ${'word '.repeat(190)}x`])],
  ];
  for (const [what, bytes] of rows)
    assert.deepEqual(judge(await signed(bytes, [rsaKey, edKey])), ['pass', 'pass'], what);
});

test('a message that is too large for memory is read twice in chunks, with its size known before', async () => {
  const chunk = Buffer.alloc(65_536, 'a line of text  with spaces \r\n');
  let reads = 0;
  const source: ByteSource = {
    size: message(usual, '').length + 200 * chunk.length,
    async *chunks() {
      reads++;
      yield message(usual, '');
      for (let n = 0; n < 200; n++) yield chunk;
    },
  };
  const result = await signDkim(source, [rsaKey], at);
  assert.equal(reads, 1);
  assert.equal(result.bytes, undefined);
  let size = 0;
  const parts: Buffer[] = [];
  for await (const piece of result.chunks()) {
    size += piece.length;
    parts.push(piece);
  }
  assert.deepEqual([size, reads], [result.size, 2]);
  assert.deepEqual(judge(Buffer.concat(parts).toString('latin1')), ['pass']);
});

test('without exactly one From there is no signature and no message', async () => {
  for (const header of [['Subject: x'], ['From: a@x.test', 'From: b@x.test']]) {
    await assert.rejects(signed(message(header)), (thrown: unknown) => {
      assert.ok(thrown instanceof EhloError);
      assert.equal(thrown.code, 'bad-message');
      return true;
    });
  }
});

test('a domain that DMARC would not count is noted; one related to From is not', async () => {
  const rows: [from: string, notes: number][] = [
    ['alice@example.com', 0],
    ['alice@EXAMPLE.com', 0],
    ['alice@news.example.com', 0],
    ['alice@com', 0],
    ['alice@example.org', 1],
    ['alice@badexample.com', 1],
    ['"Alice, A" <alice@x.test>', 1],
  ];
  for (const [from, count] of rows) {
    const { notes } = await signDkim(bytesSource(message([`From: ${from}`])), [edKey], at);
    assert.equal(notes.length, count, from);
    if (count > 0) assert.match(notes[0] ?? '', /not aligned with the From domain/);
  }
  const idn = parseDkimKey({ selector: 's', domain: 'müller.test' }, pem(edwards.privateKey), 'x');
  assert.equal(idn.domain, 'xn--mller-kva.test');
  const { notes } = await signDkim(bytesSource(message(['From: a@post.xn--mller-kva.test'])), [idn], at);
  assert.deepEqual(notes, []);
});

test('names are labels: selectors may be digits, both may be U-labels, and nothing else', () => {
  const names = (selector: string, domain: string): string => {
    const made = parseDkimKey({ selector, domain }, pem(edwards.privateKey), 'x');
    return `${made.selector} ${made.domain}`;
  };
  assert.equal(names('2026', 'x.test'), '2026 x.test');
  assert.equal(names('a.B', 'X.Test'), 'a.b x.test');
  assert.equal(names('grün', 'müller.test'), 'xn--grn-ioa xn--mller-kva.test');
  for (const [selector, domain] of [
    ['', 'x.test'],
    ['a b', 'x.test'],
    ['a;b', 'x.test'],
    ['a..b', 'x.test'],
    ['-a', 'x.test'],
    ['a', ''],
    ['a', 'x_y.test'],
    ['a', '[192.0.2.1]'],
    ['a', 'x.test.'],
    ['a\r\nX: y', 'x.test'],
    ['a'.repeat(64), 'x.test'],
  ] as const) {
    assert.throws(
      () => names(selector, domain),
      (thrown: unknown) => thrown instanceof EhloError && thrown.code === 'usage',
      `${selector}:${domain}`,
    );
  }
});

test('keys in every usual PEM form sign; what cannot sign is refused with its reason', () => {
  const read = (text: string) => parseDkimKey({ selector: 's', domain: 'x.test' }, text, 'k.pem');
  assert.equal(read(rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()).algorithm, 'rsa-sha256');
  assert.equal(read(pem(rsa.privateKey).replaceAll('\n', '\r\n')).algorithm, 'rsa-sha256');
  assert.equal(read(`a comment\n${pem(edwards.privateKey)}`).algorithm, 'ed25519-sha256');
  assert.deepEqual(read(pem(rsa.privateKey)).notes, []);
  assert.match(read(pem(pair(1024).privateKey)).notes[0] ?? '', /1024 bits; 2048 are wanted/);
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const cipher = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' } as const;
  const old = { type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' } as const;
  const damaged = pem(rsa.privateKey).split('\n');
  damaged.splice(5, 1);
  const rows: [text: string, word: RegExp][] = [
    ['', /no key in PEM form/],
    ['secret', /no key in PEM form/],
    [rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(), /holds "PUBLIC KEY"/],
    [rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), /holds "RSA PUBLIC KEY"/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /holds "CERTIFICATE"/],
    [rsa.privateKey.export(cipher).toString(), /encrypted/],
    [rsa.privateKey.export(old).toString(), /encrypted/],
    [pem(elliptic.privateKey), /kind ec/],
    [pem(pss.privateKey), /kind rsa-pss/],
    [pem(generateKeyPairSync('x25519').privateKey), /kind x25519/],
    [pem(pair(768).privateKey), /768 bits/],
    [damaged.join('\n'), /damaged/],
    [mismatched(), /cannot sign|damaged/],
  ];
  for (const [text, word] of rows) {
    assert.throws(
      () => read(text),
      (thrown: unknown) => {
        assert.ok(thrown instanceof EhloError, String(thrown));
        assert.equal(thrown.code, 'config');
        assert.match(thrown.message, word);
        assert.match(thrown.message, /^k\.pem /);
        return true;
      },
    );
  }
});

/** The private exponent of one key with the modulus of another. */
function mismatched(): string {
  const [a, b] = [rsa.privateKey.export({ format: 'jwk' }), pair().privateKey.export({ format: 'jwk' })];
  return pem(createPrivateKey({ key: { ...a, n: b.n ?? '' }, format: 'jwk' }));
}

test('a key never shows its content, wherever it is printed', () => {
  const shown = `${JSON.stringify(rsaKey)} ${String(rsaKey.key)}`;
  assert.match(shown, /<secret>/);
  assert.doesNotMatch(shown, /PRIVATE|"n":/);
});

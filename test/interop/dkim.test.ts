// What we sign, verified by two programs that others wrote: dkimpy and Mail::DKIM, each with the key records at hand.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { parseDkimKey } from '../../src/policy/dkim-key.ts';
import { signDkim } from '../../src/policy/dkim-sign.ts';
import { composeSituation, situations } from '../support/composed.ts';
import { runPython, tool } from './support.ts';

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const edwards = generateKeyPairSync('ed25519');
const domain = 'example.com';
const keys = [
  parseDkimKey({ selector: '2026', domain }, pem(rsa.privateKey), 'rsa'),
  parseDkimKey({ selector: 'ed', domain }, pem(edwards.privateKey), 'ed'),
];
const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const records = {
  [`2026._domainkey.${domain}`]: `v=DKIM1; k=rsa; p=${spki(rsa.publicKey).toString('base64')}`,
  // RFC 8463 4: the 32 octets of the key alone.
  [`ed._domainkey.${domain}`]: `v=DKIM1; k=ed25519; p=${spki(edwards.publicKey).subarray(-32).toString('base64')}`,
};

const sign = async (message: Buffer): Promise<Buffer> =>
  readAll(await signDkim(bytesSource(message), keys, new Date('2026-09-01T10:00:00Z')));

/** In the order of the signatures: RSA, Ed25519. */
async function dkimpy(message: Buffer): Promise<unknown> {
  const named = JSON.stringify(Object.fromEntries(Object.entries(records).map(([name, text]) => [`${name}.`, text])));
  const { code, stdout, stderr } = await runPython('verify-dkim.py', [named], { input: message });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Of the RSA signature alone: this one knows no Ed25519. */
async function mailDkim(message: Buffer): Promise<string[]> {
  const script = fileURLToPath(new URL('peers/verify-dkim.pl', import.meta.url));
  const { code, stdout, stderr } = await tool('perl', [script, ...Object.entries(records).flat()], { input: message });
  assert.equal(code, 0, stderr);
  return stdout.split('\n').filter((line) => line.startsWith('rsa-'));
}

const composed = situations().filter(({ situation }) => !('refused' in situation.expected));
const raw: [name: string, message: string][] = [
  ['empty body', 'From: a@example.com\r\nSubject: x\r\n\r\n'],
  ['no blank line', 'From: a@example.com\r\nSubject: x\r\n'],
  [
    'white space everywhere',
    'Subject:  a\t b  \r\nFrom:\ta@example.com  \r\nSender:  a\t b\r\n\t c \r\n\r\n a \t b \r\n \t\r\n\r\n\r\n',
  ],
  ['repeated fields', 'List-Id: <a.b>\r\nFrom: a@example.com\r\nList-Id: <c.d>\r\nTo: b@x\r\nTo: c@x\r\n\r\nx\r\n'],
  ['a huge header', `From: a@example.com\r\n${'X-Long: y\r\n'.repeat(20_000)}Subject: x\r\n\r\nx\r\n`],
  [
    'a long folded field',
    `From: a@example.com\r\nReferences:${'\r\n <0123456789@example.com>'.repeat(3000)}\r\n\r\nx\r\n`,
  ],
  ['a field folded around nothing', 'From: a@example.com\r\nSubject: x\r\n \t\r\n y\r\nDate:\r\n\r\nx\r\n'],
  ['latin1 and NUL', 'From: a@example.com\r\nSubject: x\r\n\r\n\u00ff\u0000\u0080 \r\n'],
  ['eight bits', 'From: "ü" <a@example.com>\r\nSubject: ü\r\n\r\nü\r\n'],
];

for (const [name, message] of [
  ...raw.map(([name, text]) => [name, async () => Buffer.from(text)] as const),
  ...composed.map(({ name, situation }) => [name, () => composeSituation(situation.input)] as const),
]) {
  test(`dkimpy and Mail::DKIM accept what is signed of ${name}`, async () => {
    const signed = await sign(await message());
    assert.deepEqual(await dkimpy(signed), [true, true]);
    assert.deepEqual(await mailDkim(signed), ['rsa-sha256 pass']);
  });
}

/** SMTP puts the line end behind what has none. */
for (const body of ['x', 'x \t', 'x\r\n ', ' ', '\r\n\r\nx\r\n\r\n\t']) {
  test(`dkimpy and Mail::DKIM accept as sent what was signed without a last line end: ${JSON.stringify(body)}`, async () => {
    const signed = await sign(Buffer.from(`From: a@example.com\r\nSubject: x\r\n\r\n${body}`));
    const sent = Buffer.concat([signed, Buffer.from('\r\n')]);
    assert.deepEqual(await dkimpy(sent), [true, true]);
    assert.deepEqual(await mailDkim(sent), ['rsa-sha256 pass']);
  });
}

const tampering: [what: string, change: (text: string) => string][] = [
  ['body', (text) => text.replace('see you', 'hate you')],
  ['subject', (text) => text.replace('hello', 'hallo')],
  ['second From', (text) => `From: evil@x.test\r\n${text}`],
  ['second Subject', (text) => `Subject: evil\r\n${text}`],
  ['Reply-To that was absent', (text) => `Reply-To: evil@x.test\r\n${text}`],
];

for (const [what, change] of tampering) {
  test(`dkimpy and Mail::DKIM refuse a tampered ${what}`, async () => {
    const plain = composed.find(({ name }) => name === 'plain.json');
    assert.ok(plain);
    const signed = (await sign(await composeSituation(plain.situation.input))).toString();
    const changed = change(signed);
    assert.notEqual(changed, signed);
    const [first, second] = (await dkimpy(Buffer.from(changed))) as unknown[];
    assert.ok(first !== true && second !== true);
    assert.deepEqual(await mailDkim(Buffer.from(changed)), ['rsa-sha256 fail']);
  });
}

// A certificate for people: what is wrong with it is in sight, and nothing of it reaches the terminal raw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderCertificate } from '../../src/render/certificate.ts';
import { plainStyle } from '../../src/render/color.ts';
import type { Style } from '../../src/render/style.ts';

const certificate = {
  cause: null,
  subject: 'CN=mx.test',
  issuer: 'O=Test, CN=Test CA',
  validFrom: '2024-01-01T00:00:00.000Z',
  validTo: '2025-01-01T12:00:00.000Z',
  altNames: ['DNS:mx.test', 'IP Address:127.0.0.1'],
  fingerprint: '0a1b'.repeat(16),
  key: 'RSA 2048 bit',
};
const at = (
  date: string,
  given: Partial<Parameters<typeof renderCertificate>[0]> = {},
  style: Style = plainStyle,
): string => renderCertificate({ ...certificate, ...given }, new Date(date), style);

test('one line a fact, the fingerprint as openssl has it', () => {
  assert.equal(
    at('2024-12-20T12:00:00Z'),
    `  the certificate:
    subject CN=mx.test
    issuer  O=Test, CN=Test CA
    valid   2024-01-01 to 2025-01-01 (12 days left)
    names   DNS:mx.test, IP Address:127.0.0.1
    sha256  ${'0A:1B:'.repeat(16).slice(0, -1)}
    key     RSA 2048 bit
`,
  );
});

const validity: [date: string, given: Parameters<typeof at>[1], text: string][] = [
  ['2025-01-01T11:00:00Z', {}, '(less than a day left)'],
  ['2025-01-01T13:00:00Z', {}, '(expired less than a day ago)'],
  ['2025-01-03T12:00:00Z', {}, '(expired 2 days ago)'],
  ['2023-12-30T23:59:00Z', {}, '(begins in 1 day)'],
  ['2024-06-01T00:00:00Z', { validTo: null }, '2024-01-01 to unreadable\n'],
  ['2025-06-01T00:00:00Z', { validFrom: null }, 'unreadable to 2025-01-01 (expired'],
];
for (const [date, given, text] of validity) {
  test(`at ${date}: ${text.trim()}`, () => assert.ok(at(date, given).includes(text), at(date, given)));
}

test('what is wrong is marked', () => {
  const marked: Style = (role, text) => (role === 'warn' ? `<${text}>` : text);
  const lines = (cause: 'expired' | 'name' | 'pin' | 'self-signed' | 'other') =>
    at('2026-01-01T00:00:00Z', { cause }, marked)
      .split('\n')
      .filter((line) => line.includes('<'))
      .map((line) => line.trim().split(' ')[0]);
  assert.deepEqual(lines('expired'), ['valid']);
  assert.deepEqual(lines('name'), ['names']);
  assert.deepEqual(lines('pin'), ['sha256']);
  assert.deepEqual(lines('self-signed'), ['subject', 'issuer']);
  assert.deepEqual(lines('other'), []);
});

test('escape sequences are made visible, and endless names are cut', () => {
  const text = at('2024-06-01T00:00:00Z', {
    subject: 'CN=\x1b[2J\u202e',
    issuer: '\x9b31m',
    altNames: Array.from({ length: 500 }, (_, n) => `DNS:${n}\x07`),
    key: null,
  });
  assert.match(text, /^[\x20-\x7e\n…]*$/);
  assert.match(text, /CN=\\x1b\[2J\\u\{202e\}/);
  assert.match(text, /\(\+\d+ characters\)/);
  assert.ok(text.length < 4000);
});

test('without a certificate there is nothing', () =>
  assert.equal(at('2024-06-01T00:00:00Z', { fingerprint: null }), ''));

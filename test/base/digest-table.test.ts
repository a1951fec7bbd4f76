// A table of digests holds what a Map would.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DigestTable } from '../../src/base/digest-table.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

test('law: it answers as a Map does, also when it has grown and when entries change', () => {
  const table = new DigestTable();
  const map = new Map<string, number>();
  for (let at = 0; at < 20_000; at++) {
    const name = String((at * 7919) % 6000);
    table.set(digest(name), at);
    map.set(name, at);
  }
  assert.equal(table.size, map.size);
  for (let at = 0; at < 7000; at++) assert.equal(table.get(digest(String(at))), map.get(String(at)));
});

test('digests that begin alike are told apart, and only the first 16 octets count', () => {
  const table = new DigestTable();
  const alike = Array.from({ length: 3000 }, (_, at) => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(at, 12);
    return bytes;
  });
  for (const [at, bytes] of alike.entries()) table.set(bytes, at);
  for (const [at, bytes] of alike.entries()) {
    const longer = Buffer.from(bytes);
    longer[31] = 1;
    assert.equal(table.get(longer), at);
  }
  assert.equal(table.size, 3000);
});

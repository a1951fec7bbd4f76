// Names and addresses as text and bytes (src/dns/name.ts, ip.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { addressScope, parseIp, printIp } from '../../src/dns/ip.ts';
import { ancestors, isAtOrBelow, nameKey, parentName, parseName, printName } from '../../src/dns/name.ts';

const label = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes));
const labels = fc
  .array(label, { maxLength: 8 })
  .filter((all) => all.reduce((sum, one) => sum + one.length + 1, 1) <= 255);

test('any labels print as visible ASCII and parse back to the same bytes', () => {
  fc.assert(
    fc.property(labels, (all) => {
      const text = printName(all);
      assert.match(text, /^[!-~]*$/);
      assert.deepEqual(parseName(text), all);
      if (text !== '') assert.deepEqual(parseName(`${text}.`), all);
    }),
  );
});

test('the names above a name are its labels cut one by one, whatever bytes they hold', () => {
  fc.assert(
    fc.property(labels, (all) => {
      const above = all.map((_, at) => printName(all.slice(at + 1)));
      assert.deepEqual(ancestors(printName(all)), above);
      assert.equal(parentName(printName(all)), above[0]);
      for (const name of above) assert.ok(isAtOrBelow(printName(all), name));
    }),
  );
});

const refused: [string, string, RegExp][] = [
  ['an empty label in the middle', 'a..b.test', /empty label/],
  ['an empty label at the start', '.a.test', /empty label/],
  ['two trailing dots', 'a.test..', /empty label/],
  ['a label of 64 bytes', `${'x'.repeat(64)}.test`, /label of 64 bytes/],
  ['a name of 256 bytes', `${'x'.repeat(63)}.`.repeat(3) + 'x'.repeat(62), /takes 256 bytes/],
  ['a U-label', 'bücher.example', /not ASCII/],
  ['a blank', 'a b.test', /blank/],
  ['a line feed', 'a\nb.test', /blank or a control/],
  ['DEL', 'a\x7fb.test', /control/],
  ['an unfinished escape', 'a\\', /bad escape/],
  ['an escape above 255', 'a\\256.test', /bad escape/],
  ['two digits behind a backslash', 'a\\12', /bad escape/],
];
for (const [what, name, message] of refused) {
  test(`${what} is refused as bad-address`, () => {
    assert.throws(
      () => parseName(name),
      (error) =>
        error instanceof EhloError &&
        error.code === 'bad-address' &&
        message.test(error.message) &&
        error.hint !== undefined,
    );
  });
}

test('the longest name and the longest label are taken', () => {
  const name = `${'x'.repeat(63)}.`.repeat(3) + 'x'.repeat(61);
  assert.equal(printName(parseName(name)), name);
});

test('an escaped dot is no label boundary', () => {
  assert.equal(parseName('a\\.b.test').length, 2);
  assert.equal(parentName('a\\.b.test'), 'test');
  assert.ok(!isAtOrBelow('x\\.test.example', 'test.example'));
  assert.ok(!isAtOrBelow('evil\\.example.test', 'example.test'));
  assert.equal(nameKey('A\\.B.TEST.'), 'a\\.b.test');
});

const addresses: [string, string | undefined][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['256.0.0.1', undefined],
  ['1.2.3', undefined],
  ['01.2.3.4', undefined],
  ['1.2.3.4.5', undefined],
  ['', undefined],
  ['::', '::'],
  ['::1', '::1'],
  ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1::', '1::'],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1:2:3:4::5:6:7:8', undefined],
  ['1::2::3', undefined],
  [':1:2:3:4:5:6:7', undefined],
  ['12345::', undefined],
  ['fe80::1%eth0', undefined],
  ['1.2.3.4::', undefined],
  [':::', undefined],
];
for (const [text, canonical] of addresses) {
  test(`'${text}' is ${canonical === undefined ? 'no address' : canonical}`, () => {
    const bytes = parseIp(text);
    assert.equal(bytes && printIp(bytes), canonical);
  });
}

test('any 4 or 16 bytes print as an address that parses back', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }),
  );
  fc.assert(fc.property(bytes, (all) => assert.deepEqual(parseIp(printIp(Buffer.from(all))), Buffer.from(all))));
});

const scopes: [string, string | undefined][] = [
  ['8.8.8.8', 'public'],
  ['127.1.2.3', 'loopback'],
  ['10.0.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.1', 'public'],
  ['100.64.0.1', 'private'],
  ['100.128.0.1', 'public'],
  ['169.254.169.254', 'link-local'],
  ['192.0.2.1', 'reserved'],
  ['224.0.0.1', 'multicast'],
  ['255.255.255.255', 'reserved'],
  ['0.0.0.0', 'reserved'],
  ['::1', 'loopback'],
  ['::', 'reserved'],
  ['2606:4700::1', 'public'],
  ['fd00::1', 'private'],
  ['fe80::1', 'link-local'],
  ['2001:db8::1', 'reserved'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:8.8.8.8', 'public'],
  ['64:ff9b::10.0.0.1', 'private'],
  ['64:ff9b::8.8.8.8', 'public'],
  ['2002:7f00:1::', 'loopback'],
  ['2002:808:808::1', 'public'],
  ['ff02::1', 'multicast'],
  ['mail.test', undefined],
];
for (const [address, scope] of scopes) {
  test(`${address} is ${scope ?? 'no address'} to the internet`, () => assert.equal(addressScope(address), scope));
}

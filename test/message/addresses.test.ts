// Recipients from the header of a message: all that RFC 5322 allows is read; what would be a guess is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printMailbox } from '../../src/base/address.ts';
import { EhloError } from '../../src/base/errors.ts';
import { headerMailboxes } from '../../src/message/addresses.ts';

const readable: [value: string, addresses: string[]][] = [
  ['a@x.test', ['a@x.test']],
  ['Ann <a@x.test>, b@y.test (Bob, the other)', ['a@x.test', 'b@y.test']],
  ['undisclosed-recipients:;', []],
  ['undisclosed-recipients:', []],
  ['Friends: a@x.test, "B, C" <b@y.test>; , c@z.test', ['a@x.test', 'b@y.test', 'c@z.test']],
  ['"Doe, J" <a@x.test>', ['a@x.test']],
  ['"a b"@x.test', ['"a b"@x.test']],
  ['=?utf-8?q?J=C3=B6rg?= <a@x.test>', ['a@x.test']],
  ['a@[192.0.2.1]', ['a@[192.0.2.1]']],
  ['a@[IPv6:2001:db8::1], b@y.test', ['a@[IPv6:2001:db8::1]', 'b@y.test']],
  ['<@relay.test:a@x.test>', ['a@x.test']],
  ['a @ x . test', ['a@x.test']],
  ['a@x.test,,b@y.test,', ['a@x.test', 'b@y.test']],
  ['(nobody)', []],
  ['', []],
];

for (const [value, addresses] of readable) {
  test(`recipients of ${JSON.stringify(value)}: ${addresses.join(' ') || 'nobody'}`, () => {
    assert.deepEqual(headerMailboxes('To', value).map(printMailbox), addresses);
  });
}

const refused: [value: string, word: RegExp][] = [
  ['Bob', /"Bob" is not an address/],
  ['Bob <>', /not an address/],
  ['a@x.test b@y.test', /white space/],
  ['a@x.test; b@y.test', /more than one address/],
  ['a@exam ple.test', /white space/],
  ['<a@x.test> <b@y.test>', /without a comma/],
  ['<a@x.test> b@y.test', /without a comma/],
  ['<a@x.test', /< has no >/],
  ['"Bob <a@x.test>, b@y.test', /quoted string has no end/],
  ['a@x.test, (b@y.test', /comment has no end/],
  ['a@x.test@evil.test', /more than one @/],
  ['a@x.test\u0000', /./],
];

for (const [value, word] of refused) {
  test(`recipients of ${JSON.stringify(value)} are refused, naming the field`, () => {
    assert.throws(
      () => headerMailboxes('Cc', value),
      (thrown: unknown) => {
        assert.ok(thrown instanceof EhloError);
        assert.equal(thrown.code, 'bad-address');
        assert.match(thrown.message, /^the Cc field /);
        assert.match(thrown.message, word);
        return true;
      },
    );
  });
}

test('a list beyond the limit is refused, not cut', () => {
  assert.throws(() => headerMailboxes('To', 'a@x.test,'.repeat(50_001)), /more than 50000/);
});

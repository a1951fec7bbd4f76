// Law: a secret that the scrubber knows does not come through, in none of the forms in which systems echo it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { EhloError, errorJson } from '../../src/base/errors.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { Transcript } from '../../src/wire/transcript.ts';

/** Six characters and more: shorter ones may be part of any text by chance. */
const secret = fc.oneof(
  fc.string({ minLength: 6, maxLength: 40 }),
  fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme' }),
  fc.constantFrom('pass word', 'p%40ss:w/ord+', '"quoted\\"', 'Grüße世界', 'aaaaaaaa'),
);
const around = fc.string({ maxLength: 20 });

const scrubberOf = (value: string): Scrubber => {
  const scrubber = new Scrubber();
  scrubber.add(value);
  return scrubber;
};

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

/** Ways in which a value shows up in replies, logs and JSON. `core` is what of it must not be found afterwards. */
const forms: { name: string; write: (value: string) => string }[] = [
  { name: 'as it is', write: (value) => value },
  { name: 'percent-encoded', write: (value) => encodeURIComponent(value) },
  { name: 'as a JSON string', write: (value) => JSON.stringify(value).slice(1, -1) },
  { name: 'as hex', write: (value) => Buffer.from(value).toString('hex') },
  { name: 'as base64', write: (value) => Buffer.from(value).toString('base64') },
  { name: 'as base64 without padding', write: (value) => Buffer.from(value).toString('base64').replace(/=+$/, '') },
  { name: 'as base64url', write: base64url },
  { name: 'as latin1 of its UTF-8', write: (value) => Buffer.from(value).toString('latin1') },
];

describe('the scrubber', () => {
  for (const { name, write } of forms) {
    test(`takes a secret out ${name}, with any text around it`, () => {
      fc.assert(
        fc.property(secret, around, around, (value, before, behind) => {
          fc.pre(!/\p{Cs}/u.test(value));
          const written = write(value);
          fc.pre(!before.includes(written) && !behind.includes(written) && !'<secret>'.includes(written));
          assert.ok(!scrubberOf(value).scrub(`${before}${written}${behind}`).includes(written));
        }),
        { numRuns: 1000 },
      );
    });
  }

  test('finds it within longer base64, at any alignment: PLAIN, XOAUTH2 and echoes of them', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 9, maxLength: 40 }), around, around, (value, before, behind) => {
        const encoded = Buffer.from(`${before}${value}${behind}`).toString('base64');
        const scrubbed = scrubberOf(value).scrub(encoded);
        assert.match(scrubbed, /<secret>/);
        // Only characters that also carry bits of the neighbours, and padding, may be left of it.
        const left = scrubbed.replaceAll('<secret>', '').length;
        const neighbours = Buffer.byteLength(before) + Buffer.byteLength(behind);
        assert.ok(left <= Math.ceil((neighbours * 4) / 3) + 6, `${scrubbed} of ${encoded}`);
      }),
      { numRuns: 1000 },
    );
  });

  test('leaves everything else alone', () => {
    assert.equal(scrubberOf('hunter2').scrub('250 ok, hunter3'), '250 ok, hunter3');
    assert.equal(new Scrubber().scrub('text'), 'text');
  });

  test('does not tell a short secret by masking every place where it stands', () => {
    assert.equal(scrubberOf('a').scrub('a banana'), 'a banana');
  });
});

test('a secret value prints as <secret> in every way that happens by accident', () => {
  const value = new Secret('hunter2');
  const error = new EhloError('auth-rejected', `refused ${value}`, { cause: value });
  const printed = [
    `${value}`,
    String(value),
    JSON.stringify({ value }),
    inspect({ value }, { depth: 9, showHidden: true }),
    inspect(error),
    JSON.stringify(errorJson(error)),
  ];
  for (const text of printed) assert.doesNotMatch(text, /hunter2/);
  assert.equal(value.reveal(), 'hunter2');
});

test('a transcript keeps no event with a secret in it', () => {
  fc.assert(
    fc.property(secret, fc.constantFrom(...forms), around, (value, { write }, before) => {
      fc.pre(!/\p{Cs}/u.test(value));
      const written = write(value);
      fc.pre(!before.includes(written) && !'<secret>'.includes(written));
      const transcript = new Transcript(() => 0, { scrubber: scrubberOf(value) });
      transcript.add('in', 'auth', `535 ${before}${written}`);
      assert.ok(!transcript.events.some(({ text }) => text.includes(written)));
    }),
  );
});

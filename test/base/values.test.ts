// Option values: every accepted form with its meaning, every refused one refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { ipFamily, isLoopback } from '../../src/base/ip.ts';
import { parseDuration, parseHostPort, parsePort, parseSize, printHostPort } from '../../src/base/values.ts';

const isUsage = (error: unknown): boolean => error instanceof EhloError && error.code === 'usage';

function table<T>(name: string, parse: (text: string) => T, accepted: [string, T][], refused: string[]): void {
  describe(name, () => {
    for (const [text, value] of accepted) {
      test(`${text} is ${JSON.stringify(value)}`, () => assert.deepEqual(parse(text), value));
    }
    for (const text of refused) {
      test(`${JSON.stringify(text)} is refused`, () => {
        assert.throws(() => parse(text), isUsage);
      });
    }
    test('anything gives a value or a usage error', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
          try {
            parse(text);
          } catch (thrown) {
            assert.ok(isUsage(thrown));
          }
        }),
      );
    });
  });
}

table(
  'parseDuration',
  parseDuration,
  [
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0s', 0],
  ],
  ['', '10', 's', '-1s', '1 s', '1S', '1w', '1e3s', '1.s', '.5s', '1s ', '١s', `${'9'.repeat(30)}s`, '1m30s'],
);

table(
  'parseSize',
  parseSize,
  [
    ['0', 0],
    ['100', 100],
    ['10k', 10_240],
    ['10K', 10_240],
    ['5M', 5 * 1024 ** 2],
    ['1G', 1024 ** 3],
  ],
  ['', 'k', '-1', '1.5M', '1kb', '1T', '1 k', '1e3', '9'.repeat(30)],
);

table(
  'parsePort',
  parsePort,
  [
    ['1', 1],
    ['25', 25],
    ['65535', 65_535],
  ],
  ['', '0', '65536', '-1', '25 ', '0x19', '2.5', '999999'],
);

test('a listener may ask for port 0', () => assert.equal(parsePort('0', 'listen'), 0));

table(
  'parseHostPort',
  parseHostPort,
  [
    ['localhost', { host: 'localhost' }],
    ['mx.example:25', { host: 'mx.example', port: 25 }],
    ['mx.example.', { host: 'mx.example.' }],
    ['_dmarc.example', { host: '_dmarc.example' }],
    ['bücher.example:587', { host: 'bücher.example', port: 587 }],
    ['127.0.0.1:2525', { host: '127.0.0.1', port: 2525 }],
    ['[::1]', { host: '::1' }],
    ['[::1]:25', { host: '::1', port: 25 }],
    ['2001:db8::25', { host: '2001:db8::25' }],
  ],
  [
    '',
    ':25',
    'a:',
    'a:b',
    'a:0',
    'a b',
    'a\nb:25',
    'a..b',
    '.a',
    '-a.example',
    '[]:25',
    '[::1',
    '[1.2.3.4]',
    '[mx.example]:25',
    '[::1]x',
    'a@b',
    'a/b',
    '\u202eevil',
    'x'.repeat(256),
  ],
);

test('host and port print as they parse', () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }), (name, port) => {
      const value = port === undefined ? { host: name } : { host: name, port };
      assert.deepEqual(parseHostPort(printHostPort(value)), value);
    }),
  );
});

describe('ipFamily', () => {
  const cases: [string, 4 | 6 | undefined][] = [
    ['127.0.0.1', 4],
    ['255.255.255.255', 4],
    ['256.0.0.1', undefined],
    ['01.2.3.4', undefined],
    ['1.2.3', undefined],
    ['::', 6],
    ['::1', 6],
    ['::ffff:127.0.0.1', 6],
    ['2001:DB8::1', 6],
    ['1:2:3:4:5:6:7', undefined],
    ['::1::', undefined],
    ['fe80::1%eth0', undefined],
    ['[::1]', undefined],
    ['localhost', undefined],
    [':', undefined],
    ['', undefined],
  ];
  for (const [text, family] of cases) test(`${text || "''"} is ${family}`, () => assert.equal(ipFamily(text), family));

  test('every address of its family is known', () => {
    fc.assert(fc.property(fc.ipV4(), (text) => ipFamily(text) === 4));
    fc.assert(fc.property(fc.ipV6(), (text) => ipFamily(text) === 6));
  });

  test('loopback is told from everything else', () => {
    for (const text of ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1']) {
      assert.equal(isLoopback(text), true, text);
    }
    for (const text of [
      '128.0.0.1',
      '10.0.0.1',
      '::',
      '::2',
      '::ffff:7e00:1',
      '::ffff:10.0.0.1',
      'localhost',
      '127.0.0.1.evil',
    ]) {
      assert.equal(isLoopback(text), false, text);
    }
  });
});

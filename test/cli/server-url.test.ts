// --server: what each form means, and that a password in it never comes back out.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ServerUrl } from '../../src/app/connection.ts';
import { EhloError } from '../../src/base/errors.ts';
import { impliesTls, parseServerUrl, printServerUrl, serverOfService } from '../../src/cli/server-url.ts';

const accepted: { text: string; url: Omit<ServerUrl, 'password'>; password?: string; tls?: true }[] = [
  { text: 'localhost', url: { scheme: 'smtp', host: 'localhost' } },
  { text: 'localhost:1025', url: { scheme: 'smtp', host: 'localhost', port: 1025 } },
  { text: 'mx.example:465', url: { scheme: 'smtp', host: 'mx.example', port: 465 }, tls: true },
  { text: '[::1]:2525', url: { scheme: 'smtp', host: '::1', port: 2525 } },
  { text: '::1', url: { scheme: 'smtp', host: '::1' } },
  { text: 'smtp://mx.example', url: { scheme: 'smtp', host: 'mx.example' } },
  { text: 'SMTP://mx.example/', url: { scheme: 'smtp', host: 'mx.example' } },
  { text: 'smtps://mx.example', url: { scheme: 'smtps', host: 'mx.example' }, tls: true },
  { text: 'smtp://bob@mx.example:587', url: { scheme: 'smtp', host: 'mx.example', port: 587, user: 'bob' } },
  { text: 'smtp://bob%40x.example@mx.example', url: { scheme: 'smtp', host: 'mx.example', user: 'bob@x.example' } },
  { text: 'smtp://bob@x.example@mx.example', url: { scheme: 'smtp', host: 'mx.example', user: 'bob@x.example' } },
  { text: 'smtp://bob:p%3Aw@mx.example', url: { scheme: 'smtp', host: 'mx.example', user: 'bob' }, password: 'p:w' },
  { text: 'smtp://bob:a/b@mx.example', url: { scheme: 'smtp', host: 'mx.example', user: 'bob' }, password: 'a/b' },
  {
    text: 'smtp://bob@x.example:p@w@mx.example',
    url: { scheme: 'smtp', host: 'mx.example', user: 'bob@x.example' },
    password: 'p@w',
  },
  { text: 'smtp://bob:@mx.example', url: { scheme: 'smtp', host: 'mx.example', user: 'bob' }, password: '' },
  { text: 'lmtp://[::1]:24', url: { scheme: 'lmtp', host: '::1', port: 24 } },
  { text: 'lmtp+unix:/run/lmtp', url: { scheme: 'lmtp+unix', host: '', path: '/run/lmtp' } },
  { text: 'lmtp+unix:///run/lmtp', url: { scheme: 'lmtp+unix', host: '', path: '/run/lmtp' } },
  { text: 'pop3://bob@pop.example', url: { scheme: 'pop3', host: 'pop.example', user: 'bob' } },
  { text: 'pop3://pop.example:995', url: { scheme: 'pop3', host: 'pop.example', port: 995 }, tls: true },
  { text: 'pop3s://pop.example', url: { scheme: 'pop3s', host: 'pop.example' }, tls: true },
  { text: 'mx:', url: { scheme: 'mx', host: '' } },
  { text: 'mx://', url: { scheme: 'mx', host: '' } },
  { text: 'mx:example.org', url: { scheme: 'mx', host: 'example.org' } },
];

const refused = [
  '',
  'http://mx.example',
  'smtp:mx.example',
  'smtp:/mx.example',
  'smtp://',
  'smtp://mx.example/path',
  'smtp://mx.example?tls=no',
  'smtp://mx.example#x',
  'smtp://mx.example:0',
  'smtp://mx.example:smtp',
  'smtp://bob%zz@mx.example',
  'smtp://good.example/@mx.example',
  'smtp://good.example?@mx.example',
  'bob@mx.example',
  'smtp://a b',
  'smtp://mx.example\r\nRCPT',
  'lmtp+unix:relative',
  'lmtp+unix://host/run/lmtp',
  'mx:example.org:25',
  'imaps://mx.example',
];

describe('--server', () => {
  for (const { text, url, password, tls = false } of accepted) {
    test(`${text} is understood`, () => {
      const { password: found, ...rest } = parseServerUrl(text, 'smtp');
      assert.deepEqual(rest, url);
      assert.equal(found?.reveal(), password);
      assert.equal(impliesTls(rest), tls);
    });
  }

  for (const text of refused) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(
        () => parseServerUrl(text, 'smtp'),
        (error) => error instanceof EhloError && error.code === 'usage',
      );
    });
  }

  test('a bare host is of the scheme of the command', () => {
    assert.equal(parseServerUrl('pop.example', 'pop3').scheme, 'pop3');
  });

  test('a refused URL does not show its password', () => {
    for (const tail of ['mx.example/path', 'a b', 'mx.example:0', 'mx.example?x', '%zz@mx.example', '']) {
      assert.throws(
        () => parseServerUrl(`smtp://bob:hunter2@${tail}`, 'smtp'),
        (error) => error instanceof EhloError && !`${error.message} ${error.hint}`.includes('hunter2'),
      );
    }
  });

  for (const user of ['bob@x.example', 'a/b', 'a b', '']) {
    test(`nor does one of the user "${user}", with a scheme or without`, () => {
      for (const scheme of ['smtp://', 'http://', 'smtp:', '']) {
        assert.throws(
          () => parseServerUrl(`${scheme}${user}:hunter2@mx.example:99999`, 'smtp'),
          (error) => error instanceof EhloError && !`${error.message} ${error.hint}`.includes('hunter2'),
        );
      }
    });
  }

  test('what is printed parses to the same, without the password', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    const user = fc.option(fc.string({ minLength: 1, unit: 'grapheme' }), { nil: undefined });
    const scheme = fc.constantFrom('smtp', 'smtps', 'lmtp', 'pop3', 'pop3s');
    fc.assert(
      fc.property(scheme, host, port, user, (scheme, host, port, user) => {
        const url = { scheme, host, ...(port !== undefined && { port }), ...(user !== undefined && { user }) };
        assert.deepEqual(parseServerUrl(printServerUrl(url), 'smtp'), url);
      }),
    );
  });

  test('any text gives a URL or a usage error', () => {
    const part = fc.constantFrom(
      'smtp',
      '://',
      ':',
      '/',
      '@',
      '[',
      ']',
      '::1',
      'mx:',
      'lmtp+unix:',
      'a',
      '%',
      '25',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        try {
          parseServerUrl(parts.join(''), 'smtp');
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError && thrown.code === 'usage');
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('well-known services', () => {
  const serverOf = (text: string, scheme: 'smtp' | 'pop3' = 'smtp') =>
    serverOfService(parseServerUrl(text, scheme), text);
  const services: { text: string; url: ServerUrl }[] = [
    { text: 'gmail', url: { scheme: 'smtps', host: 'smtp.gmail.com', port: 465, service: 'gmail' } },
    { text: 'Gmail', url: { scheme: 'smtps', host: 'smtp.gmail.com', port: 465, service: 'gmail' } },
    { text: 'outlook365', url: { scheme: 'smtp', host: 'smtp.office365.com', port: 587, service: 'outlook365' } },
    { text: 'loopia', url: { scheme: 'smtps', host: 'mailcluster.loopia.se', port: 465, service: 'loopia' } },
  ];
  for (const { text, url } of services) {
    test(`${text} is ${printServerUrl(url)}`, async () => assert.deepEqual(await serverOf(text), url));
  }

  // Maildev's row names no host; "constructor" is in every table's prototype.
  const hosts = [
    'localhost',
    'mailhost',
    'gmail:25',
    'gmail.com',
    'smtp://gmail',
    '[::1]',
    'maildev',
    'constructor',
    '__proto__',
  ];
  for (const text of hosts) {
    test(`${text} is a host`, async () => assert.deepEqual(await serverOf(text), parseServerUrl(text, 'smtp')));
  }

  test('where a bare host is a POP3 server, it is no service', async () => {
    assert.deepEqual(await serverOf('gmail', 'pop3'), { scheme: 'pop3', host: 'gmail' });
  });
});

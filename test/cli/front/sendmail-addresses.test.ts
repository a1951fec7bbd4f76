// Whom sendmail sends to: local names, lists, -t with and without Resent fields, and what is no address.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { printMailbox } from '../../../src/base/address.ts';
import { EhloError } from '../../../src/base/errors.ts';
import { headerRecipients, readArgument, readSender } from '../../../src/cli/front/sendmail-addresses.ts';
import { parseHeaders } from '../../../src/message/headers.ts';

const refused = (says: RegExp) => (thrown: unknown) =>
  thrown instanceof EhloError && thrown.code === 'bad-address' && says.test(thrown.message);

describe('an argument of sendmail', () => {
  for (const [argument, wanted] of [
    ['a@x.test', ['a@x.test']],
    ['root', ['root@here.test']],
    ['<root>', ['root@here.test']],
    ['www-data', ['www-data@here.test']],
    ['Bob <bob@x.test>', ['bob@x.test']],
    ['a@x.test, b@x.test,root', ['a@x.test', 'b@x.test', 'root@here.test']],
    ['"odd name"@x.test', ['"odd name"@x.test']],
    ['-odd@x.test', ['-odd@x.test']],
    ['a@x.test?notify=never', undefined],
  ] as const) {
    test(`${argument} is ${wanted ?? 'refused'}`, () => {
      if (wanted) assert.deepEqual(readArgument(argument, 'here.test').map(printMailbox), wanted);
      else assert.throws(() => readArgument(argument, 'here.test'), refused(/an address: /));
    });
  }

  for (const [what, argument] of [
    ['a program', '|/bin/sh'],
    ['a file', '/var/mail/root'],
    ['a list in a file', ':include:/etc/passwd'],
    ['an option', '-t'],
    ['nothing', ''],
    ['an empty group', 'undisclosed-recipients:;'],
    ['two words', 'bob alice'],
    ['a line end', 'a@x.test\nBcc: c@x.test'],
    ['a line end in a name', 'x\r\ny <a@x.test>'],
    ['two @', 'a@b@x.test'],
    ['something behind an address', '<a@x.test> SIZE=1'],
  ] as const) {
    test(`${what} is refused: ${JSON.stringify(argument)}`, () => {
      assert.throws(() => readArgument(argument, 'here.test'), refused(/an address/));
    });
  }
});

describe('the sender', () => {
  for (const [text, wanted] of [
    ['', ''],
    ['<>', ''],
    ['www-data', 'www-data@here.test'],
    ['Web <web@x.test>', 'web@x.test'],
  ] as const) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(wanted)}`, () => {
      assert.equal(readSender(text, 'here.test'), wanted);
    });
  }

  test('is one address, on one line', () => {
    assert.throws(() => readSender('a@x.test,b@x.test', 'here.test'), refused(/one address, not 2/));
    assert.throws(() => readSender('a@x.test>\r\nRCPT TO:<c@x.test', 'here.test'), refused(/U\+000D/));
  });
});

const recipients = (header: string): string[] =>
  headerRecipients(parseHeaders(Buffer.from(header)).fields, 'here.test').map(printMailbox);

describe('recipients of the header', () => {
  for (const [what, header, wanted] of [
    [
      'To, Cc and Bcc, each as often as it is there',
      'To: a@x.test\r\nCC: b@x.test\r\nbcc: C <c@x.test>\r\nTo: d@x.test\r\n',
      ['a@x.test', 'd@x.test', 'b@x.test', 'c@x.test'],
    ],
    ['folded with tabs', 'To: a@x.test,\r\n\tb@x.test\r\n', ['a@x.test', 'b@x.test']],
    ['a local name, as cron writes it', 'To: root\r\n', ['root@here.test']],
    ['nobody in an empty group', 'To: undisclosed-recipients:;\r\nBcc: a@x.test\r\n', ['a@x.test']],
    ['of the resending, where there is one', 'Resent-To: r@x.test\r\nTo: a@x.test\r\nBcc: b@x.test\r\n', ['r@x.test']],
    [
      'of the last resending, which stands first',
      'Resent-From: m@x.test\r\nResent-To: r@x.test\r\nResent-From: n@x.test\r\nResent-To: s@x.test\r\nTo: a@x.test\r\n',
      ['r@x.test'],
    ],
    [
      'of the last resending, with the path of an older one behind it',
      'Resent-To: r@x.test\r\nReceived: by x\r\nResent-Cc: old@x.test\r\nTo: a@x.test\r\n',
      ['r@x.test'],
    ],
    ['of the message, where a resending names nobody', 'Resent-From: m@x.test\r\nTo: a@x.test\r\n', ['a@x.test']],
    ['nobody', 'Subject: s\r\n', []],
  ] as const) {
    test(what, () => assert.deepEqual(recipients(header), wanted));
  }

  for (const [what, value, says] of [
    ['a list without commas', 'a@x.test b@x.test', /the To field/],
    ['a program', '|/bin/sh', /the To field: "\|\/bin\/sh" is not an address/],
    ['a quote without end', '"a <a@x.test>', /the To field: a quoted string has no end/],
  ] as const) {
    test(`are refused for ${what}`, () => assert.throws(() => recipients(`To: ${value}\r\n`), refused(says)));
  }
});

// Command lines as real callers write them, and what they come to; and those that are refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EhloError } from '../../../src/base/errors.ts';
import { parseSendmailArguments, type SendmailRequest } from '../../../src/cli/front/sendmail-arguments.ts';
import { withoutEffect } from '../../../src/cli/front/sendmail-options.ts';

/** What differs from a plain request. */
const rows: [caller: string, argv: string[], wanted: Partial<SendmailRequest>][] = [
  ['nothing', [], {}],
  ['php', ['-t', '-i'], { readRecipients: true, ignoreDots: true }],
  [
    'php with a fifth parameter',
    ['-t', '-i', '-fbounce@x.test'],
    { readRecipients: true, ignoreDots: true, sender: 'bounce@x.test' },
  ],
  ['Symfony -bs', ['-bs'], { mode: 'smtp' }],
  ['Symfony -t', ['-t', '-fa@x.test'], { readRecipients: true, sender: 'a@x.test' }],
  [
    'cron of Debian',
    ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'],
    { fullName: 'CronDaemon', ignoreDots: true, body: '8BITMIME', recipients: ['root'] },
  ],
  [
    'cronie',
    ['-FCronDaemon', '-i', '-odi', '-oem', '-oi', '-t', '-f', 'root'],
    { fullName: 'CronDaemon', ignoreDots: true, readRecipients: true, sender: 'root' },
  ],
  ['busybox', ['-ti'], { readRecipients: true, ignoreDots: true }],
  ['git send-email', ['-i', 'a@x.test', 'b@x.test'], { ignoreDots: true, recipients: ['a@x.test', 'b@x.test'] }],
  [
    'mutt',
    ['-oem', '-oi', '-f', 'me@x.test', '-N', 'failure,delay', '-R', 'hdrs', '-B8BITMIME', '--', 'a@x.test'],
    {
      ignoreDots: true,
      sender: 'me@x.test',
      notify: ['FAILURE', 'DELAY'],
      ret: 'hdrs',
      body: '8BITMIME',
      recipients: ['a@x.test'],
    },
  ],
  [
    'nodemailer',
    ['-i', '-f', 'me@x.test', 'a@x.test'],
    { ignoreDots: true, sender: 'me@x.test', recipients: ['a@x.test'] },
  ],
  [
    'letters run together, the last with a value',
    ['-tif', 'a@x.test'],
    { readRecipients: true, ignoreDots: true, sender: 'a@x.test' },
  ],
  [
    'the same, the value written to it',
    ['-itfa@x.test'],
    { readRecipients: true, ignoreDots: true, sender: 'a@x.test' },
  ],
  ['the last -f counts', ['-f', 'a@x.test', '-rb@x.test'], { sender: 'b@x.test' }],
  ['the null sender', ['-f', ''], { sender: '' }],
  ['the null sender in brackets', ['-f<>'], { sender: '<>' }],
  ['an envelope id', ['-V', 'id 7'], { envid: 'id 7' }],
  ['-N never', ['-Nnever'], { notify: ['NEVER'] }],
  ['long options', ['-O', 'IgnoreDots=True', '-ODeliveryMode=b'], { ignoreDots: true }],
  ['a long option that is off', ['-OIgnoreDots=False'], {}],
  ['an address that begins with -', ['-i', '--', '-odd@x.test'], { ignoreDots: true, recipients: ['-odd@x.test'] }],
  ['-- behind addresses', ['a@x.test', '--', '-odd@x.test'], { recipients: ['a@x.test', '-odd@x.test'] }],
  ['the queue', ['-bp'], { mode: 'list-queue' }],
  ['mailq -v', ['-bp', '-v'], { mode: 'list-queue', verbose: true }],
  ['newaliases', ['-bi'], { mode: 'aliases' }],
  ['-I', ['-I'], { mode: 'aliases' }],
  ['a queue run', ['-q'], { mode: 'run-queue' }],
  ['verification', ['-bv', 'a@x.test'], { mode: 'verify', recipients: ['a@x.test'] }],
  ['the default mode', ['-bm', 'a@x.test'], { recipients: ['a@x.test'] }],
  ['rmail', ['-G', '-i', 'a@x.test'], { gateway: true, ignoreDots: true, recipients: ['a@x.test'] }],
  ['help among options', ['-t', '--help'], { mode: 'help', readRecipients: true }],
];

describe('the command line of sendmail', () => {
  const plain = parseSendmailArguments([]);
  for (const [caller, argv, wanted] of rows) {
    test(`${caller}: ${JSON.stringify(argv)}`, () => {
      assert.deepEqual(parseSendmailArguments(argv), { ...plain, ...wanted });
    });
  }

  test('what has no effect is accepted in the form that callers use, and changes nothing', () => {
    const written = { nothing: (letter: string) => [`-${letter}`], value: (letter: string) => [`-${letter}`, 'x'] };
    for (const [letter, { takes }] of Object.entries(withoutEffect)) {
      const words = takes === 'attached' ? [`-${letter}x`] : written[takes](letter);
      assert.deepEqual(parseSendmailArguments([...words, 'a@x.test']), { ...plain, recipients: ['a@x.test'] }, letter);
    }
  });
});

const refused: [what: string, argv: string[], says: RegExp][] = [
  ['an unknown letter', ['-Z'], /no option -Z/],
  ['an unknown letter among others', ['-tiZ'], /no option -Z here \(in "-tiZ"\)/],
  ['a value that is missing', ['-t', '-f'], /-f needs a value/],
  ['an option as sender', ['-f', '-t'], /"-t" is not a sender/],
  ['an option behind an address', ['a@x.test', '-t'], /"-t" stands behind an address/],
  ['a daemon', ['-bd', '-q15m'], /-bd is not supported: there is no daemon/],
  ['a queue interval', ['-q15m'], /-q15m is not supported/],
  ['a mode that does not exist', ['-bZ'], /-bZ is not supported/],
  ['another configuration', ['-C', '/etc/mail/other.cf'], /-C is not supported: another configuration/],
  ['a macro', ['-Mx=y'], /-M is not supported/],
  ['the subject of mail(1)', ['-s', 'hi', 'a@x.test'], /-s is not supported: it is an option of mail/],
  ['a long option that may change the message', ['-O', 'SevenBitInput=True'], /-O SevenBitInput is not supported/],
  ['its letter', ['-o7'], /-o7 is not supported/],
  ['a delivery mode that does not exist', ['-odx'], /-od has no value "x"/],
  ['a body type', ['-B', 'BINARY'], /-B takes 7BIT or 8BITMIME, not "BINARY"/],
  ['a notification', ['-N', 'never,success'], /"never,success" is not never/],
  ['what a notification brings back', ['-R', 'some'], /-R takes full or hdrs/],
  ['a line end in the envelope id', ['-V', 'x\r\nRCPT TO:<c@x.test>'], /-V holds U\+000D/],
  ['a line end in the name', ['-F', 'x\nBcc: c@x.test'], /-F holds U\+000A/],
  ['a name from Object', ['-bconstructor'], /-bconstructor is not supported/],
];

describe('the command line of sendmail is refused with', () => {
  for (const [what, argv, says] of refused) {
    test(`${what}: ${JSON.stringify(argv)}`, () => {
      assert.throws(
        () => parseSendmailArguments(argv),
        (thrown) => thrown instanceof EhloError && thrown.code === 'usage' && says.test(thrown.message),
      );
    });
  }
});

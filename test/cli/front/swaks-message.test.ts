// The message that the options come to: tokens, header options, escapes, parts, and what is a file and what is not.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bytesSource } from '../../../src/base/bytes.ts';
import { EhloError } from '../../../src/base/errors.ts';
import type { ContentSources } from '../../../src/cli/front/swaks-content.ts';
import { SwaksInput } from '../../../src/cli/front/swaks-input.ts';
import { composeSwaksMessage } from '../../../src/cli/front/swaks-message.ts';
import { SwaksSettings } from '../../../src/cli/front/swaks-settings.ts';
import { parseSwaksWords } from '../../../src/cli/front/swaks-words.ts';
import { testContext } from '../../support/context.ts';

const files: Record<string, Buffer> = {
  'a.txt': Buffer.from('of %TO_ADDRESS%, with \\n kept\nsecond'),
  'dir/m.eml': Buffer.from('From me Mon\nSubject: s\n\nbody\n.\n'),
  'latin.txt': Buffer.from([0x47, 0xfc, 0x0a, 0x00]),
};

async function compose(
  ...words: string[]
): Promise<{ text: string; bytes: Buffer; verbatim: boolean; warned: string[] }> {
  const warned: string[] = [];
  const settings = parseSwaksWords(words, 'x').flatMap((word) => (word.kind === 'set' ? [word.setting] : []));
  const sources: ContentSources = {
    files: {
      read: async (path) => {
        const bytes = files[path];
        if (!bytes) throw new EhloError('no-input', `${path} does not exist`);
        return { ...bytesSource(bytes), name: path };
      },
    },
    input: new SwaksInput(testContext()),
    warn: (text) => warned.push(text),
  };
  const facts = { from: 'f@x', to: 'a@b, c@d', date: new Date('2024-02-29T12:00:00Z'), hostname: 'here.example' };
  const message = await composeSwaksMessage(new SwaksSettings(settings), facts, sources);
  return { ...message, text: message.bytes.toString('latin1').replaceAll('\r\n', '\n'), warned };
}

const bodyOf = (text: string): string => text.slice(text.indexOf('\n\n') + 2);
const headerOf = (text: string): string => text.slice(0, text.indexOf('\n\n'));

test('the default message', async () => {
  const { text } = await compose();
  const steady = text.replace(/^Message-Id: <20240229120000\.[0-9a-f]+@here\.example>$/m, 'Message-Id: ID');
  assert.equal(
    steady.replace(/ehlo v\S+/, 'ehlo vN'),
    [
      'Date: Thu, 29 Feb 2024 12:00:00 +0000',
      'To: a@b, c@d',
      'From: f@x',
      'Subject: test Thu, 29 Feb 2024 12:00:00 +0000',
      'Message-Id: ID',
      'X-Mailer: ehlo vN',
      '',
      'This is a test mailing',
      '',
      '',
      '',
    ].join('\n'),
  );
});

const bodies: [string, string[], string][] = [
  ['a literal with escapes', ['--body', 'a\\nb'], 'a\nb\n\n\n'],
  ['a literal with tokens', ['--body', '%FROM_ADDRESS%%NEWLINE%%BODY%%NOTOKEN%'], 'f@x\n%BODY%%NOTOKEN%\n\n\n'],
  ['a file keeps its backslashes', ['--body', '@a.txt'], 'of a@b, c@d, with \\n kept\nsecond\n\n\n'],
  ['a file by guess', ['--body', 'a.txt'], 'of a@b, c@d, with \\n kept\nsecond\n\n\n'],
  ['two at signs are one', ['--body', '@@a.txt'], '@a.txt\n\n\n'],
  ['bytes stay bytes', ['--body', '@latin.txt'], 'G\u00fc\n\0\n\n\n'],
  ['a dot is not stuffed here', ['--body', '.'], '.\n\n\n'],
];
for (const [what, words, expected] of bodies) {
  test(`body: ${what}`, async () => assert.equal(bodyOf((await compose(...words)).text), expected));
}

const datas: [string, string[], string][] = [
  ['as it is said', ['--data', 'Subject: x\\n\\nbody'], 'Subject: x\n\nbody\n'],
  ['the closing dot may be there', ['--data', 'Subject: x\\n\\nbody\\n.\\n'], 'Subject: x\n\nbody\n'],
  ['a file, without its From_ line and its dot', ['--data', '@dir/m.eml'], 'Subject: s\n\nbody\n'],
  ['with its From_ line', ['--data', '@dir/m.eml', '-nsf'], 'From me Mon\nSubject: s\n\nbody\n'],
  ['a header alone gets an end', ['--data', 'Subject: x\\nY: z'], 'Subject: x\nY: z\n\n\n'],
  ['with a body in it', ['--data', 'A: b\\n\\n[%BODY%]', '--body', 'c'], 'A: b\n\n[c]\n'],
  ['with a place for headers', ['--data', 'A: b\\n%NEW_HEADERS%C: d\\n\\ne', '-ah', 'N: 1'], 'A: b\nN: 1\nC: d\n\ne\n'],
  ['without one', ['--data', 'A: b\\n\\ne', '-ah', 'N: 1\\nM: 2'], 'A: b\nN: 1\nM: 2\n\ne\n'],
  [
    'a header changed, continuation and all',
    ['--data', 'A: b\\n c\\nD: e\\n\\nf', '--header', 'a: new'],
    'a: new\nD: e\n\nf\n',
  ],
  ['a field name in the body stays', ['--data', 'A: b\\n\\nA: c', '--h-A', 'd'], 'A: d\n\nA: c\n'],
];
for (const [what, words, expected] of datas) {
  test(`data: ${what}`, async () => assert.equal((await compose(...words)).text, expected));
}

test('--no-data-fixup changes no byte but the closing dot', async () => {
  files['raw'] = Buffer.from('From x\n%DATE%\\n\r.\n..\r\n.\r\n');
  const { bytes, verbatim } = await compose('--data', '@raw', '-ndf');
  assert.deepEqual([bytes.toString('latin1'), verbatim], ['From x\n%DATE%\\n\r.\n..', true]);
});

test('data that looks like a file must be one', () =>
  assert.rejects(compose('--data', 'nosuch'), /nosuch does not exist/));

test('a guess is said, and so is a body that has no place', async () => {
  assert.match((await compose('--body', 'a.txt')).warned.join(), /write @a\.txt/);
  assert.match((await compose('--data', 'A: b\\n\\nc', '--body', 'd')).warned.join(), /no %BODY%/);
  assert.deepEqual((await compose('--body', 'no file')).warned, []);
});

describe('parts', () => {
  const steady = (text: string): string => text.replace(/_MIME_BOUNDARY_00(\d)_[0-9a-f]+/g, 'B$1');

  test('a body and attachments', async () => {
    const { text } = await compose(
      '--body',
      'hi',
      '--attach',
      '@dir/m.eml',
      '--attach-name',
      'q"x',
      '--attach-type',
      'text/x',
      '--attach',
      'lit',
    );
    assert.match(steady(headerOf(text)), /\nMIME-Version: 1\.0\nContent-Type: multipart\/mixed; boundary="----=B0"$/);
    assert.equal(
      steady(bodyOf(text)),
      [
        '------=B0',
        'Content-Type: text/plain',
        '',
        'hi',
        '------=B0',
        'Content-Type: application/octet-stream; name="m.eml"',
        'Content-Description: m.eml',
        'Content-Disposition: attachment; filename="m.eml"',
        'Content-Transfer-Encoding: BASE64',
        '',
        files['dir/m.eml']?.toString('base64'),
        '',
        '------=B0',
        'Content-Type: text/x; name="q\\"x"',
        'Content-Description: q"x',
        'Content-Disposition: attachment; filename="q\\"x"',
        'Content-Transfer-Encoding: BASE64',
        '',
        'bGl0',
        '',
        '------=B0--',
        '',
        '',
        '',
      ].join('\n'),
    );
  });

  test('a nested alternative, and types that end where the body ends', async () => {
    const { text } = await compose(
      '--attach',
      'x',
      '--attach-body',
      'p',
      '--attach-type',
      'text/html',
      '--attach-body',
      'h',
      '--attach',
      'y',
    );
    const types = [...steady(text).matchAll(/^Content-Type: ([^;\n]*)/gm)].map((one) => one[1]);
    assert.deepEqual(types, [
      'multipart/mixed',
      'multipart/alternative',
      'text/plain',
      'text/html',
      'application/octet-stream',
      'application/octet-stream',
    ]);
  });

  test('a name that would begin another field is refused', () =>
    assert.rejects(compose('--attach-name', 'a\r\nBcc: x@y', '--attach', 'x'), /control character/));
});

test('every line of every message ends in CRLF, whatever the arguments', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), fc.string(), async (body, header, data) => {
      const words = [`--body=@@${body}`, `--add-header=${header}`, ...(data === '' ? [] : [`--data=@@${data}`])];
      const { bytes } = await compose(...words);
      const text = bytes.toString('latin1');
      assert.ok(text.endsWith('\r\n'));
      assert.ok(!/[^\r]\n|\r[^\n]/.test(text), JSON.stringify(text));
    }),
  );
});

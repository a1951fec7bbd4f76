// Who receives a message that is taken as it is: what its header names, or a clear refusal before anything is sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyInput, type MessageInput } from '../../src/app/message-input.ts';
import { prepareMessage } from '../../src/app/outgoing.ts';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { mailLab } from './lab.ts';

const { ports } = mailLab('', {});

function prepare(header: string[], more: Partial<MessageInput> = {}) {
  const message = Buffer.from([...header, 'Subject: hi', '', 'text', ''].join('\r\n'));
  const input: MessageInput = {
    ...emptyInput,
    readRecipients: true,
    raw: { path: 'mail.eml', fixEol: false },
    ...more,
  };
  const files = { ...ports.files, read: async (path: string) => ({ ...bytesSource(message), name: path }) };
  return prepareMessage(input, { ...ports, files });
}

test('recipients and sender are read from header lists with groups, names and comments; Bcc goes', async () => {
  const { envelope, message } = await prepare([
    'From: "Sender, The" <s@x.test> (me)',
    'To: undisclosed-recipients:;',
    'Cc: Team: a@x.test, B <b@y.test>;',
    'Bcc: c@z.test (quietly)',
  ]);
  assert.equal(envelope.from, 's@x.test');
  assert.deepEqual(
    envelope.to.map((one) => one.address),
    ['a@x.test', 'b@y.test', 'c@z.test'],
  );
  assert.doesNotMatch((await readAll(message.source)).toString(), /Bcc|c@z/);
});

const refused: [name: string, header: string[], code: string, message: RegExp][] = [
  [
    'a malformed address',
    ['From: s@x.test', 'To: a@x.test, b@@y.test'],
    'bad-address',
    /^the To field .*more than one @/,
  ],
  ['a name without address', ['From: s@x.test', 'Cc: Bob'], 'bad-address', /^the Cc field .*"Bob"/],
  ['nobody at all', ['From: s@x.test', 'To: undisclosed-recipients:;'], 'usage', /no recipient/],
  ['a sender that is none', ['From: nobody', 'To: a@x.test'], 'bad-address', /^the From field .*"nobody"/],
  ['two senders', ['From: a@x.test, b@x.test', 'To: a@x.test'], 'bad-message', /does not name one sender/],
];

for (const [name, header, code, message] of refused) {
  test(`a header with ${name} is refused before anything is sent`, async () => {
    await assert.rejects(prepare(header), (thrown: unknown) => {
      assert.ok(thrown instanceof EhloError);
      assert.equal(thrown.code, code);
      assert.match(thrown.message, message);
      return true;
    });
  });
}

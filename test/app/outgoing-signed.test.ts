// Messages with a calendar or a signature: what prepareMessage makes of them, composed and raw.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { emptyInput, type MessageInput } from '../../src/app/message-input.ts';
import { prepareMessage } from '../../src/app/outgoing.ts';
import { type ByteSource, bytesSource, readAll } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { parseDkimKey } from '../../src/policy/dkim-key.ts';
import { mailLab } from './lab.ts';

const { ports } = mailLab('', {});
const { privateKey } = generateKeyPairSync('ed25519');
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const key = parseDkimKey({ selector: 's', domain: 'x.test' }, pem, 'k.pem');

const prepare = (more: Partial<MessageInput>, files: Record<string, string> = {}) =>
  prepareMessage(
    { ...emptyInput, from: 'a@x.test', to: ['b@y.test'], ...more },
    {
      ...ports,
      files: { ...ports.files, read: async (path) => ({ ...bytesSource(Buffer.from(files[path] ?? '')), name: path }) },
    },
  );
const text = async (source: ByteSource): Promise<string> => (await readAll(source)).toString();

test('--ical is read, named in errors, and one without METHOD is noted', async () => {
  const calendar = 'BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n';
  const given: Partial<MessageInput> = { text: { kind: 'text', text: 'come\n' }, ical: 'm.ics' };
  const { message, notes } = await prepare(given, { 'm.ics': calendar });
  assert.match(await text(message.source), /text\/calendar; charset=utf-8; method=REQUEST\r\n/);
  assert.deepEqual(notes, []);
  const silent = await prepare(given, { 'm.ics': calendar.replace('METHOD:REQUEST\n', '') });
  assert.match(silent.notes.join(), /m\.ics has no METHOD/);
  await assert.rejects(
    prepare(given, { 'm.ics': 'hello' }),
    (thrown: unknown) =>
      thrown instanceof EhloError &&
      thrown.code === 'bad-message' &&
      thrown.message.startsWith('m.ics is not a calendar'),
  );
});

test('a calendar is enough: standard input may be empty', async () => {
  const files = { '-': '', 'm.ics': 'BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n' };
  const { message } = await prepare({ text: { kind: 'file', path: '-' }, ical: 'm.ics' }, files);
  assert.match(await text(message.source), /invite\.ics/);
});

test('--dkim signs what was composed and what is taken as it is, and its size is the size that is sent', async () => {
  const composed = await prepare({ text: { kind: 'text', text: 'hi\n' }, dkim: [key, key] });
  const written = await text(composed.message.source);
  assert.match(written, /^DKIM-Signature: .*\r\n(?: .*\r\n)+DKIM-Signature: .*\r\n(?: .*\r\n)+From: a@x\.test\r\n/);
  assert.equal(composed.message.source.size, written.length);
  const raw = 'From: a@x.test\r\nTo: b@y.test\r\nBcc: c@z.test\r\n\r\nhi\r\n';
  const taken = await prepare(
    { raw: { path: 'm.eml', fixEol: false }, readRecipients: true, to: [], dkim: [key] },
    { 'm.eml': raw },
  );
  const sent = await text(taken.message.source);
  assert.ok(sent.endsWith(`\r\n${raw.replace('Bcc: c@z.test\r\n', '')}`));
  assert.equal(taken.message.source.size, sent.length);
});

test('a message that cannot be signed is not sent, and what was opened for it is closed', async () => {
  let disposed = 0;
  const source = { ...bytesSource(Buffer.from('Subject: x\r\n\r\nhi\r\n')), dispose: async () => void disposed++ };
  const raw = { path: 'm.eml', given: source, fixEol: false };
  await assert.rejects(
    prepare({ raw, dkim: [key] }),
    (thrown: unknown) => thrown instanceof EhloError && /no From field/.test(thrown.message),
  );
  assert.equal(disposed, 1);
});

test('a signature of another domain than that of From is noted', async () => {
  const { notes } = await prepare({ from: 'a@other.test', text: { kind: 'text', text: 'hi\n' }, dkim: [key] });
  assert.match(notes.join(), /not aligned with the From domain other\.test/);
});

// The situations in test/mail/composed: each is composed, read by our scanner and compared with what is written beside it,
// then read by mailparser, which must see the same texts and files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import { bytesSource } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { decodePart } from '../../src/message/body.ts';
import { bodyParts } from '../../src/message/decode.ts';
import { allParts, scanMime } from '../../src/message/mime.ts';
import { examineRaw } from '../../src/message/raw.ts';
import { composedFacts, composeSituation, situations } from '../support/composed.ts';

for (const { name, situation } of situations()) {
  const { about, input, expected, raw = [], never = [] } = situation;
  test(`composed ${name}: ${about}`, async () => {
    if ('refused' in expected) {
      await assert.rejects(composeSituation(input), (thrown: unknown) => {
        assert.ok(thrown instanceof EhloError, String(thrown));
        assert.equal(thrown.code, 'bad-message');
        assert.equal(thrown.message, expected.refused);
        return true;
      });
      return;
    }
    const bytes = await composeSituation(input);
    const { leaves, ...facts } = composedFacts(bytes);
    assert.deepEqual(facts, expected);
    const text = bytes.toString('latin1');
    for (const pattern of raw) assert.match(text, new RegExp(pattern));
    for (const pattern of never) assert.doesNotMatch(text, new RegExp(pattern));
    const { eightBit, bareCr, bareLf, longestLine } = await examineRaw(bytesSource(bytes));
    assert.deepEqual([eightBit, bareCr, bareLf, longestLine <= 998], [false, undefined, undefined, true]);
    for (const part of allParts(scanMime(bytes))) assert.deepEqual(part.defects, [], part.path);
    for (const part of leaves) assert.deepEqual(decodePart(bytes, part).defects, [], part.path);
    await agreesWithMailparser(bytes);
  });
}

async function agreesWithMailparser(bytes: Buffer): Promise<void> {
  const root = scanMime(bytes);
  const parsed = await simpleParser(bytes, { skipHtmlToText: true, skipTextToHtml: true, keepCidLinks: true });
  const body = bodyParts(root);
  const unix = (text: string): string => text.replace(/\r\n/g, '\n').replace(/\n+$/, '');
  for (const [part, text] of [
    [body.text, parsed.text],
    [body.html, parsed.html || undefined],
  ] as const) {
    assert.equal(unix(text ?? ''), part ? unix(decodePart(bytes, part).bytes.toString()) : '');
  }
  const files = [...allParts(root)].filter((part) => part.filename !== null);
  const theirs = parsed.attachments.filter((one) => one.filename !== undefined);
  assert.deepEqual(
    theirs.map((one) => [one.filename, one.cid ?? null, one.contentDisposition]).sort(),
    files.map((part) => [part.filename, part.contentId, part.disposition]).sort(),
  );
  for (const one of theirs) {
    const part = files.find(({ filename }) => filename === one.filename);
    assert.ok(part && decodePart(bytes, part).bytes.equals(one.content), one.filename);
    // mailparser makes its own guess where a type says nothing.
    if (part.subtype !== 'octet-stream') assert.equal(one.contentType, `${part.type}/${part.subtype}`);
  }
}

// What we compose, read by Python's email package: the situations of test/mail/composed.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { decodePart } from '../../src/message/body.ts';
import { bodyParts } from '../../src/message/decode.ts';
import { firstField } from '../../src/message/headers.ts';
import { allParts, scanMime } from '../../src/message/mime.ts';
import { composeSituation, situations } from '../support/composed.ts';
import { readMessage } from './read-message.ts';

const unix = (text: string | null): string => (text ?? '').replace(/\r\n/g, '\n').replace(/\n+$/, '');

for (const { name, situation } of situations().filter((one) => !('refused' in one.situation.expected))) {
  test(`Python's email package sees in ${name} what was composed`, async () => {
    const bytes = await composeSituation(situation.input);
    const root = scanMime(bytes);
    const facts = await readMessage(bytes);
    assert.deepEqual(facts.defects, []);
    assert.equal(facts.subject ?? '', firstField(root.fields, 'Subject')?.value ?? '');
    const body = bodyParts(root);
    const text = (part: typeof body.text): string => (part ? decodePart(bytes, part).bytes.toString() : '');
    assert.equal(unix(facts.plain), unix(text(body.text)));
    assert.equal(unix(facts.html), unix(text(body.html)));
    const leaves = [...allParts(root)].filter((part) => part.parts.length === 0);
    const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
    assert.deepEqual(
      facts.parts.map((part) => [part.type, part.filename, part.cid, part.sha256]),
      leaves.map((part) => [
        `${part.type}/${part.subtype}`,
        part.filename,
        part.contentId === null ? null : `<${part.contentId}>`,
        sha256(decodePart(bytes, part).bytes),
      ]),
    );
  });
}

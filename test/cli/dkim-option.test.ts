// --dkim: what is read of the option and its file, and that nothing of the key can be shown.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import { mask, Scrubber } from '../../src/base/secret.ts';
import { parseDkimOption } from '../../src/cli/dkim-option.ts';

const folder = mkdtempSync(join(tmpdir(), 'ehlo-dkim-'));
after(() => rmSync(folder, { recursive: true }));

const pem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

function keyFile(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const refusal = (text: string): Promise<EhloError> =>
  parseDkimOption(text, new Scrubber()).then(
    () => assert.fail(`${text} was taken`),
    (thrown: unknown) => {
      assert.ok(thrown instanceof EhloError, String(thrown));
      return thrown;
    },
  );

test('selector, domain and a path with colons; the key is known to the scrubber whole and by its lines', async () => {
  const scrubber = new Scrubber();
  const key = await parseDkimOption(`2026:Example.com:${keyFile('a:b:c.pem', pem)}`, scrubber);
  assert.deepEqual([key.selector, key.domain, key.algorithm], ['2026', 'example.com', 'rsa-sha256']);
  const lines = pem.split('\n').filter((line) => line !== '' && !line.startsWith('-'));
  assert.ok(lines.length > 20);
  for (const line of lines) assert.equal(scrubber.scrub(`error near "${line}"`), `error near "${mask}"`);
  assert.equal(scrubber.scrub(pem), mask);
});

test('what is not three parts is a usage error that shows the form', async () => {
  const path = keyFile('k.pem', pem);
  for (const text of ['', 's', 's:d.test', 's:d.test:', `:d.test:${path}`, `s::${path}`, `s d:d.test:${path}`]) {
    const error = await refusal(text);
    assert.equal(error.code, 'usage', text);
    assert.match(`${error.message} ${error.hint}`, /SELECTOR:DOMAIN:KEYFILE/);
  }
});

test('a file that is missing, open to others or no key is refused before anything is sent', async () => {
  const code = async (path: string): Promise<string> => (await refusal(`s:d.test:${path}`)).code;
  assert.equal(await code(join(folder, 'missing.pem')), 'no-input');
  assert.equal(await code(keyFile('open.pem', pem, 0o644)), 'config');
  assert.equal(await code(keyFile('none.pem', 'not a key')), 'config');
  assert.equal(await code(folder), 'io');
});

// The human form of `inspect`: what a person needs is there, and nothing that the message says acts on the terminal.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { inspectMessage, openMessage } from '../../src/app/inspect-message.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { plainStyle } from '../../src/render/color.ts';
import { renderHeaders, renderMessage, renderText } from '../../src/render/inspect.ts';

const folder = new URL('../mail/', import.meta.url);
const shown = async (bytes: Buffer): Promise<{ report: string; headers: string; text: string }> => {
  const report = await inspectMessage(await openMessage(bytesSource(bytes)));
  return {
    report: renderMessage(report, plainStyle),
    headers: renderHeaders(report, plainStyle),
    text: renderText(report),
  };
};

/** Printable, newline and, in text, tab: what F1 allows. */
const harmless = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*$/u;
const assertHarmless = (text: string): void => {
  for (const line of text.split('\n')) assert.match(line.replaceAll('\t', ''), harmless, JSON.stringify(line));
};

test('the screen names the message, its parts with offsets, its path and what is wrong', async () => {
  const { report } = await shown(readFileSync(new URL('path.eml', folder)));
  assert.match(report, /^message {2}<3@example\.com> {3}1\.3 kB, 1 part$/m);
  assert.match(report, /-3 s skew \(by the earlier hop's clock\)/);
  assert.match(report, /AM0PR01\.example\.com \(2603:10a6:208::1\) -> DB1\.example\.com/);
  assert.match(report, /^problems 0 errors, 0 warnings {3}exit 0$/m);
  const tree = (await shown(readFileSync(new URL('tree.eml', folder)))).report;
  assert.match(tree, /2 {2,}application\/pdf +145 +545 {2}base64 +a\.pdf/);
  const bad = (await shown(readFileSync(new URL('bad-header.eml', folder)))).report;
  assert.match(bad, /^!! BARE-LF +lines end in LF without CR: byte 230 \(RFC 5322 2\.3\)\n +fix +end /m);
});

test('nothing of the messages in test/mail reaches the terminal raw', async () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.eml'))) {
    const { report, headers, text } = await shown(readFileSync(new URL(name, folder)));
    for (const output of [report, headers, text]) assertHarmless(output);
  }
  const { report, headers } = await shown(readFileSync(new URL('deceiving.eml', folder)));
  assert.match(report, /"\\x1b\]0;owned\\x07 \\u\{202e\}txt\.exe"/);
  assert.match(headers, /^Subject: \\x1b/m);
});

test('law: whatever stands in fields, names and bodies, the screen stays harmless', async () => {
  const nasty = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replace(/[\r\n]/g, '\x1b'));
  await fc.assert(
    fc.asyncProperty(nasty, nasty, nasty, nasty, async (subject, name, filename, body) => {
      const text = [
        `Subject: ${subject}`,
        `Message-ID: ${subject}`,
        `From: "${name}" <${name}>`,
        `${name}: x`,
        `Received: from ${name} by ${subject} with ${filename} id x; Tue, 01 Sep 2026 10:00:00 +0000`,
        `Content-Type: ${filename}; name="${filename}"`,
        `Content-Transfer-Encoding: ${name}`,
        'Content-Disposition: attachment',
        '',
        body,
      ].join('\r\n');
      const { report, headers, text: shownText } = await shown(Buffer.from(text));
      for (const output of [report, headers, shownText]) assertHarmless(output);
    }),
    { numRuns: 300 },
  );
});

test('long lists are cut with a count', async () => {
  const received = 'Received: from a by b; Tue, 01 Sep 2026 10:00:00 +0000\r\n'.repeat(500);
  const parts = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\nContent-Type: x/y\r\n\r\n1\r\n'.repeat(500)}--b--\r\n`;
  const { report } = await shown(Buffer.from(`${received}${parts}`));
  assert.match(report, /\.\.\. 400 more hops/);
  assert.match(report, /\.\.\. 401 more parts/);
  assert.match(report, /\.\.\. 400 more files/);
  assert.ok(report.split('\n').length < 400);
});

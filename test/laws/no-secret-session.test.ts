// Law: whatever a server says, no form of a password comes out of a send: not in the report, an error, the transcript or the
// text for people; and no raw control byte of the server's reaches the terminal.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { emptyInput } from '../../src/app/message-input.ts';
import { send } from '../../src/app/send.ts';
import { errorJson } from '../../src/base/errors.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { plainStyle } from '../../src/render/color.ts';
import { renderError } from '../../src/render/error.ts';
import { jsonDocument } from '../../src/render/json.ts';
import { renderFate, renderNotes, renderSend } from '../../src/render/send.ts';
import { renderTranscript } from '../../src/render/transcript.ts';
import { mailLab } from '../app/lab.ts';

/** A server that says `words` in every reply; `at` is where it breaks off, or speaks no SMTP at all. */
function script(words: string, at: string, mechanism: string): string {
  const say = (code: string, text = words) => `S! ${code} ${escaped(text)}\\r\\n`;
  const multi = (code: string) => `S! ${code}-${escaped(words)}\\r\\n${code} ${escaped(words)}\\r\\n`;
  const steps: [stage: string, step: string[]][] = [
    ['banner', [multi('220')]],
    ['ehlo', ['C: EHLO', `S! 250-${escaped(words)}\\r\\n250-X-${escaped(words)}\\r\\n250 AUTH ${mechanism}\\r\\n`]],
    [
      'auth',
      [
        'C: AUTH',
        ...(mechanism === 'LOGIN' ? ['S: 334 VXNlcm5hbWU6', 'C: YW', 'S: 334 UGFzcw==', 'C:'] : []),
        say('235'),
      ],
    ],
    ['mail', ['C: MAIL', multi('250')]],
    ['rcpt', ['C: RCPT', say('250')]],
    ['data', ['C: DATA', say('354')]],
    ['dot', ['M', say('250', `queued as ${words}`)]],
    ['quit', ['C: QUIT', say('221')]],
  ];
  const [stage, how = ''] = at.split(' ');
  const out: string[] = [];
  for (const [name, step] of steps) {
    if (name !== stage) {
      out.push(...step);
      continue;
    }
    out.push(...step.slice(0, -1));
    if (how === 'garbage') out.push(`S! ${escaped(words)}\\r\\n`);
    else if (how === 'cut') out.push(`S! 250 ${escaped(words)}`, 'F');
    else if (how === 'two') out.push(`S! 250-${escaped(words)}\\r\\n550 ${escaped(words)}\\r\\n`);
    else if (how === 'extra') out.push(step.at(-1) ?? '', say('250'));
    else out.push(say(how));
    break;
  }
  return [...out, 'F'].join('\n');
}

/** As bytes of a scripted peer: everything but plain ASCII as \xHH. */
const escaped = (text: string): string =>
  [...Buffer.from(text.replace(/[\r\n]/g, ' '))].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

const stages = ['banner', 'ehlo', 'auth', 'mail', 'rcpt', 'data', 'dot', 'quit'];
const hows = ['garbage', 'cut', 'two', 'extra', '450', '550', '421', '299'];
const endings = fc.constantFrom('none', ...stages.flatMap((stage) => hows.map((how) => `${stage} ${how}`)));

/** Everything that a run can show, in one text. */
async function shownBy(words: string, at: string, mechanism: string, password: string): Promise<string> {
  const { ports, connection } = mailLab('', { '127.0.0.9': [script(words, at, mechanism)] });
  const scrubber = new Scrubber();
  scrubber.add(password);
  const result = await send(
    {
      connection: {
        ...connection,
        server: { scheme: 'smtp', host: '127.0.0.9' },
        tls: 'off',
        credentials: { user: 'alice', password: new Secret(password) },
      },
      input: {
        ...emptyInput,
        from: 'a@x.test',
        to: ['b@y.test'],
        text: { kind: 'text', text: 'hi' },
      },
      onReject: 'continue',
      pipelining: true,
      dryRun: false,
    },
    ports,
    { scrubber, signal: new AbortController().signal },
  );
  const { report, error } = result;
  assert.equal(report.attempts.length, 1, 'the server was reached');
  return [
    jsonDocument(report),
    error ? jsonDocument(errorJson(error)) + renderError(error, plainStyle) : '',
    renderSend(report, plainStyle, true),
    renderNotes(report.notes, plainStyle),
    renderFate(report),
    renderTranscript(report.transcript ?? [], plainStyle),
  ].join('\n');
}

describe('a whole session', () => {
  // Letters that no text of ours has in a row, so that a find is a leak.
  const secret = fc.string({
    unit: fc.constantFrom('q', 'Z', '9', '%', '+', '/', ' ', '"', 'ü'),
    minLength: 8,
    maxLength: 24,
  });

  test('shows no form of the password that the server repeats', async () => {
    const form = fc.constantFrom<(value: string) => string>(
      (value) => value,
      (value) => encodeURIComponent(value),
      (value) => Buffer.from(value).toString('base64'),
      (value) => Buffer.from(value).toString('hex'),
    );
    await fc.assert(
      fc.asyncProperty(
        secret,
        form,
        endings,
        fc.constantFrom('PLAIN', 'LOGIN'),
        async (value, write, at, mechanism) => {
          const written = write(value);
          const text = await shownBy(`you said ${written} !`, at, mechanism, value);
          const inJson = jsonDocument(written).trim().slice(1, -1);
          for (const found of [written, inJson]) assert.ok(!text.includes(found), `${at}: ${text}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('brings no raw control, bidi or invisible character to the terminal', async () => {
    const bad = fc.constantFrom(
      '\u001b[2J',
      '\u001b]0;x\u0007',
      '\0',
      '\b',
      '\u007f',
      '\u0085',
      '\u009b',
      '\u202e',
      '\u2066',
      '\u200b',
      '\ufeff',
      '\u2028',
    );
    const words = fc
      .array(fc.oneof(bad, fc.constant('text')), { minLength: 1, maxLength: 5 })
      .map((all) => all.join(' '));
    await fc.assert(
      fc.asyncProperty(words, endings, fc.constantFrom('PLAIN', 'LOGIN'), async (said, at, mechanism) => {
        const text = await shownBy(said, at, mechanism, 'hunter2 pencil');
        assert.doesNotMatch(text, /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u, at);
      }),
      { numRuns: 300 },
    );
  });
});

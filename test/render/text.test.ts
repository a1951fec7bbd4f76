// What people see: errors, transcripts, tables, units, colours; all of it one clear shape for each input.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { colorLevel, plainStyle } from '../../src/render/color.ts';
import { renderError } from '../../src/render/error.ts';
import { type ProgressOptions, showsProgress, startProgress } from '../../src/render/progress.ts';
import { makeStyle, type Style } from '../../src/render/style.ts';
import { renderTable } from '../../src/render/table.ts';
import { renderTranscript } from '../../src/render/transcript.ts';
import { printDuration, printSize } from '../../src/render/units.ts';
import { displayWidth, padDisplay } from '../../src/render/width.ts';
import type { TranscriptEvent } from '../../src/wire/transcript.ts';

const marked: Style = (role, text) => `<${role}>${text}</${role}>`;

describe('displayWidth', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['abc', 3],
    ['Grüße', 5],
    ['Gru\u0308ße', 5],
    ['世界', 4],
    ['ﾊﾝｶｸ', 4],
    ['한글', 4],
    ['ａ', 2],
    ['👍', 2],
    ['עברית', 5],
    ['…', 1],
    ['→', 1],
  ];
  for (const [text, width] of cases) test(`${text || "''"} is ${width}`, () => assert.equal(displayWidth(text), width));

  test('padding makes any text that fits exactly as wide as asked', () => {
    const text = fc
      .array(fc.constantFrom('a', 'ü', '世', '👍', 'u\u0308'), { maxLength: 10 })
      .map((all) => all.join(''));
    fc.assert(fc.property(text, (one) => displayWidth(padDisplay(one, 20)) === 20));
    assert.equal(padDisplay('ab', 4, 'right'), '  ab');
  });
});

describe('renderTable', () => {
  test('aligns columns by what shows, without trailing space', () => {
    const rows = [['世界', '1', 'x'], ['ab', '200', ''], ['a']];
    assert.equal(renderTable(rows, plainStyle, { right: [1], indent: '  ' }), '  世界    1  x\n  ab    200\n  a\n');
  });

  test('makes every cell safe, and colours text but not padding', () => {
    const rows = [
      [{ text: 'ok', role: 'good' as const }, 'a\u001b'],
      [{ text: 'failed', role: 'bad' as const }, 'b\n'],
    ];
    assert.equal(renderTable(rows, marked), '<good>ok</good>      a\\x1b\n<bad>failed</bad>  b\\x0a\n');
  });

  test('an empty cell with a role and text with $ are taken as they are', () => {
    assert.equal(renderTable([[{ text: '$&', role: 'dim' }, '']], marked), '<dim>$&</dim>\n');
  });
});

describe('renderTranscript', () => {
  const event = (dir: TranscriptEvent['dir'], text: string, tls = false): TranscriptEvent => ({
    t: 1234.5,
    dir,
    tls,
    stage: 'x',
    text,
  });

  test('has the gutters', () => {
    const events = [
      event('in', '220 hi'),
      event('out', 'EHLO me'),
      event('info', 'TLS TLSv1.3', true),
      event('out', 'AUTH PLAIN <secret>', true),
      event('in', '235 ok', true),
    ];
    assert.equal(
      renderTranscript(events, plainStyle),
      '<- 220 hi\n-> EHLO me\n== TLS TLSv1.3\n~> AUTH PLAIN <secret>\n<~ 235 ok\n',
    );
  });

  test('cannot be made to start a line of its own', () => {
    assert.equal(
      renderTranscript([event('in', '250 a\r\n-> QUIT\u001b[2J')], plainStyle),
      '<- 250 a\\x0d\\x0a-> QUIT\\x1b[2J\n',
    );
  });

  test('shows times when asked', () => {
    assert.equal(renderTranscript([event('out', 'QUIT')], plainStyle, { times: true }), '  1.2 s -> QUIT\n');
  });

  test('marks refusals', () => {
    assert.match(renderTranscript([event('in', '550 no')], marked), /^<bad><-<\/bad>/);
    assert.match(renderTranscript([event('in', '250 yes')], marked), /^<good><-<\/good>/);
  });
});

describe('renderError', () => {
  test('one sentence where nothing else is known', () => {
    assert.equal(renderError(new EhloError('usage', 'no recipient'), plainStyle), 'ehlo: no recipient\n');
  });

  test('says that a copy may arrive', () => {
    const error = new EhloError('outcome-unknown', 'lost after the end of data', {
      stage: 'dot',
      peer: '127.0.0.1:25',
    });
    assert.equal(
      renderError(error, plainStyle),
      'ehlo: lost after the end of data\n' +
        '  at: stage dot, peer 127.0.0.1:25\n' +
        '  the message may have been accepted; sending it again may deliver a second copy\n',
    );
  });

  test('never shows a control character or an endless text, wherever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const error = new EhloError('rejected', text, {
          stage: text,
          peer: text,
          hint: text,
          reply: { code: 550, enhanced: text, text },
        });
        assert.doesNotMatch(renderError(error, plainStyle).replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    );
    assert.ok(renderError(new EhloError('rejected', 'x'.repeat(100_000)), plainStyle).length < 1200);
  });
});

describe('units', () => {
  const sizes: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 kB'],
    [1536, '1.5 kB'],
    [10_240, '10 kB'],
    [5 * 1024 ** 2, '5 MB'],
    [1024 ** 3, '1 GB'],
    [2 ** 52, '4096 TB'],
  ];
  for (const [bytes, text] of sizes) test(`${bytes} bytes are ${text}`, () => assert.equal(printSize(bytes), text));

  const durations: [number, string][] = [
    [0, '0 ms'],
    [0.42, '0.4 ms'],
    [12.3, '12 ms'],
    [999.7, '1 s'],
    [1234, '1.2 s'],
    [59_949, '60 s'],
    [60_000, '1m'],
    [200_000, '3m 20s'],
    [3_600_000, '1h'],
    [7_500_000, '2h 5m'],
    [97_200_000, '1d 3h'],
    [-1500, '-1.5 s'],
  ];
  for (const [ms, text] of durations) test(`${ms} ms are ${text}`, () => assert.equal(printDuration(ms), text));
});

describe('colours', () => {
  const cases: [Parameters<typeof colorLevel>, 0 | 1][] = [
    [['auto', {}, true], 1],
    [['auto', {}, false], 0],
    [['auto', { TERM: 'dumb' }, true], 0],
    [['auto', { NO_COLOR: '1' }, true], 0],
    [['auto', { NO_COLOR: '' }, true], 1],
    [['auto', { FORCE_COLOR: '1' }, false], 1],
    [['auto', { FORCE_COLOR: '0' }, true], 0],
    [['always', { NO_COLOR: '1' }, false], 1],
    [['never', { FORCE_COLOR: '1' }, true], 0],
  ];
  for (const [given, level] of cases) {
    test(`${JSON.stringify(given)} is level ${level}`, () => assert.equal(colorLevel(...given), level));
  }

  test('a style at level 0 adds nothing, at level 1 only colours', () => {
    assert.equal(makeStyle(0)('bad', 'x'), 'x');
    assert.equal(makeStyle(1)('bad', 'x'), '\u001b[31mx\u001b[39m');
  });
});

describe('progress', () => {
  const shown: ProgressOptions = { isTTY: true, format: 'human', verbosity: 0, color: true };

  test('shows to people at a terminal only', () => {
    assert.equal(showsProgress(shown), true);
    const hidden: Partial<ProgressOptions>[] = [
      { isTTY: false },
      { format: 'json' },
      { format: 'ndjson' },
      { verbosity: -1 },
      { verbosity: 1 },
    ];
    for (const one of hidden) assert.equal(showsProgress({ ...shown, ...one }), false, JSON.stringify(one));
  });

  test('where it does not show, it does nothing', async () => {
    const progress = await startProgress('x', { ...shown, isTTY: false });
    progress.update('y');
    progress.stop();
  });
});

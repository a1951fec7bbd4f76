// Law: nothing that a terminal acts on, hides or reorders passes safe() or JSON raw, whatever the code point.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { jsonDocument, jsonLine } from '../../src/render/json.ts';
import { clip, safe, safeLines } from '../../src/render/safe.ts';

/** Controls, format characters (bidi, joiners, tags), lone surrogates, separators, and all else that shows as nothing. */
const harmful = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

describe('safe', () => {
  test('over every code point lets nothing harmful through, and keeps what is harmless', () => {
    const wrong: string[] = [];
    for (let code = 0; code <= 0x10ffff; code++) {
      const char = String.fromCodePoint(code);
      const shown = safe(`a${char}b`);
      const right = harmful.test(char) ? /^a\\(x[0-9a-f]{2}|u\{[0-9a-f]+\})b$/.test(shown) : shown === `a${char}b`;
      if (!right) wrong.push(code.toString(16));
    }
    assert.deepEqual(wrong, []);
  });

  const cases: [string, string][] = [
    ['250 ok', '250 ok'],
    ['\u001b[31mred', '\\x1b[31mred'],
    ['a\r\n250 fake', 'a\\x0d\\x0a250 fake'],
    ['\u009b31m', '\\x9b31m'],
    ['\u202egpj.exe', '\\u{202e}gpj.exe'],
    ['a\u{e0041}b', 'a\\u{e0041}b'],
    ['\ud800', '\\u{d800}'],
    ['Grüße, 世界', 'Grüße, 世界'],
    ['👍', '👍'],
    ['tab\there', 'tab\\x09here'],
  ];
  for (const [text, shown] of cases) {
    test(`${JSON.stringify(text)} shows as ${shown}`, () => assert.equal(safe(text), shown));
  }

  test('is one line whatever comes, and making it safe again changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = safe(text);
        assert.doesNotMatch(shown, /[\r\n\u0085\u2028\u2029]/);
        assert.equal(safe(shown), shown);
      }),
    );
  });

  test('safeLines keeps newlines and tabs only', () => {
    assert.equal(safeLines('a\tb\r\nc\u001b\n'), 'a\tb\nc\\x1b\n');
  });

  test('clip says how much is missing', () => {
    assert.equal(clip('abcdef', 6), 'abcdef');
    assert.equal(clip('abcdefg', 6), 'abcdef… (+1 characters)');
  });
});

describe('JSON', () => {
  test('is printable ASCII, and parses to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        for (const text of [jsonDocument(value), jsonLine(value)]) {
          assert.match(text, /^[\x20-\x7e\n]*$/);
          assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
        }
      }),
    );
  });

  test('over every code point is printable ASCII', () => {
    for (let code = 0; code <= 0xffff; code++) {
      const char = String.fromCharCode(code);
      const text = jsonLine(char);
      if (!/^[\x20-\x7e]*\n$/.test(text) || JSON.parse(text) !== char) assert.fail(`U+${code.toString(16)}`);
    }
  });

  test('an event is one line', () => {
    assert.equal(jsonLine({ text: 'a\nb' }), '{"text":"a\\nb"}\n');
  });
});

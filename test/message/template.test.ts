// The template language: what stands for what, and that every mistake names its place before anything is sent.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { parseTemplate } from '../../src/message/template.ts';
import type { Values } from '../../src/message/template-expand.ts';
import { parseTemplateFile } from '../../src/message/template-file.ts';
import { fillTemplate, type PlaceName } from '../../src/message/template-sinks.ts';
import { assertLinear } from '../support/work.ts';

const fill = (source: string, values: Values = {}, place: PlaceName = 'text'): string =>
  fillTemplate(parseTemplate(source, 'the text'), values, place);

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof EhloError, `ours: ${thrown}`);
    assert.equal(thrown.exit, 'DATA');
    assert.match(thrown.hint ?? '', /^nothing was sent/);
    return thrown.message;
  }
  return assert.fail('it is refused');
};

const values: Values = {
  name: 'Ann',
  'first name': 'Ann B',
  'a.b': 'dotted column',
  html: '<b>"R&D"</b>\'s',
  empty: '',
  zero: 0,
  no: false,
  nothing: null,
  price: 1.5,
  big: 2 ** 60,
  user: { name: 'Bob', tags: ['x', 'y'], note: '' },
  items: [
    { name: 'pen', price: 2, parts: ['cap', 'ink'] },
    { name: 'ink', price: 3, note: 'blue', parts: [] },
  ],
  none: [],
};

describe('what a template becomes', () => {
  const table: [source: string, result: string, place?: PlaceName][] = [
    ['Hello {{name}}!', 'Hello Ann!'],
    ['{{ name }}{{first name}}', 'AnnAnn B'],
    ['{{a.b}}', 'dotted column'],
    ['{{user.name}} {{user.tags.1}}', 'Bob y'],
    ['{{price}} {{zero}} {{no}}', '1.5 0 false'],
    ['{{html}}', '<b>"R&D"</b>\'s'],
    ['{{html}}', '&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;&#39;s', 'html'],
    ['<i>{{{html}}}</i>', '<i><b>"R&D"</b>\'s</i>', 'html'],
    ['{{{name}}}', 'Ann'],
    ['{{"{{"}}name}}', '{{name}}'],
    ['{{ "a }} b" }}', 'a }} b'],
    ['{ {name} } }}', '{ {name} } }}'],
    ['{{#if name}}yes{{else}}no{{/if}}', 'yes'],
    [
      '{{#if empty}}yes{{else}}no{{/if}}{{#if zero}}1{{/if}}{{#if no}}2{{/if}}{{#if none}}3{{/if}}{{#if nothing}}4{{/if}}',
      'no',
    ],
    ['{{#each user.tags}}{{@index}}={{this}};{{/each}}', '0=x;1=y;'],
    [
      '{{#each items}}{{this.name}}:{{#each this.parts}}{{this}},{{/each}}{{name}};{{/each}}',
      'pen:cap,ink,Ann;ink:Ann;',
    ],
    ['{{#each none}}x{{else}}nobody{{/each}}', 'nobody'],
    ['{{#each items}}{{#if this.note}}{{this.note}}{{else}}-{{/if}}{{/each}}', '-blue'],
    ['a\n{{#if name}}\nb\n  {{else}}\t\nc\n{{/if}}\nd', 'a\nb\nd'],
    ['a\r\n{{#each user.tags}}\r\n- {{this}}\r\n{{/each}}\r\nb', 'a\r\n- x\r\n- y\r\nb'],
    ['{{#if name}}\nb\n{{/if}}', 'b\n'],
    ['x {{#if name}}b{{/if}}\ny', 'x b\ny'],
    ['', ''],
  ];
  for (const [source, result, place] of table) {
    test(`${JSON.stringify(source)}${place ? ` in ${place}` : ''}`, () =>
      assert.equal(fill(source, values, place), result));
  }

  test('law: text without two braces stays as it is, in every place', () => {
    const plain = fc.string({ unit: 'binary' }).filter((text) => !text.includes('{{'));
    const places: PlaceName[] = ['text', 'html', 'line', 'address', 'path'];
    fc.assert(
      fc.property(plain, fc.constantFrom(...places), (text, place) => assert.equal(fill(text, {}, place), text)),
    );
  });

  test('law: any value comes back from text, and never as a tag from HTML', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        assert.equal(fill('<{{v}}>', { v: value }), `<${value}>`);
        const html = fill('{{v}}', { v: value }, 'html');
        assert.doesNotMatch(html, /[<>"']/);
        const back = html.replace(
          /&(amp|lt|gt|quot|#39);/g,
          (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" })[name] ?? '',
        );
        assert.equal(back, value);
      }),
    );
  });

  test('law: any text is expanded or refused by one of our errors', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '{{{',
      '#if ',
      '#each ',
      '/if',
      '/each',
      'else',
      'name',
      'this',
      '\n',
      ' ',
      '"',
      'x',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          fill(pieces.join(''), values);
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what a template must not hold', () => {
  const table: [source: string, message: RegExp][] = [
    ['Hi {{nmae}}', /^the text, character 4: "nmae" is not among the names: name, first name, a\.b, /],
    ['Hi\nyou, {{nmae}}', /^the text, line 2, column 6: "nmae"/],
    ['{{user.nick}}', /"user\.nick" is not among the names/],
    ['{{constructor}}', /"constructor" is not among/],
    ['{{__proto__}}', /"__proto__" is not among/],
    ['{{user.__proto__}}', /not among/],
    ['{{user.toString}}', /not among/],
    ['{{user.tags.length}}', /not among/],
    ['{{name.length}}', /not among/],
    ['{{this}}', /only inside of \{\{#each\}\}/],
    ['{{@index}}', /only inside of/],
    ['{{#each items}}{{this.nope}}{{/each}}', /"this\.nope" is not among/],
    ['{{#if nope}}x{{/if}}', /"nope" is not among/],
    ['{{#if user.nope}}x{{/if}}{{#if nope.x}}x{{/if}}', /"nope\.x" is not among/],
    ['{{#each name}}x{{/each}}', /"name" is no list/],
    ['{{items}}', /"items" is a list/],
    ['{{user}}', /"user" is an object/],
    ['{{nothing}}', /"nothing" is null/],
    ['{{big}}', /more digits than can be kept/],
    ['a {{name', /character 3: the tag has no \}\}/],
    ['{{{name}}', /the tag has no \}\}\}/],
    ['{{na\nme}}', /not closed before/],
    ['{{a {{name}}', /not closed before/],
    ['{{}}', /the tag is empty/],
    ['{{#if name}}x', /character 1: \{\{#if name\}\} is never closed/],
    ['{{/if}}', /closes nothing: no block is open/],
    ['{{#if name}}{{/each}}', /closes nothing: \{\{#if name\}\} is still open/],
    ['{{else}}', /outside of/],
    ['{{#if name}}{{else}}{{else}}{{/if}}', /has an \{\{else\}\} already/],
    ['{{#with user}}{{/with}}', /"#with" is unknown; there are #if and #each/],
    ['{{#if}}x{{/if}}', /a name is missing/],
    ['{{upper name}}', /"upper name" is not among/],
    ['{{> partial}}', /"> partial" is not a name/],
    ['{{! remark}}', /is not a name/],
    ['{{&name}}', /is not a name/],
    ['{{#if name}}'.repeat(40), /more than 32 deep/],
  ];
  for (const [source, message] of table) {
    test(JSON.stringify(source.slice(0, 60)), () =>
      assert.match(
        refusal(() => fill(source, values)),
        message,
      ),
    );
  }

  test('the names that are listed are some, not thousands', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`n${at}`, '']));
    assert.match(
      refusal(() => fill('{{x}}', many)),
      /n19 and 480 more$/,
    );
  });

  test('lists in lists do not grow without end', () => {
    const list = Array.from({ length: 3000 }, () => 'x');
    const nested = '{{#each l}}{{#each l}}{{#each l}}{{/each}}{{/each}}{{/each}}';
    assert.match(
      refusal(() => fill(nested, { l: list })),
      /grows beyond/,
    );
    assert.match(
      refusal(() => fill('{{#each l}}{{t}}{{/each}}', { l: list, t: 'x'.repeat(10_000) })),
      /grows beyond/,
    );
  });

  for (const piece of ['{{name}} ', '{{#if name}}x{{/if}}\n', '  ', '{ }} "', '{{"x"}}', '\n \t{{#if name}}{{/if}}']) {
    test(`the work grows with the template: ${JSON.stringify(piece)}`, () => {
      const make = (size: number): string => piece.repeat(size);
      assertLinear(piece, make, 10_000, (source: string) => fill(source, values));
    });
  }
});

describe('a value in its place', () => {
  const address: [source: string, values: Values, result: string][] = [
    ['{{to}}', { to: 'a@x.test, B <b@y.test>' }, 'a@x.test, B <b@y.test>'],
    ['{{name}} <{{email}}>', { name: 'Ann Bee', email: 'a@x.test' }, 'Ann Bee <a@x.test>'],
    ['{{name}} <{{email}}>', { name: 'Bee, Ann', email: 'a@x.test' }, '"Bee, Ann" <a@x.test>'],
    ['{{name}} <{{email}}>', { name: 'Ann "A" Bee', email: 'a@x.test' }, '"Ann \\"A\\" Bee" <a@x.test>'],
    ['{{name}} <{{email}}>', { name: 'a@x.test', email: 'a@x.test' }, '"a@x.test" <a@x.test>'],
    ['"{{name}}" <{{email}}>', { name: 'a"b', email: 'a@x.test' }, '"a\\"b" <a@x.test>'],
    [
      '{{name}} <{{email}}>',
      { name: 'e@evil.test>, x <y@evil.test', email: 'a@x.test' },
      '"e@evil.test>, x <y@evil.test" <a@x.test>',
    ],
    ['A <{{email}}>', { email: 'a@x.test>, <b@evil.test' }, 'A <"a@x.test>, <b@evil.test">'],
    ['{{user}}@{{host}}', { user: 'a.b', host: 'x.test' }, 'a.b@x.test'],
    ['{{a}}, {{b}}', { a: 'a@x.test', b: 'b@x.test' }, 'a@x.test, b@x.test'],
  ];
  for (const [source, given, result] of address) {
    test(`an address: ${source} with ${JSON.stringify(given)}`, () =>
      assert.equal(fill(source, given, 'address'), result));
  }

  for (const place of ['line', 'address', 'path'] as const) {
    for (const value of ['a\r\nBcc: x@evil.test', 'a\nb', 'a\u2028b', 'a\0b']) {
      test(`${JSON.stringify(value)} is refused in a ${place}, and the name is said`, () => {
        assert.match(
          refusal(() => fill('x {{v}}', { v: value }, place)),
          /the value of "v" holds U\+\w{4} at character 2/,
        );
      });
    }
  }

  for (const value of ['../secret', '..', 'a/b', 'a\\b']) {
    test(`${value} does not lead out of a folder`, () => {
      assert.match(
        refusal(() => fill('invoices/{{id}}', { id: value }, 'path')),
        /would lead out of the folder/,
      );
    });
  }
  test('a whole file name may come from the data', () =>
    assert.equal(fill('{{f}}', { f: '/tmp/x.pdf' }, 'path'), '/tmp/x.pdf'));
});

describe('a template file', () => {
  test('fields, an empty line, a body as it is', () => {
    const text = 'Subject: Hello {{name}}\nTo: {{name}}\n <{{email}}>\nX-Tag: a: b\r\n\r\nDear {{name}},\r\n\nbye\n';
    assert.deepEqual(parseTemplateFile(text, 'letter.txt'), {
      fields: [
        { name: 'Subject', value: 'Hello {{name}}', line: 1 },
        { name: 'To', value: '{{name}} <{{email}}>', line: 2 },
        { name: 'X-Tag', value: 'a: b', line: 4 },
      ],
      body: 'Dear {{name}},\r\n\nbye\n',
      bodyLine: 6,
      bodyKind: 'text',
    });
  });

  for (const [type, kind] of [
    ['text/html', 'html'],
    ['text/html; charset=UTF-8', 'html'],
    ['text/plain; charset="utf-8"', 'text'],
  ]) {
    test(`${type} is ${kind}`, () => {
      const file = parseTemplateFile(`content-type: ${type}\n\nx`, 'letter.txt');
      assert.deepEqual([file.bodyKind, file.fields, file.body], [kind, [], 'x']);
    });
  }

  const refused: [text: string, message: RegExp][] = [
    ['Dear {{name}},\n\nhello\n', /letter\.txt, line 1: "Dear \{\{name\}\}," is no header field/],
    [' folded\n\nx', /line 1: the first line is no header field/],
    ['Subject: a\nhello\n\nx', /line 2: "hello" is no header field/],
    ['Subject: a\nsubject: b\n\nx', /line 2: the field subject is given twice/],
    ['Subject: a\n', /the empty line between header and body is missing/],
    ['{{#if x}}X: y\n\nx', /line 1: .* is no header field/],
    ['Content-Type: text/markdown\n\nx', /line 1: Content-Type is text\/plain or text\/html/],
    ['Content-Type: text/html; charset=latin1\n\nx', /in UTF-8, not "text\/html; charset=latin1"/],
  ];
  for (const [text, message] of refused) {
    test(JSON.stringify(text), () =>
      assert.match(
        refusal(() => parseTemplateFile(text, 'letter.txt')),
        message,
      ),
    );
  }
});

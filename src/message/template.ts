// The template language: `{{name}}`, `{{{name}}}`, {{#if}}, {{#each}}, `{{"{{"}}`. Text to a tree here, with the position of
// every mistake; putting values in is template-expand.ts. No code is ever evaluated. Of no RFC.
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';

export interface Template {
  source: string;
  /** What errors call it, and the line of that where it begins. */
  where: string;
  firstLine: number;
  parts: readonly Part[];
  /** One value and nothing else. */
  alone: boolean;
  /** It holds an {{#if}} or {{#each}}: that it may come to nothing is meant. */
  conditional: boolean;
}

/** `at`: the offset of the tag, for errors. */
export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'value'; name: string; raw: boolean; at: number }
  | { kind: 'if' | 'each'; name: string; at: number; body: Part[]; otherwise: Part[] | undefined };

type Block = Extract<Part, { kind: 'if' | 'each' }>;

type Tag =
  | { kind: 'literal'; text: string }
  | { kind: 'value'; name: string; raw: boolean }
  | { kind: 'open'; block: Block['kind']; name: string }
  | { kind: 'else' }
  | { kind: 'close'; block: Block['kind'] };

/** Throws 'bad-message' with line and column. One pass: the text is never looked at twice. */
export function parseTemplate(source: string, where: string, firstLine = 1): Template {
  const origin: Origin = { source, where, firstLine };
  const parts: Part[] = [];
  const open: Block[] = [];
  let conditional = false;
  let current = parts;
  let from = 0;
  const text = (to: number): void => {
    if (to > from) current.push({ kind: 'text', text: source.slice(from, to) });
  };
  for (let at = source.indexOf('{{'); at !== -1; at = source.indexOf('{{', from)) {
    const { tag, end } = readTag(origin, at);
    // A block tag that has a line for itself takes the line with it.
    const line = tag.kind === 'literal' || tag.kind === 'value' ? undefined : ownLine(source, at, end, from);
    text(line?.from ?? at);
    from = line?.to ?? end;
    const block = open.at(-1);
    switch (tag.kind) {
      case 'literal':
        current.push({ kind: 'text', text: tag.text });
        break;
      case 'value':
        current.push({ kind: 'value', name: tag.name, raw: tag.raw, at });
        break;
      case 'open': {
        if (open.length >= mergeLimits.depth) {
          throw templateError(origin, at, `blocks stand more than ${mergeLimits.depth} deep in each other`);
        }
        const opened: Block = { kind: tag.block, name: tag.name, at, body: [], otherwise: undefined };
        current.push(opened);
        open.push(opened);
        current = opened.body;
        conditional = true;
        break;
      }
      case 'else':
        if (!block) throw templateError(origin, at, '{{else}} stands outside of {{#if}} and {{#each}}');
        if (block.otherwise) throw templateError(origin, at, 'its block has an {{else}} already');
        block.otherwise = [];
        current = block.otherwise;
        break;
      case 'close': {
        if (block?.kind !== tag.block) {
          const what = block ? `{{#${block.kind} ${block.name}}} is still open` : 'no block is open';
          throw templateError(origin, at, `{{/${tag.block}}} closes nothing: ${what}`);
        }
        open.pop();
        const outer = open.at(-1);
        current = outer ? (outer.otherwise ?? outer.body) : parts;
        break;
      }
    }
  }
  text(source.length);
  const [first] = parts;
  const unclosed = open.at(-1);
  if (unclosed) {
    throw templateError(
      origin,
      unclosed.at,
      `{{#${unclosed.kind} ${unclosed.name}}} is never closed`,
      `end it with {{/${unclosed.kind}}}`,
    );
  }
  return { ...origin, parts, alone: parts.length === 1 && first?.kind === 'value', conditional };
}

function readTag(origin: Origin, at: number): { tag: Tag; end: number } {
  const { source } = origin;
  const refuse = (why: string): EhloError => templateError(origin, at, why);
  const literal = /\{\{\s*"([^"\n]*)"\s*\}\}/y;
  literal.lastIndex = at;
  const quoted = literal.exec(source);
  if (quoted) return { tag: { kind: 'literal', text: quoted[1] ?? '' }, end: literal.lastIndex };
  const raw = source.startsWith('{{{', at);
  const mark = raw ? '}}}' : '}}';
  const begin = at + mark.length;
  const close = source.indexOf('}}', begin);
  if (close === -1 || !source.startsWith(mark, close)) throw refuse(`the tag has no ${mark}`);
  const written = source.slice(begin, close);
  const content = written.trim();
  if (/[{}\n]/.test(written)) throw refuse('the tag is not closed before the next brace or line end');
  if (content === '') throw refuse('the tag is empty');
  const end = close + mark.length;
  if (raw) return { tag: { kind: 'value', name: nameOf(content, refuse), raw }, end };
  if (content === 'else') return { tag: { kind: 'else' }, end };
  const [, sign = '', word = '', rest = ''] = /^([#/])\s*(\S+)\s*(.*)$/.exec(content) ?? [];
  if (sign !== '') {
    if (word !== 'if' && word !== 'each') throw refuse(`"${sign}${word}" is unknown; there are #if and #each`);
    if (sign === '#') return { tag: { kind: 'open', block: word, name: nameOf(rest, refuse) }, end };
    if (rest !== '') throw refuse(`write {{/${word}}} alone`);
    return { tag: { kind: 'close', block: word }, end };
  }
  return { tag: { kind: 'value', name: nameOf(content, refuse), raw }, end };
}

/** Anything that a column may be called; signs that mean something in other template languages are not guessed at. */
function nameOf(text: string, refuse: (why: string) => EhloError): string {
  if (text === '') throw refuse('a name is missing');
  if (text !== '@index' && /^[#/>!&^@"*~]/.test(text)) throw refuse(`"${text.slice(0, 40)}" is not a name`);
  return text;
}

/** The line of a tag that has nothing beside it but blanks; `floor` is where the text not yet used begins. */
function ownLine(source: string, at: number, end: number, floor: number): { from: number; to: number } | undefined {
  let from = at;
  while (from > floor && (source[from - 1] === ' ' || source[from - 1] === '\t')) from--;
  if (from > 0 && source[from - 1] !== '\n') return undefined;
  let to = end;
  while (source[to] === ' ' || source[to] === '\t') to++;
  if (source[to] === '\r' && source[to + 1] === '\n') to++;
  // A value of one line, such as --subject, is no line of its own.
  if (source[to] === '\n') return { from, to: to + 1 };
  return to === source.length && from > 0 ? { from, to } : undefined;
}

type Origin = Pick<Template, 'source' | 'where' | 'firstLine'>;

export function templateError(origin: Origin, at: number, why: string, hint?: string): EhloError {
  const { source, where, firstLine } = origin;
  const before = source.slice(0, at);
  const line = before.split('\n').length - 1 + firstLine;
  const column = at - before.lastIndexOf('\n');
  const place = source.includes('\n') || firstLine > 1 ? `line ${line}, column ${column}` : `character ${column}`;
  return new EhloError('bad-message', `${where}, ${place}: ${why}`, {
    hint: `nothing was sent; ${hint ?? 'correct the template, or write {{"{{"}} for two braces that are text'}`,
  });
}

// Law: what the papers say can be typed. Each `ehlo COMMAND` in a code block names a command and options that exist, and each
// link leads to a file and a heading. What the commands print beside that is not looked at.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { CommandModule } from '../../src/cli/command.ts';
import { addGlobalOptions } from '../../src/cli/parse.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const commandFolder = new URL('../../src/cli/commands/', import.meta.url);

const papers = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const textOf = (paper: string): string => readFileSync(join(root, paper), 'utf8');

interface Use {
  /** FILE:LINE */
  where: string;
  command: string;
  options: string[];
}

/** Languages of blocks in which commands stand; the bare one is a session with its output. */
const shells = new Set(['', 'sh', 'bash', 'console']);

/** The lines of code blocks in a shell, with those that end in a backslash joined. */
function shellLines(text: string): { line: string; number: number }[] {
  const lines: { line: string; number: number }[] = [];
  let language: string | undefined;
  let open = '';
  for (const [at, line] of text.split('\n').entries()) {
    const fence = /^\s*```\s*(\w*)/.exec(line);
    if (fence) language = language === undefined ? fence[1] : undefined;
    else if (language !== undefined && shells.has(language)) {
      const whole = open + line;
      open = whole.endsWith('\\') ? `${whole.slice(0, -1)} ` : '';
      if (open === '') lines.push({ line: whole, number: at + 1 });
    }
  }
  return lines;
}

/** A word as a shell parts them, quotes taken off; what ends a command is a word of its own, a comment is none. */
const wordForm =
  /(?<end>\|\||&&|[|;&()\n]|\d?[<>]+&?)|(?<comment>#.*$)|(?<word>(?:'[^']*'|"(?:[^"\\]|\\.)*"|[^\s|;&()<>'"])+)/g;

/** The simple commands of a line: words up to a pipe, a `;` and the like. Redirections end the words that count. */
function simpleCommands(line: string): string[][] {
  const found: string[][] = [[]];
  for (const { groups } of line.matchAll(wordForm)) {
    if (groups?.['comment'] !== undefined) break;
    if (groups?.['end'] !== undefined) found.push([]);
    else if (groups?.['word'] !== undefined) found.at(-1)?.push(groups['word']);
  }
  return found;
}

function usesIn(text: string, paper: string): Use[] {
  return shellLines(text).flatMap(({ line, number }) =>
    simpleCommands(line).flatMap((words) => {
      const at = words.findIndex((word) => /^(?:\S*\/)?ehlo(?:\.js)?$/.test(word));
      const command = words[at + 1] ?? '';
      if (at === -1 || !/^[a-z]+(?:-[a-z]+)*$/.test(command)) return [];
      const rest = words.slice(at + 2);
      const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
      const options = own.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*$/s, ''));
      return [{ where: `${paper}:${number}`, command, options }];
    }),
  );
}

const isModule = (value: unknown): value is CommandModule =>
  typeof value === 'object' && value !== null && ('define' in value || 'front' in value);

/** The long options of each command, `front` for those that read arguments of another program. */
async function definedOptions(): Promise<Map<string, Set<string> | 'front'>> {
  const found = new Map<string, Set<string> | 'front'>();
  for (const file of readdirSync(fileURLToPath(commandFolder)).sort()) {
    const exported: Record<string, unknown> = await import(new URL(file, commandFolder).href);
    const module = Object.values(exported).find(isModule);
    const name = file.replace(/\.ts$/, '');
    if (!module) continue;
    if ('front' in module) {
      found.set(name, 'front');
      continue;
    }
    const command = new Command(name);
    module.define(command);
    addGlobalOptions(command);
    found.set(name, new Set(['--help', ...command.options.flatMap(({ long }) => (long ? [long] : []))]));
  }
  return found;
}

function wrongUses(uses: readonly Use[], defined: Map<string, Set<string> | 'front'>): string[] {
  return uses.flatMap(({ where, command, options }) => {
    const known = defined.get(command);
    if (known === 'front') return [];
    if (!known) return [`${where}: there is no ehlo ${command}`];
    return options.filter((option) => !known.has(option)).map((one) => `${where}: ehlo ${command} has no ${one}`);
  });
}

describe('commands in the papers', () => {
  test('name commands and options that exist', async () => {
    const uses = papers.flatMap((paper) => usesIn(textOf(paper), paper));
    assert.ok(uses.length > 50, `${uses.length} commands found`);
    assert.deepEqual(wrongUses(uses, await definedOptions()), []);
  });

  test('the README names every command', async () => {
    const readme = textOf('README.md');
    const silent = [...(await definedOptions()).keys()].filter((name) => !readme.includes(`\`ehlo ${name}`));
    assert.deepEqual(silent, []);
  });

  test('what is wrong is found: in pipelines, continued lines, substitutions, and only there', async () => {
    const text = [
      '```sh',
      'printf x | ehlo send --bodyy - a@b.test > out; ehlo sent --json',
      'id=$(ehlo queue --listt) # ehlo send --no-such',
      'ehlo send --server x \\',
      '  --frm a@b.test --cmd "NOOP --quoted" -- --not-ours',
      'ehlo serve --json -- other --option',
      'ehlo sendmail --anything',
      '```',
      '```toml',
      'x = "ehlo send --in-toml"',
      '```',
      'ehlo send --in-prose',
    ].join('\n');
    assert.deepEqual(wrongUses(usesIn(text, 'x.md'), await definedOptions()), [
      'x.md:2: ehlo send has no --bodyy',
      'x.md:2: there is no ehlo sent',
      'x.md:3: ehlo queue has no --listt',
      'x.md:5: ehlo send has no --frm',
    ]);
  });
});

/** As the sites that show Markdown make them of headings. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading.trim()));

function brokenLinks(text: string, paper: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', heading] = target.split('#');
      const path = file === '' ? join(root, paper) : join(root, dirname(paper), file);
      return !existsSync(path) || (heading !== undefined && !anchorsOf(path).includes(heading));
    })
    .map((target) => `${paper}: ${target}`);
}

describe('links in the papers', () => {
  test('lead to files and headings', () => {
    assert.deepEqual(
      papers.flatMap((paper) => brokenLinks(textOf(paper), paper)),
      [],
    );
  });

  test('what leads nowhere is found', () => {
    const text = '[a](README.md) [b](gone.md) [c](README.md#developing) [d](README.md#nothing) [e](https://x.test/)';
    assert.deepEqual(brokenLinks(text, 'x.md'), ['x.md: gone.md', 'x.md: README.md#nothing']);
    assert.deepEqual(brokenLinks('[up](../README.md) [gone](README.md)', 'docs/x.md'), ['docs/x.md: README.md']);
  });
});

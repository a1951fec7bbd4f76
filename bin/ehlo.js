#!/usr/bin/env node
// The launcher: dist/ holds a bundle for each command, and main.cjs for everything else. Built from src/ by `npm run build`.
'use strict';
const { existsSync, readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { basename, dirname, join } = require('node:path');
const vm = require('node:vm');

const dist = join(__dirname, '..', 'dist');
const bundle = (name) => join(dist, `${name}.cjs`);

/** Names that other programs call us by, through a symlink, and what each means. */
const fronts = new Map([
  ['sendmail', []],
  ['mailq', ['-bp']],
  ['newaliases', ['-bi']],
]);
const front = fronts.get(basename(process.argv[1] ?? ''));
if (front) process.argv.splice(2, 0, 'sendmail', ...front);

/** The command is the first word that has a bundle and is not the value of a global option. */
const words = process.argv.slice(2);
const command = words.find(
  (word, at) =>
    /^[a-z]+(?:-[a-z]+)*$/.test(word) &&
    !/^(?:-P|--profile|--config|--color)$/.test(words[at - 1] ?? '') &&
    existsSync(bundle(word)),
);

/**
 * Compiling a bundle is a quarter of a short run. Where the build was made by this very Node it left the compiled code
 * beside the bundle (scripts/code-cache.js); V8 checks that it fits, and compiles anew where it does not.
 */
function start(file) {
  const cache = `${file}.${process.version}-${process.arch}.cache`;
  if (!existsSync(cache)) return require(file);
  const source = `(function(exports,require,module,__filename,__dirname){${readFileSync(file, 'utf8')}\n})`;
  const script = new vm.Script(source, { filename: file, cachedData: readFileSync(cache) });
  const module = { exports: {} };
  return script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
}

if (existsSync(bundle('main'))) start(bundle(command ?? 'main'));
else {
  process.stderr.write('ehlo: dist/ has not been built; run "npm run build" in the package folder.\n');
  process.exitCode = 70;
}

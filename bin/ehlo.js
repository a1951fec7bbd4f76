#!/usr/bin/env node
// The launcher: dist/ holds a bundle for each command, and main.cjs for everything else. Built from src/ by `npm run build`.
'use strict';
const { existsSync, readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const vm = require('node:vm');

const dist = join(__dirname, '..', 'dist');
const bundle = (name) => join(dist, `${name}.cjs`);
const command = process.argv.slice(2).find((word) => /^[a-z]+(?:-[a-z]+)*$/.test(word) && existsSync(bundle(word)));

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

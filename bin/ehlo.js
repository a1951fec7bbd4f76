#!/usr/bin/env node
// The launcher: dist/ holds a bundle for each command, and main.cjs for everything else. Built from src/ by `npm run build`.
'use strict';
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const dist = join(__dirname, '..', 'dist');
const bundle = (name) => join(dist, `${name}.cjs`);
const command = process.argv.slice(2).find((word) => /^[a-z]+(?:-[a-z]+)*$/.test(word) && existsSync(bundle(word)));

if (existsSync(bundle('main'))) require(bundle(command ?? 'main'));
else {
  process.stderr.write('ehlo: dist/ has not been built; run "npm run build" in the package folder.\n');
  process.exitCode = 70;
}

// Bundles src/ into dist/: one CommonJS file a command, and one for what belongs to none (--version, --help, errors). A file
// a command starts soonest: the ESM loader takes most of a millisecond for each file it opens, and CommonJS starts earlier.
// Packages that are big and seldom needed stay apart in dist/vendor/ and load where they are used.
import { spawnSync } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const dist = `${root}dist`;

/** As CommonJS sees them from an ES module: module.exports is the default export. */
const vendor = {
  chalk: "export * from 'chalk';",
  'csv-parse': "export { parse } from 'csv-parse';",
  'dns-packet': "module.exports = require('dns-packet');",
  inquirer: "module.exports = require('inquirer').default;",
  mailparser: "module.exports = require('mailparser');",
  'nodemailer/lib/mail-composer': "module.exports = require('nodemailer/lib/mail-composer');",
  'nodemailer/lib/well-known': "module.exports = require('nodemailer/lib/well-known');",
  'nodemailer/lib/xoauth2': "module.exports = require('nodemailer/lib/xoauth2');",
  ora: "module.exports = require('ora').default;",
  'smol-toml': "export { parse } from 'smol-toml';",
  socks: "module.exports = require('socks');",
};
const vendorFile = (name) => `vendor/${name.split('/').at(-1)}.cjs`;

const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'cjs',
  // import() becomes a late require(): the ESM loader is not even started.
  supported: { 'dynamic-import': false },
  minify: true,
  platform: 'node',
  target: 'node20.19',
  legalComments: 'linked',
  logLevel: 'warning',
};

/** commander loads it for executable subcommands, which ehlo has none of; loading it takes milliseconds of every start. */
const withoutChildProcess = {
  name: 'commander-without-child-process',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^(?:node:)?child_process$/ }, ({ importer }) =>
      importer.includes('/node_modules/commander/') ? { path: 'child_process', namespace: 'nothing' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** The file of one command holds no other command; the launcher never asks it for one. */
const only = (command) => ({
  name: 'only-one-command',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/commands\/[a-z-]+\.ts$/ }, ({ path }) =>
      path === `./commands/${command}.ts` ? undefined : { path, external: true },
    );
    onResolve({ filter: new RegExp(`^(?:${Object.keys(vendor).join('|')})$`) }, ({ path }) => ({
      path: `./${vendorFile(path)}`,
      external: true,
    }));
  },
});

await rm(dist, { recursive: true, force: true });
const commands = (await readdir(`${root}src/cli/commands`)).map((file) => file.replace(/\.ts$/, ''));
await Promise.all([
  ...[...commands, 'main'].map((command) =>
    build({
      ...common,
      entryPoints: ['src/cli/main.ts'],
      outfile: `${dist}/${command}.cjs`,
      plugins: [only(command), withoutChildProcess],
    }),
  ),
  ...Object.entries(vendor).map(([name, contents]) =>
    build({
      ...common,
      stdin: { contents, resolveDir: root },
      outfile: `${dist}/${vendorFile(name)}`,
    }),
  ),
]);

// Compiled code is for this Node alone; a package that is published goes to others.
await writeFile(`${dist}/.npmignore`, '*.cache\n');
const made = spawnSync(process.execPath, [`${root}scripts/code-cache.js`], { stdio: 'inherit', timeout: 20_000 });
if (made.status !== 0) console.error('no code cache was made: ehlo send starts a little slower');

#!/usr/bin/env node
// The launcher: everything else is in dist/, built from src/ by `npm run build`.
import('../dist/main.js').catch((cause) => {
  if (cause?.code !== 'ERR_MODULE_NOT_FOUND') throw cause;
  process.stderr.write('ehlo: dist/ has not been built; run "npm run build" in the package folder.\n');
  process.exitCode = 70;
});

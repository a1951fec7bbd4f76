// Leaves the compiled code of dist/send.cjs beside it, for the Node that runs this: `send` is what scripts start by the
// thousand. One message goes through a small server here, so that what a run needs is what is compiled.
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';

const root = new URL('..', import.meta.url).pathname;
const cache = `${root}dist/send.cjs.${process.version}-${process.arch}.cache`;
const message = join(tmpdir(), `ehlo-build-${process.pid}.eml`);
const replies = [
  /^EHLO/,
  '250-x\r\n250 PIPELINING\r\n',
  /^DATA/,
  '354 go\r\n',
  /^QUIT/,
  '221 bye\r\n',
  /^(?:MAIL|RCPT|\.$)/,
  '250 ok\r\n',
];

const server = createServer((socket) => {
  socket.write('220 build\r\n');
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    for (const line of chunk.toString('latin1').split('\r\n')) {
      const at = replies.findIndex((pattern) => pattern instanceof RegExp && pattern.test(line));
      if (at !== -1) socket.write(replies[at + 1]);
    }
  });
});

/** Every script that the launcher compiles. */
const scripts = [];
vm.Script = class extends vm.Script {
  constructor(...given) {
    super(...given);
    scripts.push(this);
  }
};

server.listen(0, '127.0.0.1', () => {
  writeFileSync(message, 'Subject: build\r\n\r\nbuild\r\n', { mode: 0o600 });
  // Empty for now: the launcher takes this road only where the file is.
  writeFileSync(cache, '');
  process.on('exit', (code) => {
    rmSync(message, { force: true });
    const compiled = scripts[0]?.createCachedData();
    if (code === 0 && compiled) writeFileSync(cache, compiled);
    else rmSync(cache, { force: true });
  });
  const { port } = server.address();
  process.argv.splice(2, Number.POSITIVE_INFINITY, 'send', '-q', '--server', `127.0.0.1:${port}`);
  process.argv.push('--from', 'a@build.test', '--raw', message, 'b@build.test');
  createRequire(import.meta.url)('../bin/ehlo.js');
});

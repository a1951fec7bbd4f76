// A command's context without a process: output kept as text, ports that refuse unless a test gives them.

import { Readable } from 'node:stream';
import type { Ports } from '../../src/app/ports.ts';
import { Scrubber } from '../../src/base/secret.ts';
import type { Context, Output } from '../../src/cli/command.ts';
import { plainStyle } from '../../src/render/color.ts';
import { createFiles } from '../../src/store/files.ts';
import { fakeClock } from './clock.ts';

export interface TestContext extends Context {
  stdout: Output & { text: string };
  stderr: Output & { text: string };
}

const output = (): Output & { text: string } => ({
  text: '',
  write(text) {
    this.text += text.toString();
  },
  style: plainStyle,
  isTTY: false,
  width: 80,
});

const refuse = (): never => {
  throw new Error('this test gives no such port');
};

export function testContext(
  given: Omit<Partial<Context>, 'ports'> & { input?: string; ports?: Partial<Ports> } = {},
): TestContext {
  const { input = '', ports, ...context } = given;
  const { signal } = new AbortController();
  return {
    ports: {
      clock: fakeClock(),
      dial: refuse,
      resolve: { exchange: { exchange: refuse }, systemServers: refuse, lookup: refuse },
      listen: refuse,
      listenDns: refuse,
      files: createFiles(() => Readable.from([Buffer.from(input)])),
      hostname: () => 'here.example',
      ...ports,
    },
    stdin: process.stdin,
    env: {},
    signal,
    format: 'human',
    verbosity: 0,
    interactive: false,
    scrubber: new Scrubber(),
    ...context,
    stdout: output(),
    stderr: output(),
  };
}

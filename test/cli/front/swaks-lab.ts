// The front of swaks without a process: a server that follows a script, everything that was said and shown.
import { Readable } from 'node:stream';
import { EhloError } from '../../../src/base/errors.ts';
import { swaks } from '../../../src/cli/front/swaks.ts';
import { memoryPair } from '../../../src/wire/memory.ts';
import { testContext } from '../../support/context.ts';
import { type ScriptedPeer, scriptedPeer } from '../../support/scripted.ts';

export interface SwaksRun {
  code: number;
  stdout: string;
  stderr: string;
  /** What each connection to the server was told. */
  told: string[];
  /** Where each one went. */
  dialled: string[];
}

export interface SwaksOptions {
  env?: Record<string, string>;
  input?: string;
  /** A script for each connection; none more is "connection refused". */
  scripts?: readonly string[];
  /** Addresses that names have. */
  names?: Record<string, string[]>;
  /** Standard output is a terminal. */
  isTTY?: boolean;
}

export async function runSwaks(argv: readonly string[], options: SwaksOptions = {}): Promise<SwaksRun> {
  const { input = '', scripts = [], env, names = {} } = options;
  const peers: ScriptedPeer[] = [];
  const dialled: string[] = [];
  const context = testContext({
    env: { HOME: '/nonexistent', LOGNAME: 'me', ...env },
    // Only what a stream can do is asked of it.
    stdin: Readable.from([Buffer.from(input)]) as unknown as NodeJS.ReadStream,
    ports: {
      dial: async ({ address, port }) => {
        dialled.push(`${address}:${port}`);
        const script = scripts[peers.length];
        if (script === undefined) {
          throw new EhloError('connect-failed', `${address}:${port}: connection refused`, { stage: 'connect' });
        }
        const [ours, theirs] = memoryPair({ names: ['client', `${address}:${port}`] });
        const peer = scriptedPeer(theirs, script);
        peer.finished.catch(() => undefined);
        peers.push(peer);
        return ours;
      },
      resolve: {
        exchange: { exchange: () => Promise.reject(new EhloError('timeout', 'no name server answers')) },
        systemServers: () => [{ host: '127.0.0.1', port: 53 }],
        lookup: async (host) => names[host] ?? Promise.reject(new EhloError('no-address', `${host} has no address`)),
      },
    },
  });
  context.stdout.isTTY = options.isTTY === true;
  const code = await swaks(argv, context);
  const told = peers.map((peer) => peer.received());
  return { code, stdout: context.stdout.text, stderr: context.stderr.text, told, dialled };
}

/** A server that takes one message. */
export const takesAll = `
  S: 220 server
  C: EHLO
  S: 250 server
  C: MAIL
  S: 250 ok
  C: RCPT
  S: 250 ok
  C: DATA
  S: 354 go
  M
  S: 250 taken
  C: QUIT
  S: 221 bye
  F`;

export const usual = ['--server', '127.0.0.1:2525', '--to', 'a@b.test', '--from', 'f@x.test', '--helo', 'client.test'];

// The front of sendmail without a process: input as bytes, a server that follows a script, everything that was said.
import { PassThrough } from 'node:stream';
import { EhloError } from '../../../src/base/errors.ts';
import { sendmail } from '../../../src/cli/front/sendmail.ts';
import { memoryPair } from '../../../src/wire/memory.ts';
import { testContext } from '../../support/context.ts';
import { type ScriptedPeer, scriptedPeer } from '../../support/scripted.ts';

export interface FrontRun {
  code: number;
  stdout: string;
  stderr: string;
  /** What each connection to the server was told. */
  told: string[];
}

export interface FrontOptions {
  /** Default: 127.0.0.1:2525, no other configuration of any kind. */
  env?: Record<string, string>;
  input?: string | Buffer | Iterable<Buffer>;
  /** A script for each connection; none more is "connection refused". */
  scripts?: readonly string[];
  signal?: AbortSignal;
}

export async function runFront(argv: readonly string[], options: FrontOptions = {}): Promise<FrontRun> {
  const { input = '', scripts = [], env, signal } = options;
  const stdin = new PassThrough();
  const chunks = typeof input === 'string' || Buffer.isBuffer(input) ? [input] : input;
  for (const chunk of chunks) stdin.write(chunk);
  stdin.end();
  const peers: ScriptedPeer[] = [];
  const context = testContext({
    env: { XDG_CONFIG_HOME: '/nonexistent', LOGNAME: 'me', EHLO_SERVER: '127.0.0.1:2525', ...env },
    // A terminal has more than what is read from here.
    stdin: stdin as unknown as NodeJS.ReadStream,
    ...(signal && { signal }),
    ports: {
      dial: async ({ address, port }) => {
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
    },
  });
  const code = await sendmail(argv, context);
  const told = peers.map((peer) => peer.received());
  return { code, stdout: context.stdout.text, stderr: context.stderr.text, told };
}

/** A server that takes one message for so many recipients; replies may be put in place of the usual ones. */
export function serverScript(
  replies: { hello?: string; mail?: string; rcpt?: readonly string[]; dot?: string; more?: boolean } = {},
): string {
  const { hello = 'S: 250 hi', mail = '250 ok', rcpt = ['250 ok'], dot = 'S: 250 2.0.0 Ok: queued as LAB1' } = replies;
  const accepted = rcpt.some((one) => one.startsWith('250'));
  return [
    'S: 220 hi',
    'C: EHLO',
    hello,
    'C: MAIL',
    `S: ${mail}`,
    ...(mail.startsWith('250') ? rcpt.flatMap((one) => ['C: RCPT', `S: ${one}`]) : []),
    ...(mail.startsWith('250')
      ? accepted && !replies.more
        ? ['C: DATA', 'S: 354 go', 'M', dot]
        : ['C: RSET', 'S: 250 ok']
      : []),
    'C: QUIT',
    'S: 221 bye',
    'F',
  ].join('\n');
}

// A mail merge against our own server in memory: files in a temporary directory, every message that was accepted counted.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '../../src/app/connection.ts';
import { emptyInput } from '../../src/app/message-input.ts';
import type { Ports } from '../../src/app/ports.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { clientDeadlines, smtpServerLimits } from '../../src/base/limits.ts';
import type { Context } from '../../src/cli/command.ts';
import { type MergeBase, runMerge } from '../../src/cli/merge.ts';
import { optionValues } from '../../src/cli/option-values.ts';
import { serveSmtp } from '../../src/smtp/server.ts';
import type { ServerPolicy } from '../../src/smtp/server-policy.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Wire } from '../../src/wire/wire.ts';
import { type TestContext, testContext } from './context.ts';

export interface Accepted {
  to: string[];
  text: string;
}

export interface MergeLab {
  /** Messages that the server has stored, in order. */
  accepted: Accepted[];
  /** Connections so far. */
  dialled: number;
  policy: ServerPolicy;
  /** False: connections are refused. */
  up: boolean;
  path(name: string): string;
  write(name: string, content: string | Buffer): string;
  read(name: string): string;
  run(args: string[], given?: LabRun): Promise<LabRan>;
  close(): void;
}

export interface LabRun {
  format?: Context['format'];
  verbosity?: number;
  signal?: AbortSignal;
  input?: string;
  clock?: Clock;
  request?: Partial<MergeBase['request']>;
  maxTimeMs?: number;
}

export interface LabRan {
  /** The exit code, or what was thrown. */
  code: number | EhloError;
  out: string;
  err: string;
  /** Of --ndjson or --json. */
  events: Record<string, unknown>[];
}

const lists = new Set(['to', 'cc', 'bcc', 'rcpt', 'attach', 'header', 'replyTo']);
const flags = new Set(['resendUnknown', 'resendRejected']);

/** `--name value` as commander would have it; what has no dashes is a recipient. */
function parseArgs(words: string[]): { args: string[]; options: Record<string, unknown> } {
  const options: Record<string, unknown> = {};
  const args: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (!word.startsWith('--')) {
      args.push(word);
      continue;
    }
    const name = word.slice(2).replace(/-([a-z])/g, (_, char: string) => char.toUpperCase());
    if (flags.has(name)) options[name] = true;
    else {
      const value = words[++at] ?? '';
      const before = options[name];
      options[name] = lists.has(name) ? [...(Array.isArray(before) ? before : []), value] : value;
    }
  }
  return { args, options };
}

export function mergeLab(): MergeLab {
  const directory = mkdtempSync(join(tmpdir(), 'ehlo-merge-'));
  const store = memoryStore(systemClock);
  const connection: Connection = {
    server: { scheme: 'smtp', host: '127.0.0.1', port: 2525 },
    tls: 'off',
    tlsVerify: 'full',
    tlsClient: {},
    allowPlaintextAuth: false,
    deadlines: clientDeadlines,
    overrides: [],
    mxPort: 25,
  };
  const lab: MergeLab = {
    accepted: [],
    dialled: 0,
    policy: {},
    up: true,
    path: (name) => join(directory, name),
    write(name, content) {
      writeFileSync(lab.path(name), content);
      return lab.path(name);
    },
    read: (name) => readFileSync(lab.path(name), 'utf8'),
    async run(words, given = {}) {
      const { args, options } = parseArgs(words);
      const context = labContext(given);
      const base: MergeBase = {
        request: {
          connection: { ...connection, ...(given.maxTimeMs === undefined ? {} : { maxTimeMs: given.maxTimeMs }) },
          onReject: 'continue',
          pipelining: true,
          dryRun: false,
          ...given.request,
        },
        hooks: { scrubber: context.scrubber },
        input: (args, values) => {
          const header = (text: string) => ({
            name: text.split(':')[0] ?? '',
            value: text.slice(text.indexOf(':') + 1).trim(),
          });
          const body = values.text('body');
          return {
            ...emptyInput,
            from: values.text('from') ?? 'me@sender.test',
            mailFrom: values.text('mail-from'),
            to: [...values.list('to'), ...args],
            cc: values.list('cc'),
            bcc: values.list('bcc'),
            rcpt: values.list('rcpt'),
            replyTo: values.list('reply-to'),
            subject: values.text('subject'),
            text: body === undefined ? undefined : { kind: 'text', text: body },
            html: values.parsed('html', (text) => ({ kind: 'text', text })),
            attachments: values.list('attach').map((path) => ({ path })),
            headers: values.list('header').map(header),
            envid: values.text('envid'),
          };
        },
      };
      const code = await runMerge(args, optionValues(options), base, context).catch((thrown: unknown) => {
        if (thrown instanceof EhloError) return thrown;
        throw thrown;
      });
      const out = context.stdout.text;
      return { code, out, err: context.stderr.text, events: eventsOf(given.format ?? 'human', out) };
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
  const labContext = (given: LabRun): TestContext => {
    const ports: Partial<Ports> = {
      clock: given.clock ?? systemClock,
      dial: async ({ address, port }) => {
        lab.dialled++;
        if (!lab.up)
          throw new EhloError('connect-failed', `${address}:${port}: connection refused`, { stage: 'connect' });
        const [ours, theirs] = memoryPair({ names: ['client', `${address}:${port}`] });
        serveOn(theirs);
        return ours;
      },
    };
    return testContext({
      format: given.format ?? 'human',
      verbosity: given.verbosity ?? 0,
      input: given.input ?? '',
      ports,
      ...(given.signal ? { signal: given.signal } : {}),
    });
  };
  const serveOn = (channel: ReturnType<typeof memoryPair>[1]): void => {
    const wire = new Wire(channel, systemClock);
    void serveSmtp(wire, {
      hostname: 'mx.test',
      protocol: 'smtp',
      client: { address: '127.0.0.1' },
      policy: {
        rcpt: (rcpt, client) => lab.policy.rcpt?.(rcpt, client),
        message: (envelope, message) => lab.policy.message?.(envelope, message),
      },
      limits: smtpServerLimits,
      begin: async (envelope) => {
        const delivery = await store.begin(envelope);
        return {
          write: (chunk) => delivery.write(chunk),
          abort: () => delivery.abort(),
          async commit() {
            const stored = await delivery.commit();
            const source = await store.read(stored.id);
            const to = envelope.rcptTo.map(({ address }) => address);
            lab.accepted.push({ to, text: source?.bytes?.toString() ?? '' });
            return stored;
          },
        };
      },
    });
  };
  return lab;
}

const eventsOf = (format: string, out: string): Record<string, unknown>[] => {
  if (format === 'json') return out === '' ? [] : [JSON.parse(out)];
  if (format !== 'ndjson') return [];
  return out
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
};

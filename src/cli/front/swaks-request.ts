// From settings to the request of app/send.ts, and everything that the output tells besides.
import { userInfo } from 'node:os';
import { emptyInput } from '../../app/message-input.ts';
import { xclientLines } from '../../app/preface.ts';
import type { SendRequest } from '../../app/send.ts';
import { bytesSource, peerText } from '../../base/bytes.ts';
import { forbiddenCharacter } from '../../base/domain.ts';
import { type ClientDeadlines, clientDeadlines } from '../../base/limits.ts';
import type { Context } from '../command.ts';
import { loginConnection, readLogin } from './swaks-auth.ts';
import type { ContentSources } from './swaks-content.ts';
import { readControl, readStop, type Stop } from './swaks-control.ts';
import { printDump } from './swaks-dump.ts';
import type { SwaksInput } from './swaks-input.ts';
import { composeSwaksMessage, type SwaksMessage } from './swaks-message.ts';
import { distinct } from './swaks-recipients.ts';
import { type SwaksSettings, usage } from './swaks-settings.ts';
import { readSwaksTls, type SwaksTls } from './swaks-tls.ts';
import { readTransport, type Transport } from './swaks-transport.ts';

export interface SwaksRequest {
  request: SendRequest;
  transport: Transport;
  tls: SwaksTls;
  stop: Stop | undefined;
  message: SwaksMessage;
  dump(asked: string): string;
}

export interface RequestSources {
  argv: readonly string[];
  context: Context;
  input: SwaksInput;
  warn(text: string): void;
}

export async function buildSwaksRequest(settings: SwaksSettings, sources: RequestSources): Promise<SwaksRequest> {
  const { context, input, warn, argv } = sources;
  const { ports } = context;
  const ask = (question: string, sensitive: boolean) => input.ask(question, sensitive);
  const stop = readStop(settings);
  const targeted = ['server', 'socket', 'pipe', 'copy-routing'].some((name) => settings.has(name));
  const needsRecipient = !stop?.early && stop?.after !== 'mail';
  const to = settings.text('to') ?? (needsRecipient || !targeted ? await ask('To', false) : '');
  const recipients = distinct(to);
  const transport = await readTransport(settings, recipients, ports);
  const login = stop?.noLogin ? undefined : await readLogin(settings, transport, ask);
  const tls = await readSwaksTls(settings, transport, context);
  const control = readControl(settings, stop, transport);
  const sender = settings.text('from') ?? `${localPart(settings, context)}@${ports.hostname()}`;
  const from = sender === '<>' ? '' : sender;
  const helo = readHelo(settings) ?? ports.hostname();
  const lines = xclientLines(control.xclient);
  const dump = (asked: string, data?: string): string =>
    printDump(asked, {
      argv,
      settings,
      transport,
      login,
      xclientLines: lines,
      stop,
      helo,
      from,
      to,
      ...(data === undefined ? {} : { data }),
    });
  if (settings.has('dump-as-body-shows-password')) {
    throw usage('--dump-as-body-shows-password is not possible: no password is ever shown', 'use --dump-as-body');
  }
  const body = settings.has('dump-as-body') ? dump(settings.text('dump-as-body') ?? '') : undefined;
  const content: ContentSources = { files: ports.files, input, warn };
  const facts = {
    from,
    to,
    date: ports.clock.date(),
    hostname: ports.hostname(),
    ...(body === undefined ? {} : { body }),
  };
  const message = await composeSwaksMessage(settings, facts, content);
  return {
    transport,
    tls,
    stop,
    message,
    dump: (asked) => dump(asked, peerText(wireBytes(message))),
    request: {
      connection: {
        ...transport.connection,
        ...tls.connection,
        ...namedServer(transport, settings),
        ...loginConnection(login, context),
        deadlines: readDeadlines(settings),
        overrides: [],
        helo,
      },
      input: {
        ...emptyInput,
        mailFrom: from,
        // Nobody is told of this one: the session ends before RCPT.
        to: recipients.length > 0 ? recipients : ['nobody@invalid.invalid'],
        raw: {
          path: '--data',
          given: bytesSource(message.bytes),
          fixEol: false,
          ...(message.verbatim ? { verbatim: true as const } : {}),
        },
      },
      onReject: 'continue',
      pipelining: settings.has('pipeline'),
      dryRun: false,
      control,
    },
  };
}

/** The name for SNI stands for the server, which is then connected to all the same (connectTo). */
function namedServer({ connection: { server } }: Transport, settings: SwaksSettings) {
  const name = settings.text('tls-sni');
  return server && name !== undefined ? { server: { ...server, host: name } } : {};
}

/** The message as the wire has it, but for its line ends, for --dump and --dump-mail. */
export const wireBytes = ({ bytes, verbatim }: SwaksMessage): Buffer => {
  const text = bytes.toString('latin1').replace(/\r\n$/, '');
  return Buffer.from((verbatim ? text : text.replace(/^\./gm, '..')).replaceAll('\r\n', '\n'), 'latin1');
};

function localPart(settings: SwaksSettings, { env }: Context): string {
  const name = settings.has('force-getpwuid') ? undefined : env['LOGNAME'];
  return name || userInfo().username;
}

function readHelo(settings: SwaksSettings): string | undefined {
  const helo = settings.text('helo');
  if (helo === undefined) return undefined;
  const found = forbiddenCharacter(helo);
  if (found) throw usage(`--helo: it holds ${found}`);
  return helo;
}

const units: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600 };
/** A month is never; a timer takes no more than 2^31 ms. */
const never = 2 ** 31 - 1;

/** Seconds without a unit; 0 is never. */
function readDeadlines(settings: SwaksSettings): ClientDeadlines {
  const text = settings.text('timeout');
  const [, number = '', unit = ''] = /^(\d+)([smh]?)$/.exec(text ?? '30') ?? [];
  if (number === '') throw usage(`--timeout: "${text}" is no time`, 'for example 30, 30s, 5m or 1h; 0 is no limit');
  const ms = Number(number) === 0 ? never : Math.min(Number(number) * (units[unit] ?? 1) * 1000, never);
  return {
    ...clientDeadlines,
    connect: ms,
    greeting: ms,
    reply: ms,
    tlsHandshake: ms,
    writeStall: ms,
    quit: Math.min(ms, clientDeadlines.reply),
    // RFC 5321 4.5.3.2.6: giving up early on the verdict makes duplicates, so only somebody's word shortens that.
    ...(text === undefined ? {} : { dataVerdict: ms }),
  };
}

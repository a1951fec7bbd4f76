// The options of `send` with which a tester leaves the beaten track: stop, drop, say more, expect. What they do is in app/.
import { type Expectation, type ProtocolControl, type StopStage, stopStages } from '../app/control.ts';
import type { Retry } from '../app/retry.ts';
import { EhloError } from '../base/errors.ts';
import { parseDuration, parseSize } from '../base/values.ts';
import type { ReplyStage } from '../smtp/phases.ts';
import { visible } from './message-options.ts';
import type { OptionGroup } from './option-rows.ts';
import type { OptionValues } from './option-values.ts';

export const controlGroup: OptionGroup = {
  heading: 'Protocol:',
  rows: [
    {
      flags: '--on-reject <continue|abort>',
      says: 'when some recipients are refused: send to the others (exit 3, the default), or to nobody',
    },
    {
      flags: '--quit-after <stage>',
      says: `say QUIT behind connect, banner, ehlo, tls, auth, mail, rcpt, data or dot; nothing is sent before dot`,
    },
    { flags: '--drop-after <stage>', says: 'as --quit-after, but close the connection without a word' },
    { flags: '--cmd <line>', says: "say this before MAIL, as 'VRFY bob' (repeatable)", repeatable: true },
    {
      flags: '--expect <stage=code>',
      says: 'exit 1 unless the reply is this: rcpt=550, mail=2xx, data=354,250 (repeatable)',
      repeatable: true,
    },
    { flags: '--no-pipelining', says: 'one command a write, even where the server could take more' },
    { flags: '--bdat <auto|off|size>', says: 'BDAT in place of DATA: where it is offered, never (default), in chunks' },
    { flags: '--helo-only', says: 'HELO in place of EHLO: no extensions, no TLS, no login' },
    { flags: '--lmtp', says: 'speak LMTP to --server' },
    { flags: '--prdr', says: 'ask for a verdict on each recipient after the data' },
    {
      flags: '--xclient <name=value>',
      says: 'tell the server of another client: ADDR=192.0.2.1, NAME, HELO, LOGIN ... (repeatable)',
      repeatable: true,
    },
    {
      flags: '--proxy-protocol <v1|v2[:src:port:dst:port]>',
      says: 'begin with a PROXY header; v2:local and v1:unknown tell no addresses',
    },
    { flags: '--force', says: 'say AUTH, parameters, XCLIENT and BDAT also where the server does not offer them' },
    { flags: '--strict', says: 'take no reply with a bare LF or a control character' },
    { flags: '--retry <n>', says: 'try again so often what was only deferred; never what may have been accepted' },
    { flags: '--retry-delay <time>', says: 'before the first retry, doubled each time (default 5s)' },
  ],
};

export function readRetry(options: OptionValues): Retry | undefined {
  const count = options.parsed('retry', retries);
  const delayMs = options.parsed('retry-delay', parseDuration);
  if (count === undefined && delayMs !== undefined) throw new EhloError('usage', '--retry-delay needs --retry');
  return count === undefined ? undefined : { count, delayMs: delayMs ?? 5000 };
}

function retries(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new EhloError('usage', `"${text}" is not a number from 0 to 999`);
}

export async function readControl(options: OptionValues): Promise<ProtocolControl> {
  const quit = options.oneOf('quit-after', stopStages);
  const drop = options.oneOf('drop-after', stopStages);
  if (quit && drop) throw new EhloError('usage', '--quit-after and --drop-after exclude each other');
  const proxyText = options.text('proxy-protocol');
  const proxyHeader =
    proxyText === undefined
      ? undefined
      : options.check('proxy-protocol', proxyText, (await import('../smtp/proxy-header.ts')).parseProxyHeaderOption);
  const stop: { after: StopStage; how: 'quit' | 'drop' } | undefined = quit
    ? { after: quit, how: 'quit' }
    : drop && { after: drop, how: 'drop' };
  return {
    ...(stop && { stop }),
    commands: options.list('cmd').map((line) => options.check('cmd', line, command)),
    expect: options.list('expect').map((text) => options.check('expect', text, expectation)),
    bdat: options.parsed('bdat', bdat) ?? 'off',
    prdr: options.flag('prdr'),
    xclient: options.list('xclient').map((text) => options.check('xclient', text, attribute)),
    ...(proxyHeader && { proxyHeader }),
    force: options.flag('force'),
    heloOnly: options.flag('helo-only'),
    strict: options.flag('strict'),
    require: options.parsed('require', keywords) ?? [],
  };
}

function command(line: string): string {
  if (visible(line).trim() === '') throw new EhloError('usage', 'it is empty');
  return line;
}

/** The words of --expect; some are those of phases.ts, `tls` and `cmd` are the option's. */
const expectStages: Record<string, ReplyStage> = {
  banner: 'banner',
  ehlo: 'ehlo',
  tls: 'starttls',
  starttls: 'starttls',
  xclient: 'xclient',
  auth: 'auth',
  cmd: 'command',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  bdat: 'bdat',
  dot: 'dot',
  prdr: 'prdr',
  quit: 'quit',
};

function expectation(text: string): Expectation {
  const [, word = '', codes = ''] =
    /^([a-z]+)=([2-5](?:[0-9]{2}|[0-9]x|xx)(?:,[2-5](?:[0-9]{2}|[0-9]x|xx))*)$/.exec(text) ?? [];
  const stage = Object.hasOwn(expectStages, word) ? expectStages[word] : undefined;
  if (stage) return { stage, codes };
  throw new EhloError('usage', `"${text}" is not STAGE=CODE`, {
    hint: `stages are ${Object.keys(expectStages).join(', ')}; codes are 250, 25x, 2xx, or several with commas`,
  });
}

function bdat(text: string): 'auto' | 'off' | number {
  if (text === 'auto' || text === 'off') return text;
  const size = parseSize(text);
  if (size > 0) return size;
  throw new EhloError('usage', 'a chunk has at least one byte');
}

function attribute(text: string): { name: string; value: string } {
  const [, name = '', value = ''] = /^([A-Za-z]+)=(.+)$/s.exec(visible(text)) ?? [];
  if (name === '') throw new EhloError('usage', `"${text}" is not NAME=VALUE`, { hint: 'for example ADDR=192.0.2.1' });
  return { name: name.toUpperCase(), value };
}

const keywords = (text: string): string[] =>
  text.split(',').map((word) => {
    const keyword = word.trim().toUpperCase();
    if (!/^[A-Z0-9][A-Z0-9-]*$/.test(keyword))
      throw new EhloError('usage', `"${word}" is not the name of an extension`);
    return keyword;
  });

// Where to stop, XCLIENT and PROXY: the options of a tester, as ProtocolControl of app/control.ts.
import { normalControl, type ProtocolControl, type ProxyHeader, type StopStage } from '../../app/control.ts';
import { EhloError } from '../../base/errors.ts';
import { ipFamily } from '../../base/ip.ts';
import { decodeXtext } from '../../base/xtext.ts';
import { notYet, type SwaksSettings, usage } from './swaks-settings.ts';
import { servicePort, type Transport } from './swaks-transport.ts';

interface StopRow {
  after: StopStage;
  /** Nobody is needed yet: neither recipient nor message. */
  early?: true;
  /** There is nothing behind it but a login, which is left out. */
  noLogin?: true;
  /** --quit-after does not take it: a message half sent cannot be left politely. */
  dropOnly?: true;
  /** In the transcript: what --drop-after-send waits for. */
  sends: string;
}

const stopRows: [string[], StopRow][] = [
  [['CONNECT', 'BANNER'], { after: 'banner', early: true, sends: 'connect' }],
  [['FIRST-HELO', 'FIRST-EHLO', 'FIRST-LHLO'], { after: 'ehlo', early: true, sends: 'ehlo' }],
  // Behind the last EHLO there can only be a login.
  [['HELO', 'EHLO', 'LHLO'], { after: 'auth', early: true, noLogin: true, sends: 'ehlo' }],
  [['XCLIENT'], { after: 'auth', early: true, noLogin: true, sends: 'xclient' }],
  [['STARTTLS', 'TLS'], { after: 'tls', early: true, sends: 'starttls' }],
  [['AUTH'], { after: 'auth', early: true, sends: 'auth' }],
  [['MAIL', 'FROM'], { after: 'mail', sends: 'mail' }],
  [['RCPT', 'TO'], { after: 'rcpt', sends: 'rcpt' }],
  [['DATA'], { after: 'data', dropOnly: true, sends: 'data' }],
  [['DOT'], { after: 'dot', dropOnly: true, sends: 'body' }],
];

export interface Stop extends StopRow {
  how: 'quit' | 'drop' | 'drop-after-send';
  word: string;
}

/** The earliest of --quit-after, --drop-after and --drop-after-send. Throws 'usage'. */
export function readStop(settings: SwaksSettings): Stop | undefined {
  const stops = (['quit', 'drop', 'drop-after-send'] as const).flatMap((how) => {
    const option = how === 'quit' ? 'quit-after' : how === 'drop' ? 'drop-after' : how;
    const word = settings.text(option)?.toUpperCase();
    if (word === undefined) return [];
    const row = stopRows.find(([words]) => words.includes(word))?.[1];
    if (!row || (how === 'quit' && row.dropOnly)) {
      const words = stopRows.flatMap(([names, one]) => (how === 'quit' && one.dropOnly ? [] : names));
      throw usage(`--${option} ${word} is none of ${words.join(', ')}`);
    }
    return [{ ...row, how, word }];
  });
  const order = (stop: Stop): number => stopRows.findIndex(([words]) => words.includes(stop.word));
  return stops.sort((a, b) => order(a) - order(b))[0];
}

export function readControl(settings: SwaksSettings, stop: Stop | undefined, transport: Transport): ProtocolControl {
  const proxyHeader = readProxyHeader(settings);
  const prdr = settings.has('prdr');
  return {
    ...normalControl,
    prdr,
    heloOnly: transport.heloOnly,
    // swaks gives up where it is not offered (exit code 30).
    require: prdr && !stop?.early ? ['PRDR'] : [],
    xclient: readXclient(settings, transport),
    force: settings.has('xclient-no-verify'),
    ...(proxyHeader && { proxyHeader }),
    ...(stop && { stop: { after: stop.after, how: stop.how === 'quit' ? 'quit' : 'drop' } as const }),
  };
}

/** Attributes in the order given; one XCLIENT says them all. */
function readXclient(settings: SwaksSettings, transport: Transport): ProtocolControl['xclient'] {
  const groups: ProtocolControl['xclient'][] = [[]];
  for (const { name, value } of settings.all) {
    const attribute = /^xclient-(addr|name|port|proto|destaddr|destport|helo|login|reverse-name)$/.exec(name)?.[1];
    if (attribute !== undefined) {
      groups.at(-1)?.push({ name: attribute.toUpperCase().replace('-', '_'), value: value ?? '' });
    } else if (name === 'xclient-delim') groups.push([]);
    else if (name === 'xclient') groups.push(parseXclient(value ?? ''), []);
  }
  const used = groups.filter((group) => group.length > 0);
  const [group = []] = used;
  if (used.length > 1) throw notYet('more than one XCLIENT command', 'all attributes go out in one');
  for (const option of ['xclient-optional', 'xclient-optional-strict']) {
    if (settings.has(option)) throw notYet(`--${option}`, 'XCLIENT that is asked for must succeed');
  }
  if (
    group.length > 0 &&
    settings.has('xclient-before-starttls') &&
    transport.tls !== 'off' &&
    transport.tls !== 'on-connect'
  ) {
    throw notYet('--xclient-before-starttls', 'XCLIENT comes after STARTTLS');
  }
  return group;
}

/** The free form: words NAME=value with the value in xtext. */
function parseXclient(text: string): ProtocolControl['xclient'] {
  return text.split(' ').map((word) => {
    const [name = '', value] = word.split(/=(.*)/s);
    if (!/^[A-Za-z_]+$/.test(name) || value === undefined || value === '') {
      throw notYet(`--xclient "${text}"`, 'only NAME=value words can be sent');
    }
    return { name: name.toUpperCase(), value: decodeXtext(value) };
  });
}

const proxyParts = ['family', 'source', 'source-port', 'dest', 'dest-port'] as const;

/** Exit code 35 of swaks stands for all that is wrong here. */
function readProxyHeader(settings: SwaksSettings): ProxyHeader | undefined {
  const given = (part: string): boolean => settings.has(`proxy-${part}`);
  const raw = settings.text('proxy');
  const parts = [...proxyParts, 'protocol', 'command'].filter(given);
  if (raw === undefined && parts.length === 0 && !given('version')) return undefined;
  const version = settings.text('proxy-version') ?? '1';
  if (version !== '1' && version !== '2') throw proxyError(`--proxy-version takes 1 or 2, not "${version}"`);
  if (raw !== undefined && parts.length > 0) throw proxyError(`--proxy excludes --proxy-${parts[0]}`);
  if (raw !== undefined) return rawProxyHeader(raw, version);
  const lacking = proxyParts.find((part) => !given(part));
  if (lacking) throw proxyError(`the PROXY header is not complete: --proxy-${lacking} is missing`);
  const part = (name: string): string => settings.text(`proxy-${name}`) ?? '';
  const protocol = (settings.text('proxy-protocol') ?? 'STREAM').toUpperCase();
  const command = (settings.text('proxy-command') ?? 'PROXY').toUpperCase();
  if (version === '2' && command === 'LOCAL') return { version: 'v2', addresses: 'local' };
  if (version === '2' && (protocol !== 'STREAM' || command !== 'PROXY')) {
    throw proxyError(
      `a PROXY header with ${protocol} and ${command} is not possible yet: there are STREAM, and PROXY or LOCAL`,
    );
  }
  const ends = [part('source'), part('source-port'), part('dest'), part('dest-port')];
  return proxyHeader(version, part('family').toUpperCase(), ends);
}

function rawProxyHeader(raw: string, version: '1' | '2'): ProxyHeader {
  if (version === '1' && raw === 'UNKNOWN') return { version: 'v1', addresses: 'local' };
  const [family = '', source = '', dest = '', sourcePort = '', destPort = '', ...rest] = raw.split(' ');
  if (version === '2' || rest.length > 0 || destPort === '') {
    throw proxyError(`--proxy "${raw}" is not possible yet: only a correct header of version 1 can be sent`);
  }
  return proxyHeader(version, family, [source, sourcePort, dest, destPort]);
}

const families: Record<string, 4 | 6> = { TCP4: 4, TCP6: 6, AF_INET: 4, AF_INET6: 6 };

function proxyHeader(
  version: '1' | '2',
  word: string,
  [source = '', sourcePort = '', dest = '', destPort = '']: string[],
): ProxyHeader {
  const family = (version === '1') === word.startsWith('TCP') ? families[word] : undefined;
  if (family === undefined)
    throw proxyError(
      `--proxy-family ${word} is not possible yet: there are ${version === '1' ? 'TCP4 and TCP6' : 'AF_INET and AF_INET6'}`,
    );
  const wrong = [source, dest].find((address) => ipFamily(address) !== family);
  if (wrong !== undefined)
    throw proxyError(`"${wrong}" is no ${word} address; a header that contradicts itself is not possible yet`);
  return {
    version: `v${version}`,
    addresses: {
      source: { address: source, port: proxyPort(sourcePort) },
      destination: { address: dest, port: proxyPort(destPort) },
    },
  };
}

function proxyPort(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 65_535) return Number(text);
  return servicePort(text);
}

export const proxyError = (message: string): EhloError => new EhloError('usage', message, { stage: 'proxy' });

// What the options came to, in the sections of swaks's --dump. Unlike swaks's, never with a password.
import { version } from '../../base/version.ts';
import type { SwaksLogin } from './swaks-auth.ts';
import type { Stop } from './swaks-control.ts';
import type { SwaksSettings } from './swaks-settings.ts';
import { usage } from './swaks-settings.ts';
import type { Transport } from './swaks-transport.ts';
import { maskSecrets } from './swaks-words.ts';

export interface DumpFacts {
  argv: readonly string[];
  settings: SwaksSettings;
  transport: Transport;
  login: SwaksLogin | undefined;
  xclientLines: readonly string[];
  stop: Stop | undefined;
  helo: string;
  from: string;
  to: string;
  /** As it goes over the wire, without the dot; undefined for --dump-as-body. */
  data?: string;
}

type Row = [string, string | number | boolean];

interface Section {
  title: string;
  rows(facts: DumpFacts): Row[];
}

const flags = (settings: SwaksSettings, names: Record<string, string>): Row[] =>
  Object.entries(names).map(([shown, option]) => [shown, settings.has(option)]);

const sections: Record<string, Section> = {
  APP: {
    title: 'App Info',
    rows: ({ argv }) => [
      ['X-Mailer', `ehlo v${version}`],
      ['Cmd Line', `ehlo swaks ${printWords(argv)}`],
    ],
  },
  OUTPUT: {
    title: 'Output Info',
    rows: ({ settings }) => [
      ['show_time_lapse', settings.has('show-time-lapse')],
      ...flags(settings, {
        show_raw_text: 'show-raw-text',
        suppress_data: 'suppress-data',
        protect_prompt: 'protect-prompt',
        no_hints_send: 'no-send-hints',
        no_hints_recv: 'no-receive-hints',
        no_hints_info: 'no-info-hints',
      }),
      ['silent', settings.has('silent') ? Number(settings.text('silent') ?? 1) : 0],
      ...flags(settings, {
        dump_mail: 'dump-mail',
        hide_send: 'hide-send',
        hide_receive: 'hide-receive',
        hide_informational: 'hide-informational',
        hide_all: 'hide-all',
      }),
    ],
  },
  TRANSPORT: {
    title: 'Transport Info',
    rows: ({ settings, transport }) =>
      transport.kind === 'socket-inet'
        ? [
            ['type', transport.kind],
            ['inet protocol', settings.has('4') ? '4' : settings.has('6') ? '6' : 'any'],
            ['server', transport.host],
            ['port', transport.port],
            ['local interface', transport.connection.localAddress ?? ''],
            ['local port', ''],
            ['copy routing', settings.text('copy-routing') ?? false],
          ]
        : [
            ['type', transport.kind],
            [transport.kind === 'pipe' ? 'process' : 'sockfile', transport.connected],
          ],
  },
  PROTOCOL: {
    title: 'Protocol Info',
    rows: ({ settings, stop, helo, from, to, transport }) => [
      ['protocol', transport.lmtp ? 'lmtp' : transport.heloOnly ? 'smtp' : 'esmtp'],
      ['helo', helo],
      ['from', from],
      ['to', to],
      ['force getpwuid', settings.has('force-getpwuid')],
      ['quit after', stop?.how === 'quit' ? stop.word.toLowerCase() : ''],
      ['drop after', stop?.how === 'drop' ? stop.word.toLowerCase() : ''],
      ['drop after send', stop?.how === 'drop-after-send' ? stop.word.toLowerCase() : ''],
      ['timeout', settings.text('timeout') ?? '30'],
      ['pipeline', settings.has('pipeline')],
      ['prdr', settings.has('prdr')],
    ],
  },
  XCLIENT: {
    title: 'XCLIENT Info',
    rows: ({ settings, xclientLines }) =>
      xclientLines.length === 0
        ? [['xclient', 'no']]
        : [
            ['xclient', 'required'],
            ['no_verify', settings.has('xclient-no-verify')],
            ['before starttls', settings.has('xclient-before-starttls')],
            ['strings', xclientLines.join('\n')],
          ],
  },
  PROXY: {
    title: 'PROXY Info',
    rows: ({ settings }) => {
      const part = (name: string): string => settings.text(`proxy-${name}`) ?? '';
      const raw = settings.text('proxy');
      const version: Row[] = [
        ['proxy', 'yes'],
        ['version', part('version') || '1'],
      ];
      if (raw !== undefined) return [...version, ['raw string', raw]];
      if (part('family') === '') return [['proxy', 'no']];
      return [
        ...version,
        ['family', part('family')],
        ['source', part('source')],
        ['source port', part('source-port')],
        ['dest', part('dest')],
        ['dest port', part('dest-port')],
        ['protocol', part('protocol') || 'STREAM'],
        ['command', part('command') || 'PROXY'],
      ];
    },
  },
  TLS: {
    title: 'TLS / Encryption Info',
    rows: ({ settings, transport }) =>
      transport.tls === 'off'
        ? [['tls', 'no']]
        : [
            ['tls', tlsWords[transport.tls] ?? ''],
            ['peer cert', settings.text('tls-get-peer-cert') ?? ''],
            ['local cert', settings.text('tls-cert') ?? ''],
            ['local key', settings.text('tls-key') ?? ''],
            ['local cipher list', settings.text('tls-cipher') ?? ''],
            ['ca path', settings.text('tls-ca-path') ?? ''],
            ['sni string', settings.text('tls-sni') ?? ''],
            ['verify server cert', settings.has('tls-verify')],
            ['requested protocols', settings.text('tls-protocol') ?? ''],
          ],
  },
  AUTH: {
    title: 'Authentication Info',
    rows: ({ settings, login }) =>
      login
        ? [
            ['auth', login.optional ? 'optional' : 'required'],
            ['username', `'${login.user}'`],
            ['password', '<secret>'],
            ['show plaintext', settings.has('auth-plaintext')],
            ['hide password', settings.has('auth-hide-password')],
            ['allowed types', login.mechanisms.join(', ')],
          ]
        : [['auth', 'no']],
  },
};

const tlsWords: Record<string, string> = {
  required: 'starttls (required)',
  optional: 'starttls (optional)',
  'optional-strict': 'starttls (optional-strict)',
  'on-connect': 'starttls on connect (required)',
};

/** What --dump and --dump-as-body may name besides. */
const special = ['SUPPORT', 'DATA', 'ALL'];

/** `asked` is the argument of --dump; '' is everything. Throws 'usage' for a section that does not exist. */
export function printDump(asked: string, facts: DumpFacts): string {
  const words = asked === '' ? ['ALL'] : asked.toUpperCase().split(',');
  const unknown = words.find((word) => !special.includes(word) && !sections[word]);
  if (unknown !== undefined) {
    throw usage(`--dump: "${unknown}" is no section`, `there are ${[...special, ...Object.keys(sections)].join(', ')}`);
  }
  const wants = (name: string): boolean => words.includes('ALL') || words.includes(name);
  const parts: string[] = [];
  if (wants('SUPPORT') && facts.data !== undefined) parts.push(swaksSupport);
  for (const [name, { title, rows }] of Object.entries(sections)) {
    if (wants(name)) parts.push(`${title}:\n${printRows(rows(facts))}`);
  }
  if (wants('DATA') && facts.data !== undefined) parts.push(`DATA Info:\n  data = <<.\n${facts.data}\n.\n`);
  return parts.join('\n');
}

function printRows(rows: Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const print = (value: Row[1]): string => (typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : String(value));
  return rows
    .map(
      ([name, value]) => `  ${name.padEnd(width)} = ${print(value).replaceAll('\n', `\n${' '.repeat(width + 5)}`)}\n`,
    )
    .join('');
}

/** Others put quotation marks around arguments. */
const printWords = (argv: readonly string[]): string =>
  maskSecrets(argv)
    .map((word) => (word.startsWith('-') ? word : `'${word}'`))
    .join(' ');

export const swaksSupport = `=== AUTH CRAM-MD5 supported
*** AUTH CRAM-SHA1 not available
*** AUTH DIGEST-MD5 not available
*** AUTH NTLM not available
=== AUTH SCRAM-SHA-1 and SCRAM-SHA-256 supported
=== Basic AUTH supported
=== Date Manipulation supported
=== High Resolution Timing supported
=== IPv6 supported
=== Local Hostname Detection supported
=== MX Routing supported
*** Netrc Credentials not available
=== Pipe Transport supported
=== Socket Transport supported
=== TLS supported
`;

// The options of swaks 20201014 as one table: names, what each takes, and what is asked where its argument is left out. How
// words become options is swaks-words.ts; what they mean is in the files of the groups.

export type Takes =
  /** A flag. */
  | 'none'
  /** The next word, unless it looks like an option. */
  | 'optional'
  /** The next word, unless it is no number. */
  | 'number'
  /** The next word, whatever it is. */
  | 'required';

export interface SwaksRow {
  names: readonly [string, ...string[]];
  takes: Takes;
  /** The question where the argument is left out; none where that means something. */
  asks?: string;
  /** Not shown while it is typed. */
  sensitive?: true;
  /** `-` is standard input, `@FILE` a file. */
  file?: true;
}

const flag = (...names: [string, ...string[]]): SwaksRow => ({ names, takes: 'none' });
const optional = (...names: [string, ...string[]]): SwaksRow => ({ names, takes: 'optional' });
const required = (...names: [string, ...string[]]): SwaksRow => ({ names, takes: 'required' });
const asked = (asks: string, ...names: [string, ...string[]]): SwaksRow => ({ names, takes: 'optional', asks });

export const swaksRows: readonly SwaksRow[] = [
  optional('config'),
  // transport
  asked('Server', 'server', 's'),
  asked('Port', 'port', 'p'),
  asked('Interface', 'local-interface', 'li'),
  asked('Local Port', 'local-port', 'lport', 'lp'),
  required('copy-routing'),
  flag('4'),
  flag('6'),
  asked('Socket File', 'socket'),
  asked('Pipe', 'pipe'),
  // protocol
  asked('To', 'to', 't'),
  asked('From', 'from', 'f'),
  asked('Helo', 'helo', 'ehlo', 'lhlo', 'h'),
  required('quit-after', 'quit', 'q'),
  required('drop-after', 'drop', 'da'),
  required('drop-after-send', 'das'),
  asked('Timeout', 'timeout'),
  required('protocol'),
  flag('pipeline'),
  flag('prdr'),
  flag('force-getpwuid'),
  // TLS
  flag('tls'),
  flag('tls-optional', 'tlso'),
  flag('tls-optional-strict', 'tlsos'),
  flag('tls-on-connect', 'tlsc'),
  required('tls-protocol', 'tlsp'),
  required('tls-cipher'),
  flag('tls-verify'),
  required('tls-ca-path'),
  required('tls-cert'),
  required('tls-key'),
  optional('tls-get-peer-cert'),
  required('tls-sni'),
  // authentication
  optional('auth', 'a'),
  optional('auth-optional', 'ao'),
  optional('auth-optional-strict', 'aos'),
  asked('Username', 'auth-user', 'au'),
  { ...asked('Password', 'auth-password', 'ap'), sensitive: true },
  required('auth-extra', 'ae'),
  required('auth-map', 'am'),
  flag('auth-plaintext', 'apt'),
  optional('auth-hide-password', 'ahp'),
  // XCLIENT and PROXY
  asked('XCLIENT', 'xclient'),
  asked('XCLIENT ADDR', 'xclient-addr'),
  asked('XCLIENT NAME', 'xclient-name'),
  asked('XCLIENT PORT', 'xclient-port'),
  asked('XCLIENT PROTO', 'xclient-proto'),
  asked('XCLIENT DESTADDR', 'xclient-destaddr'),
  asked('XCLIENT DESTPORT', 'xclient-destport'),
  asked('XCLIENT HELO', 'xclient-helo'),
  asked('XCLIENT LOGIN', 'xclient-login'),
  asked('XCLIENT REVERSE_NAME', 'xclient-reverse-name'),
  flag('xclient-delim'),
  flag('xclient-no-verify'),
  flag('xclient-before-starttls'),
  flag('xclient-optional'),
  flag('xclient-optional-strict'),
  optional('proxy-version'),
  asked('PROXY string', 'proxy'),
  asked('PROXY family', 'proxy-family'),
  asked('PROXY protocol', 'proxy-protocol'),
  asked('PROXY command', 'proxy-command'),
  asked('PROXY source', 'proxy-source'),
  asked('PROXY source port', 'proxy-source-port'),
  asked('PROXY dest', 'proxy-dest'),
  asked('PROXY dest port', 'proxy-dest-port'),
  // data
  { ...asked('Data', 'data', 'd'), file: true },
  { ...asked('Body', 'body'), file: true },
  { ...asked('Attach', 'attach'), file: true },
  { ...asked('Attach Body', 'attach-body'), file: true },
  required('attach-type'),
  optional('attach-name'),
  asked('Header', 'add-header', 'ah'),
  asked('Header', 'header'),
  flag('g'),
  flag('no-data-fixup', 'ndf'),
  flag('no-strip-from', 'nsf'),
  optional('dump-as-body', 'dab'),
  flag('dump-as-body-shows-password', 'dabsp'),
  // output
  flag('suppress-data', 'n'),
  optional('show-time-lapse', 'stl'),
  flag('no-info-hints', 'nih'),
  flag('no-send-hints', 'nsh'),
  flag('no-receive-hints', 'nrh'),
  flag('no-hints', 'nth'),
  flag('show-raw-text', 'raw'),
  required('output', 'output-file'),
  required('output-file-stdout'),
  required('output-file-stderr'),
  flag('protect-prompt', 'pp'),
  flag('hide-receive', 'hr'),
  flag('hide-send', 'hs'),
  flag('hide-informational', 'hi'),
  flag('hide-all', 'ha'),
  { names: ['silent', 'S'], takes: 'number' },
  flag('support'),
  flag('dump-mail'),
  optional('dump'),
  flag('help'),
  flag('version'),
];

/** Flags that begin with "no-" by name are not the negation of something else. */
export const rowOf = (name: string): SwaksRow | undefined => byName.get(name);

const byName = new Map(swaksRows.flatMap((row) => row.names.map((name) => [name, row] as const)));

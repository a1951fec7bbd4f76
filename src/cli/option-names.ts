// Every option that a configuration file, the environment or a front may set, and the commands that have it. Static, so that
// a file is checked as a whole without loading any command; a test keeps it equal to what the commands define.
import type { OptionKind } from './option-kind.ts';

/** By kind, the commands parted by spaces; `*` is every command. */
type OptionUses = Readonly<Partial<Record<OptionKind, string>>>;

const table: Readonly<Record<string, OptionUses>> = {
  // table: made by scripts/option-names.js
  all: { flag: 'queue' },
  'all-hosts': { flag: 'relay-test' },
  'allow-plaintext-auth': { flag: 'fetch inspect relay-test send' },
  as: { value: 'inspect' },
  attach: { list: 'send' },
  auth: { list: 'serve', value: 'fetch inspect relay-test send' },
  'auth-optional': { flag: 'relay-test send' },
  bcc: { list: 'send' },
  bdat: { value: 'send' },
  body: { value: 'send' },
  ca: { value: 'fetch inspect relay-test send' },
  cc: { list: 'send' },
  cert: { value: 'fetch inspect relay-test send' },
  ciphers: { value: 'fetch inspect relay-test send' },
  cmd: { list: 'send' },
  color: { value: '*' },
  'connect-timeout': { value: 'fetch inspect relay-test send' },
  'connect-to': { list: 'fetch inspect relay-test send' },
  csv: { value: 'send' },
  'csv-delimiter': { value: 'send' },
  'csv-key': { value: 'send' },
  data: { value: 'send' },
  'data-timeout': { value: 'inspect relay-test send' },
  delete: { flag: 'fetch' },
  dkim: { list: 'send' },
  dns: { value: 'fetch inspect relay-test send serve' },
  domain: { list: 'serve' },
  'drop-after': { value: 'send' },
  'dry-run': { flag: 'send' },
  dsn: { value: 'send' },
  'dsn-ret': { value: 'send' },
  envid: { value: 'send' },
  'exit-after': { value: 'serve' },
  expect: { list: 'send' },
  'expect-bytes': { value: 'send' },
  expire: { value: 'send' },
  'fail-on': { value: 'inspect relay-test' },
  'fix-eol': { flag: 'send' },
  force: { flag: 'queue send' },
  'force-raw': { flag: 'fetch' },
  format: { value: 'fetch' },
  from: { value: 'relay-test send' },
  header: { list: 'send' },
  headers: { flag: 'inspect' },
  helo: { value: 'inspect relay-test send' },
  'helo-name': { value: 'serve' },
  'helo-only': { flag: 'send' },
  hide: { list: 'serve' },
  hosts: { value: 'fetch inspect relay-test send' },
  html: { value: 'send' },
  ical: { value: 'send' },
  ignore: { list: 'relay-test' },
  'in-reply-to': { value: 'send' },
  inline: { list: 'send' },
  input: { negatable: '*' },
  interval: { value: 'queue' },
  ipv4: { flag: 'fetch inspect relay-test send' },
  ipv6: { flag: 'fetch inspect relay-test send' },
  jobs: { value: 'queue send' },
  json: { flag: '*' },
  keep: { flag: 'fetch' },
  key: { value: 'fetch inspect relay-test send' },
  keyring: { flag: 'fetch inspect relay-test send' },
  lines: { value: 'fetch' },
  lmtp: { flag: 'send' },
  'local-address': { value: 'fetch inspect relay-test send' },
  'local-domain': { list: 'relay-test' },
  'mail-from': { value: 'send' },
  'mail-param': { list: 'send' },
  max: { value: 'fetch' },
  'max-messages': { value: 'fetch' },
  'max-size': { value: 'fetch serve' },
  'max-time': { value: 'fetch inspect relay-test send' },
  'mx-port': { value: 'relay-test send' },
  ndjson: { flag: '*' },
  netrc: { flag: 'fetch inspect relay-test send' },
  'netrc-file': { value: 'fetch inspect relay-test send' },
  oauth2: { value: 'fetch inspect relay-test send' },
  'on-reject': { value: 'send' },
  output: { value: 'fetch' },
  part: { value: 'inspect' },
  password: { value: 'fetch inspect relay-test send' },
  'password-command': { value: 'fetch inspect relay-test send' },
  'password-env': { value: 'fetch inspect relay-test send' },
  'password-fd': { value: 'fetch inspect relay-test send' },
  'password-file': { value: 'fetch inspect relay-test send' },
  pin: { value: 'fetch inspect relay-test send' },
  pipe: { value: 'send' },
  pipelining: { negatable: 'send' },
  pop3: { value: 'serve' },
  prdr: { flag: 'send' },
  print: { value: 'send' },
  priority: { value: 'send' },
  proxy: { value: 'fetch inspect relay-test send' },
  'proxy-protocol': { value: 'send' },
  queue: { value: 'send' },
  quiet: { flag: '*' },
  'quit-after': { value: 'send' },
  rate: { value: 'send' },
  raw: { flag: 'queue', value: 'send' },
  'raw-bytes': { value: 'send' },
  rcpt: { list: 'send' },
  'rcpt-param': { list: 'send' },
  'read-recipients': { flag: 'send' },
  'ready-file': { value: 'serve' },
  'reply-to': { list: 'send' },
  report: { value: 'send' },
  require: { value: 'send' },
  'require-auth': { flag: 'serve' },
  'require-tls': { flag: 'serve' },
  'resend-rejected': { flag: 'send' },
  'resend-unknown': { flag: 'send' },
  resolve: { list: 'fetch inspect relay-test send' },
  retry: { value: 'send' },
  'retry-delay': { value: 'send' },
  save: { value: 'send' },
  'save-attachments': { value: 'inspect' },
  server: { value: 'fetch relay-test send' },
  smtp: { value: 'serve' },
  spool: { value: 'queue send' },
  'stop-after': { value: 'send' },
  'stop-at': { value: 'relay-test' },
  store: { value: 'serve' },
  strict: { flag: 'send' },
  subject: { value: 'send' },
  template: { value: 'send' },
  text: { flag: 'inspect' },
  timeout: { value: 'fetch inspect relay-test send' },
  tls: { value: 'fetch inspect relay-test send serve' },
  'tls-get-cert': { value: 'fetch inspect relay-test send' },
  'tls-min': { value: 'fetch inspect relay-test send' },
  'tls-name': { value: 'fetch inspect relay-test send' },
  'tls-verify': { value: 'fetch inspect relay-test send' },
  to: { list: 'send' },
  'token-command': { value: 'fetch inspect relay-test send' },
  transcript: { value: 'send' },
  user: { value: 'fetch inspect relay-test send' },
  verbose: { count: '*' },
  watch: { flag: 'queue' },
  within: { value: 'serve' },
  xclient: { list: 'send' },
  zone: { list: 'serve' },
  // end of the table
};

const uses: ReadonlyMap<string, OptionUses> = new Map(Object.entries(table));

export const optionNames = (): string[] => [...uses.keys()];

/** The kinds that this name has, at any command or at one; none where nothing is called so. */
export function kindsOf(name: string, command?: string): OptionKind[] {
  const found: OptionKind[] = [];
  for (const [kind, owners] of Object.entries(uses.get(name) ?? {}) as [OptionKind, string][]) {
    if (command === undefined || owners === '*' || owners.split(' ').includes(command)) found.push(kind);
  }
  return found;
}

/** The commands that have options of their own. */
export const commandNames = (): string[] => {
  const names = new Set([...uses.values()].flatMap((kinds) => Object.values(kinds)).flatMap((text) => text.split(' ')));
  names.delete('*');
  return [...names].sort();
};

/** What `front` callers need of one command: the kind of each of its options. */
export const kindsAt = (command: string): Map<string, OptionKind> =>
  new Map(optionNames().flatMap((name) => kindsOf(name, command).map((kind): [string, OptionKind] => [name, kind])));

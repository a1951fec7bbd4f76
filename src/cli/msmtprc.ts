// A configuration of msmtp (msmtp(1), "Configuration files") read and said in our words. What has no counterpart becomes a note.
import { EhloError } from '../base/errors.ts';
import { parsePort, printHostPort } from '../base/values.ts';
import { isAboutServer } from './layer-rules.ts';
import { kindsOf } from './option-names.ts';
import type { PrintedProfile } from './toml-print.ts';

interface Line {
  argument: string;
  line: number;
}

export interface MsmtpAccount {
  name: string;
  /** Own lines over inherited ones over those of `defaults`. */
  settings: Map<string, Line>;
}

export interface Msmtprc {
  accounts: MsmtpAccount[];
  notes: string[];
}

/** Throws 'config' naming the line where msmtp would refuse the file. */
export function parseMsmtprc(text: string, name: string): Msmtprc {
  const accounts = new Map<string, Map<string, Line>>();
  const notes: string[] = [];
  let defaults = new Map<string, Line>();
  let current: Map<string, Line> | undefined;
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const refuse = (what: string): EhloError => new EhloError('config', `${name}:${line}: ${what}`);
    const [, word, rest = ''] = /^\s*([^\s#]\S*)\s*(.*?)\s*$/s.exec(written) ?? [];
    if (word === undefined) continue;
    const command = word.toLowerCase();
    const argument = /^"(.*)"$/s.exec(rest)?.[1] ?? rest;
    if (command === 'defaults') {
      // Each `defaults` begins anew.
      defaults = new Map();
      current = defaults;
    } else if (command === 'account') {
      const [, own, bases] = /^([^\s:,]+)\s*(?::\s*(.*))?$/s.exec(argument) ?? [];
      if (own === undefined) throw refuse(`"account ${argument}" is not "account NAME" or "account NAME : OTHER"`);
      if (accounts.has(own)) throw refuse(`there are two accounts named ${own}`);
      const settings = new Map(defaults);
      for (const base of bases === undefined ? [] : bases.split(',').map((one) => one.trim())) {
        const inherited = accounts.get(base);
        if (!inherited) throw refuse(`account ${own} takes from ${base}, which is not defined above it`);
        for (const [key, value] of inherited) settings.set(key, value);
      }
      accounts.set(own, settings);
      current = settings;
    } else if (command === 'eval') {
      notes.push(`${name}:${line}: eval is not run; write what it prints in its place`);
    } else if (!current) throw refuse(`"${command}" stands before any account`);
    else current.set(command, { argument, line });
  }
  return { accounts: [...accounts].map(([account, settings]) => ({ name: account, settings })), notes };
}

/** Profiles for toml-print.ts, the notes of parsing and converting together. */
export function convertMsmtprc(
  { accounts, notes }: Msmtprc,
  name: string,
): { profiles: PrintedProfile[]; notes: string[] } {
  // One note a line of the file, however many accounts inherit it.
  const told = new Set(notes);
  const profiles = accounts.map((account) => convertAccount(account, name, told));
  const base = profiles.find((profile) => profile.name === 'default');
  for (const profile of profiles) {
    const shared = base === undefined || profile === base ? [] : inherited(base, profile);
    if (shared.length > 0) {
      told.add(
        `profile ${profile.name} also gets ${shared.join(', ')} of profile default, which lies under every other; set them there too if that is wrong`,
      );
    }
  }
  return { profiles, notes: [...told] };
}

/** What profile.default would add: all but what is for its own server alone. */
function inherited(base: PrintedProfile, profile: PrintedProfile): string[] {
  const entryOf = (of: PrintedProfile, key: string) => of.entries.find((entry) => entry.key === key)?.value;
  const sameServer = entryOf(base, 'server') === entryOf(profile, 'server');
  return base.entries
    .filter(({ key, value }) => {
      if (entryOf(profile, key) !== undefined) return false;
      return sameServer || !isAboutServer({ name: key, value, origin: '', from: 'file' });
    })
    .map(({ key }) => key);
}

type Conversion = (
  argument: string,
  account: Map<string, Line>,
) => { key: string; value: string | boolean; comment?: string }[] | string;

const one = (key: string, value: string | boolean, comment?: string): ReturnType<Conversion> => [
  { key, value, ...(comment !== undefined && { comment }) },
];
const isOn = (argument: string | undefined): boolean => argument === '' || argument === 'on';
const argumentOf = (account: Map<string, Line>, command: string): string | undefined => account.get(command)?.argument;

const tokenMechanisms: ReadonlySet<string> = new Set(['oauthbearer', 'xoauth2']);
const unknownMechanisms: ReadonlySet<string> = new Set(['gssapi', 'ntlm', 'digest-md5']);

/** An empty list: said by another row, or the same as saying nothing. A text: why it has no counterpart. */
const conversions: Readonly<Record<string, Conversion>> = {
  host: (host, account) => one('server', serverUrl(host, account)),
  socket: (path, account) =>
    path === ''
      ? []
      : argumentOf(account, 'protocol') === 'lmtp'
        ? one('server', `lmtp+unix:${path}`)
        : 'SMTP over a local socket: --pipe "nc -U PATH" comes close',
  port: () => [],
  protocol: () => [],
  tls: (argument, account) => {
    if (!isOn(argument)) return one('tls', 'off');
    return one('tls', argumentOf(account, 'tls_starttls') === 'off' ? 'implicit' : 'required');
  },
  tls_starttls: () => [],
  tls_trust_file: (file) => {
    if (file === '') return [];
    return file === 'system'
      ? 'ehlo trusts the authorities that come with Node.js; name a file with ca'
      : one('ca', file);
  },
  tls_fingerprint: (text) => {
    const hex = text.replaceAll(':', '').toLowerCase();
    if (text === '') return [];
    return /^[0-9a-f]{64}$/.test(hex)
      ? one('pin', `sha256:${hex}`)
      : 'only SHA-256 fingerprints are taken (pin); the certificate is verified by its authority instead';
  },
  tls_certcheck: (argument) =>
    isOn(argument) ? [] : one('tls-verify', 'none', 'msmtp did not check the certificate; better remove this line'),
  tls_cert_file: (file) => (file === '' ? [] : one('cert', file)),
  tls_key_file: (file) => (file === '' ? [] : one('key', file)),
  tls_host_override: (host) => (host === '' ? [] : one('tls-name', host)),
  tls_priorities: (text) =>
    text === '' ? [] : 'GnuTLS priorities have no counterpart; ciphers takes OpenSSL notation, tls-min a version',
  tls_min_dh_prime_bits: (text) => (text === '' ? [] : 'OpenSSL refuses weak Diffie-Hellman groups by itself'),
  tls_crl_file: (file) => (file === '' ? [] : 'revocation lists are not read'),
  auth: (argument) => {
    const mechanism = argument.toLowerCase();
    if (isOn(mechanism)) return [];
    if (mechanism === 'off') return one('auth', 'none');
    return unknownMechanisms.has(mechanism) ? 'this mechanism is not supported' : one('auth', mechanism.toUpperCase());
  },
  user: (user) => (user === '' ? [] : one('user', user)),
  password: (password) =>
    password === ''
      ? []
      : one(
          'password',
          password,
          'in clear: anybody who can read this file has it; password-command or password-file is better',
        ),
  passwordeval: (command, account) =>
    command === ''
      ? []
      : one(
          tokenMechanisms.has(argumentOf(account, 'auth')?.toLowerCase() ?? '') ? 'token-command' : 'password-command',
          command,
        ),
  ntlmdomain: () => 'NTLM is not supported',
  from: (from) => {
    if (from === '') return [];
    return /[*?%]/.test(from) ? 'a pattern of addresses has no counterpart; give --from' : one('from', from);
  },
  from_full_name: (text) => (text === '' ? [] : 'write it into from: "Name <address>"'),
  maildomain: (text) => (text === '' ? [] : 'local names get no domain; write whole addresses'),
  auto_from: (argument) => (isOn(argument) ? 'the sender is from, or user@host without it' : []),
  domain: (name) => (name === '' || name === 'localhost' ? [] : one('helo', name)),
  source_ip: (address) => (address === '' ? [] : one('local-address', address)),
  proxy_host: (host, account) => {
    if (host === '') return [];
    return one(
      'proxy',
      `socks5h://${printHostPort({ host, port: parsePort(argumentOf(account, 'proxy_port') || '1080') })}`,
    );
  },
  proxy_port: () => [],
  timeout: (text) =>
    text === '' || text === 'off' ? [] : /^\d+$/.test(text) ? one('timeout', `${text}s`) : 'not a number of seconds',
  dsn_notify: (text) => (text === '' || text === 'off' ? [] : one('dsn', text.replaceAll(' ', ''))),
  dsn_return: (text) => {
    if (text === '' || text === 'off') return [];
    return text === 'headers' || text === 'full'
      ? one('dsn-ret', text === 'full' ? 'full' : 'hdrs')
      : 'neither headers nor full';
  },
  logfile: (file) => (file === '' ? [] : 'there is no log file; --json or --transcript FILE record a run'),
  logfile_time_format: () => 'there is no log file',
  syslog: (argument) => (argument === 'off' ? [] : 'nothing is written to syslog'),
  aliases: (file) => (file === '' ? [] : 'aliases are not read'),
};

/** Switches of msmtp whose default is what ehlo does; another value is told. */
const asByDefault: Readonly<Record<string, readonly string[]>> = {
  set_date_header: ['auto'],
  set_msgid_header: ['auto'],
  set_from_header: ['auto'],
  remove_bcc_headers: ['on', ''],
  undisclosed_recipients: ['off'],
  allow_from_override: ['on', ''],
  add_missing_from_header: ['on', ''],
  add_missing_date_header: ['on', ''],
  keepbcc: ['off'],
};

function convertAccount({ name, settings }: MsmtpAccount, file: string, told: Set<string>): PrintedProfile {
  const entries: PrintedProfile['entries'][number][] = [];
  const comments: string[] = [];
  for (const [command, { argument, line }] of settings) {
    const note = (why: string): void => {
      told.add(`${file}:${line}: ${command}: ${why}`);
    };
    const convert = Object.hasOwn(conversions, command) ? conversions[command] : undefined;
    if (!convert) {
      const usual = Object.hasOwn(asByDefault, command) ? asByDefault[command] : undefined;
      if (!usual) note('ehlo does not know this; it was left out');
      else if (!usual.includes(argument)) note('this cannot be changed; it was left out');
      continue;
    }
    const converted = attempt(() => convert(argument, settings));
    if (typeof converted === 'string') note(`left out: ${converted}`);
    else {
      for (const entry of converted) {
        if (kindsOf(entry.key).length > 0) entries.push(entry);
        else note(`left out: ehlo has no option for it`);
      }
    }
  }
  if (!entries.some(({ key }) => key === 'server'))
    told.add(`${file}: account ${name} has no host; give --server with -P ${name}`);
  else if (!settings.has('tls')) {
    comments.push(
      'msmtp used no TLS here; ehlo uses it where it is offered, and always with a login. tls = "off" turns it off.',
    );
  }
  return { name, entries, comments };
}

/** A value that cannot be, such as port 99999, is told like one without counterpart. */
function attempt(convert: () => ReturnType<Conversion>): ReturnType<Conversion> {
  try {
    return convert();
  } catch (thrown) {
    if (thrown instanceof EhloError) return thrown.message;
    throw thrown;
  }
}

function serverUrl(host: string, account: Map<string, Line>): string {
  const scheme = argumentOf(account, 'protocol') === 'lmtp' ? 'lmtp' : 'smtp';
  const implicit = isOn(argumentOf(account, 'tls')) && argumentOf(account, 'tls_starttls') === 'off';
  const port = argumentOf(account, 'port') || (scheme === 'lmtp' ? '24' : implicit ? '465' : '25');
  return `${implicit && scheme === 'smtp' ? 'smtps' : scheme}://${printHostPort({ host, port: parsePort(port) })}`;
}

// A configuration of msmtp in our words: every line has a counterpart, or a note.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { parseConfig } from '../../src/cli/config-file.ts';
import { convertMsmtprc, parseMsmtprc } from '../../src/cli/msmtprc.ts';
import { printProfile } from '../../src/cli/toml-print.ts';

const convert = (text: string) => {
  const { profiles, notes } = convertMsmtprc(parseMsmtprc(text, 'rc'), 'rc');
  return {
    notes,
    profiles: Object.fromEntries(
      profiles.map(({ name, entries }) => [name, Object.fromEntries(entries.map(({ key, value }) => [key, value]))]),
    ),
  };
};

const whole = `# as people have it
defaults
auth           on
tls            on
tls_trust_file /etc/ssl/certs/ca-certificates.crt
logfile        ~/.msmtp.log

account        gmail
host           smtp.gmail.com
port           587
from           me@gmail.com
user           me
password       "two words"

account work : gmail
host smtp.work.example
tls_starttls off
passwordeval gpg -q -d ~/.pw.gpg
password
timeout 30
dsn_notify failure, delay
dsn_return headers

account default : work
`;

describe('a whole file', () => {
  const { profiles, notes } = convert(whole);

  test('defaults, inheritance, and account default', () => {
    const shared = { ca: '/etc/ssl/certs/ca-certificates.crt', from: 'me@gmail.com', user: 'me' };
    const work = {
      ...shared,
      server: 'smtps://smtp.work.example:587',
      tls: 'implicit',
      'password-command': 'gpg -q -d ~/.pw.gpg',
      timeout: '30s',
      dsn: 'failure,delay',
      'dsn-ret': 'hdrs',
    };
    assert.deepEqual(profiles, {
      gmail: { ...shared, server: 'smtp://smtp.gmail.com:587', tls: 'required', password: 'two words' },
      work,
      default: work,
    });
  });

  test('what has no counterpart is told once, and what default adds to others too', () => {
    assert.deepEqual(notes, [
      'rc:6: logfile: left out: there is no log file; --json or --transcript FILE record a run',
      'profile gmail also gets timeout, dsn, dsn-ret of profile default, which lies under every other; set them there too if that is wrong',
    ]);
  });

  test('the text is a configuration that has no problem', () => {
    const converted = convertMsmtprc(parseMsmtprc(whole, 'rc'), 'rc').profiles;
    const text = converted.map(printProfile).join('\n');
    assert.match(text, /\n# in clear: .*\npassword = "two words"\n/);
    assert.deepEqual(parseConfig({ path: 'x', text, mode: 0o600, foreign: false }).problems, []);
  });
});

const pin = '01:23:45:67:89:ab:cd:ef:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef';

describe('one line', () => {
  const cases: { lines: string; gives?: object; note?: RegExp }[] = [
    { lines: 'port 25', gives: { server: 'smtp://h:25' } },
    { lines: 'protocol lmtp\nport 24', gives: { server: 'lmtp://h:24' } },
    { lines: 'tls on\ntls_starttls off', gives: { server: 'smtps://h:465', tls: 'implicit' } },
    { lines: 'tls off', gives: { tls: 'off' } },
    { lines: 'tls', gives: { tls: 'required' } },
    { lines: 'auth off', gives: { auth: 'none' } },
    { lines: 'auth scram-sha-256', gives: { auth: 'SCRAM-SHA-256' } },
    { lines: 'auth ntlm', note: /rc:3: auth: left out: this mechanism/ },
    {
      lines: 'auth xoauth2\npasswordeval oama access me',
      gives: { auth: 'XOAUTH2', 'token-command': 'oama access me' },
    },
    { lines: `tls_fingerprint ${pin}`, gives: { pin: `sha256:${pin.replaceAll(':', '').toLowerCase()}` } },
    { lines: 'tls_fingerprint 01:23', note: /tls_fingerprint: left out: only SHA-256/ },
    { lines: 'tls_certcheck off', gives: { 'tls-verify': 'none' } },
    { lines: 'tls_trust_file system', note: /Node\.js/ },
    { lines: 'tls_trust_file', gives: {} },
    { lines: 'tls_cert_file c\ntls_key_file k', gives: { cert: 'c', key: 'k' } },
    { lines: 'tls_host_override n', gives: { 'tls-name': 'n' } },
    { lines: 'tls_min_dh_prime_bits 2048', note: /tls_min_dh_prime_bits/ },
    { lines: 'tls_priorities NORMAL', note: /tls_priorities/ },
    { lines: 'proxy_host 127.0.0.1\nproxy_port 9050', gives: { proxy: 'socks5h://127.0.0.1:9050' } },
    { lines: 'domain mail.x', gives: { helo: 'mail.x' } },
    { lines: 'domain localhost', gives: {} },
    { lines: 'source_ip 192.0.2.1', gives: { 'local-address': '192.0.2.1' } },
    { lines: 'dsn_notify off\ndsn_return off\ntimeout off', gives: {} },
    { lines: 'from *@x.example', note: /from: left out: a pattern/ },
    { lines: 'from_full_name Me', note: /from_full_name/ },
    { lines: 'set_date_header auto\nremove_bcc_headers on\nsyslog off', gives: {} },
    { lines: 'remove_bcc_headers off', note: /remove_bcc_headers: this cannot be changed/ },
    { lines: 'syslog LOG_MAIL', note: /syslog: left out/ },
    { lines: 'aliases /etc/aliases', note: /aliases: left out/ },
    { lines: 'constructor x', note: /rc:3: constructor: ehlo does not know this/ },
    { lines: 'eval echo port 25', note: /rc:3: eval is not run/ },
    { lines: 'port 99999', gives: { server: undefined }, note: /rc:2: host: left out: "99999" is not a port/ },
    { lines: 'socket /run/x', note: /socket: left out/ },
  ];
  for (const { lines, gives = {}, note } of cases) {
    test(JSON.stringify(lines), () => {
      const { profiles, notes } = convert(`account a\nhost h\n${lines}\n`);
      const { server, ...rest } = profiles['a'] ?? {};
      assert.deepEqual('server' in gives ? { server, ...rest } : rest, gives);
      if (note)
        assert.ok(
          notes.some((one) => note.test(one)),
          notes.join('\n'),
        );
      else assert.deepEqual(notes, []);
    });
  }

  test('a local socket, without a host', () => {
    assert.deepEqual(convert('account a\nprotocol lmtp\nsocket /run/lmtp').profiles, {
      a: { server: 'lmtp+unix:/run/lmtp' },
    });
    assert.match(convert('account a\nuser u').notes.join(), /account a has no host/);
  });
});

describe('what msmtp refuses', () => {
  const cases: [string, RegExp][] = [
    ['host x', /^rc:1: "host" stands before any account$/],
    ['account a : b', /^rc:1: account a takes from b, which is not defined above it$/],
    ['account a\naccount a', /^rc:2: there are two accounts named a$/],
    ['account', /^rc:1: "account "/],
  ];
  for (const [text, says] of cases) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => parseMsmtprc(text, 'rc'),
        (error) => error instanceof EhloError && error.code === 'config' && says.test(error.message),
      );
    });
  }
});

test('law: any text is accounts or our error, and a secret is in no note', () => {
  const words = fc.constantFrom(
    'account',
    'account default',
    'account a :',
    'defaults',
    'password s3cret-x',
    'host',
    'tls on',
    'tls_starttls off',
    'port',
    'proxy_host',
    'proxy_port',
    'x',
    '#',
    '"',
    ' ',
  );
  const line = fc
    .tuple(words, fc.oneof(words, fc.string({ unit: 'binary', maxLength: 8 })))
    .map((parts) => parts.join(' '));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        const { profiles, notes } = convertMsmtprc(parseMsmtprc(lines.join('\n'), 'rc'), 'rc');
        assert.doesNotMatch(notes.filter((note) => !/does not know|also gets/.test(note)).join(), /s3cret-x/);
        const text = profiles.map(printProfile).join('\n');
        const { problems } = parseConfig({ path: 'x', text, mode: 0o600, foreign: false });
        assert.deepEqual(
          problems.map(({ message }) => message),
          [],
        );
      } catch (thrown) {
        assert.ok(thrown instanceof EhloError, String(thrown));
      }
    }),
  );
});

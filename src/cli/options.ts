// The connection options, one table for every command that talks to a server. What they come to is in connection.ts.
import type { Command } from 'commander';

import { collect, type OptionRow as Row } from './option-rows.ts';

export { parseConnection } from './connection.ts';
export { collect } from './option-rows.ts';

/** Which command shows which rows; `fetch` speaks POP3. */
export type ConnectionUse = 'send' | 'relay-test' | 'fetch' | 'inspect';

interface OptionRow extends Row {
  uses?: readonly ConnectionUse[];
}

const smtpUses: readonly ConnectionUse[] = ['send', 'relay-test', 'inspect'];

const groups: readonly { heading: string; rows: readonly OptionRow[] }[] = [
  {
    heading: 'Connection:',
    rows: [
      {
        flags: '--server <url>',
        says: 'smtp://user@host:587, smtps://host, lmtp://host:port, lmtp+unix:/path, host[:port], [v6]:port, a service (gmail), or mx: to look up MX',
        uses: ['send', 'relay-test', 'fetch'],
      },
      {
        flags: '--pipe <command>',
        says: 'speak to this shell command instead of a server, on its standard input and output',
        uses: ['send'],
      },
      { flags: '--helo <name>', says: 'the name to greet with', uses: smtpUses },
      { flags: '-4, --ipv4', says: 'IPv4 only' },
      { flags: '-6, --ipv6', says: 'IPv6 only' },
      { flags: '--local-address <address>', says: 'connect from this address' },
      { flags: '--dns <host[:port]>', says: 'the resolver to ask instead of the system' },
      {
        flags: '--resolve <host:port:address>',
        says: 'take this address for this host and port (repeatable)',
        repeatable: true,
      },
      {
        flags: '--connect-to <host:port:host2:port2>',
        says: 'connect to host2:port2 in place of host:port; empty parts are any and the same (repeatable)',
        repeatable: true,
      },
      { flags: '--hosts <file>', says: 'addresses of names, as in /etc/hosts; they beat DNS' },
      {
        flags: '--proxy <url>',
        says: 'socks5h://[user:password@]host:port or http://... (the proxy looks names up), or socks5://... (we do)',
      },
      { flags: '--mx-port <port>', says: 'contact MX hosts on this port (default 25)', uses: ['send', 'relay-test'] },
      { flags: '--connect-timeout <time>', says: 'for the TCP connection (default 30s)' },
      { flags: '--timeout <time>', says: 'for each reply, however slowly it drips (default 60s)' },
      { flags: '--data-timeout <time>', says: 'for the verdict after the message (default 10m)', uses: smtpUses },
      { flags: '--max-time <time>', says: 'for everything together' },
    ],
  },
  {
    heading: 'TLS:',
    rows: [
      { flags: '--tls <mode>', says: 'off, opportunistic, required or implicit' },
      { flags: '--tls-verify <what>', says: 'full, ca (chain only) or none' },
      { flags: '--tls-name <name>', says: 'the name that the certificate must have' },
      { flags: '--ca <file>', says: 'trust these authorities (PEM) instead of the built-in ones' },
      { flags: '--cert <file>', says: 'our certificate (PEM), with --key' },
      { flags: '--key <file>', says: 'the key of --cert (PEM)' },
      { flags: '--pin <sha256:hex>', says: 'accept exactly this certificate, by its SHA-256' },
      { flags: '--tls-min <version>', says: '1.0, 1.1, 1.2 or 1.3 (default 1.2)' },
      { flags: '--ciphers <list>', says: 'cipher suites, in OpenSSL notation' },
      {
        flags: '--tls-get-cert <file>',
        says: 'write the certificates that the (first) server shows to this file (PEM)',
      },
    ],
  },
  {
    heading: 'Authentication:',
    rows: [
      { flags: '--auth <mech[,mech]>', says: 'only these mechanisms, in this order; or none' },
      {
        flags: '--auth-optional',
        says: 'go on without a login where the server offers none',
        uses: ['send', 'relay-test'],
      },
      { flags: '--user <name>', says: 'log in as' },
      {
        flags: '--password-file <file>',
        says: 'read the password from a file that only you can read; - is standard input',
      },
      { flags: '--password-command <command>', says: 'take what this command prints' },
      { flags: '--password-env <variable>', says: 'take it from the environment' },
      { flags: '--password-fd <number>', says: 'read it from this open descriptor' },
      { flags: '--keyring', says: 'ask the keyring of the desktop (secret-tool; security on macOS)' },
      { flags: '--netrc', says: 'look it up in ~/.netrc by host, and the user too where none is named' },
      { flags: '--netrc-file <file>', says: 'the same in another file' },
      { flags: '--password <password>', says: 'works, but shows in process lists; prefer one of the above' },
      { flags: '--token-command <command>', says: 'an OAuth2 access token: what this command prints' },
      { flags: '--oauth2 <file>', says: 'get one for the refresh token of this JSON file' },
      { flags: '--allow-plaintext-auth', says: 'let a password go out without verified TLS' },
    ],
  },
];

export function addConnectionOptions(command: Command, use: ConnectionUse = 'send'): void {
  for (const { heading, rows } of groups) {
    command.optionsGroup(heading);
    for (const { flags, says, uses, repeatable } of rows) {
      if (uses && !uses.includes(use)) continue;
      if (repeatable) command.option(flags, says, collect);
      else command.option(flags, says);
    }
  }
  command.optionsGroup('Options:');
}

// The desktop's keyring: libsecret's secret-tool, on macOS security(1). Attributes as msmtp and mpop have them (host, service,
// user), so that a password stored for those is found here. What runs the program is in net/command-output.ts.
import type { ServerScheme } from '../app/connection.ts';

export interface KeyringQuery {
  program: string;
  args: string[];
  /** What the user types to store the password. */
  store: string;
}

/** `service` is the protocol's name, not the port's: smtps and submission are smtp. */
export function keyringQuery(
  platform: NodeJS.Platform,
  scheme: ServerScheme,
  host: string,
  user: string,
): KeyringQuery {
  const service = scheme === 'pop3' || scheme === 'pop3s' ? 'pop3' : scheme.startsWith('lmtp') ? 'lmtp' : 'smtp';
  if (platform === 'darwin') {
    // Protocols are codes of four characters there.
    const facts = ['-s', host, '-r', service, '-a', user];
    return {
      program: 'security',
      args: ['find-internet-password', ...facts, '-w'],
      store: `security add-internet-password ${printed(facts)} -w`,
    };
  }
  const facts = ['host', host, 'service', service, 'user', user];
  return {
    program: 'secret-tool',
    args: ['lookup', ...facts],
    store: `secret-tool store --label=ehlo ${printed(facts)}`,
  };
}

/** As a shell takes it. */
const printed = (words: string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');

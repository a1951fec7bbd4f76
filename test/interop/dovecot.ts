// A Dovecot of our own: POP3 on a free port, one mailbox a user in a Maildir, any user with one password, STLS offered.
// As root it gives itself up to its own users and nobody; else it runs as whoever runs the tests.
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { certificate } from './certificate.ts';
import { freePort, freshPath, home, type Running, startServer, tool } from './support.ts';

export const password = 'geheimes-wort';

export interface Dovecot extends Running {
  port: number;
  /** Puts messages into a mailbox that has none; the order of their numbers is the order given. */
  fill(user: string, messages: readonly Buffer[]): void;
  /** Messages of a mailbox on disk. */
  left(user: string): number;
}

const root = process.getuid?.() === 0;
const nobody = 65_534;

export async function startDovecot(): Promise<Dovecot> {
  const port = await freePort();
  const directory = freshPath('dovecot');
  const mail = join(directory, 'mail');
  const run = join(directory, 'run');
  for (const path of [directory, mail, run]) mkdirSync(path, { mode: 0o755 });
  const own = (path: string): void => {
    if (root) chownSync(path, nobody, nobody);
  };
  own(mail);
  // Its processes of other users must find their way to their sockets.
  if (root) chmodSync(home(), 0o755);
  const file = join(directory, 'dovecot.conf');
  writeFileSync(file, await configuration(port, mail, run));
  const server = await startServer('dovecot', ['-F', '-c', file], port);
  return {
    ...server,
    port,
    fill(user, messages) {
      for (const part of ['', 'new', 'cur', 'tmp']) {
        mkdirSync(join(mail, user, part), { mode: 0o700, recursive: true });
        own(join(mail, user, part));
      }
      for (const [index, message] of messages.entries()) {
        const path = join(mail, user, 'new', `${1_700_000_000 + index}.M0P1Q${index}.peer`);
        writeFileSync(path, message);
        own(path);
      }
    },
    left: (user) => ['new', 'cur'].reduce((sum, part) => sum + readdirSync(join(mail, user, part)).length, 0),
  };
}

async function configuration(port: number, mail: string, run: string): Promise<string> {
  const { cert, key } = await certificate();
  const user = root ? `${nobody}` : `${process.getuid?.()}`;
  const group = root ? `${nobody}` : `${process.getgid?.()}`;
  const unprivileged = root ? '' : await ownNames();
  return `protocols = pop3
listen = 127.0.0.1
base_dir = ${run}
state_dir = ${run}
log_path = /dev/stderr
ssl = yes
ssl_cert = <${cert}
ssl_key = <${key}
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 scram-sha-256 apop
mail_location = maildir:${mail}/%u
first_valid_uid = 1
${unprivileged}service anvil {
  chroot =
  # No waiting after wrong passwords.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = ${port}
  }
  inet_listener pop3s {
    port = 0
  }
}
passdb {
  driver = static
  args = password=${password}
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${mail}/%u
}
`;
}

/** Its own processes as whoever runs this: without root nobody else is possible. */
async function ownNames(): Promise<string> {
  const { username } = userInfo();
  const group = (await tool('id', ['-gn'])).stdout.trim();
  return `default_internal_user = ${username}\ndefault_login_user = ${username}\ndefault_internal_group = ${group}\n`;
}

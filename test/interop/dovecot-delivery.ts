// A Dovecot that takes mail: LMTP on a port and a socket, submission with STARTTLS that hands on to a relay, and logins for an
// SMTP server. Two mailboxes, one of them too small for anything; nobody else exists. It needs root.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './able.ts';
import { certificate } from './certificate.ts';
import { freePort, freshPath, home, type Running, startServer } from './support.ts';

/** Of `jo@x.test`, who may log in, and of the mailboxes. */
export const password = 'geheimes-wort';
export const user = 'jo@x.test';

export interface DeliveringDovecot extends Running {
  lmtpPort: number;
  lmtpSocket: string;
  submissionPort: number;
  /** For smtpd_sasl_path of Postfix. */
  authSocket: string;
  /** The message with this in it that came into a mailbox; waits for it. */
  delivered(address: string, what: string): Promise<Buffer>;
  /** Whether it is there now. */
  has(address: string, what: string): boolean;
}

const nobody = 65_534;

/** Where submission hands on to. */
export async function startDeliveringDovecot(relayPort: number): Promise<DeliveringDovecot> {
  const directory = freshPath('dovecot');
  const [mail, run, short] = [join(directory, 'mail'), join(directory, 'run'), freshPath('sockets')];
  for (const made of [directory, mail, run, short]) mkdirSync(made, { mode: 0o755, recursive: true });
  chownSync(mail, nobody, nobody);
  chmodSync(home(), 0o755);
  const users = join(directory, 'users');
  const row = (address: string, extra: string): string => `${address}:{PLAIN}${password}::::::${extra}\n`;
  writeFileSync(users, row(user, '') + row('tiny@x.test', 'userdb_quota_rule=*:storage=1B'));
  const [lmtpPort, submissionPort] = [await freePort(), await freePort()];
  const lmtpSocket = join(short, 'lmtp');
  const authSocket = join(short, 'auth');
  const { cert, key } = await certificate();
  const file = join(directory, 'dovecot.conf');
  writeFileSync(
    file,
    `protocols = lmtp submission
listen = 127.0.0.1
hostname = dovecot.test
base_dir = ${run}
state_dir = ${run}
log_path = /dev/stderr
ssl = yes
ssl_cert = <${cert}
ssl_key = <${key}
disable_plaintext_auth = yes
# 127.0.0.1 would count as secured.
login_trusted_networks =
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
mail_location = maildir:${mail}/%u
first_valid_uid = 1
mail_plugins = quota
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=100M
  quota_grace = 0
}
submission_relay_host = 127.0.0.1
submission_relay_port = ${relayPort}
submission_max_mail_size = 300k
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener ${authSocket} {
    mode = 0666
  }
}
service lmtp {
  inet_listener lmtp {
    port = ${lmtpPort}
  }
  unix_listener ${lmtpSocket} {
    mode = 0666
  }
}
service submission-login {
  chroot =
  inet_listener submission {
    port = ${submissionPort}
  }
  inet_listener submissions {
    port = 0
  }
}
passdb {
  driver = passwd-file
  args = ${users}
}
userdb {
  driver = passwd-file
  args = ${users}
  default_fields = uid=${nobody} gid=${nobody} home=${mail}/%u
}
`,
  );
  const server = await startServer('dovecot', ['-F', '-c', file], lmtpPort);
  const found = (address: string, what: string): Buffer | null =>
    messages(join(mail, address, 'new')).find((message) => message.includes(what)) ?? null;
  return {
    ...server,
    lmtpPort,
    lmtpSocket,
    submissionPort,
    authSocket,
    delivered: (address, what) =>
      until(() => found(address, what), `${what} in the mailbox of ${address}`, server.printed),
    has: (address, what) => found(address, what) !== null,
  };
}

const messages = (directory: string): Buffer[] =>
  (existsSync(directory) ? readdirSync(directory).sort() : []).map((name) => readFileSync(join(directory, name)));

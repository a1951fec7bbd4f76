// A Postfix of our own: master(8) in the foreground with directories, ports and a log of its own, that delivers x.test into
// Maildirs and sends nothing on. It needs root, as Postfix does; not for more than one instance a test file.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './able.ts';
import { certificate } from './certificate.ts';
import { freePort, freshPath, home, type Running, startServer, tool } from './support.ts';

/** The doors it has: the same delivery behind each, with other settings of smtpd(8) in front. */
export type Door = 'plain' | 'tls' | 'xclient' | 'proxy' | 'submission';

export interface Postfix extends Running {
  port: Record<Door, number>;
  /** The message with this in its header that came into a mailbox; waits for it. */
  delivered(user: string, field: string): Promise<Delivered>;
  /** Waits until this stands in the log. */
  logged(what: RegExp): Promise<RegExpMatchArray>;
}

/** What is in a mailbox: what Postfix put before the message, and the message, both with LF as on the disk. */
export interface Delivered {
  trace: string;
  message: Buffer;
}

export interface PostfixOptions {
  /** Where Dovecot answers for smtpd(8) whether a login is right. */
  authSocket: string;
  /** The port of a policy server, as SMTPD_POLICY_README tells of it. */
  policyPort: number;
  /** LMTP that has no mailbox `bounce@x.test`: mail for it is accepted here and fails later. */
  lmtpPort: number;
}

/** Recipients of x.test, beside those of the policy server. */
const mailboxes = ['a', 'b', 'c', 'grey', 'jörg', 'slow', 'gone', 'full', 'bounce'];

/** What access(5) says of some. */
const verdicts: Record<string, string> = {
  'slow@x.test': '450 4.2.0 try again later',
  'gone@x.test': '421 4.3.2 closing for today',
  'full@x.test': '552 5.2.2 mailbox full',
};

export const sizeLimit = 400_000;

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const directory = freshPath('postfix');
  const path = (name: string): string => join(directory, name);
  const [etc, spool, data, mail] = [path('etc'), path('spool'), path('data'), path('mail')];
  for (const made of [directory, etc, spool, data, mail]) mkdirSync(made, { mode: 0o755 });
  // Its processes of other users must find their way to their directories.
  chmodSync(home(), 0o755);
  const postfixUser = Number((await tool('id', ['-u', 'postfix'])).stdout);
  chownSync(data, postfixUser, postfixUser);
  chownSync(mail, nobody, nobody);
  const port: Record<Door, number> = {
    plain: await freePort(),
    tls: await freePort(),
    xclient: await freePort(),
    proxy: await freePort(),
    submission: await freePort(),
  };
  const { cert, key } = await certificate();
  writeFileSync(join(etc, 'main.cf'), mainConfiguration({ etc, spool, data, mail, cert, key, ...options }));
  writeFileSync(join(etc, 'master.cf'), services(port));
  // It makes what is missing in the queue directory. Its start-fg would put a shell between us and the process to end.
  const checked = await tool('postfix', ['-c', etc, 'check']);
  if (checked.code !== 0) throw new Error(`postfix check: ${checked.stdout}${checked.stderr}`);
  const server = await startServer(master, ['-c', etc, '-s'], port.plain, { env: { MAIL_LOGTAG: 'postfix' } });
  // postlogd(8) cannot open the socket that our standard output is.
  const log = join(data, 'maillog');
  const printed = (): string => server.printed() + (existsSync(log) ? readFileSync(log, 'utf8') : '');
  const logged = (what: RegExp): Promise<RegExpMatchArray> =>
    until(() => printed().match(what), `${what} in the log`, printed);
  return {
    ...server,
    printed,
    port,
    logged,
    delivered: (user, field) =>
      until(
        () => messages(join(mail, user, 'new')).find(({ message }) => message.includes(field)) ?? null,
        `${field} in the mailbox of ${user}`,
        printed,
      ),
  };
}

export const master = '/usr/lib/postfix/sbin/master';
const nobody = 65_534;

function messages(directory: string): Delivered[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.map((name) => parted(readFileSync(join(directory, name))));
}

/** virtual(8) and smtpd(8) put trace fields before the message; ours begin behind the last line of Received. */
function parted(file: Buffer): Delivered {
  const text = file.toString('latin1');
  const trace = /^(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\n(?:[ \t].*\n)*)*/.exec(text)?.[0] ?? '';
  return { trace, message: file.subarray(trace.length) };
}

interface Paths extends PostfixOptions {
  etc: string;
  spool: string;
  data: string;
  mail: string;
  cert: string;
  key: string;
}

function mainConfiguration({ spool, data, mail, cert, key, authSocket, policyPort, lmtpPort }: Paths): string {
  const inline = (rows: readonly (readonly [string, string])[]): string =>
    `inline:{ ${rows.map(([name, value]) => `{ ${name} = ${value} }`).join(' ')} }`;
  return `compatibility_level = 3.6
queue_directory = ${spool}
data_directory = ${data}
maillog_file = ${data}/maillog
maillog_file_prefixes = ${data}
multi_instance_enable = yes
multi_instance_name = postfix-ehlo
syslog_name = postfix
myhostname = peer.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4, ipv6
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
biff = no
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
in_flow_delay = 0
message_size_limit = ${sizeLimit}
virtual_mailbox_limit = 0
default_transport = error:5.7.1 nothing leaves this test
relay_transport = error:5.7.1 nothing leaves this test
virtual_mailbox_domains = x.test
virtual_mailbox_base = ${mail}
virtual_mailbox_maps = ${inline(mailboxes.map((name) => [`${name}@x.test`, `${name}/`]))}
transport_maps = ${inline([['bounce@x.test', `lmtp:inet:127.0.0.1:${lmtpPort}`]])}
virtual_uid_maps = static:${nobody}
virtual_gid_maps = static:${nobody}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions =
  check_recipient_access ${inline(Object.entries(verdicts))},
  check_policy_service inet:127.0.0.1:${policyPort}
smtpd_tls_cert_file = ${cert}
smtpd_tls_key_file = ${key}
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${authSocket}
smtpd_sasl_authenticated_header = yes
`;
}

const doorSettings: Record<Door, readonly string[]> = {
  plain: [],
  tls: ['smtpd_tls_security_level=encrypt'],
  xclient: ['smtpd_authorized_xclient_hosts=127.0.0.1'],
  proxy: ['smtpd_upstream_proxy_protocol=haproxy', 'smtpd_upstream_proxy_timeout=2s'],
  submission: [
    'smtpd_tls_security_level=encrypt',
    'smtpd_sasl_auth_enable=yes',
    'smtpd_relay_restrictions=permit_sasl_authenticated,reject',
  ],
};

/** master.cf: no chroot anywhere, and only what receiving and delivering needs. */
function services(port: Record<Door, number>): string {
  const doors = Object.entries(port).map(([door, number]) => {
    const settings = Object.entries(doorSettings).find(([name]) => name === door)?.[1] ?? [];
    return `127.0.0.1:${number} inet n - n - - smtpd${settings.map((setting) => ` -o ${setting}`).join('')}`;
  });
  return `${doors.join('\n')}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;
}

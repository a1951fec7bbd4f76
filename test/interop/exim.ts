// An Exim of our own that offers PRDR and CHUNKING and keeps what it takes in its queue. Debian's package excludes Postfix's, so it
// is unpacked somewhere (EHLO_EXIM names that directory) and not installed; its compiled-in user comes from nss_wrapper(1).
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, freshPath, home, type Running, startServer } from './support.ts';

/** A message in the queue. */
export interface Queued {
  /** Its envelope and header, as spool(5) of Exim has them. */
  envelope: string;
  /** The text behind the header, with LF. */
  body: Buffer;
}

export interface Exim extends Running {
  port: number;
  /** By the id that the reply named; null where there is no such message. */
  queued(id: string): Queued | null;
  /** How many messages it has taken. */
  count(): number;
}

const exim = (): string => join(process.env['EHLO_EXIM'] ?? '', 'usr/sbin/exim4');
const wrapper = '/usr/lib/x86_64-linux-gnu/libnss_wrapper.so';
const user = 65_533;

/** Why it cannot run here, or false. */
export function withoutExim(): string | false {
  if (process.getuid?.() !== 0) return 'the daemon of Exim must be started by root';
  if (process.env['EHLO_EXIM'] === undefined) return 'EHLO_EXIM does not name a directory with an unpacked Exim';
  return existsSync(exim()) && existsSync(preloaded())
    ? false
    : `no Exim, or no nss_wrapper, in ${process.env['EHLO_EXIM']}`;
}

const preloaded = (): string => join(process.env['EHLO_EXIM'] ?? '', wrapper);

export async function startExim(): Promise<Exim> {
  const directory = freshPath('exim');
  const path = (name: string): string => join(directory, name);
  for (const made of [directory, path('spool'), path('log')]) mkdirSync(made, { mode: 0o755 });
  for (const own of ['spool', 'log']) chownSync(path(own), user, user);
  chmodSync(home(), 0o755);
  writeFileSync(
    path('passwd'),
    `root:x:0:0::/:/bin/sh\nmail:x:8:8::/:/bin/false\nDebian-exim:x:${user}:${user}::/:/bin/false\n`,
  );
  writeFileSync(path('group'), `root:x:0:\nmail:x:8:\nDebian-exim:x:${user}:\n`);
  const port = await freePort();
  writeFileSync(path('exim.conf'), configuration(path('spool'), path('log')));
  const env = { LD_PRELOAD: preloaded(), NSS_WRAPPER_PASSWD: path('passwd'), NSS_WRAPPER_GROUP: path('group') };
  const args = ['-C', path('exim.conf'), '-bdf', '-oX', `127.0.0.1.${port}`, '-oP', path('pid')];
  const server = await startServer(exim(), args, port, { env });
  const input = join(path('spool'), 'input');
  const main = join(path('log'), 'main');
  return {
    ...server,
    printed: () => server.printed() + (existsSync(main) ? readFileSync(main, 'utf8') : ''),
    port,
    queued(id) {
      if (!existsSync(join(input, `${id}-H`))) return null;
      const data = readFileSync(join(input, `${id}-D`));
      // Its first line is the name of the file.
      const body = data.subarray(data.indexOf('\n') + 1);
      return { envelope: readFileSync(join(input, `${id}-H`), 'latin1'), body };
    },
    count: () => (existsSync(input) ? readdirSync(input).filter((name) => name.endsWith('-H')).length : 0),
  };
}

/** Verdicts of PRDR by the local part. Exim asks for them only where a message has more than one recipient. */
const configuration = (spool: string, log: string): string => `primary_hostname = exim.test
spool_directory = ${spool}
log_file_path = ${log}/%s
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
add_environment = PATH=/usr/bin:/bin
queue_only = true
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
prdr_enable = true
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = at_rcpt
acl_smtp_data_prdr = at_prdr
acl_smtp_data = at_data
begin acl
at_rcpt:
  deny local_parts = unknown
       message = no such mailbox
  accept
at_prdr:
  deny local_parts = picky : fussy
       message = I do not want that
  defer local_parts = slow
       message = not just now
  accept
at_data:
  deny condition = \${if match{$message_body}{forbidden}}
       message = nobody wants that
  accept
begin routers
begin transports
begin retry
`;

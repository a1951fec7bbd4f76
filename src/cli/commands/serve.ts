// `ehlo serve`: options to a running server, its events to stdout. The work is in app/serve.ts.
import type { Command } from 'commander';
import type { AccountList } from '../../app/accounts.ts';
import type { ListenTarget } from '../../app/ports.ts';
import type { ServeOptions } from '../../app/serve.ts';
import type { ServeEvent, ServeReady } from '../../app/serve-events.ts';
import { readAll } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import { parseDuration, parseHostPort, parsePort, parseSize } from '../../base/values.ts';
import type { Accounts } from '../../sasl/sasl.ts';
import type { Store } from '../../store/store.ts';
import type { TlsServerOptions } from '../../wire/channel.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type OptionValues, optionValues } from '../option-values.ts';
import { showError } from '../show-error.ts';

const loopback = '127.0.0.1';

export const serveCommand: OptionCommand = {
  define(command: Command): void {
    introduce(command, 'run a throwaway SMTP and POP3 server on this machine', [
      { line: 'ehlo serve', says: 'on free ports of 127.0.0.1, everything kept in memory' },
      { line: 'ehlo serve --smtp 2525 --pop3 2110 --store maildir:mail', says: 'fixed ports, messages safe on disk' },
      {
        line: 'ehlo serve -- npm test',
        says: 'for the time of one command, which finds EHLO_SMTP_URL and kin in its environment',
      },
      { line: 'ehlo serve --json --exit-after 1 --within 30s', says: 'wait for one message; exit 1 when none comes' },
    ]);
    command
      .argument('[command...]', 'behind "--": run this, and end with it')
      .optionsGroup('Listeners:')
      .option('--smtp <[host:]port>', 'SMTP; 0 is any free port, off is none (default 127.0.0.1:0)')
      .option('--pop3 <[host:]port>', 'POP3, likewise; the user name is the mailbox, user "all" sees everything')
      .option('--dns <[host:]port>', 'DNS for the zones of --zone')
      .option('--zone <file>', 'answer DNS for this zone file (repeatable)', collect)
      .optionsGroup('Messages:')
      .option('--store <where>', 'memory, or maildir:DIR (fsync before 250)', 'memory')
      .option('--domain <name>', 'a local domain; others are refused (repeatable; default: all are local)', collect)
      .option('--max-size <size>', 'largest message (default 50M)')
      .optionsGroup('Rules:')
      .option('--auth <who>', 'any, user:password, or @FILE with such lines (repeatable; default any)', collect)
      .option('--require-auth', 'no mail without a login')
      .option('--tls <cert,key>', 'offer STARTTLS and STLS with these PEM files')
      .option('--require-tls', 'nothing without TLS')
      .option('--hide <extension>', 'do without an EHLO extension (repeatable)', collect)
      .option('--helo-name <name>', 'what the server calls itself (default: the name of this machine)')
      .optionsGroup('Ending:')
      .option('--exit-after <n>', 'end after so many messages; exit 1 when it ends with fewer')
      .option('--within <time>', 'end after this time')
      .option('--ready-file <file>', 'write the ready event into this file once everything listens');
  },

  async run(args, options, context): Promise<number> {
    const values = optionValues(options);
    const served = await readOptions(args, values, context);
    const readyFile = values.text('ready-file');
    const ready = readyFile === undefined ? undefined : await import('../../store/ready-file.ts');
    if (ready && readyFile !== undefined) await ready.clearReadyFile(readyFile);
    const [{ serve }, { endingError }, store, watch, child] = await Promise.all([
      import('../../app/serve.ts'),
      import('../../app/time-limit.ts'),
      openStore(values.text('store') ?? 'memory', context),
      eventWatch(served, values, context),
      served.command ? import('../../net/child.ts') : undefined,
    ]);
    const { clock, listen, listenDns } = context.ports;
    const ports = { clock, listen, listenDns, store, pid: process.pid, ...(child && { runChild: child.runChild }) };
    const handle = await serve(served, ports, watch);
    const stop = () => handle.stop('signal', endingError(context.signal));
    if (context.signal.aborted) stop();
    context.signal.addEventListener('abort', stop, { once: true });
    if (ready && readyFile !== undefined) {
      await ready.writeReadyFile(readyFile, `${JSON.stringify(handle.ready)}\n`).catch(async (thrown) => {
        handle.stop('stopped');
        await handle.finished;
        throw thrown;
      });
    }
    const report = await handle.finished;
    watch.flush();
    if (context.format !== 'human') {
      const { jsonLine } = await import('../../render/json.ts');
      context.stdout.write(jsonLine({ event: 'end', ...report }));
      // Nobody reads on (| head -1): that is no error to tell.
    } else if (report.error && context.signal.reason !== 'SIGPIPE') {
      const { message, hint } = report.error;
      await showError(new EhloError(report.error.code, message, { hint: hint ?? undefined }), context);
    }
    return report.exit.code;
  },
};

const collect = (value: string, before: string[] = []): string[] => [...before, value];

async function readOptions(args: string[], values: OptionValues, context: Context): Promise<ServeOptions> {
  const zonePaths = values.list('zone');
  const smtp = listenTarget('smtp', values, true);
  const pop3 = listenTarget('pop3', values, true);
  const dns = listenTarget('dns', values, zonePaths.length > 0);
  if (!smtp && !pop3 && !dns) throw new EhloError('usage', 'every listener is off; nothing is left to serve');
  if (dns && zonePaths.length === 0)
    throw new EhloError('usage', '--dns needs a zone to answer for', { hint: 'add --zone FILE' });
  const tls = await readTls(values, context);
  if (values.flag('require-tls') && !tls)
    throw new EhloError('usage', '--require-tls needs a certificate', { hint: 'add --tls CERT,KEY' });
  const exitAfter = values.parsed('exit-after', (text) => count(text));
  const withinMs = values.parsed('within', parseDuration);
  const maxSize = values.parsed('max-size', parseSize);
  const stdout = context.format === 'human' ? 'inherit' : 'stderr';
  return {
    smtp,
    pop3,
    dns,
    zones: await Promise.all(
      zonePaths.map(async (name) => ({ name, text: (await readAll(await context.ports.files.read(name))).toString() })),
    ),
    hostname: values.parsed('helo-name', heloName) ?? safeHostname(context.ports.hostname()),
    accounts: await readAccounts(values, context),
    requireAuth: values.flag('require-auth'),
    requireTls: values.flag('require-tls'),
    domains: values.list('domain'),
    hidden: await readHidden(values),
    ...(tls && { tls }),
    ...(maxSize !== undefined && { limits: { messageBytes: maxSize } }),
    ...(exitAfter !== undefined && { exitAfter }),
    ...(withinMs !== undefined && { withinMs }),
    ...(args.length > 0 && { command: { words: args, stdout } as const }),
  };
}

function listenTarget(name: 'smtp' | 'pop3' | 'dns', values: OptionValues, on: boolean): ListenTarget | null {
  const target = values.parsed(name, (text): ListenTarget | null => {
    if (text === 'off') return null;
    if (/^\d+$/.test(text)) return { host: loopback, port: parsePort(text, 'listen') };
    const { host, port } = parseHostPort(text, 'listen');
    if (port === undefined)
      throw new EhloError('usage', `"${text}" has no port`, { hint: `write ${text}:0 for any free one` });
    return { host, port };
  });
  return target === undefined ? (on ? { host: loopback, port: 0 } : null) : target;
}

function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new EhloError('usage', `"${text}" is not a number of messages`);
}

function heloName(text: string): string {
  if (/^[A-Za-z0-9._:[\]-]{1,255}$/.test(text)) return text;
  throw new EhloError('usage', `"${text}" is not a host name`);
}

/** Whatever the machine calls itself, it must fit into a reply. */
const safeHostname = (name: string): string => (/^[A-Za-z0-9._-]{1,255}$/.test(name) ? name : 'localhost');

async function readTls(values: OptionValues, context: Context): Promise<TlsServerOptions | undefined> {
  const text = values.text('tls');
  if (text === undefined) return undefined;
  const [cert, key, ...rest] = text.split(',');
  if (!cert || !key || rest.length > 0) throw new EhloError('usage', '--tls takes two PEM files: CERT,KEY');
  const read = async (path: string) => {
    const bytes = await readAll(await context.ports.files.read(path));
    if (bytes.includes('-----BEGIN ')) return bytes;
    throw new EhloError('config', `--tls: ${path} holds nothing in PEM form (no "-----BEGIN")`);
  };
  return { role: 'server', cert: await read(cert), key: await read(key) };
}

async function readAccounts(values: OptionValues, context: Context): Promise<Accounts> {
  const { anyAccount, namedAccounts, parseAccount, parseAccountFile } = await import('../../app/accounts.ts');
  const words = values.list('auth');
  if (words.length === 0) return anyAccount;
  if (words.includes('any')) {
    if (words.length === 1) return anyAccount;
    throw new EhloError('usage', '--auth any leaves no room for named accounts');
  }
  const lists = await Promise.all(
    words.map(async (word): Promise<AccountList> => {
      if (!word.startsWith('@')) return [values.check('auth', word, parseAccount)];
      const { readSecretFile } = await import('../../store/secret-file.ts');
      return values.check('auth', (await readSecretFile(word.slice(1))).toString(), parseAccountFile);
    }),
  );
  for (const { password } of lists.flat()) context.scrubber.add(password.reveal());
  return namedAccounts(lists.flat());
}

async function readHidden(values: OptionValues): Promise<ReadonlySet<string>> {
  const names = values.list('hide').map((name) => name.toUpperCase());
  if (names.length === 0) return new Set();
  const { offerNames } = await import('../../smtp/server-offers.ts');
  for (const name of names) {
    if (!offerNames.includes(name))
      throw new EhloError('usage', `--hide: "${name}" is none of ${offerNames.join(', ')}`);
  }
  return new Set(names);
}

async function openStore(where: string, { ports }: Context): Promise<Store> {
  if (where === 'memory') return (await import('../../store/memory.ts')).memoryStore(ports.clock);
  const root = /^maildir:(.+)$/s.exec(where)?.[1];
  if (root === undefined) throw new EhloError('usage', `--store: "${where}" is neither memory nor maildir:DIR`);
  const { openMaildir } = await import('../../store/maildir.ts');
  return openMaildir(root, { clock: ports.clock, hostname: ports.hostname(), pid: process.pid, alive: isAlive });
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
};

/** A write for each line would cost more than taking the message: lines of so many milliseconds go out together. */
const gatherMs = 5;

async function eventWatch(served: ServeOptions, values: OptionValues, context: Context) {
  const { stdout, stderr, format, verbosity } = context;
  const { clock } = context.ports;
  const [{ jsonLine }, { renderBanner, renderMessage }, { safe }] = await Promise.all([
    import('../../render/json.ts'),
    import('../../render/serve.ts'),
    import('../../render/safe.ts'),
  ]);
  let lines = '';
  const flush = () => {
    const ready = lines;
    lines = '';
    stdout.write(ready);
  };
  const print = (line: string) => {
    if (lines === '') clock.after(gatherMs, flush);
    lines += line;
  };
  const banner = (ready: ServeReady) =>
    renderBanner(
      ready,
      {
        store: values.text('store') ?? 'memory',
        domains: served.domains,
        logins: values.list('auth').some((who) => who !== 'any') ? 'named' : 'any',
        tls: served.requireTls ? 'required' : 'optional',
        command: served.command?.words.join(' '),
      },
      stderr.style,
    );
  const onEvent = (event: ServeEvent): void => {
    if (format !== 'human') {
      if (event.event === 'ready') stdout.write(jsonLine(event));
      else print(jsonLine(event));
      return;
    }
    switch (event.event) {
      case 'ready':
        if (verbosity >= 0) stderr.write(banner(event));
        return;
      case 'message':
        print(renderMessage(event, stdout.style));
        return;
      case 'problem':
        stderr.write(`${stderr.style('warn', 'problem:')} ${safe(context.scrubber.scrub(event.error.message))}\n`);
    }
  };
  if (verbosity < 1) return { onEvent, flush, withoutMessages: format === 'human' && verbosity < 0 };
  const [{ Transcript }, { renderEvent }] = await Promise.all([
    import('../../wire/transcript.ts'),
    import('../../render/transcript.ts'),
  ]);
  return {
    onEvent,
    flush,
    transcript: () =>
      new Transcript(() => clock.now(), {
        scrubber: context.scrubber,
        listener: (event) => stderr.write(renderEvent(event, stderr.style, { times: verbosity > 1 })),
      }),
  };
}

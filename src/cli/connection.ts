// From the connection options to a Connection: every value checked, files read, the password fetched from where it is.
import type { AddressOverride, Connection, ServerScheme, ServerUrl, TlsMode } from '../app/connection.ts';
import { pipeServer } from '../app/hosts.ts';
import { forbiddenCharacter } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import { type ClientDeadlines, clientDeadlines } from '../base/limits.ts';
import { parseDuration, parseHostPort, parsePort } from '../base/values.ts';
import type { DnsServer } from '../dns/dns.ts';
import type { Context } from './command.ts';
import { readCredentials, readMechanisms } from './credentials.ts';
import { type OptionValues, optionValues } from './option-values.ts';
import { impliesTls, parseServerUrl, printServerUrl, serverOfService } from './server-url.ts';
import { readChainFile, readTlsClient } from './tls-options.ts';
import { readVia } from './via-options.ts';

export interface ConnectionDefaults {
  /** What a host without a scheme means: smtp, or pop3 for fetch. */
  scheme?: ServerScheme;
}

/** `options` as commander leaves them; a command with a URL argument passes `{...options, server: url}`. */
export async function parseConnection(
  options: Record<string, unknown>,
  context: Context,
  defaults: ConnectionDefaults = {},
): Promise<Connection> {
  const values = optionValues(options);
  const written = values.text('server') ?? '';
  const url = values.parsed('server', (text) => parseServerUrl(text, defaults.scheme ?? 'smtp'));
  const given = url && (await serverOfService(url, written));
  if (given?.service !== undefined && context.verbosity > 0) {
    context.stderr.write(`== ${given.service} is ${printServerUrl(given)}\n`);
  }
  if (given?.password) context.scrubber.add(given.password.reveal());
  const via = await readVia(values, context);
  if (via.proxy && given?.path !== undefined) {
    throw new EhloError('usage', `--proxy cannot reach the socket ${given.path} of this machine`);
  }
  const server = speaking(values, via.pipe === undefined ? given : pipeServer);
  const tls = readTlsMode(values, server);
  const mechanisms = readMechanisms(values);
  const maxTimeMs = values.parsed('max-time', parseDuration);
  const helo = values.parsed('helo', parseHelo);
  const localAddress = values.parsed('local-address', parseAddress);
  // With a proxy the local address is that of the connection to it.
  const family = readFamily(values, via.proxy ? undefined : localAddress);
  const dns = await readDns(values, context);
  const deadlines = readDeadlines(values);
  const overrides = values.list('resolve').flatMap((text) => values.check('resolve', text, parseOverride));
  const mxPort = values.parsed('mx-port', parsePort) ?? 25;
  const tlsClient = await readTlsClient(values, context);
  const onChain = readChainFile(values);
  // Last: it may ask a question, and nobody should answer one only to hear of a typing error.
  const login = { server, mechanisms, replyMs: deadlines.reply };
  const credentials = await readCredentials(values, login, context);
  return {
    ...(server && { server }),
    ...(tls && { tls }),
    tlsVerify: values.oneOf('tls-verify', ['full', 'ca', 'none']) ?? 'full',
    tlsClient,
    ...(onChain && { onChain }),
    ...(credentials && { credentials }),
    ...(mechanisms && { mechanisms }),
    ...(values.flag('auth-optional') && { authOptional: 'offered' as const }),
    allowPlaintextAuth: values.flag('allow-plaintext-auth'),
    deadlines,
    ...(maxTimeMs !== undefined && { maxTimeMs }),
    ...(dns && { dns }),
    overrides,
    ...via,
    ...(helo !== undefined && { helo }),
    ...(localAddress !== undefined && { localAddress }),
    ...(family && { family }),
    mxPort,
  };
}

/** --lmtp: the protocol of a server that was given as host and port, as an smtp URL, or by --pipe. */
function speaking(values: OptionValues, server: ServerUrl | undefined): ServerUrl | undefined {
  if (!values.flag('lmtp') || server?.scheme === 'lmtp' || server?.scheme === 'lmtp+unix') return server;
  if (server?.scheme === 'smtp') return { ...server, scheme: 'lmtp' };
  throw new EhloError('usage', '--lmtp needs a --server that speaks it', { hint: 'add --server HOST:PORT' });
}

const tlsModes: readonly TlsMode[] = ['off', 'opportunistic', 'required', 'implicit'];

function readTlsMode(values: OptionValues, server: ServerUrl | undefined): TlsMode | undefined {
  const asked = values.oneOf('tls', tlsModes);
  const scheme = server?.scheme === 'smtps' || server?.scheme === 'pop3s' ? server.scheme : undefined;
  if (scheme && (asked === 'off' || asked === 'opportunistic')) {
    throw new EhloError('usage', `--tls ${asked} contradicts ${scheme}://, which begins with TLS`);
  }
  if (scheme) return 'implicit';
  return asked ?? (server && impliesTls(server) ? 'implicit' : undefined);
}

/** --timeout is the time for a reply, so it rules every wait for the peer but the ones with an option of their own. */
function readDeadlines(values: OptionValues): ClientDeadlines {
  const deadlines = { ...clientDeadlines };
  const timeout = values.parsed('timeout', parseDuration);
  if (timeout !== undefined) {
    deadlines.greeting = deadlines.reply = deadlines.tlsHandshake = deadlines.writeStall = timeout;
    deadlines.quit = Math.min(deadlines.quit, timeout);
  }
  deadlines.connect = values.parsed('connect-timeout', parseDuration) ?? deadlines.connect;
  deadlines.dataVerdict = values.parsed('data-timeout', parseDuration) ?? deadlines.dataVerdict;
  return deadlines;
}

function readFamily(values: OptionValues, localAddress: string | undefined): 4 | 6 | undefined {
  const v4 = values.flag('ipv4');
  if (v4 && values.flag('ipv6')) throw new EhloError('usage', '-4 and -6 exclude each other');
  const family = v4 ? 4 : values.flag('ipv6') ? 6 : undefined;
  const local = localAddress === undefined ? undefined : ipFamily(localAddress);
  if (family && local && family !== local) {
    throw new EhloError(
      'usage',
      `--local-address ${localAddress} is not an IPv${family} address, which -${family} asks for`,
    );
  }
  return family ?? local;
}

async function readDns(values: OptionValues, context: Context): Promise<DnsServer | undefined> {
  const given = values.parsed('dns', parseHostPort);
  if (!given) return undefined;
  const host = ipFamily(given.host) ? given.host : (await context.ports.resolve.lookup(given.host))[0];
  if (host === undefined) throw new EhloError('no-address', `--dns: ${given.host} has no address`);
  return { host, port: given.port ?? 53 };
}

/** What EHLO takes is a domain or an address literal (RFC 5321 4.1.1.1); a lab may want odd ones, but never two commands. */
const parseHelo = (text: string): string => {
  const found = forbiddenCharacter(text);
  if (found) throw new EhloError('usage', `it holds ${found}`, { hint: 'remove that character; it is never sent' });
  if (/^[!-~]+$/.test(text)) return text;
  throw new EhloError('usage', `"${text}" is not one word of ASCII`, {
    hint: 'write a domain, its A-labels, or [address]',
  });
};

const parseAddress = (text: string): string => {
  if (ipFamily(text) === undefined) throw new EhloError('usage', `"${text}" is not an IP address`);
  return text;
};

/** As curl has it: `host:port:address[,address]`, IPv6 addresses with or without brackets. */
function parseOverride(text: string): AddressOverride[] {
  const [, host, port, addresses] = /^([^:]+|\[[^\]]+\]):(\d+):(.+)$/.exec(text) ?? [];
  if (host === undefined || port === undefined || addresses === undefined) {
    throw new EhloError('usage', `"${text}" is not HOST:PORT:ADDRESS`);
  }
  return addresses.split(',').map((address) => ({
    host: parseHostPort(host).host,
    port: parsePort(port),
    address: parseAddress(address.replace(/^\[(.*)\]$/, '$1')),
  }));
}

// The TLS options of swaks as a connection's: what to ask for, what to verify, which versions and files.
import { X509Certificate } from 'node:crypto';
import type { Connection, TlsMode } from '../../app/connection.ts';
import { readAll } from '../../base/bytes.ts';
import type { Context } from '../command.ts';
import { notYet, type SwaksSettings, usage } from './swaks-settings.ts';
import type { TlsWish, Transport } from './swaks-transport.ts';

const modes: Record<TlsWish, TlsMode> = {
  off: 'off',
  required: 'required',
  optional: 'opportunistic',
  'optional-strict': 'opportunistic',
  'on-connect': 'implicit',
};

export interface SwaksTls {
  connection: Pick<Connection, 'tls' | 'tlsVerify' | 'tlsClient' | 'onChain' | 'connectTo'>;
  /** Of our own certificate. */
  localSubject: string | null;
  /** Where the peer's certificate goes: a file, the output (null), or nowhere. */
  peerCertificate: string | null | undefined;
}

export async function readSwaksTls(settings: SwaksSettings, transport: Transport, context: Context): Promise<SwaksTls> {
  const read = (option: string) => readPem(settings, option, context);
  const [ca, cert, key] = [await read('tls-ca-path'), await read('tls-cert'), await read('tls-key')];
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key belong together; give both');
  const ciphers = settings.text('tls-cipher');
  const minVersion = leastVersion(settings.text('tls-protocol'));
  const tlsClient = {
    ...(minVersion && { minVersion }),
    ...(ciphers !== undefined && { ciphers }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
  if (ca || cert || key || ciphers !== undefined) {
    const { checkTlsClient } = await import('../../net/tls-check.ts');
    const names = Object.entries({ ca: 'tls-ca-path', cert: 'tls-cert', key: 'tls-key' });
    checkTlsClient(tlsClient, Object.fromEntries(names.map(([name, option]) => [name, settings.text(option) ?? ''])));
  }
  return {
    connection: {
      tls: modes[transport.tls],
      tlsVerify: settings.has('tls-verify') ? 'full' : 'none',
      tlsClient,
      ...serverName(settings, transport),
    },
    localSubject: cert ? distinguishedName(new X509Certificate(cert).subject) : null,
    peerCertificate: settings.has('tls-get-peer-cert') ? settings.text('tls-get-peer-cert') || null : undefined,
  };
}

/** `/C=DE/CN=x`, as OpenSSL writes a name on one line. */
export const distinguishedName = (name: string): string => `/${name.split(/\n|, (?=[A-Za-z.0-9]+=)/).join('/')}`;

/** Key bits of a cipher's name, for the line that tells of it. */
export const cipherBits = (cipher: string): number =>
  /128|SEED|IDEA/.test(cipher) ? 128 : /DES-CBC3/.test(cipher) ? 168 : 256;

/** SNI other than the host: the engine's name is then that, and the connection goes to the host all the same. */
function serverName(settings: SwaksSettings, { mx, host, port, kind }: Transport): Pick<Connection, 'connectTo'> {
  const name = settings.text('tls-sni');
  if (name === undefined) return {};
  if (mx || kind !== 'socket-inet') throw notYet('--tls-sni', 'it needs --server');
  return { connectTo: [{ host: name, port, toHost: host, toPort: port }] };
}

const versions = ['sslv2', 'sslv3', 'tlsv1', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3'] as const;
type Version = (typeof versions)[number];
const minima: Partial<Record<Version, 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'>> = {
  tlsv1: 'TLSv1',
  tlsv1_1: 'TLSv1.1',
  tlsv1_2: 'TLSv1.2',
  tlsv1_3: 'TLSv1.3',
};

/** `tlsv1_2,tlsv1_3` or `no_tlsv1,no_tlsv1_1`: what can be said is the least version that is allowed. */
function leastVersion(text: string | undefined): 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined {
  if (text === undefined) return undefined;
  const words = text
    .toLowerCase()
    .split(',')
    .map((word) => word.trim());
  const not = words.filter((word) => word.startsWith('no_'));
  if (not.length > 0 && not.length < words.length) throw usage(`--tls-protocol ${text} mixes names with no_ names`);
  const names = words.map((word) => word.replace(/^no_/, ''));
  const unknown = names.find((name) => !versions.some((one) => one === name));
  if (unknown !== undefined) throw usage(`--tls-protocol: "${unknown}" is none of ${versions.join(', ')}`);
  const allowed = versions.filter((one) => names.includes(one) === (not.length === 0));
  const usable = allowed.filter((one) => minima[one] !== undefined);
  const [least] = usable;
  if (least === undefined) throw notYet(`--tls-protocol ${text}`, 'SSLv2 and SSLv3 are not spoken here at all');
  if (usable.length !== versions.length - versions.indexOf(least)) {
    throw notYet(
      `--tls-protocol ${text}`,
      `only a least version can be asked for, as in ${versions.slice(versions.indexOf(least)).join(',')}`,
    );
  }
  return minima[least];
}

async function readPem(settings: SwaksSettings, option: string, context: Context): Promise<Buffer | undefined> {
  const path = settings.text(option);
  return path === undefined ? undefined : readAll(await context.ports.files.read(path));
}

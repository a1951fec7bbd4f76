// The TLS options of a connection, with their files read.
import type { Connection } from '../app/connection.ts';
import { readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { Context } from './command.ts';
import type { OptionValues } from './option-values.ts';

const versions = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const;

export async function readTlsClient(values: OptionValues, context: Context): Promise<Connection['tlsClient']> {
  const minVersion = versions[values.oneOf('tls-min', ['1.0', '1.1', '1.2', '1.3']) ?? '1.2'];
  const name = values.text('tls-name');
  const ciphers = values.text('ciphers');
  const pin = values.parsed('pin', parsePin);
  if ((values.text('cert') === undefined) !== (values.text('key') === undefined)) {
    throw new EhloError('usage', '--cert and --key belong together; give both');
  }
  const ca = await readPem('ca', values, context);
  const cert = await readPem('cert', values, context);
  const key = await readPem('key', values, context);
  return {
    minVersion,
    ...(name !== undefined && { name }),
    ...(ciphers !== undefined && { ciphers }),
    ...(pin !== undefined && { pin }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}

async function readPem(
  option: 'ca' | 'cert' | 'key',
  values: OptionValues,
  context: Context,
): Promise<Buffer | undefined> {
  const path = values.text(option);
  if (path === undefined) return undefined;
  const bytes = await readAll(await context.ports.files.read(path));
  if (bytes.includes('-----BEGIN ')) return bytes;
  throw new EhloError('config', `--${option}: ${path} holds nothing in PEM form (no "-----BEGIN")`, {
    hint: 'openssl x509 -inform der -in FILE turns DER into PEM',
  });
}

/** `sha256:` and 64 hex digits, with or without colons, as openssl and browsers print a fingerprint. */
function parsePin(text: string): string {
  const hex = /^sha256:([0-9a-f:]+)$/i.exec(text)?.[1]?.replaceAll(':', '').toLowerCase() ?? '';
  if (hex.length !== 64) throw new EhloError('usage', `"${text}" is not sha256: and 64 hex digits`);
  return hex;
}

// The TLS options of a connection, with their files read and checked: what cannot be used is said before anybody is called.
import type { Connection } from '../app/connection.ts';
import { readAll } from '../base/bytes.ts';
import { domainToAscii, forbiddenCharacter } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Context } from './command.ts';
import type { OptionValues } from './option-values.ts';
import { warn } from './warn.ts';

const versions = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const;

export async function readTlsClient(values: OptionValues, context: Context): Promise<Connection['tlsClient']> {
  const minVersion = versions[values.oneOf('tls-min', ['1.0', '1.1', '1.2', '1.3']) ?? '1.2'];
  const name = values.parsed('tls-name', parseTlsName);
  const ciphers = values.text('ciphers');
  const pin = values.parsed('pin', parsePin);
  if ((values.text('cert') === undefined) !== (values.text('key') === undefined)) {
    throw new EhloError('usage', '--cert and --key belong together; give both');
  }
  const ca = await readPem('ca', values, context);
  const cert = await readPem('cert', values, context);
  const key = await readPem('key', values, context);
  if (key && (await (await import('../store/secret-file.ts')).othersMayRead(key.path))) {
    warn(`--key: others may read ${key.path}, and so be you to any server; chmod 600 it`, context);
  }
  const settings = {
    minVersion,
    ...(ciphers !== undefined && { ciphers }),
    ...(ca && { ca: ca.bytes }),
    ...(cert && { cert: cert.bytes }),
    ...(key && { key: key.bytes }),
  };
  if (ca || cert || key || ciphers !== undefined) {
    const { checkTlsClient } = await import('../net/tls-check.ts');
    checkTlsClient(settings, {
      ...(ca && { ca: ca.path }),
      ...(cert && { cert: cert.path }),
      ...(key && { key: key.path }),
    });
  }
  return { ...settings, ...(name !== undefined && { name }), ...(pin !== undefined && { pin }) };
}

/** --tls-get-cert: the chain of the first server that shows one. Whatever else is shown later is not written. */
export function readChainFile(values: OptionValues): Connection['onChain'] {
  const path = values.text('tls-get-cert');
  if (path === undefined) return undefined;
  if (path === '' || path === '-') {
    throw new EhloError('usage', `--tls-get-cert: "${path}" is no file name; standard output is for the result`);
  }
  let saved = false;
  return async (chain) => {
    if (saved || chain.length === 0) return;
    saved = true;
    await (await import('../store/chain-file.ts')).saveChain(path, chain);
  };
}

async function readPem(
  option: 'ca' | 'cert' | 'key',
  values: OptionValues,
  context: Context,
): Promise<{ bytes: Buffer; path: string } | undefined> {
  const path = values.text(option);
  if (path === undefined) return undefined;
  const bytes = await context.ports.files
    .read(path)
    .then(readAll)
    .catch((thrown: unknown) => {
      if (!(thrown instanceof EhloError)) throw thrown;
      // A missing file is a missing input (66); one that cannot be used is a bad setting.
      const code = thrown.code === 'io' ? 'config' : thrown.code;
      throw new EhloError(code, `--${option}: ${thrown.message}`, { hint: thrown.hint, cause: thrown });
    });
  if (bytes.includes('-----BEGIN ')) return { bytes, path };
  throw new EhloError('config', `--${option}: ${path} holds nothing in PEM form (no "-----BEGIN")`, {
    hint: `openssl ${option === 'key' ? 'pkey' : 'x509'} -inform der -in FILE turns DER into PEM`,
  });
}

/** `sha256:` and 64 hex digits, with or without colons, as openssl and browsers print a fingerprint. */
function parsePin(text: string): string {
  const hex = /^sha256:([0-9a-f:]+)$/i.exec(text)?.[1]?.replaceAll(':', '').toLowerCase() ?? '';
  if (hex.length !== 64) throw new EhloError('usage', `"${text}" is not sha256: and 64 hex digits`);
  return hex;
}

/** A domain, in A-labels as certificates have it (RFC 6125 6.4.2), or an address. */
function parseTlsName(text: string): string {
  if (ipFamily(text) !== undefined) return text;
  const found = forbiddenCharacter(text);
  if (found) throw new EhloError('usage', `it holds ${found}`);
  try {
    return domainToAscii(text);
  } catch (cause) {
    throw new EhloError('usage', cause instanceof Error ? cause.message : 'it is not a domain', { cause });
  }
}

// A test authority and a certificate for 127.0.0.1 and localhost, made by openssl once a run.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshPath, home, tool } from './support.ts';

export interface Certificate {
  /** The authority to trust. */
  ca: string;
  cert: string;
  key: string;
}

let made: Promise<Certificate> | undefined;

export function certificate(): Promise<Certificate> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificate> {
  const directory = freshPath('tls');
  mkdirSync(directory);
  const path = (name: string): string => join(directory, name);
  const files = { ca: path('ca.pem'), cert: path('cert.pem'), key: path('key.pem') };
  writeFileSync(path('names.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    path('ca.key'),
    '-out',
    files.ca,
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
  );
  await openssl('req', ...newKey, '-keyout', files.key, '-out', path('request.pem'), '-subj', '/CN=localhost');
  await openssl(
    ...['x509', '-req', '-in', path('request.pem'), '-CA', files.ca, '-CAkey', path('ca.key'), '-set_serial', '2'],
    ...['-days', '2', '-extfile', path('names.cnf'), '-out', files.cert],
  );
  return files;
}

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await tool('openssl', args, { cwd: home() });
  if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
}

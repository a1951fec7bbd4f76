// --dkim SELECTOR:DOMAIN:KEYFILE: the file is read and the key judged here, before anything is composed or connected to.
import { EhloError } from '../base/errors.ts';
import type { Scrubber } from '../base/secret.ts';
import type { DkimKey } from '../policy/dkim-key.ts';

/** The path may hold colons. Throws 'usage', 'no-input', 'io' or 'config'. */
export async function parseDkimOption(text: string, scrubber: Scrubber): Promise<DkimKey> {
  const [, selector, domain, path] = /^([^:]*):([^:]*):(.+)$/s.exec(text) ?? [];
  if (!selector || !domain || !path) {
    throw new EhloError('usage', '--dkim takes SELECTOR:DOMAIN:KEYFILE', {
      hint: 'for example --dkim mail2026:example.com:/etc/dkim/mail2026.pem',
    });
  }
  const [{ readSecretFile }, { parseDkimKey }] = await Promise.all([
    import('../store/secret-file.ts'),
    import('../policy/dkim-key.ts'),
  ]);
  const pem = (await readSecretFile(path, 'a private key')).toString('latin1');
  scrubber.add(pem);
  // An error that shows a line of the file, shows a line.
  for (const line of pem.split(/\r?\n/)) if (/^[A-Za-z0-9+/=]{16,}$/.test(line)) scrubber.add(line);
  return parseDkimKey({ selector, domain }, pem, path);
}

// Whom sendmail is to send to: addresses of the command line and of the header (-t), with a domain put behind local names.
// Syntax only; there are no aliases, no files and no programs as recipients.
import { type Mailbox, parseMailbox, printMailbox } from '../../base/address.ts';
import { forbiddenCharacter } from '../../base/domain.ts';
import { EhloError } from '../../base/errors.ts';
import { parseHeaderAddresses } from '../../message/addresses.ts';
import { fieldsNamed, type HeaderField } from '../../message/headers.ts';

/** What a user name may be; `|command`, `/file`, `:include:` and what looks like an option are none. */
const localName = /^[A-Za-z0-9_][A-Za-z0-9_.+=-]*$/;

/** An argument that names one or more. Throws 'bad-address'. */
export function readArgument(text: string, domain: string): Mailbox[] {
  const control = forbiddenCharacter(text);
  if (control) throw wrong('an address', `it holds ${control}`);
  const all = readAddresses(text, 'an address', domain);
  if (all.length === 0) throw wrong('an address', `${JSON.stringify(text.slice(0, 80))} names nobody`);
  return all;
}

const wrong = (where: string, what: string): EhloError =>
  new EhloError('bad-address', `${where}: ${what}`, { hint: 'nothing was sent; correct the address' });

/** `where` is for errors. A list of a header may name nobody. */
function readAddresses(text: string, where: string, domain: string): Mailbox[] {
  const refuse = (what: string): never => {
    throw wrong(where, what);
  };
  return parseHeaderAddresses(text, refuse).map(({ name, address }) => {
    const written = address === '' ? (name ?? '') : address;
    try {
      return written.includes('@') ? parseMailbox(written) : qualify(written, domain, refuse);
    } catch (thrown) {
      if (!(thrown instanceof EhloError)) throw thrown;
      return refuse(thrown.message);
    }
  });
}

function qualify(name: string, domain: string, refuse: (what: string) => never): Mailbox {
  if (!localName.test(name)) return refuse(`${JSON.stringify(name.slice(0, 80))} is not an address`);
  return parseMailbox(`${name}@${domain}`);
}

/** One address, or '' for the null sender. */
export function readSender(text: string, domain: string): string {
  if (text.trim() === '' || text.trim() === '<>') return '';
  const [one, ...more] = readArgument(text, domain);
  if (one && more.length === 0) return printMailbox(one);
  throw new EhloError('bad-address', `the sender is one address, not ${more.length + 1}`);
}

const recipientFields = ['to', 'cc', 'bcc'];

/** Recipients of the header. Where the message is resent, those of the last resending alone count (RFC 5322 3.6.6). */
export function headerRecipients(fields: readonly HeaderField[], domain: string): Mailbox[] {
  const resent = lastResending(fields);
  const from = resent ?? fields;
  const prefix = resent ? 'resent-' : '';
  return recipientFields.flatMap((name) =>
    fieldsNamed(from, `${prefix}${name}`).flatMap((field) =>
      readAddresses(field.rawValue, `the ${field.name} field`, domain),
    ),
  );
}

/** Each resending puts its fields in front of all others: the first block is the last one. It has each field once. */
function lastResending(fields: readonly HeaderField[]): HeaderField[] | undefined {
  const block: HeaderField[] = [];
  const seen = new Set<string>();
  for (const field of fields) {
    const name = field.name.toLowerCase();
    const trace = name === 'received' || name === 'return-path';
    if (seen.has(name) || (trace && block.length > 0)) break;
    if (!name.startsWith('resent-')) continue;
    seen.add(name);
    block.push(field);
  }
  // Without a recipient it says nothing of where the message goes.
  return recipientFields.some((name) => seen.has(`resent-${name}`)) ? block : undefined;
}

// The header as it goes out: what a submission agent adds where it is missing (RFC 6409 8: From, Date, Message-ID), and Bcc
// taken out (RFC 5322 3.6.3). All other fields stay as they are, byte for byte.
import { randomUUID } from 'node:crypto';
import { domainToAscii, type NamedMailbox } from '../../base/address.ts';
import { printDate } from '../../message/date.ts';
import { checkLine } from '../../message/draft.ts';
import { printAddressField } from '../../message/fields.ts';
import { firstField, type HeaderField } from '../../message/headers.ts';

export interface Author extends NamedMailbox {
  date: Date;
}

const blind = new Set(['bcc', 'resent-bcc']);

/** With its blank line. `author` null: nothing is added. */
export function printHeader(fields: readonly HeaderField[], author: Author | null): Buffer {
  const kept = fields.filter((field) => !blind.has(field.name.toLowerCase())).map((field) => field.raw);
  return Buffer.concat([Buffer.from(author ? missing(fields, author) : ''), ...kept, Buffer.from('\r\n')]);
}

function missing(fields: readonly HeaderField[], { name, mailbox, date }: Author): string {
  checkLine(name ?? '', 'the full name');
  const own: [string, () => string][] = [
    ['Date', () => `Date: ${printDate(date)}\r\n`],
    ['From', () => printAddressField('From', [{ name, mailbox }])],
    ['Message-ID', () => `Message-ID: <${randomUUID()}@${domainToAscii(mailbox.domain)}>\r\n`],
  ];
  return own.map(([field, print]) => (firstField(fields, field) ? '' : print())).join('');
}

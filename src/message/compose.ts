// Writes a message (RFC 5322, 2045-2047, 2183, 2231) from a draft: 7-bit clean, CRLF lines, Bcc left out. nodemailer's
// MailComposer builds the MIME tree with a placeholder for each attachment; the attachments themselves are encoded here
// while they are read, so that one of any size passes in bounded memory and can be sent again on the next try.
import { randomBytes, randomUUID } from 'node:crypto';
import { domainToAscii, isAscii, printMailbox } from '../base/address.ts';
import { type ByteSource, bytesSource, readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { spoolThreshold } from '../base/limits.ts';
import { Base64Lines, base64Size } from './base64.ts';
import { printDate } from './date.ts';
import {
  checkAttachment,
  checkBody,
  checkLine,
  checkMessageId,
  checkUserFields,
  type Draft,
  type DraftAttachment,
} from './draft.ts';
import { printAddressField, printField } from './fields.ts';
import { LineScan } from './lines.ts';
import { fixEol } from './raw.ts';

export type { Draft, DraftAttachment } from './draft.ts';

export interface Composed {
  /** With angle brackets. */
  messageId: string;
  /** In memory when small. `size` is known when that of each attachment is. */
  source: ByteSource;
  /** A local part beyond ASCII stands in an address field: only SMTPUTF8 can carry it. */
  utf8Headers: boolean;
  /** Addresses without brackets; to holds To, Cc and Bcc, each once. */
  envelope: { from: string; to: string[] };
}

/** Errors: 'bad-message' or 'bad-address' for what cannot be sent, and those of the sources. */
export async function compose(draft: Draft): Promise<Composed> {
  const { fields, date, messageId } = headerOf(draft);
  checkBody(draft.text ?? '', 'the text');
  checkBody(draft.html ?? '', 'the HTML');
  for (const attachment of draft.attachments) checkAttachment(attachment);
  const inserts = await Promise.all(draft.attachments.map(planInsert));
  const head = Buffer.from(fields);
  const skeleton = Buffer.concat([head, await buildSkeleton(draft, inserts, date, messageId)]);
  const source = assemble(skeleton, inserts);
  const to = [...draft.to, ...draft.cc, ...draft.bcc].map((one) => printMailbox(one.mailbox));
  return {
    messageId,
    source: source.size !== undefined && source.size <= spoolThreshold ? bytesSource(await readAll(source)) : source,
    utf8Headers: !isAscii(fields),
    envelope: { from: printMailbox(draft.from.mailbox), to: [...new Set(to)] },
  };
}

/** The fields that are ours, or the user's in their place. Date and Message-ID are left to the builder of the body. */
function headerOf(draft: Draft): { fields: string; date: string; messageId: string } {
  const user = checkUserFields(draft.headers);
  const given = new Map(user.map((field) => [field.name.toLowerCase(), field]));
  for (const one of [draft.from, ...draft.to, ...draft.cc, ...draft.replyTo]) checkLine(one.name ?? '', 'a name');
  checkLine(draft.subject ?? '', 'the subject');
  if (draft.messageId !== undefined) checkMessageId(draft.messageId);
  if (draft.inReplyTo !== undefined) checkMessageId(draft.inReplyTo);
  const own: [name: string, printed: string | undefined][] = [
    ['From', printAddressField('From', [draft.from])],
    ['To', draft.to.length > 0 ? printAddressField('To', draft.to) : undefined],
    ['Cc', draft.cc.length > 0 ? printAddressField('Cc', draft.cc) : undefined],
    ['Reply-To', draft.replyTo.length > 0 ? printAddressField('Reply-To', draft.replyTo) : undefined],
    ['Subject', draft.subject === undefined ? undefined : printField('Subject', draft.subject)],
    ['In-Reply-To', draft.inReplyTo && printField('In-Reply-To', draft.inReplyTo)],
    ['References', draft.inReplyTo && printField('References', draft.inReplyTo)],
    ...priorityFields(draft.priority),
  ];
  const lines = own.filter(([name]) => !given.has(name.toLowerCase())).map(([, printed]) => printed ?? '');
  for (const { name, value, addresses } of user) {
    if (name.toLowerCase() === 'date' || name.toLowerCase() === 'message-id') continue;
    lines.push(addresses ? printAddressField(name, addresses) : printField(name, value));
  }
  return {
    fields: lines.join(''),
    date: given.get('date')?.value ?? printDate(draft.date),
    messageId: given.get('message-id')?.value ?? draft.messageId ?? `<${randomUUID()}@${idDomain(draft)}>`,
  };
}

/** X-Priority is what Outlook and others read, Importance is RFC 2156 5.3.4. */
const priorityFields = (priority: Draft['priority']): [string, string][] => {
  if (priority === undefined || priority === 'normal') return [];
  const number = priority === 'high' ? '1 (Highest)' : '5 (Lowest)';
  return [
    ['X-Priority', printField('X-Priority', number)],
    ['Importance', printField('Importance', priority)],
  ];
};

function idDomain({ from, hostname }: Draft): string {
  const { domain } = from.mailbox;
  return domain === '' ? (hostname ?? 'localhost') : domainToAscii(domain);
}

/** How one attachment goes into the message. */
interface Insert {
  attachment: DraftAttachment;
  contentType: string | undefined;
  encoding: 'base64' | '7bit';
  /** What the tree is built with, and the text that then stands where the attachment belongs. */
  content: Buffer;
  placeholder: Buffer;
  /** Encoded octets; undefined when the source does not know its size. */
  size: number | undefined;
  encode(): AsyncIterable<Buffer>;
}

async function planInsert(attachment: DraftAttachment): Promise<Insert> {
  const content = randomBytes(45);
  const { type, source } = attachment;
  const isMessage =
    /^message\//i.test(type ?? '') || (type === undefined && /\.(?:eml|mht|mhtml|mime)$/i.test(attachment.filename));
  if (isMessage) {
    const size = await sizeAsMessage(source);
    if (size !== undefined) {
      const placeholder = Buffer.from(content.toString('hex'));
      const contentType = type ?? 'message/rfc822';
      return {
        attachment,
        contentType,
        encoding: '7bit',
        content: placeholder,
        placeholder,
        size,
        encode: () => checked(fixEol(source), attachment),
      };
    }
    if (type !== undefined) {
      throw new EhloError(
        'bad-message',
        `the message ${JSON.stringify(attachment.filename)} cannot be attached as ${type}: it holds 8-bit characters, NUL or lines over 998 octets, and such a part cannot be encoded (RFC 2046 5.2.1)`,
        {
          hint: 'nothing was sent; attach it with ;type=application/octet-stream',
        },
      );
    }
  }
  return {
    attachment,
    // Without a type the extension tells, but a message that is not 7-bit can only travel as mere data.
    contentType: type ?? (isMessage ? 'application/octet-stream' : undefined),
    encoding: 'base64',
    content,
    placeholder: Buffer.from(content.toString('base64')),
    size: source.size === undefined ? undefined : base64Size(source.size),
    encode: () => encodeBase64(attachment),
  };
}

/** Octets of a message with its line ends put right; undefined when it is not 7-bit clean. */
async function sizeAsMessage(source: ByteSource): Promise<number | undefined> {
  const lines = new LineScan();
  for await (const chunk of source.chunks()) {
    if (!isAscii(chunk.toString('latin1')) || chunk.includes(0)) return undefined;
    lines.feed(chunk);
  }
  lines.end();
  return lines.longest > 998 ? undefined : lines.size + lines.bareCrs + lines.bareLfs;
}

async function* encodeBase64(attachment: DraftAttachment): AsyncIterable<Buffer> {
  const lines = new Base64Lines();
  for await (const chunk of checked(attachment.source, attachment)) {
    const encoded = lines.feed(chunk);
    if (encoded.length > 0) yield encoded;
  }
  const last = lines.end();
  if (last.length > 0) yield last;
}

/** A file that grows or shrinks between SIZE= and the last byte would make the message a lie. */
async function* checked(source: ByteSource, attachment: DraftAttachment): AsyncIterable<Buffer> {
  let read = 0;
  for await (const chunk of source.chunks()) {
    read += chunk.length;
    yield chunk;
  }
  if (source.size === undefined || read === source.size) return;
  throw new EhloError(
    'io',
    `the attachment ${JSON.stringify(attachment.filename)} changed while it was read: ${read} bytes instead of ${source.size}`,
    {
      stage: 'body',
      hint: 'try again when nothing writes to it',
    },
  );
}

async function buildSkeleton(draft: Draft, inserts: Insert[], date: string, messageId: string): Promise<Buffer> {
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const composer = new MailComposer({
    disableFileAccess: true,
    disableUrlAccess: true,
    date,
    messageId,
    ...(draft.text ? { text: bodyPart(draft.text) } : {}),
    ...(draft.html ? { html: bodyPart(draft.html) } : {}),
    attachments: inserts.map(({ attachment, contentType, encoding, content }) => ({
      filename: attachment.filename,
      content,
      contentTransferEncoding: encoding,
      contentDisposition: attachment.inline || attachment.cid !== undefined ? 'inline' : 'attachment',
      ...(contentType === undefined ? {} : { contentType }),
      ...(attachment.cid === undefined ? {} : { cid: attachment.cid }),
    })),
  });
  return composer.compile().build();
}

/** Lines end in CRLF in the canonical form (RFC 2049 4); whatever no line of text can hold is carried as data. */
function bodyPart(text: string): { content: string; contentTransferEncoding?: string } {
  const content = text.replace(/\r?\n/g, '\r\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const asData = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/.test(content);
  return asData ? { content, contentTransferEncoding: 'base64' } : { content };
}

/** Puts each attachment in the place of its placeholder. */
function assemble(skeleton: Buffer, inserts: readonly Insert[]): ByteSource {
  const places = inserts
    .map((insert) => ({ insert, at: skeleton.indexOf(insert.placeholder) }))
    .sort((a, b) => a.at - b.at);
  if (places.some(({ at }) => at === -1))
    throw new EhloError('internal', 'an attachment has no place in the composed message');
  const sizes = inserts.map((insert) =>
    insert.size === undefined ? undefined : insert.size - insert.placeholder.length,
  );
  const size = sizes.reduce(
    (sum, one) => (sum === undefined || one === undefined ? undefined : sum + one),
    skeleton.length,
  );
  if (places.length === 0) return bytesSource(skeleton);
  return {
    size,
    async *chunks() {
      let from = 0;
      for (const { insert, at } of places) {
        yield skeleton.subarray(from, at);
        yield* insert.encode();
        from = at + insert.placeholder.length;
      }
      yield skeleton.subarray(from);
    },
  };
}

// Writes a message (RFC 5322, 2045-2047, 2183, 2231) from a draft: 7-bit clean, CRLF lines, Bcc left out. nodemailer's
// MailComposer builds the MIME tree around a mark for each leaf; the leaves are written by leaf.ts and attachment.ts while
// they are read, so that an attachment of any size passes in bounded memory and can be sent again on the next try.
import { randomBytes, randomUUID } from 'node:crypto';
import { domainToAscii, isAscii, printMailbox } from '../base/address.ts';
import { type ByteSource, bytesSource, readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { spoolThreshold } from '../base/limits.ts';
import { attachmentLeaf } from './attachment.ts';
import { printDate } from './date.ts';
import {
  checkAttachments,
  checkBody,
  checkLine,
  checkMessageId,
  checkUserFields,
  type Draft,
  type DraftAttachment,
} from './draft.ts';
import { printAddressField, printField } from './fields.ts';
import { type Leaf, textLeaf } from './leaf.ts';
import { mediaType } from './media-types.ts';

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
  checkAttachments(draft.attachments);
  const source = assemble([Buffer.from(fields), ...(await bodyPieces(draft, { date, messageId }))]);
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

/** The parts in the order of their importance: those before the HTML say the same in other words (RFC 2046 5.1.4). */
async function leavesOf(draft: Draft): Promise<{ bodies: Leaf[]; files: Leaf[] }> {
  const { text, html, ical } = draft;
  const bodies: Leaf[] = [];
  if (text) bodies.push(textLeaf('text/plain', text));
  if (html) bodies.push(textLeaf('text/html', html));
  // RFC 6047 2.4: the parameter repeats the METHOD property; readers look for the buttons of an invitation there.
  if (ical) bodies.push(textLeaf('text/calendar', ical.content, ical.method === null ? [] : [['method', ical.method]]));
  const files = await Promise.all(draft.attachments.map((one) => attachmentLeaf(one, typeOf)));
  if (ical) files.push(await attachmentLeaf(calendarFile(ical.content), typeOf));
  if (bodies.length + files.length === 0) bodies.push(textLeaf('text/plain', ''));
  return { bodies, files };
}

/** Outlook and Gmail take the alternative; whoever reads mail without a calendar gets a file for one. */
const calendarFile = (content: string): DraftAttachment => ({
  filename: 'invite.ics',
  type: 'application/ics',
  source: bytesSource(Buffer.from(content.replace(/\r?\n/g, '\r\n'))),
});

async function typeOf(filename: string): Promise<string> {
  const known = mediaType(filename);
  if (known !== undefined) return known;
  // nodemailer takes a name without a dot for an extension.
  if (!/.\.[^.]+$/.test(filename)) return 'application/octet-stream';
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const composer = new MailComposer({ attachments: [{ filename, content: '-' }] });
  const type = composer.compile().getHeader('Content-Type');
  return typeof type === 'string' ? type : 'application/octet-stream';
}

/** Where a leaf goes in a skeleton of all that is around it. */
type Piece = Buffer | Leaf;

/** A single leaf is the message; more of them stand in a tree, which nodemailer builds around a mark for each. */
async function bodyPieces(draft: Draft, ids: { date: string; messageId: string }): Promise<Piece[]> {
  const { bodies, files } = await leavesOf(draft);
  const [only, second] = [...bodies, ...files];
  if (only && !second) {
    const fields = `Message-ID: ${ids.messageId}\r\nDate: ${ids.date}\r\nMIME-Version: 1.0\r\n${only.fields}\r\n`;
    return [Buffer.from(fields), only, ...(only.endsInNewline || only.size === 0 ? [] : [Buffer.from('\r\n')])];
  }
  const marks = new Map<string, Leaf>();
  const marked = (leaf: Leaf) => {
    const raw = randomBytes(32).toString('hex');
    marks.set(raw, leaf);
    // The type tells the tree which one is the HTML; what is written are the fields of the leaf.
    return { contentType: leaf.type, raw, ...(leaf.cid === undefined ? {} : { cid: leaf.cid }) };
  };
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const composer = new MailComposer({
    disableFileAccess: true,
    disableUrlAccess: true,
    ...ids,
    alternatives: bodies.map(marked),
    attachments: files.map(marked),
  });
  return splitAtMarks(await composer.compile().build(), marks);
}

function splitAtMarks(skeleton: Buffer, marks: ReadonlyMap<string, Leaf>): Piece[] {
  const places = [...marks].map(([mark, leaf]) => ({ leaf, at: skeleton.indexOf(mark), length: mark.length }));
  if (places.some(({ at }) => at === -1)) {
    throw new EhloError('internal', 'a part has no place in the composed message');
  }
  const pieces: Piece[] = [];
  let from = 0;
  for (const { leaf, at, length } of places.sort((a, b) => a.at - b.at)) {
    pieces.push(skeleton.subarray(from, at), Buffer.from(`${leaf.fields}\r\n`), leaf);
    from = at + length;
  }
  return [...pieces, skeleton.subarray(from)];
}

function assemble(pieces: readonly Piece[]): ByteSource {
  let size: number | undefined = 0;
  for (const piece of pieces) {
    const octets: number | undefined = Buffer.isBuffer(piece) ? piece.length : piece.size;
    size = size === undefined || octets === undefined ? undefined : size + octets;
  }
  return {
    size,
    async *chunks() {
      for (const piece of pieces) {
        if (Buffer.isBuffer(piece)) yield piece;
        else yield* piece.encode();
      }
    },
  };
}

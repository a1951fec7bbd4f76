// What a user wants to send, and the checks that refuse what no message can carry. Nothing is cleaned up in silence: a
// character that cannot be sent is named. Writing the message is compose.ts.
import { isAscii, type NamedMailbox, parseMailboxList } from '../base/address.ts';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { Calendar } from './calendar.ts';
import { parseDate } from './date.ts';
import { wordMax } from './fields.ts';
import { parseParams } from './params.ts';

export interface DraftAttachment {
  filename: string;
  /** `type/subtype`, with parameters if wanted; by the filename's extension when absent. */
  type?: string;
  source: ByteSource;
  /** Content-ID without brackets: shown inside of the HTML. */
  cid?: string;
  inline?: boolean;
}

export interface Draft {
  from: NamedMailbox;
  to: NamedMailbox[];
  cc: NamedMailbox[];
  /** Envelope only. */
  bcc: NamedMailbox[];
  replyTo: NamedMailbox[];
  subject?: string | undefined;
  text?: string | undefined;
  html?: string | undefined;
  /** An invitation or another calendar object: parseCalendar gives it. */
  ical?: Calendar | undefined;
  attachments: DraftAttachment[];
  /** In order. From, To, Cc, Reply-To, Subject, Date, Message-ID and In-Reply-To replace ours; the envelope stays. */
  headers: { name: string; value: string }[];
  date: Date;
  /** With angle brackets. */
  messageId?: string | undefined;
  inReplyTo?: string | undefined;
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** For the Message-ID when the sender has no domain. */
  hostname?: string | undefined;
}

const refuse = (what: string, hint: string): EhloError =>
  new EhloError('bad-message', what, { hint: `nothing was sent; ${hint}` });

/** C0 with tab and line ends, DEL, C1, separators, halves of surrogates. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;

/** One line of text for a header field. */
export function checkLine(text: string, where: string): void {
  const found = unprintable.exec(text);
  if (!found) return;
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw refuse(`${where} holds U+${code} at character ${found.index + 1}`, 'remove that character');
}

/** Bodies may hold anything but halves of surrogates, which have no UTF-8. */
export function checkBody(text: string, where: string): void {
  const found = /\p{Cs}/u.exec(text);
  if (!found) return;
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase();
  throw refuse(`${where} holds U+${code} at character ${found.index + 1}, half of a character`, 'correct the text');
}

/** RFC 5322 3.6: at most once. Those of the second list say how the body is written, which is not the user's to say. */
const once = new Set([
  'date',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'message-id',
  'in-reply-to',
  'references',
  'subject',
]);
const ours = new Set([
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
]);
const addressFields = new Set(['from', 'sender', 'reply-to', 'to', 'cc']);

export type UserField = { name: string; value: string; addresses: NamedMailbox[] | null };

/** The user's own fields by name in lower case, each checked. */
export function checkUserFields(headers: readonly { name: string; value: string }[]): UserField[] {
  const seen = new Set<string>();
  return headers.map(({ name, value }) => {
    checkLine(name, 'a header name');
    if (!/^[!-9;-~]{1,76}$/.test(name)) {
      throw refuse(
        `"${name.slice(0, 80)}" is not a header name`,
        'names are printable ASCII without spaces and colons (RFC 5322 2.2)',
      );
    }
    checkLine(value, `the header ${name}`);
    const key = name.toLowerCase();
    checkWords(name, key, value);
    if (key === 'bcc' || key === 'resent-bcc') throw refuse(`a ${name} header would show who is hidden`, 'use --bcc');
    if (ours.has(key))
      throw refuse(`the header ${name} is set by how the body is encoded`, 'use --raw to send your own MIME');
    if (once.has(key) && seen.has(key))
      throw refuse(`the header ${name} is given twice`, 'a message has it once (RFC 5322 3.6)');
    seen.add(key);
    if (key === 'date' && !parseDate(value))
      throw refuse(`"${value}" is not a date of RFC 5322`, 'write it as Tue, 01 Sep 2026 10:00:00 +0000');
    if (key === 'message-id') checkMessageId(value);
    return { name, value, addresses: addressFields.has(key) ? readAddresses(key, value) : null };
  });
}

/** Fields of free text, where a word of any length can be cut into encoded words. */
const freeText = new Set(['subject', 'comments']);

/** A line can be folded at spaces only (RFC 5322 2.2.3), and encoded words mean nothing to a program that reads a field. */
function checkWords(name: string, key: string, value: string): void {
  if (freeText.has(key)) return;
  const tooLong = value.split(' ').find((word) => word.length > wordMax && isAscii(word));
  if (tooLong === undefined) return;
  throw refuse(
    `the header ${name} has ${tooLong.length} characters without a space, and no line of a message may be longer than 998 octets (RFC 5322 2.1.1)`,
    'put spaces where it may be folded, or shorten it',
  );
}

/** `undisclosed-recipients:;` and its like: an empty group is the one group that people write (RFC 6854 is for From). */
const emptyGroup = /^[A-Za-z0-9 _-]{1,60}: ?;$/;

function readAddresses(key: string, value: string): NamedMailbox[] | null {
  if ((key === 'to' || key === 'cc') && emptyGroup.test(value)) return null;
  return parseMailboxList(value);
}

/** msg-id of RFC 5322 3.6.4 without obsolete forms. */
export function checkMessageId(id: string): void {
  if (/^<[!-;=?A-~]+@[!-;=?A-~]+>$/.test(id) && id.length < 900) return;
  checkLine(id, 'a message identifier');
  throw refuse(`"${id.slice(0, 100)}" is not a message identifier`, 'write it as <something@domain>');
}

const mediaType = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+:/-]+|"[^"\\]*"))*$/;

export function checkAttachments(attachments: readonly DraftAttachment[]): void {
  const cids = new Set<string>();
  for (const attachment of attachments) {
    checkAttachment(attachment);
    const { cid } = attachment;
    if (cid === undefined) continue;
    if (cids.has(cid)) {
      throw refuse(`the content identifier "${cid}" is given twice`, 'the HTML could mean either; give each its own');
    }
    cids.add(cid);
  }
}

function checkAttachment({ filename, type, cid }: DraftAttachment): void {
  if (filename === '') throw refuse('an attachment has an empty name', 'give it one with ;name=');
  checkLine(filename, 'the name of an attachment');
  if (type !== undefined) {
    checkLine(type, 'the type of an attachment');
    if (!mediaType.test(type)) throw refuse(`"${type.slice(0, 100)}" is not a media type`, 'write it as type/subtype');
    if (/^multipart\//i.test(type))
      throw refuse('an attachment cannot be a multipart', 'attach it as application/octet-stream');
    if (parseParams(type).params.has('name')) {
      throw refuse(`the type "${type.slice(0, 100)}" holds a name`, 'the name is given with ;name=');
    }
  }
  if (cid !== undefined && !/^[!-;=?-~]{1,200}$/.test(cid)) {
    throw refuse(
      `"${cid.slice(0, 100)}" is not a content identifier`,
      'use printable ASCII without spaces and angle brackets',
    );
  }
}

// What sendmail sends: the message from standard input (or an SMTP client) made whole, spooled, and the envelope for it.
import { isAscii } from 'node:buffer';
import type { Files } from '../../app/ports.ts';
import { parseMailbox, printMailbox } from '../../base/address.ts';
import { type ByteSource, bytesSource } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import { type HeaderField, parseHeaders } from '../../message/headers.ts';
import { fixEol } from '../../message/raw.ts';
import { headerRecipients, readArgument, readSender } from './sendmail-addresses.ts';
import type { SendmailRequest } from './sendmail-arguments.ts';
import { type Author, printHeader } from './sendmail-fields.ts';
import type { SendmailRoute } from './sendmail-route.ts';
import { type SendmailText, splitText, untilDot } from './sendmail-text.ts';

export interface SendmailDraft {
  sender: string;
  recipients: string[];
  /** CRLF everywhere; on disk where it is large. */
  source: ByteSource & { dispose(): Promise<void> };
}

/** Read before the message: what is wrong with them is told without waiting for it. */
export interface SendmailEnvelope {
  sender: string;
  recipients: string[];
}

/** Throws 'usage' where nobody is named, 'bad-address'. */
export function readEnvelope(request: SendmailRequest, route: SendmailRoute): SendmailEnvelope {
  const recipients = request.recipients.flatMap((text) => readArgument(text, route.domain)).map(printMailbox);
  if (recipients.length === 0 && !request.readRecipients) {
    throw new EhloError('usage', 'no recipient was given', {
      hint: 'name one behind the options, or take them from the header with -t',
    });
  }
  return { sender: senderOf(request, route), recipients };
}

function senderOf({ sender }: SendmailRequest, { author, mailFrom, domain }: SendmailRoute): string {
  return sender === undefined && mailFrom === undefined
    ? printMailbox(author.mailbox)
    : readSender(sender ?? mailFrom ?? '', domain);
}

/** Throws 'bad-message', 'bad-address', 'limit-reached', and for a message that names nobody 'usage'. */
export async function readDraft(
  input: AsyncIterable<Buffer>,
  request: SendmailRequest,
  route: SendmailRoute,
  { files, now }: { files: Files; now: Date },
): Promise<SendmailDraft> {
  const { sender, recipients } = readEnvelope(request, route);
  const text = await splitText(request.ignoreDots ? input : untilDot(input));
  const { fields } = parseHeaders(text.header);
  const named = request.readRecipients ? headerRecipients(fields, route.domain).map(printMailbox) : [];
  const all = [...new Set([...recipients, ...named])];
  if (all.length === 0) {
    throw new EhloError('usage', 'the message names no recipient in To, Cc or Bcc', { hint: 'nothing was sent' });
  }
  const author = request.gateway ? null : { ...authorOf(request, route, sender), date: now };
  const whole = wholeMessage(fields, text, author);
  const source = await files.spool(request.body === '7BIT' ? sevenBit(whole) : whole);
  return { sender, recipients: all, source };
}

/** -F counts where From is missing; the null sender writes nothing, so then it is who always writes. */
function authorOf({ fullName }: SendmailRequest, { author }: SendmailRoute, sender: string): Omit<Author, 'date'> {
  const own = sender === '' || sender === printMailbox(author.mailbox);
  return {
    name: fullName || (own ? author.name : null),
    mailbox: own ? author.mailbox : parseMailbox(sender),
  };
}

/** One rule for line ends: LF, CRLF and a CR on its own all end a line. (In the header a CR on its own was refused.) */
export async function* wholeMessage(
  fields: readonly HeaderField[],
  { body }: SendmailText,
  author: Author | null,
): AsyncGenerator<Buffer> {
  const header = bytesSource(printHeader(fields, author));
  yield* header.chunks();
  yield* fixEol({ size: undefined, chunks: () => body }).chunks();
}

async function* sevenBit(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    if (!isAscii(chunk)) {
      throw new EhloError('bad-message', '-B 7BIT was given, and the message holds 8-bit characters', {
        hint: 'nothing was sent; leave -B out, or encode the message',
      });
    }
    yield chunk;
  }
}

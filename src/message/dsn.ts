// Delivery status notifications (RFC 3464 in the multipart/report of RFC 6522): what became of a message, for its sender, with
// the message or its header behind it. 7-bit but for an 8-bit original; texts of servers are made plain before they go in.
// Who gets one, and when, is the queue's business.
import { isAscii as allAscii } from 'node:buffer';
import { domainToAscii, isAscii, parseMailbox, printMailbox } from '../base/address.ts';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import { mimeLimits } from '../base/limits.ts';
import { Base64Lines, base64Size } from './base64.ts';
import { printDate } from './date.ts';

export type NoticeKind = 'failed' | 'delayed' | 'relayed' | 'delivered';

export interface NoticeRecipient {
  address: string;
  /** `type;address`, before xtext. */
  orcpt?: string;
  /** RFC 3463; null: the general code of the kind. */
  enhanced: string | null;
  code: number | null;
  text: string;
  host: string | null;
  at: Date;
  /** Deferred until its time was over. */
  expired: boolean;
}

export interface NoticeRequest {
  kind: NoticeKind;
  /** Of this machine; anything that is no domain becomes `localhost`. */
  hostname: string;
  /** The reverse-path of the original, not null. */
  to: string;
  /** Letters, digits and '-': for the Message-ID and, with `token`, the boundary. */
  id: string;
  /** Random letters and digits, which no message holds by chance. */
  token: string;
  now: Date;
  arrival: Date;
  envid?: string | undefined;
  /** How long it is tried on, for `delayed`. */
  until: Date;
  recipients: readonly NoticeRecipient[];
  original: { source: ByteSource; eightBit: boolean; utf8Headers: boolean };
  /** The whole message, else its header (RFC 3461 4.3). */
  full: boolean;
}

export interface Notice {
  source: ByteSource;
  messageId: string;
  eightBit: boolean;
  /** The sender's local part is beyond ASCII: so is the To field. */
  utf8Headers: boolean;
}

interface Words {
  action: string;
  subject: string;
  says: string;
  status: string;
}

const words: Record<NoticeKind, Words> = {
  failed: {
    action: 'failed',
    subject: 'Not delivered: your message comes back',
    says: 'Your message could not be delivered to:',
    status: '5.0.0',
  },
  delayed: {
    action: 'delayed',
    subject: 'Delayed: your message is still waiting',
    says: 'Your message has not been delivered yet. You need do nothing: it is tried again. Still waiting:',
    status: '4.0.0',
  },
  relayed: {
    action: 'relayed',
    subject: 'Passed on: your message',
    says: 'Your message was passed on to a server that sends no notices of delivery. No more will be heard of:',
    status: '2.0.0',
  },
  delivered: { action: 'delivered', subject: 'Delivered: your message', says: 'Delivered to:', status: '2.0.0' },
};

const CRLF = '\r\n';

export async function composeNotice(request: NoticeRequest): Promise<Notice> {
  const hostname = domainOr(request.hostname);
  const boundary = `=_${request.id}-${request.token}`;
  const messageId = `<${request.id}.${request.token}@${hostname}>`;
  const returned = await returnedPart(request);
  const to = toField(request.to);
  const head = lines([
    `Date: ${printDate(request.now)}`,
    `From: Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    `To: <${to}>`,
    `Subject: ${words[request.kind].subject}`,
    `Message-ID: ${messageId}`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;${CRLF} boundary="${boundary}"`,
    ...(returned.encoding === '8bit' ? ['Content-Transfer-Encoding: 8bit'] : []),
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    ...humanPart(request, hostname),
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    ...statusPart(request, hostname),
    `--${boundary}`,
    `Content-Type: ${returned.type}`,
    ...(returned.encoding === '7bit' ? [] : [`Content-Transfer-Encoding: ${returned.encoding}`]),
    '',
  ]);
  const tail = lines(['', `--${boundary}--`]);
  return {
    source: joined(Buffer.from(head), returned.source, Buffer.from(tail)),
    messageId,
    eightBit: returned.encoding === '8bit',
    utf8Headers: !isAscii(to),
  };
}

const lines = (all: readonly string[]): string => all.map((line) => `${line}${CRLF}`).join('');

function domainOr(hostname: string): string {
  try {
    return domainToAscii(parseMailbox(`postmaster@${hostname}`).domain);
  } catch {
    return 'localhost';
  }
}

/** A-labels where that is all it takes (RFC 6531 3.2). */
function toField(address: string): string {
  const { local, domain } = parseMailbox(address);
  return printMailbox({ local, domain: isAscii(local) ? domainToAscii(domain) : domain });
}

/** Printable ASCII in one line; everything else is shown by its number. */
const plain = (text: string): string =>
  text.replace(/[^\x20-\x7e]/gu, (char) => (char === '\t' ? ' ' : `\\x{${(char.codePointAt(0) ?? 0).toString(16)}}`));

const lineWanted = 76;
/** Of one text; the rest is in the queue's own list. */
const textMax = 2000;
const pieces = /.{1,900}/g;

/** Lines of at most 76, broken between words where there are any. */
function wrapped(text: string, first: string, next: string): string[] {
  const out: string[] = [];
  let line = first;
  let begun = false;
  for (const word of plain(text).slice(0, textMax).split(' ')) {
    for (let at = 0; at === 0 || at < word.length; at += lineWanted - next.length) {
      const piece = word.slice(at, at + lineWanted - next.length);
      if (begun && (at > 0 || line.length + 1 + piece.length > lineWanted)) {
        out.push(line);
        line = `${next}${piece}`;
      } else line = begun ? `${line} ${piece}` : `${line}${piece}`;
      begun = true;
    }
  }
  return [...out, line].map((one) => one.trimEnd());
}

/** A field, folded between words. None is cut that fits into a line of 998 (RFC 5322 2.1.1): a program reads them. */
function folded(name: string, value: string): string[] {
  const out: string[] = [];
  let line = name;
  const words = plain(value).slice(0, textMax).split(' ');
  for (const word of words.flatMap((one) => one.match(pieces) ?? one)) {
    const fits = line === name || line.length + 1 + word.length <= lineWanted;
    if (!fits) {
      out.push(line);
      line = '';
    }
    line += ` ${word}`;
  }
  return [...out, line].map((one) => one.trimEnd()).filter((one) => one !== '');
}

const replyText = (one: NoticeRecipient): string =>
  [one.code, one.enhanced, one.text].filter((part) => part !== null && part !== '').join(' ');

function humanPart({ kind, recipients, arrival, until }: NoticeRequest, hostname: string): string[] {
  return [
    `This is the mail system of ${hostname}.`,
    '',
    ...wrapped(words[kind].says, '', ''),
    '',
    ...recipients.flatMap((one) => [
      ...wrapped(`<${one.address}>`, '  ', '    '),
      ...(one.expired ? ['    It was tried until its time was over. The last answer:'] : []),
      ...wrapped(`${one.host === null ? '' : `${one.host}: `}${replyText(one)}`, '    ', '    '),
      '',
    ]),
    `Your message came here on ${printDate(arrival)}.`,
    ...(kind === 'delayed' ? [`It is tried until ${printDate(until)}.`] : []),
    '',
  ];
}

function statusPart({ kind, recipients, arrival, envid, until }: NoticeRequest, hostname: string): string[] {
  const field = (name: string, value: string): string[] => folded(`${name}:`, value);
  return [
    // RFC 3464 2.2.1: as the sender gave it, with xtext taken off.
    ...(envid === undefined ? [] : field('Original-Envelope-Id', envid)),
    `Reporting-MTA: dns; ${hostname}`,
    `Arrival-Date: ${printDate(arrival)}`,
    '',
    ...recipients.flatMap((one) => [
      ...(one.orcpt === undefined ? [] : field('Original-Recipient', addressField(one.orcpt))),
      ...field('Final-Recipient', finalRecipient(one.address)),
      `Action: ${words[kind].action}`,
      `Status: ${statusOf(kind, one)}`,
      ...(one.host === null ? [] : field('Remote-MTA', `dns; ${one.host}`)),
      ...(one.code === null
        ? field('Diagnostic-Code', `x-ehlo; ${one.text}`)
        : field('Diagnostic-Code', `smtp; ${replyText(one)}`)),
      `Last-Attempt-Date: ${printDate(one.at)}`,
      ...(kind === 'delayed' ? [`Will-Retry-Until: ${printDate(until)}`] : []),
      '',
    ]),
  ];
}

/** RFC 3463 2: `class.subject.detail`. What gave up after deferrals keeps the code of the last one (3.5, X.4.7). */
function statusOf(kind: NoticeKind, { enhanced, code }: NoticeRecipient): string {
  if (enhanced !== null && /^[245]\.\d{1,3}\.\d{1,3}$/.test(enhanced)) return enhanced;
  return code === null || code < 400 ? words[kind].status : `${Math.floor(code / 100)}.0.0`;
}

const addressField = (orcpt: string): string => {
  const [, type = 'rfc822', address = orcpt] = /^([A-Za-z0-9-]+);(.*)$/s.exec(orcpt) ?? [];
  return `${type}; ${address}`;
};

/** RFC 6533 3: beyond ASCII in the form of 7-bit reports. */
const finalRecipient = (address: string): string => {
  if (isAscii(address)) return `rfc822; ${address}`;
  const xtext = address.replace(/[^\x21-\x7e]|[\\+=]/gu, (char) => `\\x{${(char.codePointAt(0) ?? 0).toString(16)}}`);
  return `utf-8; ${xtext}`;
};

interface Returned {
  type: string;
  encoding: '7bit' | '8bit' | 'base64';
  source: ByteSource;
}

/** message/rfc822 may be 8bit but never encoded (RFC 2046 5.2.1); with UTF-8 in the header it is message/global, which may. */
async function returnedPart({ original, full }: NoticeRequest): Promise<Returned> {
  const { source, eightBit, utf8Headers } = original;
  if (full && utf8Headers) return { type: 'message/global', encoding: 'base64', source: base64(source) };
  if (full) return { type: 'message/rfc822', encoding: eightBit ? '8bit' : '7bit', source };
  const header = bytesSource(await headerOf(source));
  if (allAscii(header.bytes ?? Buffer.alloc(0)))
    return { type: 'text/rfc822-headers', encoding: '7bit', source: header };
  return { type: 'message/global-headers', encoding: 'base64', source: base64(header) };
}

export async function headerOf(source: ByteSource): Promise<Buffer> {
  let seen: Buffer = Buffer.alloc(0);
  for await (const chunk of source.chunks()) {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const end = seen.indexOf('\r\n\r\n');
    if (end !== -1) return seen.subarray(0, Math.min(end + 2, mimeLimits.headerBytes));
    if (seen.length > mimeLimits.headerBytes) return seen.subarray(0, mimeLimits.headerBytes);
  }
  return seen;
}

const base64 = (source: ByteSource): ByteSource => ({
  size: source.size === undefined ? undefined : base64Size(source.size),
  async *chunks() {
    const encoder = new Base64Lines();
    for await (const chunk of source.chunks()) {
      const out = encoder.feed(chunk);
      if (out.length > 0) yield out;
    }
    yield encoder.end();
  },
});

function joined(head: Buffer, middle: ByteSource, tail: Buffer): ByteSource {
  if (middle.bytes) return bytesSource(Buffer.concat([head, middle.bytes, tail]));
  return {
    size: middle.size === undefined ? undefined : head.length + middle.size + tail.length,
    async *chunks() {
      yield head;
      yield* middle.chunks();
      yield tail;
    },
  };
}

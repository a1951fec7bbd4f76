// What `send` sends: the message composed from parts, or taken as it is (--raw), and the envelope that goes with it.
import { basename } from 'node:path';
import { type Mailbox, parseMailbox, parseMailboxList, printMailbox } from '../base/address.ts';
import { type ByteSource, readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { Calendar } from '../message/calendar.ts';
import type { DraftAttachment } from '../message/compose.ts';
import type { DkimKey } from '../policy/dkim-key.ts';
import type { Envelope, OutgoingMessage, Recipient } from '../smtp/envelope.ts';
import type { EsmtpParam } from '../smtp/params.ts';
import type { Files, Ports } from './ports.ts';

/** A text given as itself, as a file, or as standard input (`-`). */
export type TextInput = { kind: 'text'; text: string } | { kind: 'file'; path: string };

export interface AttachmentInput {
  path: string;
  name?: string;
  type?: string;
  /** Content-ID: the file is shown inside the HTML. */
  cid?: string;
}

export interface RawInput {
  /** A file, or `-`. Where the bytes are at hand (`given`), only what errors call it. */
  path: string;
  given?: ByteSource;
  fixEol: boolean;
  /** Malformed on purpose: nothing is refused, and nothing is put right. */
  verbatim?: true;
}

export interface MessageInput {
  from: string;
  /** '' is the null reverse-path; undefined: the address of `from`. */
  mailFrom: string | undefined;
  /** Header and envelope. Each value may hold a list. */
  to: string[];
  cc: string[];
  bcc: string[];
  /** Envelope only, as `a@x?notify=never&orcpt=rfc822;b@y`. */
  rcpt: string[];
  readRecipients: boolean;
  subject: string | undefined;
  text: TextInput | undefined;
  html: TextInput | undefined;
  attachments: AttachmentInput[];
  /** A file with a calendar object, or `-`: an alternative to the text, and an attachment. */
  ical?: string | undefined;
  headers: { name: string; value: string }[];
  replyTo: string[];
  inReplyTo: string | undefined;
  priority: 'high' | 'normal' | 'low' | undefined;
  /** Present: the message as it is, instead of all the parts above. */
  raw: RawInput | undefined;
  /** Each adds a signature. */
  dkim?: readonly DkimKey[] | undefined;
  /** So many bytes must come from standard input: a producer that dies midway cannot be told from one that is done. */
  inputBytes?: number | undefined;
  ret: 'full' | 'hdrs' | undefined;
  envid: string | undefined;
  notify: string[] | undefined;
  mailParams: EsmtpParam[];
  rcptParams: EsmtpParam[];
}

/** Nothing said of anything: what a caller does not set. */
export const emptyInput: MessageInput = {
  from: '',
  mailFrom: undefined,
  to: [],
  cc: [],
  bcc: [],
  rcpt: [],
  readRecipients: false,
  subject: undefined,
  text: undefined,
  html: undefined,
  attachments: [],
  headers: [],
  replyTo: [],
  inReplyTo: undefined,
  priority: undefined,
  raw: undefined,
  ret: undefined,
  envid: undefined,
  notify: undefined,
  mailParams: [],
  rcptParams: [],
};

export interface Outgoing {
  messageId: string | null;
  envelope: Envelope;
  message: OutgoingMessage;
  notes: string[];
  /** Removes temporary files. */
  dispose(): Promise<void>;
}

/** Throws before anything is connected to: 'bad-address', 'bad-message', 'no-input', 'io'. */
export async function prepareMessage(input: MessageInput, outside: Ports): Promise<Outgoing> {
  const { inputBytes } = input;
  const ports = inputBytes === undefined ? outside : { ...outside, files: counted(outside.files, inputBytes) };
  const outgoing = await (input.raw ? prepareRaw(input, input.raw, ports) : prepareComposed(input, ports));
  return input.dkim && input.dkim.length > 0 ? signed(outgoing, input.dkim, ports) : outgoing;
}

/** Standard input must have exactly so many bytes. */
const counted = (files: Files, bytes: number): Files => ({
  ...files,
  async read(path) {
    const source = await files.read(path);
    if (path !== '-' || source.size === bytes) return source;
    throw new EhloError(
      'bad-message',
      `standard input has ${source.size ?? 'an unknown number of'} bytes, not ${bytes}`,
      {
        hint: 'nothing was sent; was the program that writes it cut off?',
      },
    );
  },
});

/** The last thing that happens to a message: whatever changes it afterwards breaks its signatures. */
async function signed(outgoing: Outgoing, keys: readonly DkimKey[], ports: Ports): Promise<Outgoing> {
  try {
    const { signDkim } = await import('../policy/dkim-sign.ts');
    const { notes, ...source } = await signDkim(outgoing.message.source, keys, ports.clock.date());
    return { ...outgoing, message: { ...outgoing.message, source }, notes: [...outgoing.notes, ...notes] };
  } catch (thrown) {
    await outgoing.dispose();
    throw thrown;
  }
}

async function prepareComposed(input: MessageInput, ports: Ports): Promise<Outgoing> {
  const { compose } = await import('../message/compose.ts');
  const from = singleMailbox(input.from);
  const [text, html, attachments] = [
    input.text && (await readText(input.text, 'body', ports)),
    input.html && (await readText(input.html, 'HTML body', ports)),
    await openAttachments(input.attachments, ports),
  ];
  const calendar = input.ical === undefined ? undefined : await readCalendar(input.ical, ports);
  const implicitInput = input.text?.kind === 'file' && input.text.path === '-';
  if (implicitInput && text === '' && html === undefined && !calendar && attachments.length === 0) {
    throw new EhloError('bad-message', 'standard input is empty, and it was to be the body', {
      hint: "nothing was sent; --body '' sends an empty body on purpose",
    });
  }
  const lists = { to: input.to, cc: input.cc, bcc: input.bcc, replyTo: input.replyTo };
  const { to, cc, bcc, replyTo } = Object.fromEntries(
    Object.entries(lists).map(([name, values]) => [name, values.flatMap(parseMailboxList)]),
  ) as Record<keyof typeof lists, ReturnType<typeof parseMailboxList>>;
  const composed = await compose({
    from,
    to,
    cc,
    bcc,
    replyTo,
    subject: input.subject,
    text,
    html,
    ical: calendar,
    attachments,
    headers: input.headers,
    date: ports.clock.date(),
    inReplyTo: input.inReplyTo,
    priority: input.priority,
  });
  const addresses = [...to, ...cc, ...bcc].map((one) => ({ address: printMailbox(one.mailbox) }));
  return {
    messageId: composed.messageId,
    envelope: envelopeOf(input, printMailbox(from.mailbox), addresses),
    message: { source: composed.source, eightBit: false, utf8Headers: composed.utf8Headers },
    notes:
      calendar?.method === null
        ? [`${input.ical} has no METHOD: mail programs will show it, but offer no buttons to accept or decline`]
        : [],
    dispose: async () => undefined,
  };
}

async function prepareRaw(input: MessageInput, raw: RawInput, ports: Ports): Promise<Outgoing> {
  const { examineRaw, fixEol, stripBcc } = await import('../message/raw.ts');
  const given: ByteSource & { dispose?: () => Promise<void> } = raw.given ?? (await ports.files.read(raw.path));
  const dispose = async () => given.dispose?.();
  try {
    let source: ByteSource = given;
    if (raw.fixEol) source = fixEol(source);
    if (input.readRecipients) source = stripBcc(source);
    const found = await examineRaw(source);
    // The Bcc addresses are of the message as given; what is sent no longer has them.
    const asGiven = input.readRecipients ? await examineRaw(given) : found;
    if (found.empty)
      throw new EhloError('bad-message', `${raw.path}: the message is empty`, { hint: 'nothing was sent' });
    const bare = found.bareCr ?? found.bareLf;
    if (bare !== undefined && !raw.fixEol && !raw.verbatim) {
      const what = found.bareCr === bare ? 'CR' : 'LF';
      throw new EhloError('bare-line-end', `${raw.path}: a bare ${what} at byte ${bare}; SMTP lines end in CRLF`, {
        hint: 'nothing was sent; --fix-eol turns every line end into CRLF',
      });
    }
    if (found.headerTruncated && !raw.verbatim) {
      throw new EhloError('bad-message', `${raw.path}: the header ends in the middle of a line`, {
        hint: 'nothing was sent; was the program that makes the message cut off?',
      });
    }
    const { headerMailboxes } = await import('../message/addresses.ts');
    const named = [...input.to, ...input.cc, ...input.bcc].flatMap(parseMailboxList).map((one) => one.mailbox);
    const { to, cc, bcc } = asGiven;
    const listed = Object.entries(input.readRecipients ? { To: to, Cc: cc, Bcc: bcc } : {}).flatMap(([field, values]) =>
      values.flatMap((value) => headerMailboxes(field, value)),
    );
    const recipients = [...named, ...listed];
    const authors = () => found.from.flatMap((value) => headerMailboxes('From', value));
    const from = input.mailFrom ?? (input.from || onlyAuthor(authors()));
    return {
      messageId: found.messageId,
      envelope: envelopeOf(
        { ...input, mailFrom: from },
        from,
        recipients.map((one) => ({ address: printMailbox(one) })),
      ),
      message: {
        source: sized(source, found.size),
        ...(raw.verbatim
          ? { eightBit: false, utf8Headers: false, verbatim: true }
          : { eightBit: found.eightBit, utf8Headers: found.utf8Headers }),
      },
      notes: [],
      dispose,
    };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

/** The size is known once the message has been read through. */
const sized = (source: ByteSource, size: number): ByteSource => ({
  size,
  ...(source.bytes ? { bytes: source.bytes } : {}),
  chunks: () => source.chunks(),
});

const onlyAuthor = (all: readonly Mailbox[]): string => {
  const [first] = all;
  if (first && all.length === 1) return printMailbox(first);
  throw new EhloError('bad-message', 'the message does not name one sender in From', {
    hint: 'give --mail-from ADDRESS',
  });
};

const singleMailbox = (text: string) => {
  const all = parseMailboxList(text);
  const [first] = all;
  if (first && all.length === 1) return first;
  throw new EhloError('bad-address', `--from takes one address, not ${all.length}`);
};

function envelopeOf(input: MessageInput, from: string, listed: Recipient[]): Envelope {
  const all = [...listed, ...input.rcpt.map(parseRecipient)];
  const byAddress = new Map<string, Recipient>();
  // Named twice, received once; what --rcpt says of somebody (DSN) counts.
  for (const one of all) byAddress.set(one.address, { ...byAddress.get(one.address), ...one });
  if (byAddress.size === 0) {
    throw new EhloError('usage', 'no recipient was given', {
      hint: 'name one as argument or with --to, --cc, --bcc or --rcpt; --read-recipients takes them from the message',
    });
  }
  const sender = input.mailFrom === undefined ? from : input.mailFrom === '<>' ? '' : input.mailFrom;
  return {
    from: sender === '' ? '' : printMailbox(parseMailbox(sender)),
    to: [...byAddress.values()].map((one) => ({
      ...one,
      ...(one.notify || !input.notify ? {} : { notify: input.notify }),
      ...(input.rcptParams.length > 0 ? { params: input.rcptParams } : {}),
    })),
    ...(input.ret ? { ret: input.ret === 'full' ? 'FULL' : 'HDRS' } : {}),
    ...(input.envid ? { envid: input.envid } : {}),
    params: input.mailParams,
  };
}

/** A quoted local part may hold anything, a domain no `?`: the first one behind it begins the options. */
const recipientForm = /^((?:"(?:[^"\\]|\\.)*"|[^@"])*@[^?@]+)\?(.*)$/s;

/** `a@x?notify=success,failure&orcpt=rfc822;b@y` */
export function parseRecipient(text: string): Recipient {
  const [, written = text, options = ''] = recipientForm.exec(text) ?? [];
  const address = printMailbox(parseMailbox(written));
  const recipient: Recipient = { address };
  for (const pair of options === '' ? [] : options.split('&')) {
    const [name, value = ''] = pair.split(/=(.*)/s);
    if (name === 'notify') recipient.notify = parseNotify(value);
    else if (name === 'orcpt') recipient.orcpt = value;
    else throw new EhloError('usage', `"${name}" is not an option of a recipient; there are notify and orcpt`);
  }
  return recipient;
}

/** NOTIFY of RFC 3461 4.1: never alone, or some of the others. */
export function parseNotify(text: string): string[] {
  const words = text.toUpperCase().split(',');
  const good = words.every((word) => /^(NEVER|SUCCESS|FAILURE|DELAY)$/.test(word));
  if (!good || (words.includes('NEVER') && words.length > 1)) {
    throw new EhloError('usage', `"${text}" is not never, nor a list of success, failure and delay`);
  }
  return words;
}

async function readText(input: TextInput, what: string, ports: Ports): Promise<string> {
  if (input.kind === 'text') return input.text;
  const file = await ports.files.read(input.path);
  const bytes = await readAll(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new EhloError('bad-message', `the ${what} from ${file.name} is not valid UTF-8`, {
      cause,
      hint: 'nothing was sent; convert it (iconv -f LATIN1 -t UTF-8), or attach the file instead',
    });
  }
}

async function readCalendar(path: string, ports: Ports): Promise<Calendar> {
  const { parseCalendar } = await import('../message/calendar.ts');
  return parseCalendar(
    await readText({ kind: 'file', path }, 'calendar', ports),
    path === '-' ? 'standard input' : path,
  );
}

const openAttachments = async (inputs: readonly AttachmentInput[], ports: Ports): Promise<DraftAttachment[]> =>
  Promise.all(
    inputs.map(async ({ path, name, type, cid }) => {
      const source = await ports.files.read(path);
      return {
        // Where the file lies on this machine is nobody's business.
        filename: name ?? basename(source.name),
        source,
        ...(type ? { type } : {}),
        ...(cid ? { cid, inline: true } : {}),
      };
    }),
  );

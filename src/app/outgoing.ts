// What `send` sends: the message composed from its parts, or taken as it is (outgoing-raw.ts), signed where that is asked for,
// and the envelope that goes with it.
import { basename } from 'node:path';
import { parseMailboxList, printMailbox } from '../base/address.ts';
import { readAll } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { Calendar } from '../message/calendar.ts';
import type { DraftAttachment } from '../message/compose.ts';
import type { DkimKey } from '../policy/dkim-key.ts';
import type { AttachmentInput, MessageInput, Outgoing, TextInput } from './message-input.ts';
import { envelopeOf } from './outgoing-envelope.ts';
import type { Files, Ports } from './ports.ts';

/** Throws before anything is connected to: 'bad-address', 'bad-message', 'no-input', 'io'. */
export async function prepareMessage(input: MessageInput, outside: Ports): Promise<Outgoing> {
  const { inputBytes } = input;
  const ports = inputBytes === undefined ? outside : { ...outside, files: counted(outside.files, inputBytes) };
  const outgoing = await (input.raw
    ? (await import('./outgoing-raw.ts')).prepareRaw(input, input.raw, ports)
    : prepareComposed(input, ports));
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

const singleMailbox = (text: string) => {
  const all = parseMailboxList(text);
  const [first] = all;
  if (first && all.length === 1) return first;
  throw new EhloError('bad-address', `--from takes one address, not ${all.length}`);
};

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

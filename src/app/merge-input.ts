// A message input whose texts are templates, and what it becomes for one row. Which part of a field is which is decided before
// values are put in: a value can be a name, an address or a text, never an option, a second field or a file of its own choice.
import { domainToAscii, parseMailbox, parseMailboxList, printMailbox } from '../base/address.ts';
import { readAll } from '../base/bytes.ts';
import { forbiddenCharacter } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import { checkLine, checkUserFields } from '../message/draft.ts';
import { parseTemplate, type Template } from '../message/template.ts';
import type { Values } from '../message/template-expand.ts';
import { fillTemplate, type PlaceName } from '../message/template-sinks.ts';
import type { MessageInput, TextInput } from './message-input.ts';
import { parseRecipient } from './outgoing-envelope.ts';
import type { Ports } from './ports.ts';

export interface InputTemplate {
  /** Throws 'bad-message', 'bad-address', 'no-input' for what cannot be sent. */
  expand(values: Values): Promise<MessageInput>;
  /** All that shapes the messages, files read once included: two runs with the same text do the same job. */
  shape: string;
}

/** A text that is at hand already, with the name and the first line that errors give it. */
export interface GivenBody {
  text: string;
  where: string;
  firstLine: number;
}

type Fill = (values: Values) => string;

/** Fields of the header that hold addresses; in the others a value is one line of text. */
const addressHeaders = new Set([
  ...['from', 'sender', 'reply-to', 'to', 'cc'],
  ...['resent-from', 'resent-sender', 'resent-to', 'resent-cc'],
  ...['disposition-notification-to', 'mail-followup-to', 'mail-reply-to', 'return-receipt-to', 'errors-to'],
]);

/** `bodies` stand in for the input's own text or HTML. Throws where a template is wrong, before any row is looked at. */
export async function inputTemplate(
  input: MessageInput,
  ports: Ports,
  bodies: { text?: GivenBody; html?: GivenBody } = {},
): Promise<InputTemplate> {
  if (input.raw) throw new EhloError('usage', 'a message that is sent as it is (--raw) takes no values');
  if (input.ical === '-' || input.attachments.some(({ path }) => path === '-'))
    throw new EhloError('usage', 'standard input cannot be attached to many messages', { hint: 'save it to a file' });
  const list = (texts: readonly string[], option: string, place: PlaceName) => {
    const fills = texts.map((text) => field(text, option, place));
    return (values: Values): string[] => fills.map((fill) => fill(values)).filter((text) => text !== '');
  };
  const maybe = (text: string | undefined, option: string, place: PlaceName) =>
    text === undefined ? undefined : field(text, option, place);
  const [text, html] = [
    await bodyTemplate(input.text, bodies.text, 'the body', 'text', ports),
    await bodyTemplate(input.html, bodies.html, 'the HTML', 'html', ports),
  ];
  const from = field(input.from, 'From', 'address');
  const mailFrom = maybe(input.mailFrom, '--mail-from', 'line');
  const to = list(input.to, 'To', 'address');
  const cc = list(input.cc, 'Cc', 'address');
  const bcc = list(input.bcc, 'Bcc', 'address');
  const replyTo = list(input.replyTo, 'Reply-To', 'address');
  const rcpt = list(input.rcpt, '--rcpt', 'recipient');
  const subject = maybe(input.subject, 'Subject', 'line');
  const envid = maybe(input.envid, '--envid', 'line');
  const inReplyTo = maybe(input.inReplyTo, 'In-Reply-To', 'line');
  const headers = input.headers.map(({ name, value }) => ({
    name,
    fill: field(value, `the header ${name}`, addressHeaders.has(name.toLowerCase()) ? 'address' : 'line'),
  }));
  const attachments = input.attachments.map((one) => ({
    ...one,
    fillPath: field(one.path, one.cid === undefined ? 'an attachment' : 'an inline file', 'path'),
    fillName: maybe(one.name, 'the name of an attachment', 'line'),
  }));
  return {
    shape: JSON.stringify([{ ...input, dkim: undefined }, text?.source, html?.source]),
    async expand(values) {
      const made: MessageInput = {
        ...input,
        from: from(values),
        mailFrom: mailFrom?.(values),
        to: to(values),
        cc: cc(values),
        bcc: bcc(values),
        replyTo: replyTo(values),
        rcpt: rcpt(values),
        subject: subject?.(values),
        envid: envid?.(values),
        inReplyTo: inReplyTo?.(values),
        headers: headers.flatMap(({ name, fill }) => {
          const value = fill(values);
          return value === '' ? [] : [{ name, value }];
        }),
        attachments: attachments.flatMap(({ fillPath, fillName, ...one }) => {
          const path = fillPath(values);
          return path === '' ? [] : [{ ...one, path, ...(fillName ? { name: fillName(values) } : {}) }];
        }),
        text: text && { kind: 'text', text: await text.fill(values) },
        html: html && { kind: 'text', text: await html.fill(values) },
      };
      checkInput(made);
      return made;
    },
  };
}

/** What can be said of a message without composing it: addresses, header fields, somebody to send it to. */
function checkInput(input: MessageInput): void {
  if (recipientsOf(input).length === 0)
    throw new EhloError('bad-message', 'there is no recipient', { hint: 'nothing was sent' });
  const senders = parseMailboxList(input.from);
  if (senders.length !== 1) throw new EhloError('bad-address', `--from takes one address, not ${senders.length}`);
  if (input.mailFrom !== undefined && input.mailFrom !== '' && input.mailFrom !== '<>') parseMailbox(input.mailFrom);
  for (const one of input.replyTo) parseMailboxList(one);
  checkLine(input.subject ?? '', 'the subject');
  const odd = forbiddenCharacter(input.envid ?? '');
  if (odd)
    throw new EhloError('bad-message', `--envid holds ${odd}`, { hint: 'nothing was sent; remove that character' });
  checkUserFields(input.headers);
}

/** The part behind the @ of the sender, for identifiers. */
export const senderDomain = (input: MessageInput): string =>
  domainToAscii(parseMailboxList(input.from)[0]?.mailbox.domain ?? 'localhost');

/** The addresses of the envelope, each once. */
export const recipientsOf = (input: MessageInput): string[] => {
  const named = [...input.to, ...input.cc, ...input.bcc].flatMap(parseMailboxList);
  const all = [
    ...named.map((one) => printMailbox(one.mailbox)),
    ...input.rcpt.map((one) => parseRecipient(one).address),
  ];
  return [...new Set(all)];
};

/** These may come to nothing: an empty subject or body is one. */
const mayBeEmpty = new Set(['Subject', 'the body', 'the HTML']);

/** One option's value as a template. Nothing comes to nothing unless an {{#if}} says that it may. */
function field(text: string, option: string, place: PlaceName): Fill {
  if (!text.includes('{{')) return () => text;
  const template = parseTemplate(text, option);
  return (values) => {
    const filled = fillTemplate(template, values, place);
    // What a file name of the data begins with must not change what is read.
    if (place === 'path' && filled === '-') throw new EhloError('bad-message', `${option}: "-" is no file name here`);
    if (filled.trim() !== '' || template.conditional || mayBeEmpty.has(option)) return filled;
    throw new EhloError('bad-message', `${option} ${JSON.stringify(text)} comes to nothing`, {
      hint: `nothing was sent; where that is meant, write {{#if name}}...{{/if}} around it`,
    });
  };
}

interface BodyTemplate {
  /** For the shape of the job. */
  source: string;
  fill(values: Values): Promise<string>;
}

async function bodyTemplate(
  input: TextInput | undefined,
  given: GivenBody | undefined,
  option: string,
  place: 'text' | 'html',
  ports: Ports,
): Promise<BodyTemplate | undefined> {
  if (given) return fixedBody(parseTemplate(given.text, given.where, given.firstLine), place);
  if (!input) return undefined;
  if (input.kind === 'text') return fixedBody(parseTemplate(input.text, option), place);
  if (input.path === '-' || !input.path.includes('{{')) {
    return fixedBody(parseTemplate(await readTemplate(input.path, ports), input.path), place);
  }
  const path = field(input.path, `${option} from a file`, 'path');
  const known = new Map<string, Template>();
  return {
    source: input.path,
    async fill(values) {
      const name = path(values);
      let template = known.get(name);
      if (!template) {
        template = parseTemplate(await readTemplate(name, ports), name);
        // As many as a mailing has languages; the oldest goes.
        const [oldest] = known.keys();
        if (oldest !== undefined && known.size >= 64) known.delete(oldest);
        known.set(name, template);
      }
      return fillTemplate(template, values, place);
    },
  };
}

const fixedBody = (template: Template, place: PlaceName): BodyTemplate => ({
  source: template.source,
  fill: async (values) => fillTemplate(template, values, place),
});

/** A whole file of UTF-8 text. Throws 'no-input', 'bad-message'. */
export async function readTemplate(
  path: string,
  ports: Ports,
  limit: number = mergeLimits.templateBytes,
): Promise<string> {
  const file = await ports.files.read(path);
  const called = path === '-' ? 'standard input' : path;
  if ((file.size ?? 0) > limit) {
    throw new EhloError('bad-message', `${called} has ${file.size} octets, and at most ${limit} can be taken`, {
      hint: 'nothing was sent',
    });
  }
  const bytes = await readAll(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new EhloError('bad-message', `${called} is not valid UTF-8`, {
      cause,
      hint: 'nothing was sent; convert it: iconv -f LATIN1 -t UTF-8',
    });
  }
}

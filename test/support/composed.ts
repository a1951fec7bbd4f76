// The situations in test/mail/composed: what is to be sent, and what must be found in the message. `{"repeat": [text, n]}`
// stands for long texts.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parseMailboxList } from '../../src/base/address.ts';
import { bytesSource, readAll } from '../../src/base/bytes.ts';
import { decodePart } from '../../src/message/body.ts';
import { parseCalendar } from '../../src/message/calendar.ts';
import { compose, type Draft } from '../../src/message/compose.ts';
import { allParts, type MimePart, scanMime } from '../../src/message/mime.ts';

type Text = string | { repeat: [text: string, times: number]; end?: string };

interface Input {
  from?: string;
  to?: string;
  cc?: string;
  replyTo?: string;
  subject?: Text;
  text?: Text;
  html?: Text;
  ical?: string;
  headers?: Record<string, Text>;
  inReplyTo?: string;
  priority?: 'high' | 'low';
  attachments?: { filename: Text; content?: Text; base64?: string; type?: string; cid?: string; inline?: true }[];
}

export interface Facts {
  /** Without what is the same in all. */
  fields: string[];
  /** Path, type, charset, encoding, disposition, filename, Content-ID. */
  parts: string[];
  /** Of each leaf, decoded; long ones by length and hash. */
  contents: Record<string, string>;
}

export interface Situation {
  about: string;
  input: Input;
  expected: Facts | { refused: string };
  /** What the message as it goes out must and must not hold, as regular expressions. */
  raw?: string[];
  never?: string[];
}

const folder = new URL('../mail/composed/', import.meta.url);

export const situations = (): { name: string; situation: Situation }[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({ name, situation: JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Situation }));

const long = (text: Text): string =>
  typeof text === 'string' ? text : text.repeat[0].repeat(text.repeat[1]) + (text.end ?? '');
const maybe = (text: Text | undefined): string | undefined => (text === undefined ? undefined : long(text));

export async function composeSituation(input: Input): Promise<Buffer> {
  const list = (text: string | undefined) => (text === undefined ? [] : parseMailboxList(text));
  const [from] = parseMailboxList(input.from ?? 'alice@example.com');
  if (!from) throw new Error('a situation without a sender');
  const draft: Draft = {
    from,
    to: list(input.to ?? 'bob@example.org'),
    cc: list(input.cc),
    bcc: [],
    replyTo: list(input.replyTo),
    subject: maybe(input.subject),
    text: maybe(input.text),
    html: maybe(input.html),
    ical: input.ical === undefined ? undefined : parseCalendar(input.ical, 'the calendar'),
    headers: Object.entries(input.headers ?? {}).map(([name, value]) => ({ name, value: long(value) })),
    attachments: (input.attachments ?? []).map(({ filename, content = '', base64, ...more }) => ({
      filename: long(filename),
      source: bytesSource(base64 === undefined ? Buffer.from(long(content)) : Buffer.from(base64, 'base64')),
      ...more,
    })),
    date: new Date('2026-09-01T10:00:00Z'),
    messageId: '<1@example.com>',
    inReplyTo: input.inReplyTo,
    priority: input.priority,
  };
  return readAll((await compose(draft)).source);
}

const same = /^(Message-ID|Date|MIME-Version|Content-)/i;

/** As our own scanner reads a message. */
export function composedFacts(bytes: Buffer): Facts & { leaves: MimePart[] } {
  const root = scanMime(bytes);
  const parts = [...allParts(root)];
  const leaves = parts.filter((part) => part.parts.length === 0);
  return {
    leaves,
    fields: root.fields.filter(({ name }) => !same.test(name)).map(({ name, value }) => `${name}: ${shortened(value)}`),
    parts: parts.map(line),
    contents: Object.fromEntries(leaves.map((part) => [part.path, contentOf(bytes, part)])),
  };
}

const line = (part: MimePart): string =>
  [
    part.path || '-',
    `${part.type}/${part.subtype}`,
    ...[...part.params]
      .filter(([name]) => name !== 'boundary' && name !== 'name')
      .map(([name, value]) => `${name}=${value}`),
    part.parts.length > 0 ? '' : part.encoding,
    part.disposition ?? '',
    part.filename === null ? '' : JSON.stringify(shortened(part.filename)),
    part.contentId === null ? '' : `<${part.contentId}>`,
  ]
    .filter((word) => word !== '')
    .join(' ');

const contentOf = (bytes: Buffer, part: MimePart): string => shortened(decodePart(bytes, part).bytes.toString());

const shortened = (text: string): string =>
  text.length <= 200
    ? text
    : `${text.length} characters, sha256 ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;

// The message that swaks would send: its template, tokens, header options and fix-ups. Text here is bytes as latin1.
import { randomBytes } from 'node:crypto';
import { version } from '../../base/version.ts';
import { printDate } from '../../message/date.ts';
import { asBytes, type Content, type ContentSources, contentText, crlf, readContent } from './swaks-content.ts';
import { type Part, printMultipart } from './swaks-mime.ts';
import type { SwaksSettings } from './swaks-settings.ts';

export interface MessageFacts {
  from: string;
  /** As --to says it. */
  to: string;
  date: Date;
  hostname: string;
  /** In place of the default body (--dump-as-body). */
  body?: string;
}

export interface SwaksMessage {
  /** CRLF line ends, not stuffed; as it is where `verbatim`. */
  bytes: Buffer;
  /** --no-data-fixup: goes out neither checked nor stuffed. */
  verbatim: boolean;
}

const template =
  'Date: %DATE%\nTo: %TO_ADDRESS%\nFrom: %FROM_ADDRESS%\nSubject: test %DATE%\nMessage-Id: <%MESSAGEID%>\n' +
  `X-Mailer: ehlo v%SWAKS_VERSION%\n%NEW_HEADERS%\n%BODY%\n`;

export async function composeSwaksMessage(
  settings: SwaksSettings,
  facts: MessageFacts,
  sources: ContentSources,
): Promise<SwaksMessage> {
  // -g is nothing but --data -, and gives way to it.
  if (settings.has('g')) sources.warn('-g is going away in swaks; write --data -');
  const argument = settings.has('data') ? settings.text('data') : settings.has('g') ? '-' : undefined;
  const data = argument === undefined ? undefined : await readContent('data', argument, 'must', sources);
  if (data && settings.has('no-data-fixup')) return { bytes: withoutDot(data.bytes), verbatim: true };
  const body = await readBody(settings, facts, sources);
  let text = crlf(data ? contentText(data) : template);
  if (data && !settings.has('no-strip-from')) text = text.replace(/^From [^\r]*\r\n/, '');
  if (data && !text.includes('%BODY%') && bodyOptions.some((name) => settings.has(name))) {
    sources.warn('the data has no %BODY%, so --body and --attach have no place in it and are left out');
  }
  const added = settings.texts('add-header').map(headerLines);
  const own = data ? [] : body.headers;
  text = addHeaders(text, [...own, ...added].join('\r\n'));
  for (const header of settings.texts('header')) text = setHeader(text, headerLines(header));
  text = expandTokens(text, facts, data ? body.text : endedBody(body.text));
  text = withoutDot(Buffer.from(text, 'latin1')).toString('latin1');
  if (!text.includes('\r\n\r\n')) text += text.endsWith('\r\n') ? '\r\n' : '\r\n\r\n';
  // swaks closes every message with a line end of its own in front of the dot.
  return { bytes: Buffer.from(`${text}\r\n`, 'latin1'), verbatim: false };
}

/** In its own template swaks ends a body with a line end of its own, unless one is there or an empty line is in it. */
const endedBody = (text: string): string => (/\r\n\r\n/.test(text) ? text : text.replace(/(?:\r\n)?$/, '\r\n'));

const bodyOptions = ['body', 'attach', 'attach-body'];

const headerLines = (text: string): string => crlf(asBytes(text).replaceAll('\\n', '\n')).replace(/(?:\r\n)+$/, '');

interface Body {
  text: string;
  /** What a multipart adds. */
  headers: string[];
}

async function readBody(settings: SwaksSettings, facts: MessageFacts, sources: ContentSources): Promise<Body> {
  const { bodies, attached } = await readParts(settings, sources);
  const given = settings.text('body');
  const body: Content =
    given === undefined
      ? { bytes: Buffer.from(facts.body ?? 'This is a test mailing'), literal: false }
      : await readContent('body', given, 'may', sources);
  if (bodies.length + attached.length === 0) return { text: contentText(body), headers: [] };
  const parts = bodies.length > 0 ? bodies : [{ content: body, type: 'text/plain' }];
  const { type, boundary, body: text } = printMultipart(parts, attached, randomBytes(6).toString('hex'));
  return { text: `${text}\r\n`, headers: ['MIME-Version: 1.0', `Content-Type: ${type}; boundary="${boundary}"`] };
}

/** In the order given: a type holds for all that follows, a name for the next attachment. */
async function readParts(
  settings: SwaksSettings,
  sources: ContentSources,
): Promise<{ bodies: Part[]; attached: Part[] }> {
  const parts = { bodies: [] as Part[], attached: [] as Part[] };
  let type: string | undefined;
  let ofBody = false;
  let name: { value: string | undefined } | undefined;
  for (const setting of settings.all) {
    const value = setting.value ?? '';
    switch (setting.name) {
      case 'attach-type':
        type = value;
        ofBody = false;
        break;
      case 'attach-name':
        name = { value: setting.value };
        break;
      case 'attach-body':
        parts.bodies.push({
          content: await readContent('attach-body', value, 'may', sources),
          type: type ?? 'text/plain',
        });
        ofBody = true;
        break;
      case 'attach': {
        const content = await readContent('attach', value, 'may', sources);
        // The type of a body is not that of what is attached behind it.
        if (ofBody) type = undefined;
        ofBody = false;
        const fileName = name ? name.value : content.fileName;
        parts.attached.push({ content, type: type ?? 'application/octet-stream', disposition: { fileName } });
        name = undefined;
      }
    }
  }
  return parts;
}

/** At %NEW_HEADERS%, or at the end of the header. */
function addHeaders(text: string, lines: string): string {
  if (text.includes('%NEW_HEADERS%')) {
    return text.replace('%NEW_HEADERS%', () => (lines === '' ? '' : `${lines}\r\n`));
  }
  return lines === '' ? text : atHeaderEnd(text, lines);
}

function atHeaderEnd(text: string, lines: string): string {
  const end = text.indexOf('\r\n\r\n');
  return end === -1
    ? `${text.replace(/\r\n$/, '')}\r\n${lines}\r\n\r\n`
    : `${text.slice(0, end)}\r\n${lines}${text.slice(end)}`;
}

/** In place of the last field of that name, or as a new one. */
function setHeader(text: string, lines: string): string {
  const name = /^[^:\r]*/.exec(lines)?.[0] ?? '';
  const end = text.indexOf('\r\n\r\n');
  const header = end === -1 ? text : text.slice(0, end);
  const fields = [...header.matchAll(/^([^:\r\n \t][^:\r\n]*):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*/gm)];
  const field = fields.findLast((one) => one[1]?.toLowerCase() === name.toLowerCase());
  if (!field) return atHeaderEnd(text, lines);
  return text.slice(0, field.index) + lines + text.slice(field.index + field[0].length);
}

/** One pass over the message, and one over the text that %BODY% brings: nothing expands twice. */
function expandTokens(text: string, facts: MessageFacts, body: string): string {
  const stamp = facts.date.toISOString().replace(/\D/g, '').slice(0, 14);
  const values: Record<string, string> = {
    FROM_ADDRESS: asBytes(facts.from),
    TO_ADDRESS: asBytes(facts.to),
    DATE: printDate(facts.date),
    MESSAGEID: `${stamp}.${randomBytes(6).toString('hex')}@${asBytes(facts.hostname)}`,
    SWAKS_VERSION: version,
    NEW_HEADERS: '',
    NEWLINE: '\r\n',
  };
  const expand = (from: string): string => from.replace(tokenForm, (token, name: string) => values[name] ?? token);
  return text.replace(tokenForm, (_, name: string) => (name === 'BODY' ? expand(body) : (values[name] ?? '')));
}

const tokenForm = /%(FROM_ADDRESS|TO_ADDRESS|DATE|MESSAGEID|SWAKS_VERSION|NEW_HEADERS|BODY|NEWLINE)%/g;

/** The closing dot may be there; the one who sends writes it. */
function withoutDot(bytes: Buffer): Buffer {
  const tail = bytes.subarray(-5).toString('latin1');
  const [dot = ''] = /\.(?:\r?\n)?$/.exec(tail) ?? [];
  if (dot === '' || !/\n$/.test(tail.slice(0, -dot.length))) return bytes;
  const rest = bytes.subarray(0, bytes.length - dot.length);
  return rest.subarray(0, rest.length - (rest.at(-2) === 0x0d ? 2 : 1));
}

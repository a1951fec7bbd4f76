// The parts of a message with --attach and --attach-body (RFC 2046): which there are, and how they are written down.
import { EhloError } from '../../base/errors.ts';
import { encodeBase64Lines } from '../../message/base64.ts';
import { asBytes, type Content, contentText } from './swaks-content.ts';

export interface Part {
  content: Content;
  type: string;
  /** Undefined: of the body. */
  disposition?: { fileName: string | undefined };
}

export interface Multipart {
  /** multipart/mixed, or multipart/alternative where there are only bodies. */
  type: string;
  boundary: string;
  /** Without the line end behind the last delimiter. */
  body: string;
}

/** `mark` is a boundary's random half. One body alone with nothing else is a multipart/mixed of one. */
export function printMultipart(bodies: readonly Part[], attached: readonly Part[], mark: string): Multipart {
  const outer = boundaryOf(0, mark);
  if (attached.length === 0 && bodies.length > 1) {
    return { type: 'multipart/alternative', boundary: outer, body: joined(outer, bodies.map(printPart)) };
  }
  const inner = boundaryOf(1, mark);
  const first =
    bodies.length > 1
      ? [`Content-Type: multipart/alternative; boundary="${inner}"\r\n\r\n${joined(inner, bodies.map(printPart))}`]
      : bodies.map(printPart);
  return { type: 'multipart/mixed', boundary: outer, body: joined(outer, [...first, ...attached.map(printPart)]) };
}

const boundaryOf = (level: number, mark: string): string => `----=_MIME_BOUNDARY_00${level}_${mark}`;

const joined = (boundary: string, parts: readonly string[]): string =>
  `${parts.map((part) => `--${boundary}\r\n${part}`).join('\r\n')}\r\n--${boundary}--`;

function printPart({ content, type, disposition }: Part): string {
  if (!disposition && type === 'text/plain') return `Content-Type: text/plain\r\n\r\n${contentText(content)}`;
  const name = disposition?.fileName;
  const quoted = name === undefined ? undefined : asBytes(`"${checkName(name).replace(/["\\]/g, '\\$&')}"`);
  const lines = [
    `Content-Type: ${asBytes(checkName(type))}${quoted === undefined ? '' : `; name=${quoted}`}`,
    ...(name === undefined ? [] : [`Content-Description: ${asBytes(name)}`]),
    ...(disposition ? [`Content-Disposition: attachment${quoted === undefined ? '' : `; filename=${quoted}`}`] : []),
    'Content-Transfer-Encoding: BASE64',
    '',
    encodeBase64Lines(content.bytes).toString('latin1'),
    '',
  ];
  return lines.join('\r\n');
}

/** A line end in a name would begin another header field. */
function checkName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  if (!/[\x00-\x1f\x7f]/.test(name)) return name;
  throw new EhloError('usage', 'a name or type of an attachment holds a control character, which no header can hold');
}

// One leaf of the MIME tree as it goes out: its header fields and its encoded body, bodies of text here, attachments in
// attachment.ts. Every leaf is 7-bit clean with lines of at most 998 octets, mostly 78.
import { isAscii } from 'node:buffer';
import { base64Size, encodeBase64Lines } from './base64.ts';
import { LineScan } from './lines.ts';
import { type Param, printParamField } from './print-params.ts';
import { encodeQuotedPrintable } from './quoted-printable.ts';

export interface Leaf {
  /** `type/subtype`, lower case. */
  type: string;
  /** Content-ID: stands beside the HTML that shows it. */
  cid: string | undefined;
  /** The Content- fields, each with CRLF. */
  fields: string;
  /** Encoded octets; undefined when the source does not know its size. */
  size: number | undefined;
  endsInNewline: boolean;
  encode(): AsyncIterable<Buffer>;
}

/**
 * A body of text, UTF-8 whatever it holds. There is no format=flowed: RFC 3676 wants lines that were flowed on purpose,
 * and what comes from a file or a pipe never was.
 */
export function textLeaf(type: string, text: string, params: readonly Param[] = []): Leaf {
  const { encoding, bytes } = encodeText(text);
  return {
    type,
    cid: undefined,
    fields: `${printParamField('Content-Type', type, [['charset', 'utf-8'], ...params])}Content-Transfer-Encoding: ${encoding}\r\n`,
    size: bytes.length,
    endsInNewline: bytes[bytes.length - 1] === 0x0a,
    async *encode() {
      if (bytes.length > 0) yield bytes;
    },
  };
}

type Encoded = { encoding: '7bit' | 'quoted-printable' | 'base64'; bytes: Buffer };

function encodeText(text: string): Encoded {
  // Lines end in CRLF in the canonical form (RFC 2049 4).
  const canonical = text.replace(/\r?\n/g, '\r\n');
  const bytes = Buffer.from(canonical);
  // What no line of text can hold is carried as data.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/.test(canonical)) return asBase64(bytes);
  if (isAscii(bytes) && !needsCare(canonical) && longestLine(bytes) <= 78) return { encoding: '7bit', bytes };
  const quoted = encodeQuotedPrintable(bytes);
  // Readable as it stands where it is mostly ASCII, which is worth half as much again; other scripts take twice as much.
  return quoted.length <= base64Size(bytes.length) * 1.5
    ? { encoding: 'quoted-printable', bytes: quoted }
    : asBase64(bytes);
}

const asBase64 = (bytes: Buffer): Encoded => ({ encoding: 'base64', bytes: encodeBase64Lines(bytes) });

/** Mail systems cut white space at line ends and put > before "From ": after that no signature holds. */
const needsCare = (text: string): boolean => /[ \t](?:\r\n|$)|(?:^|\n)From /.test(text);

function longestLine(bytes: Buffer): number {
  const lines = new LineScan();
  lines.feed(bytes);
  lines.end();
  return lines.longest;
}

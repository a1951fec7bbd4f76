// What can be wrong with a message, as one table: how bad it is, which rule it breaks, what to do. The scanners name
// rows and places; nothing is repaired. Also collects them: hostile input repeats a defect a million times.
import type { Severity } from '../base/finding.ts';

interface DefectRow {
  severity: Severity;
  /** One clause; the place and the count follow it. */
  text: string;
  rfc: string;
  fix: string;
}

export const defectTable = {
  // Lines, anywhere.
  'bare-lf': {
    severity: 'error',
    text: 'lines end in LF without CR',
    rfc: 'RFC 5322 2.3',
    fix: 'end each line in CRLF; send --fix-eol does it',
  },
  'bare-cr': {
    severity: 'error',
    text: 'a CR stands without LF',
    rfc: 'RFC 5322 2.3',
    fix: 'end each line in CRLF, and encode data that holds a CR',
  },
  'long-line': {
    severity: 'error',
    text: 'a line is longer than 998 octets',
    rfc: 'RFC 5322 2.1.1',
    fix: 'encode the part as quoted-printable or base64, or fold the header field',
  },
  nul: { severity: 'error', text: 'a NUL octet', rfc: 'RFC 5322 4', fix: 'encode the part as base64' },
  'eight-bit-body': {
    severity: 'info',
    text: 'the body holds 8-bit octets and needs 8BITMIME on its whole way',
    rfc: 'RFC 6152',
    fix: 'encode the part as quoted-printable or base64 for older servers',
  },
  empty: { severity: 'error', text: 'the message is empty', rfc: 'RFC 5322 3.5', fix: 'check what wrote it' },
  // The header.
  'mbox-from': {
    severity: 'info',
    text: 'an mbox separator line comes before the header and is not part of the message',
    rfc: 'RFC 4155',
    fix: 'remove the line before sending',
  },
  'header-no-colon': {
    severity: 'error',
    text: 'a header line is not a field: it has no name and colon',
    rfc: 'RFC 5322 2.2',
    fix: 'indent it if it continues a field, or put the blank line before the body',
  },
  'header-bad-name': {
    severity: 'error',
    text: 'a field name holds other than printable ASCII',
    rfc: 'RFC 5322 2.2',
    fix: 'use letters, digits and hyphens',
  },
  'header-space-before-colon': {
    severity: 'warning',
    text: 'white space stands between a field name and its colon',
    rfc: 'RFC 5322 4.5',
    fix: 'remove it; some readers take the field for another one',
  },
  'header-blank-fold': {
    severity: 'warning',
    text: 'a folded line holds only white space; some readers end the header there',
    rfc: 'RFC 5322 3.2.2',
    fix: 'fold so that each line has text',
  },
  'header-eight-bit': {
    severity: 'info',
    text: 'a field holds raw UTF-8 and needs SMTPUTF8 on its whole way',
    rfc: 'RFC 6532 3',
    fix: 'use encoded words for servers without SMTPUTF8',
  },
  'header-not-utf8': {
    severity: 'error',
    text: 'a field holds octets that are neither ASCII nor UTF-8',
    rfc: 'RFC 6532 3.2',
    fix: 'use encoded words (RFC 2047)',
  },
  'header-cut': {
    severity: 'error',
    text: 'the input ends in the middle of a header line',
    rfc: 'RFC 5322 2.2',
    fix: 'check that the whole message was written',
  },
  'header-too-large': {
    severity: 'error',
    text: 'the header is larger than the limit; fields behind it were not read',
    rfc: 'RFC 5321 4.5.3.1',
    fix: 'look at what adds fields in a loop',
  },
  'header-duplicate': {
    severity: 'error',
    text: 'a field that may stand once is there more than once; readers differ in which one they show',
    rfc: 'RFC 5322 3.6',
    fix: 'keep one',
  },
  // MIME.
  'mime-bad-type': {
    severity: 'warning',
    text: 'a Content-Type is not type/subtype; the part was taken as text/plain',
    rfc: 'RFC 2045 5.2',
    fix: 'correct the field',
  },
  'mime-bad-parameter': {
    severity: 'warning',
    text: 'a MIME parameter is malformed or incomplete',
    rfc: 'RFC 2045 5.1, RFC 2231',
    fix: 'quote the value, and number continuations from 0 without gaps',
  },
  'mime-duplicate-parameter': {
    severity: 'warning',
    text: 'a MIME parameter is given twice; the first one counts here, others may take the last',
    rfc: 'RFC 2045 5.1',
    fix: 'keep one',
  },
  'mime-encoded-word-parameter': {
    severity: 'info',
    text: 'a MIME parameter uses an encoded word in place of RFC 2231',
    rfc: 'RFC 2047 5 (3)',
    fix: 'write the parameter as name*=',
  },
  'mime-bad-encoding': {
    severity: 'error',
    text: 'an unknown Content-Transfer-Encoding; the part was not decoded',
    rfc: 'RFC 2045 6.4',
    fix: 'use 7bit, 8bit, quoted-printable or base64',
  },
  'mime-encoded-container': {
    severity: 'error',
    text: 'a multipart or message part is itself encoded',
    rfc: 'RFC 2045 6.4',
    fix: 'encode only its leaves',
  },
  'mime-no-boundary': {
    severity: 'error',
    text: 'a multipart has no usable boundary; it was taken as one block',
    rfc: 'RFC 2046 5.1.1',
    fix: 'add the boundary parameter',
  },
  'mime-long-boundary': {
    severity: 'warning',
    text: 'a boundary is longer than 70 characters',
    rfc: 'RFC 2046 5.1.1',
    fix: 'shorten it',
  },
  'mime-same-boundary': {
    severity: 'error',
    text: 'a multipart uses the boundary of the one around it',
    rfc: 'RFC 2046 5.1.2',
    fix: 'make boundaries unique',
  },
  'mime-no-parts': {
    severity: 'error',
    text: 'the boundary of a multipart never appears',
    rfc: 'RFC 2046 5.1.1',
    fix: 'check the boundary parameter against the lines',
  },
  'mime-no-close': {
    severity: 'warning',
    text: 'the closing boundary of a multipart is missing; the message may be cut',
    rfc: 'RFC 2046 5.1.1',
    fix: 'end the multipart with --boundary--',
  },
  'mime-part-header': {
    severity: 'warning',
    text: 'a part ends inside its header: no blank line before the boundary',
    rfc: 'RFC 2046 5.1',
    fix: 'put a blank line behind the header of each part',
  },
  'mime-too-deep': {
    severity: 'error',
    text: 'parts are nested deeper than the limit; what is below was not looked at',
    rfc: 'RFC 2046 5',
    fix: 'do not forward as attachment of attachment',
  },
  'mime-too-many-parts': {
    severity: 'error',
    text: 'more parts than the limit; the rest was not looked at',
    rfc: 'RFC 2046 5',
    fix: 'send fewer attachments, or one archive',
  },
  'base64-bad-character': {
    severity: 'error',
    text: 'base64 holds characters outside of its alphabet',
    rfc: 'RFC 2045 6.8',
    fix: 'encode the part again',
  },
  'base64-bad-end': {
    severity: 'warning',
    text: 'base64 is cut, or goes on behind its padding',
    rfc: 'RFC 2045 6.8',
    fix: 'encode the part again',
  },
  'qp-bad-escape': {
    severity: 'warning',
    text: 'quoted-printable holds = without two hexadecimal digits or a line end; kept as it is',
    rfc: 'RFC 2045 6.7',
    fix: 'encode the part again',
  },
  'unknown-charset': {
    severity: 'warning',
    text: 'an unknown charset; the text was read as latin1',
    rfc: 'RFC 2046 4.1.2',
    fix: 'use UTF-8',
  },
} as const satisfies Record<string, DefectRow>;

export type DefectId = keyof typeof defectTable;

export interface Defect {
  id: DefectId;
  /** Of the first one, from the start of the scanned bytes. */
  offset: number;
  count: number;
  /** Which field or parameter; untrusted. */
  detail: string | null;
}

/** Details kept apart under one id; more are counted with the last. */
const detailsKept = 10;

/** One entry for each id and detail, however often it comes. */
export class DefectLog {
  readonly #entries = new Map<string, Defect>();
  readonly #details = new Map<DefectId, number>();

  note(id: DefectId, offset: number, detail: string | null = null): void {
    const kept = this.#details.get(id) ?? 0;
    let key = `${id}\n${detail ?? ''}`;
    let entry = this.#entries.get(key);
    if (!entry && kept >= detailsKept) {
      key = `${id}\n…`;
      detail = null;
      entry = this.#entries.get(key);
    }
    if (entry) {
      entry.count++;
      return;
    }
    this.#details.set(id, kept + 1);
    this.#entries.set(key, { id, offset, count: 1, detail: detail?.slice(0, 100) ?? null });
  }

  get list(): Defect[] {
    return [...this.#entries.values()];
  }
}

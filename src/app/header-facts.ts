// The few header fields that a list of messages shows, from the first bytes of a message. Untrusted text.
import { parseDate } from '../message/date.ts';
import { firstField, parseHeaders } from '../message/headers.ts';

export interface HeaderFacts {
  /** Message-ID as written. */
  id: string | null;
  from: string | null;
  to: string | null;
  subject: string | null;
  /** ISO 8601; null also where the field is no date. */
  date: string | null;
}

export const noHeaderFacts: HeaderFacts = { id: null, from: null, to: null, subject: null, date: null };

/** Of a message this much is looked at. */
const peekBytes = 64 * 1024;

/** Keeps the beginning of a message while it passes by. */
export class HeaderPeek {
  #parts: Buffer[] = [];
  #bytes = 0;

  add(chunk: Buffer): void {
    if (this.#bytes >= peekBytes) return;
    const part = chunk.subarray(0, peekBytes - this.#bytes);
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  facts(): HeaderFacts {
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    return headerFacts(bytes);
  }
}

export function headerFacts(bytes: Buffer): HeaderFacts {
  const { fields } = parseHeaders(bytes);
  const value = (name: string): string | null => firstField(fields, name)?.value ?? null;
  const date = value('date');
  return {
    id: value('message-id'),
    from: value('from'),
    to: value('to'),
    subject: value('subject'),
    date: date === null ? null : (parseDate(date)?.toISOString() ?? null),
  };
}

// The envelope file beside a Maildir message: JSON with what SMTP said and no message holds. Parse and print, no disk.
import type { ReceivedEnvelope, StoredMessage } from './store.ts';

export interface EnvelopeFile {
  mailboxes: string[];
  size: number;
  receivedAt: Date;
  envelope: ReceivedEnvelope;
}

export const printEnvelopeFile = ({ mailboxes, size, receivedAt, envelope }: EnvelopeFile): Buffer =>
  Buffer.from(`${JSON.stringify({ version: 1, receivedAt: receivedAt.toISOString(), size, mailboxes, envelope })}\n`);

/** Undefined for what this program did not write whole; the message is then listed like one of another program. */
export function parseEnvelopeFile(bytes: Buffer): EnvelopeFile | undefined {
  let value: Partial<Record<keyof EnvelopeFile, unknown>> | null;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  const receivedAt = new Date(String(value?.receivedAt));
  if (!value || typeof value.size !== 'number' || Number.isNaN(receivedAt.getTime())) return undefined;
  if (!isStrings(value.mailboxes) || !isEnvelope(value.envelope)) return undefined;
  return { mailboxes: value.mailboxes, size: value.size, receivedAt, envelope: value.envelope };
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

const isEnvelope = (value: unknown): value is ReceivedEnvelope => {
  if (typeof value !== 'object' || value === null) return false;
  const { mailFrom, mailParams, rcptTo, helo, clientAddress, protocol } = value as Partial<ReceivedEnvelope>;
  const texts = [mailFrom, helo, clientAddress, protocol].every((text) => typeof text === 'string');
  const recipients = Array.isArray(rcptTo) && rcptTo.every((one) => typeof one?.address === 'string');
  return texts && recipients && Array.isArray(mailParams);
};

/** For messages that another program delivered: nothing is known but where they lie. */
export const foreignEnvelope = (mailboxes: string[]): ReceivedEnvelope => ({
  mailFrom: '',
  mailParams: [],
  rcptTo: mailboxes.map((address) => ({ address, params: [] })),
  helo: '',
  clientAddress: '',
  protocol: '',
  tls: null,
  auth: null,
});

/** Oldest first; within one millisecond by the counter of the unique name. */
export const arrivalOrder = (a: StoredMessage, b: StoredMessage): number =>
  a.receivedAt.getTime() - b.receivedAt.getTime() || counterOf(a.id) - counterOf(b.id) || (a.id < b.id ? -1 : 1);

const counterOf = (id: string): number => Number(/Q(\d+)R/.exec(id)?.[1] ?? 0);

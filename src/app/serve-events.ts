// What `serve` tells while it runs, as data: ready, one event a message, problems of ours. Rendering is elsewhere.

import { peerText } from '../base/bytes.ts';
import { type EhloError, type ErrorJson, errorJson } from '../base/errors.ts';
import { printHostPort } from '../base/values.ts';
import { decodeWords } from '../message/encoded-words.ts';
import type { Delivery, ReceivedEnvelope, StoredMessage } from '../store/store.ts';
import type { Listener } from './ports.ts';

export interface ListenerFacts {
  host: string;
  port: number;
  url: string;
}

export interface ServeReady {
  event: 'ready';
  smtp?: ListenerFacts;
  pop3?: ListenerFacts;
  /** `server` is what --dns takes. */
  dns?: { host: string; port: number; server: string };
  pid: number;
}

/** Addresses, subject and HELO are untrusted. */
export interface ServeMessage {
  event: 'message';
  id: string;
  from: string;
  to: string[];
  /** Decoded; null where there is none. */
  subject: string | null;
  size: number;
  receivedAt: string;
  helo: string;
  clientAddress: string;
  protocol: string;
  tls: { protocol: string; cipher: string } | null;
  auth: { mechanism: string; identity: string } | null;
}

/** Something on our side failed: the client got a 4xx. */
export interface ServeProblem {
  event: 'problem';
  error: ErrorJson;
}

export type ServeEvent = ServeReady | ServeMessage | ServeProblem;

export const problemEvent = (error: EhloError): ServeProblem => ({ event: 'problem', error: errorJson(error) });

/** A wildcard address is no place to connect to. */
const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host);

export const listenerFacts = (scheme: 'smtp' | 'pop3', { host, port }: Listener): ListenerFacts => ({
  host,
  port,
  url: `${scheme}://${printHostPort({ host: reachable(host), port })}`,
});

export const dnsFacts = ({ host, port }: Listener) => ({
  host,
  port,
  server: printHostPort({ host: reachable(host), port }),
});

/** What the command beside a server finds in its environment. */
export const childEnvironment = ({ smtp, pop3, dns }: ServeReady): Record<string, string> => ({
  ...(smtp && { EHLO_SMTP_URL: smtp.url, EHLO_SMTP_HOST: reachable(smtp.host), EHLO_SMTP_PORT: String(smtp.port) }),
  ...(pop3 && { EHLO_POP3_URL: pop3.url }),
  ...(dns && { EHLO_DNS: dns.server }),
});

/** A subject behind this much header is not looked for. */
const headMax = 64 * 1024;

/** Lets a delivery pass and keeps its head, so that the event needs no second look at the store. */
export class HeadKeeper implements Delivery {
  readonly #delivery: Delivery;
  readonly #stored: (message: StoredMessage, head: Buffer) => void;
  #head: Buffer[] = [];
  #bytes = 0;
  #complete = false;

  constructor(delivery: Delivery, stored: (message: StoredMessage, head: Buffer) => void) {
    this.#delivery = delivery;
    this.#stored = stored;
  }

  write(chunk: Buffer): void | Promise<void> {
    if (!this.#complete) {
      // The chunk may be reused once it is written: copied, but no more than the head.
      const part = Buffer.from(chunk.subarray(0, headMax - this.#bytes));
      this.#head.push(part);
      this.#bytes += part.length;
      this.#complete = this.#bytes >= headMax || part.includes('\r\n\r\n');
    }
    return this.#delivery.write(chunk);
  }

  async commit(): Promise<StoredMessage> {
    const message = await this.#delivery.commit();
    const [only] = this.#head;
    this.#stored(message, only && this.#head.length === 1 ? only : Buffer.concat(this.#head));
    return message;
  }

  abort(): Promise<void> {
    return this.#delivery.abort();
  }
}

export function messageEvent(message: StoredMessage, head: Buffer): ServeMessage {
  const { mailFrom, rcptTo, helo, clientAddress, protocol, tls, auth }: ReceivedEnvelope = message.envelope;
  return {
    event: 'message',
    id: message.id,
    from: mailFrom,
    to: rcptTo.map(({ address }) => address),
    subject: subjectOf(head),
    size: message.size,
    receivedAt: message.receivedAt.toISOString(),
    helo,
    clientAddress,
    protocol,
    tls,
    auth,
  };
}

/** The first Subject field; the whole header is parsed only when somebody looks at the message. */
export function subjectOf(head: Buffer): string | null {
  const text = peerText(head);
  const end = /(?:^|\r?\n)\r?\n/.exec(text)?.index ?? text.length;
  const found = /^subject[ \t]*:((?:[^\n]|\n[ \t])*)/im.exec(text.slice(0, end));
  return found ? decodeWords((found[1] ?? '').replace(/\r?\n/g, '').trim()) : null;
}

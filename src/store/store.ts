// The contract of a message store: what was received, byte for byte, with its envelope beside it. memory.ts and
// maildir.ts keep it; the same contract tests run over both.
import type { ByteSource } from '../base/bytes.ts';

/** What is known of how a message came in. Addresses without angle brackets; '' is the null reverse-path. */
export interface ReceivedEnvelope {
  mailFrom: string;
  /** ESMTP parameters of MAIL, keywords upper case, in order. */
  mailParams: EnvelopeParam[];
  rcptTo: { address: string; params: EnvelopeParam[] }[];
  helo: string;
  clientAddress: string;
  /** SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP ... (RFC 3848). */
  protocol: string;
  tls: { protocol: string; cipher: string } | null;
  auth: { mechanism: string; identity: string } | null;
}

export interface EnvelopeParam {
  keyword: string;
  value?: string;
}

export interface StoredMessage {
  /** Letters, digits, '-', '_' and '.'; unguessable enough for URLs; stable for Maildir across restarts. */
  id: string;
  /** Mailboxes that hold it, as mailboxName() prints them. */
  mailboxes: string[];
  size: number;
  receivedAt: Date;
  envelope: ReceivedEnvelope;
}

/** A message on its way in. Exactly one of commit and abort is called. */
export interface Delivery {
  /** The chunk may be reused by the caller after the (possible) promise resolved: copy it when it is kept. */
  write(chunk: Buffer): void | Promise<void>;
  /** Resolves when the message is as safe as this store makes it: for Maildir after rename and directory fsync. */
  commit(): Promise<StoredMessage>;
  /** Leaves nothing behind. Never throws. */
  abort(): Promise<void>;
}

export interface Store {
  /** One copy for each mailbox of the envelope's recipients. Errors: 'io' (disk full and the like). */
  begin(envelope: ReceivedEnvelope): Promise<Delivery>;
  /** Oldest first. Without a mailbox: every message once. */
  list(mailbox?: string): Promise<StoredMessage[]>;
  get(id: string): Promise<StoredMessage | undefined>;
  /** The stored bytes. Undefined: no such message (any more). */
  read(id: string): Promise<ByteSource | undefined>;
  /** From one mailbox, or from all. False: it was not there. */
  delete(id: string, mailbox?: string): Promise<boolean>;
  /** Called for each message after its commit. Returns what stops it. */
  onMessage(listener: (message: StoredMessage) => void): () => void;
  /** Resolves with the first message, already here or to come, that `matches`; undefined once `signal` aborts. */
  waitFor(
    matches: (message: StoredMessage) => boolean | Promise<boolean>,
    signal: AbortSignal,
  ): Promise<StoredMessage | undefined>;
  close(): Promise<void>;
}

/** The mailbox of an address: the domain in lower case, the local part as it is. */
export const mailboxName = (address: string): string => {
  const at = address.lastIndexOf('@');
  return at === -1 ? address : address.slice(0, at) + address.slice(at).toLowerCase();
};

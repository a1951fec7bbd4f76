// The contract of a spool: messages that wait to be sent, each with what is needed to try again and what became of each
// recipient so far. Types only; store/spool.ts keeps it in a directory, something shared may keep it elsewhere. Nothing
// here knows of `send`: a relay queues the same way.
import type { ByteSource } from '../base/bytes.ts';
import type { Envelope, Recipient } from '../smtp/envelope.ts';
import type { ProtocolControl } from './control.ts';

/** What another try needs besides the message: the connection options by their long names, as given, never a secret. */
export interface Route {
  options: Readonly<Record<string, string | boolean | readonly string[]>>;
  pipelining: boolean;
  /** What was asked of the session and matters to every try. */
  control?: KeptControl;
}

export type KeptControl = Pick<ProtocolControl, 'bdat' | 'prdr' | 'force' | 'heloOnly' | 'strict' | 'require'>;

export type QueuedStatus = 'waiting' | 'accepted' | 'rejected' | 'expired' | 'unknown';

/** What was heard last of a recipient. Untrusted text. */
export interface LastWord {
  /** ISO 8601, as every time of an entry. */
  at: string;
  host: string | null;
  code: number | null;
  enhanced: string | null;
  text: string;
  /** The host offered DSN: notices of success are its business from there on (RFC 3461 5.2.2). */
  dsn: boolean;
}

export interface QueuedRecipient extends Recipient {
  status: QueuedStatus;
  last: LastWord | null;
  /** What the sender has been told of: nothing, a delay, the end (also where nothing had to be said). */
  told: 'nothing' | 'delay' | 'end';
}

/** When the recipients of one domain are tried again. */
export interface DomainSchedule {
  domain: string;
  /** Tries that deferred somebody. */
  tries: number;
  next: string;
}

export interface QueueAttempt {
  at: string;
  host: string;
  address: string;
  port: number;
  recipients: string[];
  /** The verdict on the message, or what broke. Null where only recipients were refused. */
  text: string | null;
}

export interface QueueEntry {
  version: 1;
  /** Lower case letters, digits and '-'. */
  id: string;
  created: string;
  /** What waits still by then is given up. */
  expires: string;
  size: number;
  messageId: string | null;
  eightBit: boolean;
  utf8Headers: boolean;
  /** Everything but the recipients. */
  envelope: Omit<Envelope, 'to'>;
  recipients: QueuedRecipient[];
  domains: DomainSchedule[];
  onReject: 'continue' | 'abort';
  route: Route;
  held: boolean;
  /** Written before anything is sent and taken away with its outcome: found by a later run, nobody knows what happened. */
  trying: { since: string; recipients: string[] } | null;
  /** The last ones, oldest first. */
  attempts: QueueAttempt[];
  /** Notices (RFC 3464) made for it so far; each has the id `ID-nN`. */
  notices: number;
}

/** Who has an entry in hand: nobody, a running process, or one that cannot be seen from here (another machine or container). */
export type ClaimState = 'free' | 'claimed' | 'elsewhere';

export type SpoolItem =
  | { kind: 'entry'; entry: QueueEntry; claim: ClaimState }
  /** Something is wrong with it; it is left as it is until somebody drops it. */
  | { kind: 'broken'; id: string; problem: string };

/** An entry that nobody else touches until release() or remove(). */
export interface Claim {
  readonly entry: QueueEntry;
  /** Resolves when it is safe: a crash leaves this state or the one before. */
  update(entry: QueueEntry): Promise<void>;
  /** The entry and its message are gone for good. */
  remove(): Promise<void>;
  /** Lets go. Never throws: what cannot be let go is free once this process has ended. */
  release(): Promise<void>;
}

export type Claimed =
  | { kind: 'claimed'; claim: Claim }
  | { kind: 'busy'; where: 'claimed' | 'elsewhere' }
  | { kind: 'gone' }
  | { kind: 'broken'; problem: string };

export interface Spool {
  /** Where it is, for people. */
  readonly name: string;
  /** Resolves with the entry when it and its message are safe; null where an entry of this id is there already. */
  add(entry: Omit<QueueEntry, 'size'>, message: ByteSource): Promise<QueueEntry | null>;
  /** Oldest first. */
  list(): Promise<SpoolItem[]>;
  find(id: string): Promise<SpoolItem | null>;
  /** Throws 'io' where it is not what the entry says. */
  message(entry: QueueEntry): Promise<ByteSource>;
  /** `elsewhere`: also from a process that cannot be seen from here. */
  claim(id: string, take?: { elsewhere: boolean }): Promise<Claimed>;
  /** Takes away what is broken. False: it is not there, or not broken. */
  discard(id: string): Promise<boolean>;
  /** Takes away what crashes left. Returns the number of files. */
  sweep(): Promise<number>;
  close(): Promise<void>;
}

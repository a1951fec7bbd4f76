// What a POP3 server serves: a mailbox, opened by one session at a time (RFC 1939 3). The port of server.ts.
import type { ByteSource } from '../base/bytes.ts';

export interface MaildropMessage {
  id: string;
  /** 1 to 70 characters from 0x21 to 0x7e; never of another message, and the same after a restart (RFC 1939 7). */
  uidl: string;
  /** Bytes stored. A message without CRLF at its end gets one on the wire, which is not counted. */
  size: number;
}

export interface OpenMaildrop {
  /** In the order of their numbers, which start at 1. Fixed while it is open. */
  messages: readonly MaildropMessage[];
  /** Throws one of our errors when the message is gone or cannot be read. */
  read(id: string): Promise<ByteSource>;
  /** Called once, at QUIT. */
  delete(ids: readonly string[]): Promise<void>;
  /** Called exactly once, however the session ends. */
  release(): void;
}

export interface Maildrop {
  /** `mailbox`: the user who logged in. */
  open(mailbox: string): Promise<OpenMaildrop | 'locked'>;
}

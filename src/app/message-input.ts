// What a message is made from, as `send` and its fronts say it; and what comes out, ready to go. Types only, and the empty
// form. Making it is outgoing.ts.
import type { ByteSource } from '../base/bytes.ts';
import type { DkimKey } from '../policy/dkim-key.ts';
import type { Envelope, OutgoingMessage } from '../smtp/envelope.ts';
import type { EsmtpParam } from '../smtp/params.ts';

/** A text given as itself, as a file, or as standard input (`-`). */
export type TextInput = { kind: 'text'; text: string } | { kind: 'file'; path: string };

export interface AttachmentInput {
  path: string;
  name?: string;
  type?: string;
  /** Content-ID: the file is shown inside the HTML. */
  cid?: string;
}

export interface RawInput {
  /** A file, or `-`. Where the bytes are at hand (`given`), only what errors call it. */
  path: string;
  given?: ByteSource;
  fixEol: boolean;
  /** Malformed on purpose: nothing is refused, and nothing is put right. */
  verbatim?: true;
}

export interface MessageInput {
  from: string;
  /** '' is the null reverse-path; undefined: the address of `from`. */
  mailFrom: string | undefined;
  /** Header and envelope. Each value may hold a list. */
  to: string[];
  cc: string[];
  bcc: string[];
  /** Envelope only, as `a@x?notify=never&orcpt=rfc822;b@y`. */
  rcpt: string[];
  readRecipients: boolean;
  subject: string | undefined;
  text: TextInput | undefined;
  html: TextInput | undefined;
  attachments: AttachmentInput[];
  /** A file with a calendar object, or `-`: an alternative to the text, and an attachment. */
  ical?: string | undefined;
  headers: { name: string; value: string }[];
  replyTo: string[];
  inReplyTo: string | undefined;
  priority: 'high' | 'normal' | 'low' | undefined;
  /** Present: the message as it is, instead of all the parts above. */
  raw: RawInput | undefined;
  /** Each adds a signature. */
  dkim?: readonly DkimKey[] | undefined;
  /** So many bytes must come from standard input: a producer that dies midway cannot be told from one that is done. */
  inputBytes?: number | undefined;
  ret: 'full' | 'hdrs' | undefined;
  envid: string | undefined;
  notify: string[] | undefined;
  mailParams: EsmtpParam[];
  rcptParams: EsmtpParam[];
}

/** Nothing said of anything: what a caller does not set. */
export const emptyInput: MessageInput = {
  from: '',
  mailFrom: undefined,
  to: [],
  cc: [],
  bcc: [],
  rcpt: [],
  readRecipients: false,
  subject: undefined,
  text: undefined,
  html: undefined,
  attachments: [],
  headers: [],
  replyTo: [],
  inReplyTo: undefined,
  priority: undefined,
  raw: undefined,
  ret: undefined,
  envid: undefined,
  notify: undefined,
  mailParams: [],
  rcptParams: [],
};

export interface Outgoing {
  messageId: string | null;
  envelope: Envelope;
  message: OutgoingMessage;
  notes: string[];
  /** Removes temporary files. */
  dispose(): Promise<void>;
}

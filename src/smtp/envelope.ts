// The envelope that a client sends, and what MAIL and RCPT say for it on a given server (RFC 5321 3.3, 1870, 6152, 6531,
// 3461). What the server lacks is an error or a note, never left out in silence. Parsing the lines is command.ts's business.
import { domainToAscii, encodeXtext, isAscii, type Mailbox, parseMailbox } from '../base/address.ts';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { printMail, printRcpt } from './command.ts';
import { type Extensions, sizeLimit } from './extensions.ts';
import { type EsmtpParam, extensionOf } from './params.ts';

export interface Recipient {
  address: string;
  /** NOTIFY of RFC 3461: NEVER, or some of SUCCESS, FAILURE, DELAY. */
  notify?: string[];
  /** ORCPT as `type;address`, before xtext. */
  orcpt?: string;
  params?: EsmtpParam[];
}

export interface Envelope {
  /** '' is the null reverse-path. */
  from: string;
  to: Recipient[];
  ret?: 'FULL' | 'HDRS';
  /** ENVID, before xtext. */
  envid?: string;
  params?: EsmtpParam[];
}

/** A message ready to go, with what the envelope must say about it. */
export interface OutgoingMessage {
  source: ByteSource;
  /** Bytes above 0x7f in the body. */
  eightBit: boolean;
  /** UTF-8 in header fields (RFC 6532). */
  utf8Headers: boolean;
  /** Malformed on purpose: goes out after DATA as it is, neither stuffed nor checked. */
  verbatim?: true;
}

export interface EnvelopeOptions {
  /** Ask for a verdict on each recipient after the data. */
  prdr?: boolean;
  /** Say also what the server does not offer. */
  force?: boolean;
  /** TLS on every further hop (RFC 8689). */
  requireTls?: boolean;
}

export interface EnvelopeCommands {
  mail: string;
  /** Like `mail` without line ends; in the order of the envelope's recipients. */
  rcpt: string[];
  /** What the server cannot do and was left out; to be shown. */
  notes: string[];
  /** MAIL asks for it. */
  prdr: boolean;
}

/**
 * Throws 'message-too-large', 'needs-8bitmime', 'needs-smtputf8', 'missing-extension' before a byte of the transaction goes
 * out.
 */
export function envelopeCommands(
  envelope: Envelope,
  message: OutgoingMessage | null,
  extensions: Extensions,
  { prdr: wantsPrdr = false, force = false, requireTls = false }: EnvelopeOptions = {},
): EnvelopeCommands {
  const notes: string[] = [];
  const offers = (extension: string): boolean => force || extensions.has(extension);
  const given = [...(envelope.params ?? []), ...envelope.to.flatMap((one) => one.params ?? [])];
  for (const { keyword } of given) {
    const extension = extensionOf(keyword);
    if (extension !== undefined && !offers(extension)) throw missingFor(keyword, extension);
  }
  const utf8 = offers('SMTPUTF8');
  const addresses = [envelope.from, ...envelope.to.map((one) => one.address)];
  const needsUtf8 = (message?.utf8Headers ?? false) || addresses.some((address) => !isAscii(address));
  const mailbox = (address: string) => (utf8 ? parseMailbox(address) : asciiMailbox(address));
  if (needsUtf8 && !utf8 && message?.utf8Headers) throw needsSmtputf8('the header holds UTF-8');

  const mail: EsmtpParam[] = [];
  const size = message?.source.size;
  if (extensions.has('SIZE') && size !== undefined) {
    const limit = sizeLimit(extensions);
    if (limit !== undefined && size > limit) {
      throw new EhloError(
        'message-too-large',
        `the message has ${size} bytes; the server takes no more than ${limit}`,
        {
          stage: 'mail',
          hint: 'nothing was sent; make it smaller, or send a link instead of an attachment',
        },
      );
    }
    mail.push({ keyword: 'SIZE', value: String(size) });
  }
  if (message?.eightBit) {
    if (!offers('8BITMIME')) {
      throw new EhloError(
        'needs-8bitmime',
        'the message holds 8-bit characters and the server does not offer 8BITMIME',
        {
          stage: 'mail',
          hint: 'encode the message (quoted-printable or base64), or send it with --body, which is always 7-bit clean',
        },
      );
    }
    mail.push({ keyword: 'BODY', value: '8BITMIME' });
  }
  if (needsUtf8 && utf8) mail.push({ keyword: 'SMTPUTF8' });
  const dsn = offers('DSN');
  if (wantsDsn(envelope) && !dsn) notes.push('the server does not offer DSN: no delivery notification was asked for');
  if (dsn && envelope.ret) mail.push({ keyword: 'RET', value: envelope.ret });
  if (dsn && envelope.envid) mail.push({ keyword: 'ENVID', value: encodeXtext(envelope.envid) });
  if (requireTls) mail.push({ keyword: 'REQUIRETLS' });
  const prdr = wantsPrdr && offers('PRDR');
  if (wantsPrdr && !prdr) notes.push('the server does not offer PRDR: there is one verdict for all recipients');
  if (prdr) mail.push({ keyword: 'PRDR' });

  return {
    mail: line(printMail(envelope.from === '' ? null : mailbox(envelope.from), withGiven(mail, envelope.params))),
    rcpt: envelope.to.map((one) => {
      const params: EsmtpParam[] = [];
      if (dsn && one.notify) params.push({ keyword: 'NOTIFY', value: one.notify.join(',') });
      if (dsn && one.orcpt) params.push({ keyword: 'ORCPT', value: orcptValue(one.orcpt) });
      return line(printRcpt(mailbox(one.address), withGiven(params, one.params)));
    }),
    notes,
    prdr,
  };
}

/** What the user says of a parameter counts, not what we would. */
const withGiven = (ours: readonly EsmtpParam[], given: readonly EsmtpParam[] = []): EsmtpParam[] => [
  ...ours.filter(({ keyword }) => !given.some((one) => one.keyword === keyword)),
  ...given,
];

const missingFor = (keyword: string, extension: string): EhloError =>
  new EhloError('missing-extension', `the server does not offer ${extension}, which the parameter ${keyword} needs`, {
    stage: 'mail',
    side: 'remote',
    hint: 'nothing was sent; --force sends the parameter all the same',
  });

/** The client adds the line end itself, to a whole group at once. */
const line = (command: string): string => command.slice(0, -2);

const wantsDsn = (envelope: Envelope): boolean =>
  envelope.ret !== undefined || envelope.envid !== undefined || envelope.to.some((one) => one.notify || one.orcpt);

/** The address type stays as it is; only the address is xtext (RFC 3461 4.2). */
function orcptValue(orcpt: string): string {
  const at = orcpt.indexOf(';');
  return at === -1 ? `rfc822;${encodeXtext(orcpt)}` : `${orcpt.slice(0, at + 1)}${encodeXtext(orcpt.slice(at + 1))}`;
}

/** For a server without SMTPUTF8: the domain as A-labels; a local part beyond ASCII has no such form (RFC 6531 3.2). */
function asciiMailbox(address: string): Mailbox {
  const { local, domain } = parseMailbox(address);
  if (!isAscii(local)) throw needsSmtputf8(`the local part of ${address} is not ASCII`);
  return { local, domain: domainToAscii(domain) };
}

const needsSmtputf8 = (why: string): EhloError =>
  new EhloError('needs-smtputf8', `${why}, and the server does not offer SMTPUTF8`, {
    stage: 'mail',
    hint: 'nothing was sent; only a server with SMTPUTF8 (RFC 6531) can take this message',
  });

// A message that somebody else wrote (--raw): read through, judged, and sent as it is.
import { type Mailbox, parseMailboxList, printMailbox } from '../base/address.ts';
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import type { MessageInput, Outgoing, RawInput } from './message-input.ts';
import { envelopeOf } from './outgoing-envelope.ts';
import type { Ports } from './ports.ts';

export async function prepareRaw(input: MessageInput, raw: RawInput, ports: Ports): Promise<Outgoing> {
  const { examineRaw, fixEol, stripBcc } = await import('../message/raw.ts');
  const given: ByteSource & { dispose?: () => Promise<void> } = raw.given ?? (await ports.files.read(raw.path));
  const dispose = async () => given.dispose?.();
  try {
    let source: ByteSource = given;
    if (raw.fixEol) source = fixEol(source);
    if (input.readRecipients) source = stripBcc(source);
    const found = await examineRaw(source);
    // The Bcc addresses are of the message as given; what is sent no longer has them.
    const asGiven = input.readRecipients ? await examineRaw(given) : found;
    if (found.empty)
      throw new EhloError('bad-message', `${raw.path}: the message is empty`, { hint: 'nothing was sent' });
    const bare = found.bareCr ?? found.bareLf;
    if (bare !== undefined && !raw.fixEol && !raw.verbatim) {
      const what = found.bareCr === bare ? 'CR' : 'LF';
      throw new EhloError('bare-line-end', `${raw.path}: a bare ${what} at byte ${bare}; SMTP lines end in CRLF`, {
        hint: 'nothing was sent; --fix-eol turns every line end into CRLF',
      });
    }
    if (found.headerTruncated && !raw.verbatim) {
      throw new EhloError('bad-message', `${raw.path}: the header ends in the middle of a line`, {
        hint: 'nothing was sent; was the program that makes the message cut off?',
      });
    }
    const { headerMailboxes } = await import('../message/addresses.ts');
    const named = [...input.to, ...input.cc, ...input.bcc].flatMap(parseMailboxList).map((one) => one.mailbox);
    const { to, cc, bcc } = asGiven;
    const listed = Object.entries(input.readRecipients ? { To: to, Cc: cc, Bcc: bcc } : {}).flatMap(([field, values]) =>
      values.flatMap((value) => headerMailboxes(field, value)),
    );
    const recipients = [...named, ...listed];
    const authors = () => found.from.flatMap((value) => headerMailboxes('From', value));
    const from = input.mailFrom ?? (input.from || onlyAuthor(authors()));
    return {
      messageId: found.messageId,
      envelope: envelopeOf(
        { ...input, mailFrom: from },
        from,
        recipients.map((one) => ({ address: printMailbox(one) })),
      ),
      message: {
        source: sized(source, found.size),
        ...(raw.verbatim
          ? { eightBit: false, utf8Headers: false, verbatim: true }
          : { eightBit: found.eightBit, utf8Headers: found.utf8Headers }),
      },
      notes: [],
      dispose,
    };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

/** The size is known once the message has been read through. */
const sized = (source: ByteSource, size: number): ByteSource => ({
  size,
  ...(source.bytes ? { bytes: source.bytes } : {}),
  chunks: () => source.chunks(),
});

const onlyAuthor = (all: readonly Mailbox[]): string => {
  const [first] = all;
  if (first && all.length === 1) return printMailbox(first);
  throw new EhloError('bad-message', 'the message does not name one sender in From', {
    hint: 'give --mail-from ADDRESS',
  });
};

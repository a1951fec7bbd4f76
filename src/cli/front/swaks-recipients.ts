// The recipients of --to: a list with commas, each an address.
import { parseMailboxList, printMailbox } from '../../base/address.ts';

/** In order, each once. Throws 'bad-address'. */
export const distinct = (to: string): string[] => [
  ...new Set(
    to
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '')
      .flatMap((one) => parseMailboxList(one).map(({ mailbox }) => printMailbox(mailbox))),
  ),
];

// The envelope that goes with a message: who is listed, who is named besides, and what is asked for each (RFC 3461).
import { parseMailbox, printMailbox } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
import type { Envelope, Recipient } from '../smtp/envelope.ts';
import type { MessageInput } from './message-input.ts';

export function envelopeOf(input: MessageInput, from: string, listed: Recipient[]): Envelope {
  const all = [...listed, ...input.rcpt.map(parseRecipient)];
  const byAddress = new Map<string, Recipient>();
  // Named twice, received once; what --rcpt says of somebody (DSN) counts.
  for (const one of all) byAddress.set(one.address, { ...byAddress.get(one.address), ...one });
  if (byAddress.size === 0) {
    throw new EhloError('usage', 'no recipient was given', {
      hint: 'name one as argument or with --to, --cc, --bcc or --rcpt; --read-recipients takes them from the message',
    });
  }
  const sender = input.mailFrom === undefined ? from : input.mailFrom === '<>' ? '' : input.mailFrom;
  return {
    from: sender === '' ? '' : printMailbox(parseMailbox(sender)),
    to: [...byAddress.values()].map((one) => ({
      ...one,
      ...(one.notify || !input.notify ? {} : { notify: input.notify }),
      ...(input.rcptParams.length > 0 ? { params: input.rcptParams } : {}),
    })),
    ...(input.ret ? { ret: input.ret === 'full' ? 'FULL' : 'HDRS' } : {}),
    ...(input.envid ? { envid: input.envid } : {}),
    params: input.mailParams,
  };
}

/** A quoted local part may hold anything, a domain no `?`: the first one behind it begins the options. */
const recipientForm = /^((?:"(?:[^"\\]|\\.)*"|[^@"])*@[^?@]+)\?(.*)$/s;

/** What a header shows of `a@x?notify=never`: the address. Undefined where no options are written behind it. */
export const addressBeforeOptions = (text: string): string | undefined => recipientForm.exec(text)?.[1];

/** `a@x?notify=success,failure&orcpt=rfc822;b@y` */
export function parseRecipient(text: string): Recipient {
  const [, written = text, options = ''] = recipientForm.exec(text) ?? [];
  const address = printMailbox(parseMailbox(written));
  const recipient: Recipient = { address };
  for (const pair of options === '' ? [] : options.split('&')) {
    const [name, value = ''] = pair.split(/=(.*)/s);
    if (name === 'notify') recipient.notify = parseNotify(value);
    else if (name === 'orcpt') recipient.orcpt = value;
    else throw new EhloError('usage', `"${name}" is not an option of a recipient; there are notify and orcpt`);
  }
  return recipient;
}

/** NOTIFY of RFC 3461 4.1: never alone, or some of the others. */
export function parseNotify(text: string): string[] {
  const words = text.toUpperCase().split(',');
  const good = words.every((word) => /^(NEVER|SUCCESS|FAILURE|DELAY)$/.test(word));
  if (!good || (words.includes('NEVER') && words.length > 1)) {
    throw new EhloError('usage', `"${text}" is not never, nor a list of success, failure and delay`);
  }
  return words;
}

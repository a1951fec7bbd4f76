// The command line of `ehlo sendmail`, read as getopt(3) does for sendmail: letters run together, values beside or behind
// them, recipients last. What each letter means is sendmail-options.ts; addresses stay as written.
import { EhloError } from '../../base/errors.ts';
import { type SendmailRequest, sendmailOptions } from './sendmail-options.ts';

export type { SendmailMode, SendmailRequest } from './sendmail-options.ts';

const plainRequest = (): SendmailRequest => ({
  mode: 'deliver',
  ignoreDots: false,
  readRecipients: false,
  sender: undefined,
  fullName: undefined,
  recipients: [],
  notify: undefined,
  ret: undefined,
  envid: undefined,
  body: undefined,
  gateway: false,
  verbose: false,
});

/** Throws 'usage'. */
export function parseSendmailArguments(argv: readonly string[]): SendmailRequest {
  const request = plainRequest();
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--help' || word === '--version') {
      request.mode = word === '--help' ? 'help' : 'version';
      return request;
    }
    if (word === '--' || !word.startsWith('-') || word === '-') break;
    at += readWord(request, word, argv[at + 1]);
  }
  request.recipients = readRecipients(argv.slice(at));
  return request;
}

/** One word of letters; returns how many further words it took. */
function readWord(request: SendmailRequest, word: string, next: string | undefined): 0 | 1 {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? '';
    const option = sendmailOptions.get(letter);
    if (!option) {
      throw new EhloError('usage', `sendmail has no option -${letter} here (in "${word}")`, {
        hint: 'ehlo sendmail --help lists the options; -- stands in front of an address that begins with -',
      });
    }
    if (option.takes === 'nothing') {
      Object.assign(request, option.read(''));
      continue;
    }
    const rest = word.slice(at + 1);
    if (option.takes === 'attached' || rest !== '') {
      Object.assign(request, option.read(rest));
      return 0;
    }
    if (next === undefined) throw new EhloError('usage', `-${letter} needs a value`);
    Object.assign(request, option.read(next));
    return 1;
  }
  return 0;
}

/** sendmail takes an option behind an address for an address, msmtp for an option: who wrote it meant one of the two. */
function readRecipients(words: readonly string[]): string[] {
  const end = words.indexOf('--');
  const before = end === -1 ? words : words.slice(0, end);
  const late = before.find((word) => word.startsWith('-'));
  if (late !== undefined) {
    throw new EhloError('usage', `"${late}" stands behind an address, where it may be an option or an address`, {
      hint: 'put options in front of the addresses, or -- in front of all addresses',
    });
  }
  return end === -1 ? [...before] : [...before, ...words.slice(end + 1)];
}

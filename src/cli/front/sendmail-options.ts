// The options of sendmail(8) as sendmail, postfix and msmtp have them, as tables: what each letter takes and does, which
// ones are accepted without effect and why, which are refused and why. Reading a command line is sendmail-arguments.ts.
import { parseNotify } from '../../app/outgoing-envelope.ts';
import { forbiddenCharacter } from '../../base/domain.ts';
import { EhloError } from '../../base/errors.ts';

export type SendmailMode = 'deliver' | 'smtp' | 'list-queue' | 'run-queue' | 'aliases' | 'verify' | 'help' | 'version';

export interface SendmailRequest {
  mode: SendmailMode;
  /** A line of a single dot does not end the message (-i). */
  ignoreDots: boolean;
  /** Recipients are read from the header too (-t). */
  readRecipients: boolean;
  /** As written; '' is the null sender. */
  sender: string | undefined;
  fullName: string | undefined;
  /** As written. */
  recipients: string[];
  notify: string[] | undefined;
  ret: 'full' | 'hdrs' | undefined;
  envid: string | undefined;
  body: '7BIT' | '8BITMIME' | undefined;
  /** Somebody else's mail is passed on: no field is added (-G). */
  gateway: boolean;
  verbose: boolean;
}

type Said = Partial<SendmailRequest>;

export interface SendmailOption {
  /** Behind the letter: nothing; a value, there or as the next word; or whatever is written to the letter, if anything. */
  takes: 'nothing' | 'value' | 'attached';
  /** What it says of the request. Throws 'usage'. */
  read(value: string): Said;
}

const usage = (message: string, hint?: string): EhloError => new EhloError('usage', message, { hint });

const flag = (said: Said): SendmailOption => ({ takes: 'nothing', read: () => said });
const value = (read: SendmailOption['read']): SendmailOption => ({ takes: 'value', read });
const refused = (letter: string, why: string, hint?: string): SendmailOption =>
  value(() => {
    throw usage(`-${letter} is not supported: ${why}`, hint);
  });

/** Accepted since callers write them by habit, and without effect because of the reason beside each. */
export const withoutEffect: Readonly<Record<string, { takes: SendmailOption['takes']; why: string }>> = {
  A: { takes: 'value', why: 'which .cf file to use (-Ac, -Am): there is none' },
  d: { takes: 'attached', why: 'debugging of sendmail; -v shows the conversation' },
  e: { takes: 'attached', why: 'how to tell errors (-em, -ep ...): always exit code and standard error' },
  h: { takes: 'value', why: 'hop count: loops are found by the servers that add Received fields' },
  L: { takes: 'value', why: 'tag of the log: there is none' },
  m: { takes: 'nothing', why: 'send to me too: there are no groups to be taken out of' },
  n: { takes: 'nothing', why: 'no aliases: there are none' },
  p: { takes: 'value', why: 'how the message came here: nothing of it is written' },
  U: { takes: 'nothing', why: 'submission by a user: always' },
  X: { takes: 'value', why: 'log of the traffic: -v shows it' },
};

const modes = new Map<string, SendmailMode>([
  ['m', 'deliver'],
  ['s', 'smtp'],
  ['p', 'list-queue'],
  ['i', 'aliases'],
  ['v', 'verify'],
]);
const daemon = 'there is no daemon';
const refusedModes = new Map([
  ['d', daemon],
  ['D', daemon],
  ['l', daemon],
  ['t', 'there are no rewriting rules to test'],
  ['h', 'no host status is kept'],
  ['H', 'no host status is kept'],
]);

function readMode(letter: string): Said {
  const mode = modes.get(letter);
  if (mode) return { mode };
  throw usage(`-b${letter} is not supported: ${refusedModes.get(letter) ?? 'there is no such mode'}`);
}

/** `-oX...` and `-O LongName=...`. */
interface LongOption {
  letter: string;
  /** Lower case. */
  name: string;
  /** All values are, where absent. */
  accepts?: RegExp;
  said?: Said;
}

/** Those that say nothing have no effect for the reasons of the table above, and since mail is delivered in the foreground. */
const longOptions: LongOption[] = [
  { letter: 'i', name: 'ignoredots', said: { ignoreDots: true } },
  { letter: 'v', name: 'verbose', said: { verbose: true } },
  // i: interactive, b: in the background. q and d would only put off what is done at once.
  { letter: 'd', name: 'deliverymode', accepts: /^[ibqd]?$/ },
  { letter: 'e', name: 'errormode' },
  { letter: 'm', name: 'metoo' },
  { letter: 's', name: 'supersafe' },
  { letter: 'L', name: 'loglevel' },
  // How long, and where, mail waits is the configuration's to say.
  { letter: 'T', name: 'timeout.queuereturn' },
  { letter: 'Q', name: 'queuedirectory' },
  // Addresses parted by spaces: a list that cannot be read is refused.
  { letter: 'o', name: 'oldstyleheaders' },
  // Where newaliases finds its file.
  { letter: 'A', name: 'aliasfile' },
];

function readLong(option: LongOption | undefined, written: string, given: string): Said {
  if (!option) {
    throw usage(
      `${written} is not supported and may change the message`,
      'leave it out, or say what is wanted in the configuration of ehlo',
    );
  }
  if (option.accepts?.test(given) === false) throw usage(`${written} has no value "${given}"`);
  const off = /^(?:f|false|n|no|0)$/i.test(given);
  return off ? {} : (option.said ?? {});
}

const oneOf = <const T extends string>(letter: string, words: readonly T[], text: string): T => {
  const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw usage(`-${letter} takes ${words.join(' or ')}, not "${text}"`);
  return found;
};

const sender = value((address) => {
  // The next option taken for an address: nobody means that.
  if (address.startsWith('-')) throw usage(`"${address}" is not a sender; -f takes an address`);
  return { sender: address };
});

function visible(letter: string, text: string): string {
  const found = forbiddenCharacter(text);
  if (found) throw usage(`the value of -${letter} holds ${found}`, 'remove that character; it is never sent');
  return text;
}

export const sendmailOptions: ReadonlyMap<string, SendmailOption> = new Map<string, SendmailOption>([
  ...Object.entries(withoutEffect).map(([letter, { takes }]): [string, SendmailOption] => [
    letter,
    { takes, read: () => ({}) },
  ]),
  ['t', flag({ readRecipients: true })],
  ['i', flag({ ignoreDots: true })],
  ['v', flag({ verbose: true })],
  ['G', flag({ gateway: true })],
  ['I', flag({ mode: 'aliases' })],
  ['f', sender],
  ['r', sender],
  ['F', value((name) => ({ fullName: visible('F', name) }))],
  ['N', value((words) => ({ notify: parseNotify(words.replaceAll(' ', '')) }))],
  ['R', value((word) => ({ ret: oneOf('R', ['full', 'hdrs'], word) }))],
  ['V', value((id) => ({ envid: visible('V', id) }))],
  ['B', value((type) => ({ body: oneOf('B', ['7BIT', '8BITMIME'], type) }))],
  ['b', value(readMode)],
  [
    'q',
    {
      takes: 'attached',
      read(interval) {
        if (interval === '') return { mode: 'run-queue' };
        throw usage(
          `-q${interval} is not supported: ${daemon}`,
          'run -q alone, which tries what is due once, from cron',
        );
      },
    },
  ],
  [
    'o',
    value((text) => {
      const letter = text.slice(0, 1);
      return readLong(
        longOptions.find((one) => one.letter === letter),
        `-o${letter}`,
        text.slice(1),
      );
    }),
  ],
  [
    'O',
    value((text) => {
      const [name = '', given = ''] = text.split(/=(.*)/s);
      const wanted = name.trim().toLowerCase();
      return readLong(
        longOptions.find((one) => one.name === wanted),
        `-O ${name.trim()}`,
        given.trim(),
      );
    }),
  ],
  [
    'C',
    refused('C', 'another configuration would be another route', 'set EHLO_CONFIG to the file that ehlo is to use'),
  ],
  ['M', refused('M', 'there are no macros')],
  ['s', refused('s', 'it is an option of mail(1)', 'write the subject into the header of the message')],
]);

// SMTP commands (RFC 5321 4.1.1, 3030, 3207, 4954, 2033): strict parse and print. No session: whether a command is in
// order is the server's business, and which parameters are known stands in params.ts.
import { type Mailbox, parsePath, printMailbox } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';
import { type EsmtpParam, parseParams, printParams } from './params.ts';
import { type Reply, reply } from './reply.ts';

export type Command =
  | { verb: 'helo' | 'ehlo' | 'lhlo'; domain: string }
  /** Null is the null reverse-path `<>`. `utf8`: something in the line is not ASCII. */
  | { verb: 'mail'; path: Mailbox | null; params: EsmtpParam[]; utf8: boolean }
  | { verb: 'rcpt'; path: Mailbox; params: EsmtpParam[]; utf8: boolean }
  | { verb: 'bdat'; size: number; last: boolean }
  /** `initial` is base64 as written, `=` for an empty response. */
  | { verb: 'auth'; mechanism: string; initial: string | undefined }
  | { verb: 'vrfy' | 'expn'; argument: string }
  | { verb: 'noop' | 'help'; argument: string | undefined }
  | { verb: 'data' | 'rset' | 'quit' | 'starttls' }
  /** `word` is upper case; '' where the line does not even begin with one. */
  | { verb: 'unknown'; word: string };

export type KnownVerb = Exclude<Command['verb'], 'unknown'>;

/** A line that is not the command which it seems to be, with the reply to give. */
export interface Refusal {
  verb: KnownVerb;
  refusal: Reply;
}

type Parsed = Command | Refusal;

/** RFC 3030 2: more digits than any size that we could count exactly. */
const sizeDigits = 15;

const refuse = (verb: KnownVerb, code: number, enhanced: string, text: string): Refusal => ({
  verb,
  refusal: reply(code, enhanced, text),
});

const syntax = (verb: KnownVerb, text: string): Refusal => refuse(verb, 501, '5.5.4', text);

const alone =
  (verb: 'data' | 'rset' | 'quit' | 'starttls') =>
  (rest: string): Parsed =>
    rest === '' ? { verb } : syntax(verb, `${verb.toUpperCase()} takes no argument`);

const hello =
  (verb: 'helo' | 'ehlo' | 'lhlo') =>
  (rest: string): Parsed => {
    // RFC 5321 4.1.4 lets no server refuse mail for what the name says; it must only be one.
    const domain = rest.slice(1);
    if (/^[!-~]{1,255}$/.test(domain)) return { verb, domain };
    return syntax(verb, `${verb.toUpperCase()} takes one argument: the name of the client`);
  };

const named =
  (verb: 'vrfy' | 'expn') =>
  (rest: string): Parsed => {
    const argument = rest.trim();
    return argument === '' ? syntax(verb, `${verb.toUpperCase()} takes an argument`) : { verb, argument };
  };

const free =
  (verb: 'noop' | 'help') =>
  (rest: string): Parsed => ({ verb, argument: rest === '' ? undefined : rest.slice(1) });

function mail(rest: string, utf8: boolean): Parsed {
  const parsed = pathAndParams('mail', 'FROM', rest);
  if ('refusal' in parsed) return parsed;
  // RFC 6531 3.4: without SMTPUTF8 every address is ASCII.
  if (utf8 && !parsed.params.some((param) => param.keyword === 'SMTPUTF8')) {
    return refuse('mail', 501, '5.6.7', 'an address that is not ASCII needs the parameter SMTPUTF8');
  }
  return { verb: 'mail', ...parsed, utf8 };
}

function rcpt(rest: string, utf8: boolean): Parsed {
  const parsed = pathAndParams('rcpt', 'TO', rest);
  if ('refusal' in parsed) return parsed;
  const { path, params } = parsed;
  if (path === null) return refuse('rcpt', 501, '5.1.3', 'RCPT TO:<> names nobody');
  return { verb: 'rcpt', path, params, utf8 };
}

function pathAndParams(
  verb: 'mail' | 'rcpt',
  word: 'FROM' | 'TO',
  rest: string,
): { path: Mailbox | null; params: EsmtpParam[] } | Refusal {
  const form = `${verb.toUpperCase()} ${word}:<address>`;
  const prefix = ` ${word}:`;
  if (rest.slice(0, prefix.length).toUpperCase() !== prefix) return syntax(verb, `write ${form}`);
  const text = rest.slice(prefix.length);
  if (text.startsWith(' ')) return syntax(verb, `no space after the colon: write ${form}`);
  if (!text.startsWith('<')) return syntax(verb, `the address stands in angle brackets: write ${form}`);
  const enhanced = verb === 'mail' ? '5.1.7' : '5.1.3';
  try {
    const { mailbox, route, rest: after } = parsePath(text);
    // RFC 5321 C: nobody needs source routes; passing them on, or dropping them unsaid, has made open relays.
    if (route !== null) return refuse(verb, 501, enhanced, 'source routes are not accepted');
    const params = parseParams(verb, after);
    if (Array.isArray(params)) return { path: mailbox, params };
    return params.kind === 'unknown' ? refuse(verb, 555, '5.5.4', params.text) : syntax(verb, params.text);
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    return refuse(verb, 501, enhanced, ascii(thrown.message));
  }
}

/** Replies are ASCII, on one line, and short (RFC 5321 4.5.3.1.5). */
const ascii = (text: string): string => text.replace(/[^ -~]/gu, '?').slice(0, 400);

function bdat(rest: string): Parsed {
  const match = /^ (\d+)( LAST)?$/i.exec(rest);
  if (!match?.[1]) return syntax('bdat', 'write BDAT size or BDAT size LAST');
  if (match[1].length > sizeDigits) return refuse('bdat', 552, '5.3.4', 'no chunk of that size is taken');
  return { verb: 'bdat', size: Number(match[1]), last: match[2] !== undefined };
}

function auth(rest: string): Parsed {
  const match = /^ ([A-Za-z0-9_-]{1,20})(?: ([!-~]+))?$/.exec(rest);
  if (!match?.[1]) return syntax('auth', 'write AUTH mechanism, or AUTH mechanism and an initial response');
  return { verb: 'auth', mechanism: match[1].toUpperCase(), initial: match[2] };
}

const table: Record<Uppercase<KnownVerb>, (rest: string, utf8: boolean) => Parsed> = {
  HELO: hello('helo'),
  EHLO: hello('ehlo'),
  LHLO: hello('lhlo'),
  MAIL: mail,
  RCPT: rcpt,
  DATA: alone('data'),
  BDAT: bdat,
  RSET: alone('rset'),
  NOOP: free('noop'),
  VRFY: named('vrfy'),
  EXPN: named('expn'),
  HELP: free('help'),
  QUIT: alone('quit'),
  STARTTLS: alone('starttls'),
  AUTH: auth,
};

const verbs = new Map(Object.entries(table));

/** Verbs whose argument may hold UTF-8 (RFC 6531 3.3). */
const utf8Verbs = new Set(['MAIL', 'RCPT', 'VRFY', 'EXPN']);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const isAscii = (text: string): boolean => !/[\x80-\xff]/.test(text);

/** One line without its end. Never throws for what a client may send. */
export function parseCommand(line: Buffer): Command | Refusal {
  const latin1 = line.toString('latin1');
  const word = /^[A-Za-z]+/.exec(latin1)?.[0].toUpperCase() ?? '';
  const parse = verbs.get(word);
  const after = latin1[word.length];
  if (!parse || (after !== undefined && after !== ' ')) {
    // A known verb with junk behind it ("DATA\t", "QUIT;") is no better than an unknown one, except for naming it.
    return { verb: 'unknown', word };
  }
  const verb = verbNames[word as Uppercase<KnownVerb>];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(latin1)) return refuse(verb, 501, '5.5.2', 'the line holds a control character');
  const plain = isAscii(latin1);
  if (!plain && !utf8Verbs.has(word)) return refuse(verb, 501, '5.5.2', 'the line holds bytes that are not ASCII');
  let text = latin1;
  if (!plain) {
    try {
      text = utf8.decode(line);
    } catch {
      return refuse(verb, 501, '5.5.2', 'the line holds bytes that are not UTF-8');
    }
  }
  // RFC 5321 4.1.1: white space before the line end is tolerated.
  return parse(withoutTrailingSpaces(text.slice(word.length)), !plain);
}

function withoutTrailingSpaces(text: string): string {
  let end = text.length;
  while (text[end - 1] === ' ') end--;
  return text.slice(0, end);
}

const verbNames: Record<Uppercase<KnownVerb>, KnownVerb> = {
  HELO: 'helo',
  EHLO: 'ehlo',
  LHLO: 'lhlo',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
  BDAT: 'bdat',
  RSET: 'rset',
  NOOP: 'noop',
  VRFY: 'vrfy',
  EXPN: 'expn',
  HELP: 'help',
  QUIT: 'quit',
  STARTTLS: 'starttls',
  AUTH: 'auth',
};

const printPath = (path: Mailbox | null): string => {
  const text = path === null ? '' : printMailbox(path);
  // Whatever made the mailbox: nothing may end the line or the path.
  if (/\p{Cc}/u.test(text)) throw new EhloError('bad-address', 'an address with a control character is never sent');
  return `<${text}>`;
};

export const printMail = (path: Mailbox | null, params: readonly EsmtpParam[] = []): string =>
  `MAIL FROM:${printPath(path)}${printParams(params)}\r\n`;

export const printRcpt = (path: Mailbox, params: readonly EsmtpParam[] = []): string =>
  `RCPT TO:${printPath(path)}${printParams(params)}\r\n`;

/** Any command but an unknown one, with its CRLF. parseCommand() reads it back as it was. */
export function printCommand(command: Exclude<Command, { verb: 'unknown' }>): string {
  const word = command.verb.toUpperCase();
  switch (command.verb) {
    case 'mail':
      return printMail(command.path, command.params);
    case 'rcpt':
      return printRcpt(command.path, command.params);
    case 'helo':
    case 'ehlo':
    case 'lhlo':
      return `${word} ${command.domain}\r\n`;
    case 'bdat':
      return `BDAT ${command.size}${command.last ? ' LAST' : ''}\r\n`;
    case 'auth':
      return `AUTH ${command.mechanism}${command.initial === undefined ? '' : ` ${command.initial}`}\r\n`;
    case 'vrfy':
    case 'expn':
    case 'noop':
    case 'help':
      return `${word}${command.argument === undefined ? '' : ` ${command.argument}`}\r\n`;
    case 'data':
    case 'rset':
    case 'quit':
    case 'starttls':
      return `${word}\r\n`;
  }
}

// The metadata file of a queued message: JSON, checked field by field when it is read, since a crash, a full disk, another
// version or a hand may have written it. What is wrong is said with its place; nothing is guessed.
import type {
  DomainSchedule,
  KeptControl,
  LastWord,
  QueueAttempt,
  QueuedRecipient,
  QueueEntry,
  Route,
} from '../app/spool.ts';
import { parseMailbox } from '../base/address.ts';
import { EhloError } from '../base/errors.ts';

export const printQueueEntry = (entry: QueueEntry): Buffer => Buffer.from(`${JSON.stringify(entry, null, 1)}\n`);

/** Throws 'io' with what is wrong and where. */
export function parseQueueEntry(bytes: Buffer): QueueEntry {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EhloError('io', 'its metadata is not JSON: cut off, or overwritten', { cause });
  }
  const entry = record(json, 'the entry');
  if (entry['version'] !== 1) {
    throw new EhloError('io', `its metadata is of version ${shownVersion(entry['version'])}; this program reads 1`, {
      hint: 'use the version of ehlo that queued it',
    });
  }
  const envelope = record(entry['envelope'], 'envelope');
  const from = text(envelope['from'], 'envelope.from');
  if (from !== '') address(from, 'envelope.from');
  const recipients = list(entry['recipients'], 'recipients').map(recipient);
  if (recipients.length === 0) throw wrong('recipients', 'at least one');
  return {
    version: 1,
    id: text(entry['id'], 'id'),
    created: time(entry['created'], 'created'),
    expires: time(entry['expires'], 'expires'),
    size: count(entry['size'], 'size'),
    messageId: nullable(text)(entry['messageId'], 'messageId'),
    eightBit: flag(entry['eightBit'], 'eightBit'),
    utf8Headers: flag(entry['utf8Headers'], 'utf8Headers'),
    envelope: {
      from,
      ...(envelope['ret'] === undefined ? {} : { ret: word(envelope['ret'], ['FULL', 'HDRS'], 'envelope.ret') }),
      ...(envelope['envid'] === undefined ? {} : { envid: text(envelope['envid'], 'envelope.envid') }),
      ...(envelope['params'] === undefined ? {} : { params: params(envelope['params'], 'envelope.params') }),
    },
    recipients,
    domains: list(entry['domains'], 'domains').map(schedule),
    onReject: word(entry['onReject'], ['continue', 'abort'], 'onReject'),
    route: route(entry['route']),
    held: flag(entry['held'], 'held'),
    trying: nullable(trying)(entry['trying'], 'trying'),
    attempts: list(entry['attempts'], 'attempts').map(attempt),
    notices: count(entry['notices'], 'notices'),
  };
}

type Read<T> = (value: unknown, where: string) => T;

const wrong = (where: string, wanted: string): EhloError =>
  new EhloError('io', `its metadata is damaged: ${where} is not ${wanted}`);

const shownVersion = (value: unknown): string => (typeof value === 'number' ? String(value) : 'no known form');

const record: Read<Record<string, unknown>> = (value, where) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object');
  return Object.fromEntries(Object.entries(value));
};

const list: Read<unknown[]> = (value, where) => {
  if (!Array.isArray(value)) throw wrong(where, 'a list');
  return value;
};

const text: Read<string> = (value, where) => {
  if (typeof value !== 'string') throw wrong(where, 'a text');
  return value;
};

const flag: Read<boolean> = (value, where) => {
  if (typeof value !== 'boolean') throw wrong(where, 'true or false');
  return value;
};

const count: Read<number> = (value, where) => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(where, 'a whole number');
  return value;
};

const time: Read<string> = (value, where) => {
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) throw wrong(where, 'a time');
  return value;
};

/** What does not parse here would break a command line later. */
const address: Read<string> = (value, where) => {
  try {
    parseMailbox(text(value, where));
  } catch {
    throw wrong(where, 'an address');
  }
  return text(value, where);
};

const nullable =
  <T>(read: Read<T>): Read<T | null> =>
  (value, where) =>
    value === null ? null : read(value, where);

const word = <const T extends string>(value: unknown, words: readonly T[], where: string): T => {
  const found = words.find((one) => one === value);
  if (found === undefined) throw wrong(where, `one of ${words.join(', ')}`);
  return found;
};

const texts: Read<string[]> = (value, where) => list(value, where).map((one) => text(one, where));

const params: Read<{ keyword: string; value?: string }[]> = (value, where) =>
  list(value, where).map((one) => {
    const { keyword, value: given } = record(one, where);
    return { keyword: text(keyword, where), ...(given === undefined ? {} : { value: text(given, where) }) };
  });

function recipient(value: unknown): QueuedRecipient {
  const one = record(value, 'recipients');
  return {
    address: address(one['address'], 'recipients.address'),
    ...(one['notify'] === undefined ? {} : { notify: texts(one['notify'], 'recipients.notify') }),
    ...(one['orcpt'] === undefined ? {} : { orcpt: text(one['orcpt'], 'recipients.orcpt') }),
    ...(one['params'] === undefined ? {} : { params: params(one['params'], 'recipients.params') }),
    status: word(one['status'], ['waiting', 'accepted', 'rejected', 'expired', 'unknown'], 'recipients.status'),
    last: nullable(lastWord)(one['last'], 'recipients.last'),
    told: word(one['told'], ['nothing', 'delay', 'end'], 'recipients.told'),
  };
}

const lastWord: Read<LastWord> = (value, where) => {
  const one = record(value, where);
  return {
    at: time(one['at'], `${where}.at`),
    host: nullable(text)(one['host'], `${where}.host`),
    code: nullable(count)(one['code'], `${where}.code`),
    enhanced: nullable(text)(one['enhanced'], `${where}.enhanced`),
    text: text(one['text'], `${where}.text`),
    dsn: flag(one['dsn'], `${where}.dsn`),
  };
};

function schedule(value: unknown): DomainSchedule {
  const one = record(value, 'domains');
  return {
    domain: text(one['domain'], 'domains.domain'),
    tries: count(one['tries'], 'domains.tries'),
    next: time(one['next'], 'domains.next'),
  };
}

const trying: Read<NonNullable<QueueEntry['trying']>> = (value, where) => {
  const one = record(value, where);
  return { since: time(one['since'], `${where}.since`), recipients: texts(one['recipients'], `${where}.recipients`) };
};

function attempt(value: unknown): QueueAttempt {
  const one = record(value, 'attempts');
  return {
    at: time(one['at'], 'attempts.at'),
    host: text(one['host'], 'attempts.host'),
    address: text(one['address'], 'attempts.address'),
    port: count(one['port'], 'attempts.port'),
    recipients: texts(one['recipients'], 'attempts.recipients'),
    text: nullable(text)(one['text'], 'attempts.text'),
  };
}

function route(value: unknown): Route {
  const one = record(value, 'route');
  const options = Object.entries(record(one['options'], 'route.options')).map(([name, given]) => [
    name,
    typeof given === 'boolean' ? given : Array.isArray(given) ? texts(given, 'route.options') : text(given, name),
  ]);
  return {
    options: Object.fromEntries(options),
    pipelining: flag(one['pipelining'], 'route.pipelining'),
    ...(one['control'] === undefined ? {} : { control: control(one['control'], 'route.control') }),
  };
}

const control: Read<KeptControl> = (value, where) => {
  const one = record(value, where);
  const { bdat } = one;
  return {
    bdat: typeof bdat === 'number' ? count(bdat, `${where}.bdat`) : word(bdat, ['auto', 'off'], `${where}.bdat`),
    prdr: flag(one['prdr'], `${where}.prdr`),
    force: flag(one['force'], `${where}.force`),
    heloOnly: flag(one['heloOnly'], `${where}.heloOnly`),
    strict: flag(one['strict'], `${where}.strict`),
    require: texts(one['require'], `${where}.require`),
  };
};

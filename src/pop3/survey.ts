// What is in the maildrop: STAT, LIST and UIDL together, and whether they tell the same story (RFC 1939 5, 7).
import { EhloError } from '../base/errors.ts';
import type { Pop3Client } from './client.ts';
import { type Pop3Response, parseListing, parseStat, parseUidListing } from './grammar.ts';
import { refusal } from './refusal.ts';

export interface SurveyedMessage {
  number: number;
  /** As LIST says; what RETR brings may differ. */
  size: number;
  /** Null where the server gave none, or one that is not an id by RFC 1939 7. */
  uid: string | null;
}

export interface Survey {
  count: number;
  /** As STAT says. */
  size: number;
  messages: SurveyedMessage[];
  /** What is wrong with the ids, in sentences: mail can be read so, but not safely deleted. */
  idDefects: string[];
  /** What is wrong with the sizes: many servers count carelessly, so this is worth a warning and no more. */
  sizeDefects: string[];
  /** The server knows UIDL. */
  uids: boolean;
}

export async function stat(client: Pop3Client): Promise<{ count: number; size: number }> {
  client.say([{ verb: 'STAT' }]);
  return hearStat(client);
}

/** One round trip where the server pipelines. Throws 'peer-lied' where the answers contradict each other. */
export async function survey(client: Pop3Client, maxMessages: number): Promise<Survey> {
  const together = client.pipelining;
  if (together) client.say([{ verb: 'STAT' }, { verb: 'LIST' }, { verb: 'UIDL' }]);
  else client.say([{ verb: 'STAT' }]);
  const { count, size } = await hearStat(client);
  if (count > maxMessages) {
    throw new EhloError('limit-reached', `the mailbox holds ${count} messages; ${maxMessages} are taken at most`, {
      side: 'remote',
      stage: 'stat',
      peer: client.wire.peer,
      hint: `allow more with --max-messages ${count}`,
    });
  }
  if (!together) client.say([{ verb: 'LIST' }]);
  const sizes = await hearList(client, count);
  if (!together) client.say([{ verb: 'UIDL' }]);
  const ids = await hearUids(client, count);
  const messages = sizes.map((bytes, at) => ({ number: at + 1, size: bytes, uid: ids?.uids[at] ?? null }));
  const sum = sizes.reduce((total, bytes) => total + bytes, 0);
  const sizeDefects = sum === size ? [] : [`STAT counts ${size} bytes, the sizes of LIST make ${sum}`];
  return { count, size, messages, idDefects: ids?.defects ?? [], sizeDefects, uids: ids !== undefined };
}

async function hearStat(client: Pop3Client): Promise<{ count: number; size: number }> {
  const found = parseStat(okText(client, await client.hear('stat'), 'stat'));
  if (!found) throw client.wire.error('reply-malformed', `${client.wire.peer} answered STAT without two numbers`);
  return found;
}

/** Sizes by position. In a fresh session the numbers are exactly 1 to count, each once. */
async function hearList(client: Pop3Client, count: number): Promise<number[]> {
  okText(client, await client.hear('list'), 'list');
  const sizes = new Map<number, number>();
  await client.lines('list', count + 1, (line) => {
    const entry = parseListing(line);
    if (!entry) throw malformed(client, 'LIST', line);
    if (entry.number > count) throw lie(client, `LIST has message ${entry.number}, STAT counted ${count}`);
    if (sizes.has(entry.number)) throw lie(client, `LIST has message ${entry.number} twice`);
    sizes.set(entry.number, entry.size);
  });
  if (sizes.size !== count) throw lie(client, `LIST has ${sizes.size} messages, STAT counted ${count}`);
  return Array.from({ length: count }, (_, at) => sizes.get(at + 1) ?? 0);
}

/** Undefined where the server does not know UIDL, which is optional. */
async function hearUids(
  client: Pop3Client,
  count: number,
): Promise<{ uids: (string | null)[]; defects: string[] } | undefined> {
  const response = await client.hear('uidl');
  if (!response.ok) return undefined;
  const uids = new Map<number, string | null>();
  const owners = new Map<string, number>();
  const defects: string[] = [];
  await client.lines('uidl', count + 1, (line) => {
    const entry = parseUidListing(line);
    if (!entry) throw malformed(client, 'UIDL', line);
    const { number, uid } = entry;
    if (number > count) throw lie(client, `UIDL has message ${number}, STAT counted ${count}`);
    if (uids.has(number)) throw lie(client, `UIDL has message ${number} twice`);
    const owner = uid === null ? undefined : owners.get(uid);
    if (uid === null) defects.push(`UIDL has no valid id for message ${number}`);
    else if (owner !== undefined) defects.push(`UIDL gives messages ${owner} and ${number} the same id`);
    else owners.set(uid, number);
    uids.set(number, uid);
  });
  const missing = count - uids.size;
  if (missing > 0) defects.push(`UIDL leaves out ${missing} of ${count} messages`);
  return { uids: Array.from({ length: count }, (_, at) => uids.get(at + 1) ?? null), defects };
}

function okText(client: Pop3Client, response: Pop3Response, stage: string): string {
  if (!response.ok) throw refusal(client.wire, response, stage, 'session');
  return response.text;
}

const malformed = (client: Pop3Client, command: string, line: string): EhloError =>
  client.wire.error('reply-malformed', `${client.wire.peer} sent a ${command} line that is none: ${line.slice(0, 80)}`);

const lie = (client: Pop3Client, what: string): EhloError =>
  client.wire.error('peer-lied', `${client.wire.peer} contradicts itself: ${what}`, {
    hint: 'nothing was deleted; report this to whoever runs the server',
  });

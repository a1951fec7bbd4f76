// DNS messages as bytes, written by dns-packet behind guards: left alone it asks "a" for `a..b`, takes labels over 63 bytes,
// cuts labels at dots and turns unknown types into 0. Reading is message.ts's, reachable from here too. No servers, no time.
import { type Answer, encode, type Question, type RecordClass } from 'dns-packet';
import { EhloError } from '../base/errors.ts';
import { dnsLimits } from '../base/limits.ts';
import type { DnsRecord } from './dns.ts';
import { parseIp } from './ip.ts';
import { classIn, type DnsMessage, type DnsQuestion, flags, rcodes } from './message.ts';
import { nameKey } from './name.ts';
import { packetMailName, packetName } from './packet-name.ts';
import { parseType } from './types.ts';

export { type DnsMessage, decodeAnswer, decodeMessage, printRcode, rcodes } from './message.ts';

export interface DnsQuery {
  id: number;
  name: string;
  /** `MX` or `TYPE123`. */
  type: string;
  /** RD: the server is to find the answer, not only to say what it has. */
  recursion: boolean;
  /** Sends an OPT record that allows 1232 bytes over UDP. */
  edns: boolean;
  /** Sets AD: tell whether the answer was validated (RFC 6840 5.7). */
  ad?: boolean;
  /** Sets DO: send signatures too (RFC 3225). Needs edns. */
  dnssec?: boolean;
}

/** Throws 'bad-address' for a name that DNS cannot carry and for an unknown type. */
export function encodeQuery(query: DnsQuery): Buffer {
  return encode({
    type: 'query',
    id: query.id,
    flags: (query.recursion ? flags.RD : 0) | (query.ad === true ? flags.AD : 0),
    questions: [packetQuestion(query.name, typeNumber(query.type), classIn)],
    additionals: query.edns ? [packetOpt(0, query.dnssec === true)] : [],
  });
}

export interface DnsReply {
  id: number;
  rcode: number;
  question: DnsQuestion | undefined;
  recursionDesired: boolean;
  authoritative: boolean;
  authentic: boolean;
  answers: readonly DnsRecord[];
  authorities: readonly DnsRecord[];
  edns: boolean;
}

/** An answer of at most `limit` bytes: when it does not fit, its records are left out and TC says so (RFC 2181 9). */
export function encodeAnswer(reply: DnsReply, limit: number): Buffer {
  const write = (truncated: boolean): Buffer =>
    encode({
      type: 'response',
      id: reply.id,
      flags:
        (reply.recursionDesired ? flags.RD : 0) |
        (reply.authoritative ? flags.AA : 0) |
        (reply.authentic ? flags.AD : 0) |
        (truncated ? flags.TC : 0) |
        (reply.rcode & 0xf),
      questions: reply.question ? [packetQuestion(reply.question.name, reply.question.type, reply.question.class)] : [],
      answers: truncated ? [] : reply.answers.map(packetRecord),
      authorities: truncated ? [] : reply.authorities.map(packetRecord),
      additionals: reply.edns ? [packetOpt(reply.rcode >> 4, false)] : [],
    });
  const whole = write(false);
  return whole.length <= limit ? whole : write(true);
}

/** True when the answer is to this query: id and question, names without case (RFC 5452 9.1). */
export function answersQuery(answer: DnsMessage, query: DnsQuery): boolean {
  if (answer.id !== query.id) return false;
  const [question] = answer.questions;
  // Servers that do not understand a query may leave its question out.
  if (!question) return answer.rcode === rcodes.FORMERR || answer.rcode === rcodes.NOTIMP;
  return (
    question.type === parseType(query.type) &&
    question.class === classIn &&
    nameKey(question.name) === nameKey(query.name)
  );
}

/** The types by number: dns-packet's own list lacks some and would turn them into 0. */
const packetType = (number: number): Question['type'] => `UNKNOWN_${number}` as Question['type'];

/** A question of any other class is never echoed. */
const packetClasses: ReadonlyMap<number, RecordClass> = new Map([
  [1, 'IN'],
  [2, 'CS'],
  [3, 'CH'],
  [4, 'HS'],
  [255, 'ANY'],
]);

export const isCarriedClass = (class_: number): boolean => packetClasses.has(class_);

const packetQuestion = (name: string, type: number, class_: number): Question => ({
  name: packetName(name),
  type: packetType(type),
  class: packetClasses.get(class_) ?? 'IN',
});

const packetOpt = (extendedRcode: number, dnssec: boolean): Answer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize: dnsLimits.udpPayload,
  extendedRcode,
  ednsVersion: 0,
  flags: dnssec ? 0x8000 : 0,
  flag_do: dnssec,
  options: [],
});

function packetRecord(record: DnsRecord): Answer {
  const head = { name: packetName(record.name), ttl: record.ttl };
  switch (record.type) {
    case 'A':
    case 'AAAA':
      if (parseIp(record.address)?.length !== (record.type === 'A' ? 4 : 16)) {
        throw new EhloError('bad-address', `'${record.address}' is no address for an ${record.type} record`, {
          stage: 'dns',
        });
      }
      return { ...head, type: record.type, data: record.address };
    case 'MX':
      return { ...head, type: 'MX', data: { preference: record.preference, exchange: packetName(record.host) } };
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return { ...head, type: record.type, data: packetName(record.host) };
    case 'TXT':
      return { ...head, type: 'TXT', data: [...record.strings] };
    case 'SRV': {
      const { priority, weight, port } = record;
      return { ...head, type: 'SRV', data: { priority, weight, port, target: packetName(record.host) } };
    }
    case 'TLSA': {
      const { usage, selector, matching, data } = record;
      return { ...head, type: 'TLSA', data: { usage, selector, matchingType: matching, certificate: data } };
    }
    case 'SOA': {
      const { serial, refresh, retry, expire, minimum } = record;
      const names = { mname: packetName(record.mname), rname: packetMailName(record.rname) };
      return { ...head, type: 'SOA', data: { ...names, serial, refresh, retry, expire, minimum } };
    }
    case 'CAA': {
      const tag = Buffer.from(record.tag, 'latin1');
      const data = Buffer.concat([Buffer.of(record.flags, tag.length), tag, record.value]);
      return { ...head, type: packetType(257) as 'NULL', data };
    }
    case 'OTHER':
      return { ...head, type: packetType(typeNumber(record.typeName)) as 'NULL', data: record.data ?? Buffer.alloc(0) };
  }
}

function typeNumber(type: string): number {
  const number = parseType(type);
  if (number === undefined) {
    const hint = 'write its number as TYPE123 (RFC 3597)';
    throw new EhloError('bad-address', `'${type}' is no DNS record type that ehlo knows`, { stage: 'dns', hint });
  }
  return number;
}

// Reads DNS messages (RFC 1035 4.1, EDNS RFC 6891, EDE RFC 8914): header, counts, bounds and pointers are checked before
// anything is believed, and what breaks them is 'dns-malformed'. Our own, because dns-packet trusts RDLENGTH and makes one
// text of labels that differ. Writing is codec.ts's.
import type { DnsRecord } from './dns.ts';
import { printEde } from './ede.ts';
import { decodeRdata, malformed, readName } from './rdata.ts';

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  BADVERS: 16,
} as const;

export const printRcode = (rcode: number): string =>
  Object.entries(rcodes).find(([, number]) => number === rcode)?.[0] ?? `RCODE${rcode}`;

export const flags = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, AD: 0x0020 };
const optType = 41;
const edeOption = 15;
export const classIn = 1;
const headerLength = 12;

export interface DnsQuestion {
  name: string;
  type: number;
  class: number;
}

export interface DnsMessage {
  id: number;
  response: boolean;
  opcode: number;
  authoritative: boolean;
  /** Then no record was read: the answer is to be asked for over TCP. */
  truncated: boolean;
  recursionDesired: boolean;
  authentic: boolean;
  /** With the upper bits from the OPT record. */
  rcode: number;
  questions: DnsQuestion[];
  answers: DnsRecord[];
  authorities: DnsRecord[];
  edns: { payload: number; version: number } | undefined;
  ede: string | null;
}

/** Any bytes give a message or 'dns-malformed'. Records of a truncated message are not looked at. */
export function decodeMessage(bytes: Buffer): DnsMessage {
  if (bytes.length < headerLength) throw malformed(`the header is cut (${bytes.length} of 12 bytes)`, bytes.length);
  const bits = bytes.readUInt16BE(2);
  const message: DnsMessage = {
    id: bytes.readUInt16BE(0),
    response: (bits & flags.QR) !== 0,
    opcode: (bits >> 11) & 0xf,
    authoritative: (bits & flags.AA) !== 0,
    truncated: (bits & flags.TC) !== 0,
    recursionDesired: (bits & flags.RD) !== 0,
    authentic: (bits & flags.AD) !== 0,
    rcode: bits & 0xf,
    questions: [],
    answers: [],
    authorities: [],
    edns: undefined,
    ede: null,
  };
  let at = headerLength;
  for (let left = bytes.readUInt16BE(4); left > 0; left--) {
    const { name, end } = readName(bytes, at, bytes.length);
    if (end + 4 > bytes.length) throw malformed('a question is cut', end);
    message.questions.push({ name, type: bytes.readUInt16BE(end), class: bytes.readUInt16BE(end + 2) });
    at = end + 4;
  }
  if (message.truncated && message.response) return message;
  for (const section of ['answers', 'authorities', 'additionals'] as const) {
    const countAt = { answers: 6, authorities: 8, additionals: 10 }[section];
    for (let left = bytes.readUInt16BE(countAt); left > 0; left--) at = readRecord(bytes, at, section, message);
  }
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes follow the last record`, at);
  return message;
}

/** A message that is an answer at all: QR set, a plain query's opcode, at most one question (RFC 9619). */
export function decodeAnswer(bytes: Buffer): DnsMessage {
  const message = decodeMessage(bytes);
  if (!message.response) throw malformed('it is a query, not an answer', 2);
  if (message.opcode !== 0) throw malformed(`its opcode is ${message.opcode}, not that of an answer to a query`, 2);
  if (message.questions.length > 1) throw malformed(`it repeats ${message.questions.length} questions, not one`, 4);
  return message;
}

function readRecord(bytes: Buffer, start: number, section: keyof typeof sectionNames, message: DnsMessage): number {
  const { name, end } = readName(bytes, start, bytes.length);
  const dataStart = end + 10;
  if (dataStart > bytes.length) throw malformed(`a record of the ${sectionNames[section]} section is cut`, end);
  const type = bytes.readUInt16BE(end);
  const dataEnd = dataStart + bytes.readUInt16BE(end + 8);
  if (dataEnd > bytes.length) throw malformed('the data of a record runs past the message', dataStart);
  if (type === optType) {
    if (section !== 'additionals') throw malformed('an OPT record is outside the additional section', start);
    readOpt(bytes, end, dataEnd, name, message);
  } else if (section !== 'additionals') {
    const class_ = bytes.readUInt16BE(end + 2);
    if (class_ !== classIn) throw malformed(`a record is of class ${class_}, not IN`, end + 2);
    const seconds = bytes.readUInt32BE(end + 4);
    // RFC 2181 8: a TTL with the top bit set is 0.
    const ttl = seconds > 0x7fffffff ? 0 : seconds;
    message[section].push({ name, ttl, ...decodeRdata(type, bytes, dataStart, dataEnd) });
  }
  return dataEnd;
}

const sectionNames = { answers: 'answer', authorities: 'authority', additionals: 'additional' };

/** RFC 6891 6.1: class is the payload size, TTL holds extended rcode, version and flags. */
function readOpt(bytes: Buffer, at: number, dataEnd: number, name: string, message: DnsMessage): void {
  if (message.edns) throw malformed('there are two OPT records', at);
  if (name !== '') throw malformed('the OPT record is not at the root', at);
  message.edns = { payload: bytes.readUInt16BE(at + 2), version: bytes.readUInt8(at + 5) };
  message.rcode |= bytes.readUInt8(at + 4) << 4;
  for (let option = at + 10; option < dataEnd; ) {
    if (option + 4 > dataEnd) throw malformed('an EDNS option is cut', option);
    const end = option + 4 + bytes.readUInt16BE(option + 2);
    if (end > dataEnd) throw malformed('an EDNS option runs past its record', option);
    if (bytes.readUInt16BE(option) === edeOption) {
      if (end < option + 6) throw malformed('an extended DNS error has no code', option);
      const text = printEde(bytes.subarray(option + 4, end));
      message.ede = message.ede === null ? text : `${message.ede}; ${text}`;
    }
    option = end;
  }
}

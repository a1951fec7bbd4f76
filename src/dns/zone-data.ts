// The data of a record as master file text, by type (RFC 1035 3.3, 5; 3596, 2782, 6698, 8659), and RFC 3597 \# for any type.
import { EhloError } from '../base/errors.ts';
import type { DnsData } from './dns.ts';
import { packetMailName } from './packet-name.ts';
import { decodeRdata } from './rdata.ts';
import { parseType, printType } from './types.ts';
import type { Fields } from './zone-fields.ts';
import { type Position, type Token, zoneError } from './zone-tokens.ts';

export function typeOf(token: Token): number {
  const number = parseType(token.text);
  if (number === undefined || token.quoted) {
    throw zoneError(
      token,
      `'${token.text}' is no record type that ehlo knows`,
      'write it as TYPE123 \\# LENGTH HEX (RFC 3597)',
    );
  }
  return number;
}

const u8 = 0xff;
const u16 = 0xffff;
const u32 = 0xffffffff;

const dataReaders: Readonly<Record<string, (f: Fields) => DnsData>> = {
  A: (f) => ({ type: 'A', address: f.address(4) }),
  AAAA: (f) => ({ type: 'AAAA', address: f.address(6) }),
  MX: (f) => ({ type: 'MX', preference: f.integer('the preference', u16), host: f.name('the mail host') }),
  CNAME: (f) => ({ type: 'CNAME', host: f.name('the canonical name') }),
  NS: (f) => ({ type: 'NS', host: f.name('the name server') }),
  PTR: (f) => ({ type: 'PTR', host: f.name('the name') }),
  TXT: readTxt,
  SRV: (f) => ({
    type: 'SRV',
    priority: f.integer('the priority', u16),
    weight: f.integer('the weight', u16),
    port: f.integer('the port', u16),
    host: f.name('the target'),
  }),
  TLSA: (f) => ({
    type: 'TLSA',
    usage: f.integer('the usage', u8),
    selector: f.integer('the selector', u8),
    matching: f.integer('the matching type', u8),
    data: f.hex('the association data'),
  }),
  SOA: (f) => ({
    type: 'SOA',
    mname: f.name('the primary server'),
    rname: f.name('the mailbox', packetMailName),
    serial: f.integer('the serial', u32),
    refresh: f.seconds('refresh', u32),
    retry: f.seconds('retry', u32),
    expire: f.seconds('expire', u32),
    minimum: f.seconds('minimum', u32),
  }),
  CAA: readCaa,
};

export function readData(type: Token, fields: Fields): DnsData {
  const number = typeOf(type);
  if (fields.skip('\\#')) return readGeneric(number, fields, type);
  const reader = dataReaders[printType(number)];
  if (!reader) throw zoneError(type, `the data of ${type.text} can only be given as \\# LENGTH HEX (RFC 3597)`);
  return reader(fields);
}

function readTxt(fields: Fields): DnsData {
  const strings: Buffer[] = [];
  do strings.push(fields.string('the string', 255));
  while (fields.more);
  return { type: 'TXT', strings };
}

function readCaa(fields: Fields): DnsData {
  const flags = fields.integer('the flags', u8);
  const tag = fields.next('the tag');
  // RFC 8659 4.1
  if (!/^[0-9a-z]{1,255}$/i.test(tag.text)) throw zoneError(tag, 'the tag must be ASCII letters and digits');
  return { type: 'CAA', flags, tag: tag.text, value: fields.string('the value', u16 - 2 - tag.text.length) };
}

/** RFC 3597 5: `\# 4 7f000001`, for any type. */
function readGeneric(number: number, fields: Fields, at: Position): DnsData {
  const length = fields.integer('the length', u16);
  const data = length === 0 && !fields.more ? Buffer.alloc(0) : fields.hex('the data');
  if (data.length !== length) throw zoneError(at, `\\# promises ${length} bytes, ${data.length} are there`);
  try {
    return decodeRdata(number, data, 0, data.length);
  } catch (error) {
    if (error instanceof EhloError) throw zoneError(at, `the bytes are no ${printType(number)} data`);
    throw error;
  }
}

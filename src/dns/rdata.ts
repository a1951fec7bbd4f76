// The data of one record, from bytes whose bounds are known (RFC 1035 3.3, 4.1.4; 3596 AAAA, 2782 SRV, 6698 TLSA, 8659
// CAA). Every length is checked against RDLENGTH, every pointer goes backwards; what breaks that is 'dns-malformed'.
import { EhloError } from '../base/errors.ts';
import { dnsLimits } from '../base/limits.ts';
import type { DnsData } from './dns.ts';
import { printIp } from './ip.ts';
import { printLabel } from './name.ts';
import { printType, typeNumbers } from './types.ts';

export const malformed = (why: string, at: number): EhloError =>
  new EhloError('dns-malformed', `the DNS message is malformed: ${why} at byte ${at}`, {
    stage: 'dns',
    hint: 'ask another DNS server, for instance with --dns HOST',
  });

/** Pointer jumps in one name: more labels than a name can have would be needed to use more. */
const mostJumps = 127;
const headerLength = 12;

/** Reads a name; `limit` bounds its part before the first pointer. Time is bounded by the name's length and mostJumps. */
export function readName(bytes: Buffer, start: number, limit: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  let bound = limit;
  let end = -1;
  /** RFC 1035 4.1.4: a pointer names a *prior* occurrence, so each jump must land before everything read so far. */
  let lowest = start;
  let length = 1;
  for (let jumps = 0; ; ) {
    if (at >= bound) throw malformed('a name runs past its end', at);
    const size = bytes[at] ?? 0;
    if (size === 0) {
      if (end === -1) end = at + 1;
      return { name: labels.join('.'), end };
    }
    if (size >= 0xc0) {
      if (at + 2 > bound) throw malformed('a name ends inside a compression pointer', at);
      const target = bytes.readUInt16BE(at) & 0x3fff;
      if (target >= lowest || target < headerLength) throw malformed('a compression pointer does not go back', at);
      if (++jumps > mostJumps) throw malformed('a name has too many compression pointers', at);
      if (end === -1) end = at + 2;
      bound = lowest;
      lowest = target;
      at = target;
      continue;
    }
    if (size > dnsLimits.label) throw malformed('a label has a reserved type', at);
    if (at + 1 + size > bound) throw malformed('a label runs past its end', at);
    length += size + 1;
    if (length > dnsLimits.name) throw malformed('a name is longer than 255 bytes', at);
    labels.push(printLabel(bytes.subarray(at + 1, at + 1 + size)));
    at += size + 1;
  }
}

/** Walks over the fields of one record's data and insists on meeting its end. */
class RdataReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  name(): string {
    const { name, end } = readName(this.#bytes, this.#at, this.#end);
    this.#at = end;
    return name;
  }

  u8(): number {
    return this.bytes(1).readUInt8();
  }

  u16(): number {
    return this.bytes(2).readUInt16BE();
  }

  u32(): number {
    return this.bytes(4).readUInt32BE();
  }

  /** A copy, so that a kept record does not keep its message. */
  bytes(count: number): Buffer {
    if (this.#at + count > this.#end) throw malformed('the data of a record is too short', this.#at);
    const taken = Buffer.from(this.#bytes.subarray(this.#at, this.#at + count));
    this.#at += count;
    return taken;
  }

  rest(): Buffer {
    return this.bytes(this.#end - this.#at);
  }

  strings(): Buffer[] {
    const strings: Buffer[] = [];
    do strings.push(this.bytes(this.u8()));
    while (this.#at < this.#end);
    return strings;
  }

  done(): void {
    if (this.#at !== this.#end) throw malformed('the data of a record is longer than its type', this.#at);
  }
}

const readers: ReadonlyMap<number, (reader: RdataReader) => DnsData> = new Map<
  number,
  (reader: RdataReader) => DnsData
>([
  [typeNumbers.A, (r) => ({ type: 'A', address: printIp(r.bytes(4)) })],
  [typeNumbers.AAAA, (r) => ({ type: 'AAAA', address: printIp(r.bytes(16)) })],
  [typeNumbers.MX, (r) => ({ type: 'MX', preference: r.u16(), host: r.name() })],
  [typeNumbers.CNAME, (r) => ({ type: 'CNAME', host: r.name() })],
  [typeNumbers.NS, (r) => ({ type: 'NS', host: r.name() })],
  [typeNumbers.PTR, (r) => ({ type: 'PTR', host: r.name() })],
  [typeNumbers.TXT, (r) => ({ type: 'TXT', strings: r.strings() })],
  [typeNumbers.SRV, (r) => ({ type: 'SRV', priority: r.u16(), weight: r.u16(), port: r.u16(), host: r.name() })],
  [typeNumbers.TLSA, (r) => ({ type: 'TLSA', usage: r.u8(), selector: r.u8(), matching: r.u8(), data: r.rest() })],
  [typeNumbers.SOA, readSoa],
  [typeNumbers.CAA, readCaa],
]);

function readSoa(r: RdataReader): DnsData {
  const names = { mname: r.name(), rname: r.name() };
  return {
    type: 'SOA',
    ...names,
    serial: r.u32(),
    refresh: r.u32(),
    retry: r.u32(),
    expire: r.u32(),
    minimum: r.u32(),
  };
}

function readCaa(r: RdataReader): DnsData {
  const flags = r.u8();
  return { type: 'CAA', flags, tag: printLabel(r.bytes(r.u8())), value: r.rest() };
}

/** Types without a row keep their bytes as 'OTHER' (RFC 3597). */
export function decodeRdata(type: number, bytes: Buffer, start: number, end: number): DnsData {
  const reader = new RdataReader(bytes, start, end);
  const data = readers.get(type)?.(reader) ?? {
    type: 'OTHER' as const,
    typeName: printType(type),
    data: reader.rest(),
  };
  reader.done();
  return data;
}

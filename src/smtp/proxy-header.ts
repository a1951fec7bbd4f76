// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who really connects to whom. Written by
// whoever stands in between, as the first bytes of a connection. Pure; whom to believe is the caller's policy.
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import { parsePort } from '../base/values.ts';

export interface ProxyEnd {
  address: string;
  port: number;
}

export interface ProxyEnds {
  source: ProxyEnd;
  destination: ProxyEnd;
}

/** The header of the PROXY protocol. Without addresses: those of the connection itself. */
export interface ProxyHeader {
  version: 'v1' | 'v2';
  /** `local`: v2's LOCAL, v1's UNKNOWN. */
  addresses: 'connection' | 'local' | ProxyEnds;
}

export type ParsedProxyHeader =
  | { kind: 'need-more' }
  | { kind: 'invalid'; why: string }
  /** `length` bytes are the header. `local` also where the sender names addresses that are neither TCP over IPv4 nor IPv6. */
  | { kind: 'header'; length: number; version: 'v1' | 'v2'; addresses: 'local' | ProxyEnds };

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const v1Start = Buffer.from('PROXY ');
const v1Max = 107;
const v2Fixed = 16;
/** The longest that we read: addresses and the TLVs that load balancers add; the field itself could say 64 KB. */
const v2MaxRest = 4096;

/** For each family: v1's word, v2's family and transport byte, and the bytes of one address. */
const families = {
  4: { word: 'TCP4', code: 0x11, size: 4 },
  6: { word: 'TCP6', code: 0x21, size: 16 },
} as const;

/** `ends` are those of the connection, where it has any. Throws 'usage' for addresses that no header can hold together. */
export function printProxyHeader({ version, addresses }: ProxyHeader, ends?: ProxyEnds): Buffer {
  if (addresses === 'local') {
    return version === 'v1' ? Buffer.from('PROXY UNKNOWN\r\n') : v2Header(0x20, 0x00, Buffer.alloc(0));
  }
  const told = addresses === 'connection' ? ends : addresses;
  if (!told) {
    throw new EhloError(
      'usage',
      'the addresses of this connection are not known here, so no PROXY header can tell them',
      {
        hint: `say them: ${version}:SOURCE:PORT:DESTINATION:PORT, or ${version}:${version === 'v1' ? 'unknown' : 'local'}`,
      },
    );
  }
  const { source, destination } = told;
  const { word, code } = families[familyOf(told)];
  if (version === 'v1') {
    const [from, to] = [canonical(source.address), canonical(destination.address)];
    return Buffer.from(`PROXY ${word} ${from} ${to} ${source.port} ${destination.port}\r\n`);
  }
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return v2Header(0x21, code, Buffer.concat([addressBytes(source.address), addressBytes(destination.address), ports]));
}

function v2Header(command: number, family: number, rest: Buffer): Buffer {
  const head = Buffer.from([command, family, 0, 0]);
  head.writeUInt16BE(rest.length, 2);
  return Buffer.concat([signature, head, rest]);
}

function familyOf({ source, destination }: ProxyEnds): 4 | 6 {
  const [from, to] = [source, destination].map((end) => {
    if (!Number.isInteger(end.port) || end.port < 0 || end.port > 65_535) throw refuse(`${end.port} is not a port`);
    const family = ipFamily(end.address);
    if (family === undefined) throw refuse(`"${end.address}" is not an IP address`);
    return family;
  });
  if (from === undefined || from !== to) {
    throw refuse(
      `${source.address} and ${destination.address} are of different families, which no PROXY header can hold`,
    );
  }
  return from;
}

const refuse = (why: string): EhloError =>
  new EhloError('usage', why, {
    hint: 'for example v1:192.0.2.1:1025:192.0.2.2:25, v2:[2001:db8::1]:1025:[2001:db8::2]:25',
  });

/** Each IPv6 address in one way (RFC 5952), without the dotted form that v1 does not have. */
const canonical = (address: string): string =>
  ipFamily(address) === 6 ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;

function addressBytes(address: string): Buffer {
  if (ipFamily(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = canonical(address).split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((one) => Number.parseInt(one, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function readAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonical(Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(':'));
}

/** Reads a header at the start of `bytes`. Never asks for more than 107 bytes of version 1, or 4 KB of version 2. */
export function parseProxyHeader(bytes: Buffer): ParsedProxyHeader {
  if (startsAs(bytes, v1Start)) return bytes.length < v1Start.length ? { kind: 'need-more' } : parseV1(bytes);
  if (startsAs(bytes, signature)) return bytes.length < v2Fixed ? { kind: 'need-more' } : parseV2(bytes);
  return invalid('it does not begin as a PROXY header does');
}

const startsAs = (bytes: Buffer, mark: Buffer): boolean => {
  const length = Math.min(bytes.length, mark.length);
  return bytes.subarray(0, length).equals(mark.subarray(0, length));
};

const invalid = (why: string): ParsedProxyHeader => ({ kind: 'invalid', why });

function parseV1(bytes: Buffer): ParsedProxyHeader {
  const head = bytes.subarray(0, v1Max).toString('latin1');
  const end = head.indexOf('\r\n');
  if (end === -1) {
    return bytes.length < v1Max ? { kind: 'need-more' } : invalid(`no CRLF within ${v1Max} bytes`);
  }
  const line = head.slice(0, end);
  const found = { kind: 'header', length: end + 2, version: 'v1' } as const;
  // Whatever follows UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { ...found, addresses: 'local' };
  const [, word, from = '', to = '', fromPort, toPort] = /^PROXY (TCP4|TCP6) (\S+) (\S+) (\S+) (\S+)$/.exec(line) ?? [];
  if (word === undefined) return invalid('the line is not PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT');
  const family = word === 'TCP4' ? 4 : 6;
  if (ipFamily(from) !== family || ipFamily(to) !== family) return invalid(`its addresses are not both ${word}`);
  const [sourcePort, destinationPort] = [readPort(fromPort), readPort(toPort)];
  if (sourcePort === undefined || destinationPort === undefined)
    return invalid('a port is not a number from 0 to 65535');
  return {
    ...found,
    addresses: {
      source: { address: canonical(from), port: sourcePort },
      destination: { address: canonical(to), port: destinationPort },
    },
  };
}

/** Leading zeros are not permitted. */
const readPort = (text: string | undefined): number | undefined => {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text ?? '') ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : undefined;
};

function parseV2(bytes: Buffer): ParsedProxyHeader {
  const command = bytes.readUInt8(12);
  const code = bytes.readUInt8(13);
  const rest = bytes.readUInt16BE(14);
  if (command >> 4 !== 2) return invalid(`version ${command >> 4} behind the signature of version 2`);
  if (command !== 0x20 && command !== 0x21) return invalid(`command ${command & 0xf} is neither LOCAL nor PROXY`);
  if (code >> 4 > 3 || (code & 0xf) > 2) return invalid(`family and transport 0x${code.toString(16)} do not exist`);
  if (rest > v2MaxRest) return invalid(`a header of ${rest} bytes is longer than the ${v2MaxRest} that are read`);
  const family = command === 0x21 ? Object.values(families).find((one) => one.code === code) : undefined;
  const needed = family ? 2 * family.size + 4 : 0;
  if (rest < needed) return invalid(`${rest} bytes do not hold the addresses of ${family?.word}`);
  if (bytes.length < v2Fixed + rest) return { kind: 'need-more' };
  const found = { kind: 'header', length: v2Fixed + rest, version: 'v2' } as const;
  if (!family) return { ...found, addresses: 'local' };
  // What follows the addresses (TLVs) is skipped unread.
  const block = bytes.subarray(v2Fixed, v2Fixed + needed);
  const { size } = family;
  return {
    ...found,
    addresses: {
      source: { address: readAddress(block.subarray(0, size)), port: block.readUInt16BE(2 * size) },
      destination: { address: readAddress(block.subarray(size, 2 * size)), port: block.readUInt16BE(2 * size + 2) },
    },
  };
}

const withoutConnection: Record<string, ProxyHeader['addresses']> = { 'v1:unknown': 'local', 'v2:local': 'local' };

/** `v1`, `v2`, `v1:unknown`, `v2:local`, or `v1:SOURCE:PORT:DESTINATION:PORT` with [brackets] around IPv6. Throws 'usage'. */
export function parseProxyHeaderOption(text: string): ProxyHeader {
  const [version, rest] = text.split(/:(.*)/s);
  if (version !== 'v1' && version !== 'v2') throw refuse(`"${text}" does not begin with v1 or v2`);
  if (rest === undefined) return { version, addresses: 'connection' };
  const named = withoutConnection[text];
  if (named) return { version, addresses: named };
  const end = '(\\[[^\\]]*\\]|[^:[\\]]*):(\\d+)';
  const [, from, fromPort, to, toPort] = new RegExp(`^${end}:${end}$`).exec(rest) ?? [];
  if (from === undefined || fromPort === undefined || to === undefined || toPort === undefined) {
    throw refuse(`"${text}" is not ${version}:SOURCE:PORT:DESTINATION:PORT`);
  }
  const addresses = { source: endOf(from, fromPort), destination: endOf(to, toPort) };
  familyOf(addresses);
  return { version, addresses };
}

const endOf = (written: string, port: string): ProxyEnd => {
  const address = written.replace(/^\[(.*)\]$/, '$1');
  if (written.startsWith('[') && ipFamily(address) !== 6)
    throw refuse(`"${written}" is not an IPv6 address in brackets`);
  return { address, port: parsePort(port, 'listen') };
};

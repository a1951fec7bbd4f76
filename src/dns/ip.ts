// IP addresses as text and as bytes (RFC 4291 2.2 in, RFC 5952 out), and which of them no public host can have
// (IANA special-purpose registries). Not networks or CIDR lists.

/** 4 or 16 bytes; undefined for anything that is not exactly one address. No zone ids, no leading zeros in IPv4. */
export const parseIp = (text: string): Buffer | undefined => (text.includes(':') ? parseIpv6(text) : parseIpv4(text));

/** Inverse of parseIp: dotted quad, or IPv6 in its canonical form. */
export function printIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  // RFC 5952 4.2: the longest run of at least two zero groups, the first of equals.
  const runs = [
    ...groups
      .map((group) => (group === '0' ? '0' : '-'))
      .join('')
      .matchAll(/00+/g),
  ];
  const run = runs.reduce<{ index: number; length: number }>(
    (best, match) => (match[0].length > best.length ? { index: match.index, length: match[0].length } : best),
    { index: 0, length: 0 },
  );
  // RFC 5952 5: v4-mapped addresses keep their dotted quad.
  if (bytes.subarray(0, 12).equals(mappedPrefix)) return `::ffff:${bytes.subarray(12).join('.')}`;
  if (run.length === 0) return groups.join(':');
  return `${groups.slice(0, run.index).join(':')}::${groups.slice(run.index + run.length).join(':')}`;
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

function parseIpv4(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  if (!parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined;
  return Buffer.from(parts.map(Number));
}

function parseIpv6(text: string): Buffer | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half, index) =>
    (half === '' ? [] : half.split(':')).flatMap((group, at, all) => {
      // The last 32 bits may be a dotted quad.
      const quad = index === halves.length - 1 && at === all.length - 1 ? parseIpv4(group) : undefined;
      return quad
        ? [quad.readUInt16BE(0), quad.readUInt16BE(2)]
        : [/^[0-9a-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : -1];
    }),
  );
  const head = groups[0] ?? [];
  const tail = groups[1] ?? [];
  const gap = 8 - head.length - tail.length;
  if (halves.length === 1 ? gap !== 0 : gap < 1) return undefined;
  const all = [...head, ...Array.from({ length: gap }, () => 0), ...tail];
  if (all.includes(-1)) return undefined;
  const bytes = Buffer.alloc(16);
  for (const [at, group] of all.entries()) bytes.writeUInt16BE(group, at * 2);
  return bytes;
}

export type AddressScope = 'public' | 'loopback' | 'private' | 'link-local' | 'multicast' | 'reserved';

/** Prefix in hex, its length in bits, what it is. The first match counts. */
const v4Scopes: readonly [string, number, AddressScope][] = [
  ['00000000', 8, 'reserved'],
  ['0a000000', 8, 'private'],
  ['64400000', 10, 'private'],
  ['7f000000', 8, 'loopback'],
  ['a9fe0000', 16, 'link-local'],
  ['ac100000', 12, 'private'],
  ['c0000000', 24, 'reserved'],
  ['c0000200', 24, 'reserved'],
  ['c0586300', 24, 'reserved'],
  ['c0a80000', 16, 'private'],
  ['c6120000', 15, 'reserved'],
  ['c6336400', 24, 'reserved'],
  ['cb007100', 24, 'reserved'],
  ['e0000000', 4, 'multicast'],
  ['f0000000', 4, 'reserved'],
];

const v6Scopes: readonly [string, number, AddressScope][] = [
  ['00000000000000000000000000000001', 128, 'loopback'],
  ['fc00', 7, 'private'],
  ['fe80', 10, 'link-local'],
  ['fec0', 10, 'private'],
  ['ff00', 8, 'multicast'],
  ['0064ff9b0001', 48, 'private'],
  ['0100', 8, 'reserved'],
  ['20010000', 32, 'reserved'],
  ['20010db8', 32, 'reserved'],
  ['3fff0000', 20, 'reserved'],
  ['0000', 8, 'reserved'],
];

/** Where an IPv4 address hides in an IPv6 one: v4-mapped, NAT64 (RFC 6052), 6to4 (RFC 3056), v4-compatible. */
const embedded: readonly [string, number, number][] = [
  ['00000000000000000000ffff', 96, 12],
  ['0064ff9b0000000000000000', 96, 12],
  ['2002', 16, 2],
];

/** What an address is to the public internet; an embedded IPv4 address counts as itself. Undefined: not an address. */
export function addressScope(address: string): AddressScope | undefined {
  const bytes = parseIp(address);
  if (!bytes) return undefined;
  return scopeOf(bytes);
}

function scopeOf(bytes: Buffer): AddressScope {
  if (bytes.length === 16) {
    const inner = embedded.find(([prefix, bits]) => hasPrefix(bytes, prefix, bits));
    if (inner) return scopeOf(bytes.subarray(inner[2], inner[2] + 4));
  }
  const rows = bytes.length === 4 ? v4Scopes : v6Scopes;
  return rows.find(([prefix, bits]) => hasPrefix(bytes, prefix, bits))?.[2] ?? 'public';
}

function hasPrefix(bytes: Buffer, hex: string, bits: number): boolean {
  const prefix = Buffer.alloc(bytes.length);
  prefix.write(hex, 'hex');
  const whole = bits >> 3;
  if (!bytes.subarray(0, whole).equals(prefix.subarray(0, whole))) return false;
  const rest = bits & 7;
  return rest === 0 || ((bytes[whole] ?? 0) ^ (prefix[whole] ?? 0)) >> (8 - rest) === 0;
}

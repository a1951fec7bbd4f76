// Record type names and numbers (IANA DNS parameters), and TYPE123 for the rest (RFC 3597 5). Not their data: see rdata.ts.
import type { DnsRecord, RecordType } from './dns.ts';

export const typeNumbers: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  TLSA: 52,
  CAA: 257,
};

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(typeNumbers).map(([name, number]) => [number, name] as const),
);

export const printType = (number: number): string => names.get(number) ?? `TYPE${number}`;

/** The number of `MX`, `mx` or `TYPE15`; undefined for anything else. */
export function parseType(name: string): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(typeNumbers, upper)) return typeNumbers[upper as RecordType];
  const number = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  return number !== undefined && Number(number) <= 0xffff ? Number(number) : undefined;
}

export const typeOfRecord = (record: DnsRecord): number | undefined =>
  parseType(record.type === 'OTHER' ? record.typeName : record.type);

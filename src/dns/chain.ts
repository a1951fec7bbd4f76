// Reads one answer: the chain of aliases from the asked name, and what stands at its end (RFC 1034 4.3.2, RFC 2308 2,
// RFC 6604 for the rcode of a chain). Pure; asking on is the resolver's.
import { dnsLimits } from '../base/limits.ts';
import { type DnsMessage, rcodes } from './codec.ts';
import type { DnsAnswer, DnsRecord, RecordType } from './dns.ts';
import { isAtOrBelow, nameKey } from './name.ts';
import { typeNumbers, typeOfRecord } from './types.ts';

export type Reading = Pick<DnsAnswer, 'status' | 'records' | 'cnames' | 'problem'> & {
  /** Set when the chain ends at a name that this answer says nothing of: it is to be asked. */
  next: string | undefined;
};

/** Takes an answer with rcode NOERROR or NXDOMAIN. */
export function interpret(message: DnsMessage, name: string, type: RecordType): Reading {
  const byName = new Map<string, DnsRecord[]>();
  for (const record of message.answers) {
    const key = nameKey(record.name);
    const there = byName.get(key);
    if (there) there.push(record);
    else byName.set(key, [record]);
  }
  const reading: Reading = { status: 'ok', records: [], cnames: [], next: undefined, problem: null };
  const broken = (problem: string): Reading => ({ ...reading, status: 'malformed', problem });
  const seen = new Set<string>();
  let end = name;
  for (;;) {
    const here = byName.get(nameKey(end)) ?? [];
    reading.records = here.filter((record) => typeOfRecord(record) === typeNumbers[type]);
    if (reading.records.length > 0) return { ...reading, status: 'ok' };
    const aliases = type === 'CNAME' ? [] : here.flatMap((record) => (record.type === 'CNAME' ? [record] : []));
    const [alias] = aliases;
    if (!alias) break;
    // RFC 2181 10.1: a name is an alias of one name only.
    if (aliases.some(({ host }) => nameKey(host) !== nameKey(alias.host)))
      return broken(`${end} has two different aliases`);
    seen.add(nameKey(end));
    reading.cnames.push({ from: alias.name, to: alias.host, ttl: alias.ttl });
    if (seen.has(nameKey(alias.host))) return broken(`the aliases of ${name} form a loop at ${alias.host}`);
    if (reading.cnames.length > dnsLimits.cnames)
      return broken(`${name} leads through more than ${dnsLimits.cnames} aliases`);
    end = alias.host;
  }
  if (message.rcode === rcodes.NXDOMAIN)
    return { ...reading, status: 'nxdomain', problem: `${end} does not exist (NXDOMAIN)` };
  if (reading.cnames.length > 0 && !isDenied(message, end)) return { ...reading, next: end };
  if (isReferral(message))
    return { ...reading, status: 'servfail', problem: `the server does not recurse: it refers elsewhere for ${end}` };
  return { ...reading, status: 'nodata', problem: `${end} exists but has no ${type} record` };
}

/** RFC 2308 2.2: a SOA above the name in the authority section makes the absence of records an answer. */
const isDenied = (message: DnsMessage, name: string): boolean =>
  message.authorities.some((record) => record.type === 'SOA' && isAtOrBelow(nameKey(name), nameKey(record.name)));

/** RFC 2308 2.2: name servers without a SOA are a hint where to ask, not an answer. */
const isReferral = ({ authoritative, authorities }: DnsMessage): boolean =>
  !authoritative && authorities.some(({ type }) => type === 'NS') && !authorities.some(({ type }) => type === 'SOA');

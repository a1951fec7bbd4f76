// The addresses of one host, with its aliases (RFC 5321 5.1, RFC 2181 10.3). A and AAAA fail and succeed each by itself.
import type { DnsAnswer, DnsStatus, Resolver } from './dns.ts';
import { addressLookupFailed, hostAlias, noAddress, type WalkNote } from './walk-note.ts';

export interface HostAddress {
  address: string;
  /** seconds */
  ttl: number;
  ad: boolean;
}

export interface HostLookup {
  /** A before AAAA, each in the order of its answer. */
  addresses: HostAddress[];
  /** Worded for an MX target; who asks for another host leaves 'MX-CNAME' out. */
  notes: WalkNote[];
  status: 'ok' | 'no-address' | 'temporary';
  /** The name at the end of the aliases: where TLSA is looked for first (RFC 7672 2.2.2). */
  canonical: string;
}

/** Never rejects for what DNS says; 'bad-address' for a host that it cannot carry. */
export async function resolveHost(host: string, resolver: Resolver): Promise<HostLookup> {
  const answers = await Promise.all([resolver.query(host, 'A'), resolver.query(host, 'AAAA')]);
  const addresses = answers.flatMap(addressesOf);
  const failed = answers.filter(({ status }) => !settled.has(status));
  const chain = answers.find(({ cnames }) => cnames.length > 0)?.cnames ?? [];
  const notes = failed.map(addressLookupFailed);
  if (chain.length > 0)
    notes.unshift(
      hostAlias(
        host,
        chain.map(({ to }) => to),
      ),
    );
  const found = { addresses, notes, canonical: chain.at(-1)?.to ?? host };
  if (addresses.length > 0) return { ...found, status: 'ok' };
  // RFC 5321 5.1: a failed lookup says nothing about the address being there.
  if (failed.length > 0) return { ...found, status: 'temporary' };
  notes.push(
    noAddress(
      host,
      answers.some(({ status }) => status !== 'nxdomain'),
    ),
  );
  return { ...found, status: 'no-address' };
}

const settled: ReadonlySet<DnsStatus> = new Set<DnsStatus>(['ok', 'nodata', 'nxdomain']);

const addressesOf = ({ records, ad }: DnsAnswer): HostAddress[] =>
  records.flatMap((record) =>
    record.type === 'A' || record.type === 'AAAA' ? [{ address: record.address, ttl: record.ttl, ad }] : [],
  );

// From a domain to the hosts that take its mail (RFC 5321 5.1, RFC 7505 null MX), with a note for everything that a
// postmaster would want to know. Asks only for MX, A and AAAA. It judges DNS; what a sender may use is app/'s decision.
import type { DnsAnswer, Resolver } from './dns.ts';
import { type HostAddress, resolveHost } from './host.ts';
import { nameKey } from './name.ts';
import { isAskable } from './packet-name.ts';
import { cryptoRandom } from './random.ts';
import {
  aliasNotes,
  implicitMx,
  literalOf,
  type MxRecord,
  mxLookupFailed,
  type NoteOptions,
  nameNotes,
  nullMxNotes,
  ownNameNotes,
  repeated,
  scopeNotes,
  sharedNotes,
  tooMany,
  type WalkNote,
} from './walk-note.ts';

export { type HostAddress, resolveHost } from './host.ts';
export type { WalkNote } from './walk-note.ts';

export interface MxHost {
  preference: number;
  host: string;
  addresses: HostAddress[];
  notes: WalkNote[];
  status: 'ok' | 'no-address' | 'temporary';
}

export interface MxWalk {
  domain: string;
  status: 'ok' | 'null-mx' | 'no-such-domain' | 'temporary' | 'no-address';
  /** The domain has no MX and stands for itself. */
  implicit: boolean;
  answer: DnsAnswer;
  /** In order of trying. Each host once, at its best preference. */
  hosts: MxHost[];
  notes: WalkNote[];
}

export interface WalkOptions extends NoteOptions {
  /** 0 <= n < 1; shuffles hosts of equal preference. */
  random?: () => number;
}

/** Hosts looked up; a domain that names more is either broken or hostile. */
const mostHosts = 250;
/** Hosts looked up at the same time. */
const atOnce = 8;

/** Never rejects for what DNS says; 'bad-address' for a domain that it cannot carry. */
export async function walkMx(domain: string, resolver: Resolver, options: WalkOptions = {}): Promise<MxWalk> {
  const answer = await resolver.query(domain, 'MX');
  const notes = aliasNotes(answer);
  const walk: MxWalk = { domain: answer.name, status: 'ok', implicit: false, answer, hosts: [], notes };
  switch (answer.status) {
    case 'ok':
      return mxHosts(walk, resolver, options);
    case 'nodata':
      return implicitHost(walk, resolver, options);
    case 'nxdomain':
      return { ...walk, status: 'no-such-domain' };
    case 'servfail':
    case 'refused':
    case 'timeout':
    case 'malformed':
      // RFC 5321 5.1: an error is not the absence of MX records.
      notes.push(mxLookupFailed(answer));
      return { ...walk, status: 'temporary' };
  }
}

async function mxHosts(walk: MxWalk, resolver: Resolver, options: WalkOptions): Promise<MxWalk> {
  const records = walk.answer.records.flatMap((record) => (record.type === 'MX' ? [record] : []));
  const real = records.filter(({ host }) => host !== '');
  walk.notes.push(...nullMxNotes(walk.domain, records, real.length));
  if (real.length === 0) return { ...walk, status: 'null-mx' };
  const once = withoutRepeats(real);
  const ordered = byPreference(
    once.map(({ record }) => record),
    options.random ?? cryptoRandom,
  );
  if (ordered.length > mostHosts) walk.notes.push(tooMany(walk.domain, ordered.length, mostHosts));
  const notesOf = new Map(once.map(({ record, notes }) => [record, notes]));
  const hosts = await inGroups(ordered.slice(0, mostHosts), async (record): Promise<MxHost> => {
    const notes = [
      ...(notesOf.get(record) ?? []),
      ...sharedNotes(record, ordered),
      ...nameNotes(record.host, walk.domain, options),
    ];
    const { preference, host } = record;
    if (literalOf(host) !== undefined || !isAskable(host))
      return { preference, host, addresses: [], notes, status: 'no-address' };
    const found = await resolveHost(host, resolver);
    notes.push(...found.notes, ...scopeNotes(host, found.addresses, options));
    return { preference, host, addresses: found.addresses, notes, status: found.status };
  });
  return { ...walk, status: together(hosts), hosts };
}

/** RFC 5321 5.1: no MX record means an MX of preference 0 that is the domain itself. */
async function implicitHost(walk: MxWalk, resolver: Resolver, options: WalkOptions): Promise<MxWalk> {
  const { domain } = walk;
  const found = await resolveHost(domain, resolver);
  // An alias of a domain without MX is no fault: its address is what counts, and the walk has noted it.
  const notes = found.notes.filter(({ id }) => id !== 'MX-CNAME');
  if (found.status === 'ok') walk.notes.push(implicitMx(domain));
  notes.push(...scopeNotes(domain, found.addresses, options));
  notes.push(...ownNameNotes(domain, options));
  const host: MxHost = { preference: 0, host: domain, addresses: found.addresses, notes, status: found.status };
  return { ...walk, status: together([host]), implicit: true, hosts: [host] };
}

/** One usable host is enough; else a host that may be found later makes it temporary. */
function together(hosts: readonly MxHost[]): MxWalk['status'] {
  if (hosts.some(({ status }) => status === 'ok')) return 'ok';
  return hosts.some(({ status }) => status === 'temporary') ? 'temporary' : 'no-address';
}

/** Ascending; equal preferences in random order, so that their load is shared (RFC 5321 5.1). */
function byPreference(records: readonly MxRecord[], random: () => number): MxRecord[] {
  const shuffled = [...records];
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const [a, b] = [shuffled[at], shuffled[other]];
    if (a && b) [shuffled[at], shuffled[other]] = [b, a];
  }
  return shuffled.sort((a, b) => a.preference - b.preference);
}

function withoutRepeats(records: readonly MxRecord[]): { record: MxRecord; notes: WalkNote[] }[] {
  const hosts = new Map<string, { record: MxRecord; notes: WalkNote[] }>();
  for (const record of [...records].sort((a, b) => a.preference - b.preference)) {
    const key = nameKey(record.host);
    const first = hosts.get(key);
    if (!first) {
      hosts.set(key, { record, notes: [] });
      continue;
    }
    first.notes.push(repeated(record, first.record.preference));
  }
  return [...hosts.values()];
}

async function inGroups<Item, Result>(items: readonly Item[], run: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(run))));
  }
  return results;
}

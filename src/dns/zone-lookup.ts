// What zones say of a name and a type (RFC 1034 4.3.2): aliases followed as far as the zones go, wildcards (RFC 4592),
// NODATA for empty non-terminals (RFC 8020), and the directives of zone.ts. No bytes: see zone-answer.ts.
import { dnsLimits } from '../base/limits.ts';
import type { DnsRecord } from './dns.ts';
import { ancestors, isAtOrBelow, nameKey } from './name.ts';
import { parseType, typeOfRecord } from './types.ts';
import type { Zone } from './zone-shape.ts';

export interface ZoneLookup {
  /** 'refused' also for names outside the zones; 'timeout': stay silent. 'ok' without records: the alias leads outside. */
  status: 'ok' | 'nodata' | 'nxdomain' | 'servfail' | 'refused' | 'timeout';
  /** The aliases passed, as CNAME records in order. */
  cnames: DnsRecord[];
  records: DnsRecord[];
  /** For negative answers: the nearest SOA above, its TTL already that of the answer (RFC 2308 5). */
  soa: DnsRecord | undefined;
  /** Every zone on the way sets AD. */
  ad: boolean;
}

export const lookupZone = (zone: Zone, name: string, type: string): ZoneLookup => lookupZones([zone], name, type);

/** `type` as in a zone text: `MX`, `TYPE65`. */
export function lookupZones(zones: readonly Zone[], name: string, type: string): ZoneLookup {
  const asked = parseType(type);
  const found: ZoneLookup = { status: 'refused', cnames: [], records: [], soa: undefined, ad: true };
  const seen = new Set<string>();
  for (let owner = name; ; ) {
    const key = nameKey(owner);
    const index = closest(zones, key);
    if (!index) return found.cnames.length > 0 ? { ...found, status: 'ok' } : { ...found, ad: false };
    found.ad &&= index.ad;
    const directive = index.directives.get(key)?.find((one) => one.type === undefined || one.type === asked);
    if (directive) return { ...found, status: directive.kind, cnames: [] };
    const there = index.recordsAt(key, owner);
    if (!there) return { ...found, status: 'nxdomain', soa: index.soaAbove(key) };
    const records = there.filter((record) => typeOfRecord(record) === asked);
    if (records.length > 0) return { ...found, status: 'ok', records };
    const alias = there.find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') return { ...found, status: 'nodata', soa: index.soaAbove(key) };
    found.cnames.push(alias);
    seen.add(key);
    owner = alias.host;
    // A loop, or too long a chain: the asker gets what was seen, and has to notice.
    if (seen.has(nameKey(owner)) || found.cnames.length > dnsLimits.cnames) return { ...found, status: 'ok' };
  }
}

/** The zone with the longest apex above the name; a zone that lists the name itself comes after those. */
function closest(zones: readonly Zone[], key: string): ZoneIndex | undefined {
  let best: { index: ZoneIndex; length: number } | undefined;
  for (const zone of zones) {
    const index = indexOf(zone);
    const length = index.claim(key);
    if (length !== undefined && (!best || length > best.length)) best = { index, length };
  }
  return best?.index;
}

/** A zone is a value; what makes looking up fast is kept beside it. */
const indexes = new WeakMap<Zone, ZoneIndex>();

function indexOf(zone: Zone): ZoneIndex {
  let index = indexes.get(zone);
  if (!index) {
    index = new ZoneIndex(zone);
    indexes.set(zone, index);
  }
  return index;
}

interface Misbehaviour {
  kind: 'servfail' | 'refused' | 'timeout';
  type: number | undefined;
}

class ZoneIndex {
  readonly ad: boolean;
  readonly directives = new Map<string, Misbehaviour[]>();
  readonly #apexes: string[];
  readonly #owners = new Map<string, DnsRecord[]>();
  /** Names that exist: owners and all above them (RFC 8020 2). */
  readonly #names = new Set<string>();

  constructor(zone: Zone) {
    this.ad = zone.directives.some(({ kind }) => kind === 'ad');
    for (const directive of zone.directives) {
      if (directive.kind === 'ad') continue;
      const { kind, type } = directive;
      push(this.directives, nameKey(directive.name), { kind, type: type === undefined ? undefined : parseType(type) });
    }
    for (const record of zone.records) {
      const key = nameKey(record.name);
      push(this.#owners, key, record);
      if (this.#names.has(key)) continue;
      for (const name of [key, ...ancestors(key)]) this.#names.add(name);
    }
    const apexes = [
      ...zone.records.filter(({ type }) => type === 'SOA').map(({ name }) => nameKey(name)),
      ...zone.origins.map(nameKey),
    ];
    this.#apexes = apexes.length === 0 ? [''] : [...new Set(apexes)];
  }

  /** How closely the zone encloses the name, in bytes; undefined when the name is not its business. */
  claim(key: string): number | undefined {
    const lengths = this.#apexes.filter((apex) => isAtOrBelow(key, apex)).map((apex) => apex.length);
    if (lengths.length > 0) return Math.max(...lengths);
    return this.#owners.has(key) || this.directives.has(key) ? -1 : undefined;
  }

  /** Undefined: no such name. Records of a wildcard come under the asked name. */
  recordsAt(key: string, name: string): DnsRecord[] | undefined {
    const own = this.#owners.get(key);
    if (own) return own;
    if (this.#names.has(key)) return [];
    // RFC 4592 3.3.1: only the wildcard right below the closest name that exists counts.
    const encloser = ancestors(key).find((above) => this.#names.has(above));
    if (encloser === undefined) return undefined;
    return this.#owners.get(encloser === '' ? '*' : `*.${encloser}`)?.map((record) => ({ ...record, name }));
  }

  soaAbove(key: string): DnsRecord | undefined {
    for (const name of [key, ...ancestors(key)]) {
      const soa = this.#owners.get(name)?.find((record) => record.type === 'SOA');
      if (soa?.type === 'SOA') return { ...soa, ttl: Math.min(soa.ttl, soa.minimum) };
    }
    return undefined;
  }
}

function push<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const there = map.get(key);
  if (there) there.push(value);
  else map.set(key, [value]);
}

// A zone as a value: what zone-parse.ts makes of a text and zone-lookup.ts answers from. What it means: zone.ts.
import type { DnsRecord } from './dns.ts';

export interface Zone {
  /** Every $ORIGIN in order, the one given by the caller first. Names as in DnsRecord. */
  readonly origins: readonly string[];
  readonly records: readonly DnsRecord[];
  readonly directives: readonly ZoneDirective[];
}

export type ZoneDirective =
  | { readonly kind: 'ad' }
  /** `type` is undefined when the directive is for every type. */
  | { readonly kind: 'servfail' | 'refused' | 'timeout'; readonly name: string; readonly type: string | undefined };

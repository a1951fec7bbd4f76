// The shapes of DNS in ehlo: questions, answers with everything a walk wants to show, and the port that carries bytes.

export type RecordType =
  | 'A'
  | 'AAAA'
  | 'MX'
  | 'CNAME'
  | 'TXT'
  | 'NS'
  | 'SOA'
  | 'PTR'
  | 'SRV'
  | 'TLSA'
  | 'DS'
  | 'DNSKEY'
  | 'RRSIG'
  | 'CAA';

export interface DnsServer {
  host: string;
  port: number;
}

/** Carries one query to one server and brings the raw answer; owned here, implemented in net/udp.ts. */
export interface DnsExchange {
  /** Rejects with 'timeout' or 'connect-failed'. `deadline` is a point on the clock. */
  exchange(server: DnsServer, query: Buffer, via: 'udp' | 'tcp', deadline: number): Promise<Buffer>;
}

export type DnsData =
  | { type: 'A' | 'AAAA'; address: string }
  | { type: 'MX'; preference: number; host: string }
  | { type: 'CNAME' | 'NS' | 'PTR'; host: string }
  | { type: 'TXT'; strings: Buffer[] }
  | { type: 'SRV'; priority: number; weight: number; port: number; host: string }
  | { type: 'TLSA'; usage: number; selector: number; matching: number; data: Buffer }
  | {
      type: 'SOA';
      mname: string;
      rname: string;
      serial: number;
      refresh: number;
      retry: number;
      expire: number;
      minimum: number;
    }
  | { type: 'CAA'; flags: number; tag: string; value: Buffer }
  | { type: 'OTHER'; typeName: string; data: Buffer | null };

export type DnsRecord = DnsData & {
  /** Without the trailing dot, case as sent. The root is ''. */
  name: string;
  /** seconds */
  ttl: number;
};

/** Kept apart because a sending MTA must treat each differently (RFC 5321 5.1). */
export type DnsStatus = 'ok' | 'nodata' | 'nxdomain' | 'servfail' | 'refused' | 'timeout' | 'malformed';

export interface DnsAnswer {
  name: string;
  type: RecordType;
  status: DnsStatus;
  /** Records of the asked type at the end of the CNAME chain. */
  records: DnsRecord[];
  /** The chain that led there, in order. */
  cnames: { from: string; to: string; ttl: number }[];
  /** The validated flag, believed only from resolvers that may be trusted with it. */
  ad: boolean;
  /** Which server answered, over what, how long it took (ms). */
  server: string;
  via: 'udp' | 'tcp';
  ms: number;
  /** Extended DNS error (RFC 8914), as text. */
  ede: string | null;
  /** In words where status is not ok. */
  problem: string | null;
}

export interface Resolver {
  /** Never throws for what the network does: that is `status`. Throws 'bad-address' for a name that DNS cannot carry. */
  query(name: string, type: RecordType): Promise<DnsAnswer>;
  /** Everything asked so far, in order: the `dns.queries` of a report. */
  readonly queries: DnsAnswer[];
}

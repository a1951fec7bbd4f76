// The notes of a walk: what stands in DNS for a domain's mail and should not, each with a rule id, its RFC and a fix.
// Untrusted names stand in the texts as DNS gave them, escaped as dns/name.ts prints them. Nothing is asked here.
import { ipFamily } from '../base/ip.ts';
import type { DnsAnswer, DnsRecord } from './dns.ts';
import { addressScope } from './ip.ts';
import { nameKey } from './name.ts';
import { isAskable } from './packet-name.ts';

export interface WalkNote {
  /** `MX-CNAME` ...: the name of the rule. */
  id: string;
  severity: 'error' | 'warning' | 'info';
  message: string;
  rfc?: string;
  fix?: string;
}

export interface NoteOptions {
  /** Names of this machine: mail for an MX that is one of them would loop. */
  ownNames?: readonly string[];
  /** Says nothing about targets that are private, loopback or reserved: for labs. */
  allowPrivate?: boolean;
}

export type MxRecord = Extract<DnsRecord, { type: 'MX' }>;

export const mxLookupFailed = (answer: DnsAnswer): WalkNote => ({
  id: 'MX-LOOKUP-FAILED',
  severity: 'error',
  message: `the MX records of ${answer.name} cannot be looked up: ${answer.problem ?? answer.status}`,
  rfc: 'RFC 5321 5.1',
  fix: 'look at the name servers of the domain; senders try again later',
});

export const implicitMx = (domain: string): WalkNote => ({
  id: 'MX-IMPLICIT',
  severity: 'info',
  message: `${domain} has no MX record: its own address takes the mail`,
  rfc: 'RFC 5321 5.1',
  fix: `publish an MX record, or a null MX (RFC 7505) if ${domain} takes no mail`,
});

export const repeated = (record: MxRecord, triedAt: number): WalkNote => ({
  id: 'MX-DUPLICATE',
  severity: 'warning',
  message: `${record.host} is listed again with preference ${record.preference}: it is tried once, at ${triedAt}`,
  fix: 'remove the repeated MX record',
});

export const hostAlias = (host: string, to: readonly string[]): WalkNote => ({
  id: 'MX-CNAME',
  severity: 'warning',
  message: `the mail host ${host} is an alias: ${[host, ...to].join(' -> ')}`,
  rfc: 'RFC 2181 10.3',
  fix: `point the MX at ${to.at(-1) ?? host} directly`,
});

export const addressLookupFailed = (answer: DnsAnswer): WalkNote => ({
  id: answer.type === 'AAAA' ? 'MX-AAAA-FAILED' : 'MX-A-FAILED',
  severity: 'warning',
  message: `the ${answer.type} records of ${answer.name} cannot be looked up: ${answer.problem ?? answer.status}`,
  rfc: 'RFC 5321 5.1',
  fix: 'look at the name servers of the host; senders try again later',
});

export const noAddress = (host: string, exists: boolean): WalkNote => ({
  id: 'MX-NO-ADDRESS',
  severity: 'error',
  message: exists ? `${host} has neither an A nor an AAAA record` : `${host} does not exist (NXDOMAIN)`,
  rfc: 'RFC 5321 5.1',
  fix: `publish an address for ${host}, or remove what points at it`,
});

export function aliasNotes(answer: DnsAnswer): WalkNote[] {
  const last = answer.cnames.at(-1);
  if (!last) return [];
  const path = [answer.name, ...answer.cnames.map(({ to }) => to)].join(' -> ');
  return [
    {
      id: 'DOMAIN-CNAME',
      severity: 'info',
      message: `the domain is an alias: ${path}; the records of ${last.to} count`,
      rfc: 'RFC 5321 5.1',
    },
  ];
}

export function nullMxNotes(domain: string, records: readonly MxRecord[], real: number): WalkNote[] {
  const nulls = records.filter(({ host }) => host === '');
  const [first] = nulls;
  if (!first) return [];
  const notes: WalkNote[] = [];
  if (real > 0) {
    notes.push({
      id: 'MX-NULL-BESIDE-OTHERS',
      severity: 'error',
      message: `${domain} publishes a null MX beside other MX records: senders may refuse its mail or ignore the null MX`,
      rfc: 'RFC 7505 3',
      fix: `remove the null MX, or every other MX record if ${domain} takes no mail`,
    });
  } else {
    notes.push({
      id: 'MX-NULL',
      severity: 'info',
      message: `${domain} takes no mail: it publishes a null MX`,
      rfc: 'RFC 7505 3',
    });
  }
  if (nulls.some(({ preference }) => preference !== 0)) {
    notes.push({
      id: 'MX-NULL-PREFERENCE',
      severity: 'warning',
      message: `the null MX of ${domain} has preference ${first.preference}, it should have 0`,
      rfc: 'RFC 7505 3',
      fix: `publish: ${domain}. MX 0 .`,
    });
  }
  return notes;
}

export const tooMany = (domain: string, count: number, most: number): WalkNote => ({
  id: 'MX-TOO-MANY',
  severity: 'warning',
  message: `${domain} names ${count} mail hosts: only the first ${most} are looked at`,
  fix: 'publish fewer MX records; senders try a handful',
});

export function sharedNotes(record: MxRecord, all: readonly MxRecord[]): WalkNote[] {
  const others = all.filter((other) => other !== record && other.preference === record.preference);
  const [first] = others;
  if (!first) return [];
  const more = others.length > 1 ? ` and ${others.length - 1} more` : '';
  const message = `same preference as ${first.host}${more}: senders pick at random`;
  return [{ id: 'MX-SHARED-PREFERENCE', severity: 'info', message, rfc: 'RFC 5321 5.1' }];
}

/** What the target's name alone shows. */
export function nameNotes(host: string, domain: string, options: NoteOptions): WalkNote[] {
  const literal = literalOf(host);
  if (literal !== undefined) {
    return [
      {
        id: 'MX-IP-LITERAL',
        severity: 'error',
        message: `the MX target ${host} is an IP address: it must be the name of a host`,
        rfc: 'RFC 5321 5.1, RFC 1035 3.3.9',
        fix: `give ${literal} a name with an A or AAAA record, and point the MX at it`,
      },
    ];
  }
  if (!isAskable(host)) {
    return [
      {
        id: 'MX-BAD-NAME',
        severity: 'error',
        message: `the MX target ${host} cannot be the name of a host`,
        rfc: 'RFC 5321 2.3.5',
        fix: 'point the MX at a host name of letters, digits and hyphens',
      },
    ];
  }
  const notes: WalkNote[] = [];
  const key = nameKey(host);
  const zone = nameKey(domain);
  if (key === 'localhost' || key.endsWith('.localhost') || key === 'localhost.localdomain') {
    notes.push({
      id: 'MX-LOCALHOST',
      severity: 'error',
      message: `the MX target ${host} is every sender's own machine`,
      rfc: 'RFC 6761 6.3',
      fix: 'point the MX at a real host, or publish a null MX: MX 0 .',
    });
  } else if (!key.includes('.')) {
    notes.push({
      id: 'MX-SINGLE-LABEL',
      severity: 'warning',
      message: `the MX target ${host} has a single label: it is looked up at the top of DNS, not below ${domain}`,
      fix: `write ${host}.${domain}`,
    });
  }
  if (key.endsWith(`.${zone}.${zone}`)) {
    notes.push({
      id: 'MX-MISSING-DOT',
      severity: 'error',
      message: `the MX target ${host} repeats ${domain}: a trailing dot is missing in the zone`,
      rfc: 'RFC 1035 5.1',
      fix: `write ${host.slice(0, -zone.length - 1)}. with the dot`,
    });
  }
  notes.push(...ownNameNotes(host, options));
  return notes;
}

/** The address that a target is, with or without brackets. */
export function literalOf(host: string): string | undefined {
  const bare = host.replace(/^\[(?:ipv6:)?(.*)\]$/i, '$1');
  return ipFamily(bare) === undefined ? undefined : bare;
}

export function ownNameNotes(host: string, options: NoteOptions): WalkNote[] {
  const own = (options.ownNames ?? []).some((name) => name.toLowerCase().replace(/\.$/, '') === nameKey(host));
  if (!own) return [];
  return [
    {
      id: 'MX-OWN-NAME',
      severity: 'warning',
      message: `${host} is this machine: mail that it relays there would loop`,
      rfc: 'RFC 5321 5.1',
      fix: 'make the domain local here, or send from another machine',
    },
  ];
}

export function scopeNotes(host: string, addresses: readonly { address: string }[], options: NoteOptions): WalkNote[] {
  if (options.allowPrivate === true) return [];
  return addresses.flatMap(({ address }): WalkNote[] => {
    const scope = addressScope(address);
    if (scope === undefined || scope === 'public') return [];
    const message = `${host} has the address ${address}, which is ${scope}: nobody outside can reach it`;
    return [
      { id: 'MX-PRIVATE-ADDRESS', severity: 'warning', message, fix: 'publish a public address for the mail host' },
    ];
  });
}

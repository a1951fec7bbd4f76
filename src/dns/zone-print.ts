// A zone as master file text; the inverse of parseZone: every name absolute, every TTL written out.
import type { DnsRecord } from './dns.ts';
import type { Zone, ZoneDirective } from './zone-shape.ts';

export const printZone = (zone: Zone): string =>
  [
    ...zone.origins.map((origin) => `$ORIGIN ${absolute(origin)}`),
    ...zone.directives.map(printDirective),
    ...zone.records.map(printRecord),
  ]
    .map((line) => `${line}\n`)
    .join('');

/** One line, without its end. */
export const printRecord = (record: DnsRecord): string =>
  `${absolute(record.name)} ${record.ttl} IN ${record.type === 'OTHER' ? record.typeName : record.type} ${printData(record)}`;

function printDirective(directive: ZoneDirective): string {
  if (directive.kind === 'ad') return ';!ad';
  const type = directive.type === undefined ? '' : ` ${directive.type}`;
  return `;!${directive.kind} ${absolute(directive.name)}${type}`;
}

/** What stands behind the type: names absolute, text quoted. */
export function printData(record: DnsRecord): string {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return record.address;
    case 'MX':
      return `${record.preference} ${absolute(record.host)}`;
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return absolute(record.host);
    case 'TXT':
      return record.strings.map(quoted).join(' ');
    case 'SRV':
      return `${record.priority} ${record.weight} ${record.port} ${absolute(record.host)}`;
    case 'TLSA':
      return `${record.usage} ${record.selector} ${record.matching} ${record.data.toString('hex')}`;
    case 'SOA': {
      const { serial, refresh, retry, expire, minimum } = record;
      const names = `${absolute(record.mname)} ${absolute(record.rname)}`;
      return `${names} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case 'CAA':
      return `${record.flags} ${record.tag} ${quoted(record.value)}`;
    case 'OTHER': {
      const data = record.data ?? Buffer.alloc(0);
      return `\\# ${data.length} ${data.toString('hex')}`.trimEnd();
    }
  }
}

/** Names are canonical text already; these characters mean something in a master file. */
const absolute = (name: string): string => `${name.replace(/[";()@$]/g, '\\$&')}.`;

const quoted = (bytes: Buffer): string =>
  `"${bytes
    .toString('latin1')
    .replace(/["\\]/g, '\\$&')
    .replace(/[^\x20-\x7e]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)}"`;

// What the user says about hosts beats every lookup: --resolve (an address for a host and port), --hosts (a file of names),
// --connect-to (another place to connect to).
import { sameDomain } from '../base/address.ts';
import { forbiddenCharacter, shown } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import type { Connection, HostsEntry } from './connection.ts';

const sameHost = (a: string, b: string): boolean => sameDomain(a.replace(/\.$/, ''), b.replace(/\.$/, ''));

/** Addresses from --resolve, else from --hosts, in the order given; empty where nothing was said of this host and port. */
export function knownAddresses(connection: Connection, host: string, port: number): string[] {
  const fixed = connection.overrides.filter((one) => one.port === port && sameHost(one.host, host));
  return fixed.length > 0 ? fixed.map((one) => one.address) : hostsAddresses(connection, host);
}

/** From --hosts alone, of the family that was asked for. */
export const hostsAddresses = ({ hosts = [], family }: Connection, host: string): string[] =>
  hosts
    .filter((one) => sameHost(one.host, host) && (!family || ipFamily(one.address) === family))
    .map((one) => one.address);

/** Where to connect to instead, as --connect-to says; the same host and port where it says nothing. */
export function connectTo({ connectTo: rows = [] }: Connection, host: string, port: number) {
  const row = rows.find(
    (one) => (one.host === null || sameHost(one.host, host)) && (one.port === null || one.port === port),
  );
  return { host: row?.toHost ?? host, port: row?.toPort ?? port };
}

/** hosts(5): an address, then its names; # begins a comment. Throws 'config' with the number of the line. */
export function parseHostsFile(text: string): HostsEntry[] {
  return text.split('\n').flatMap((line, at) => {
    const [address, ...names] = line
      .replace(/#.*/s, '')
      .split(/[ \t\r]+/)
      .filter((word) => word !== '');
    if (address === undefined) return [];
    const refuse = (why: string) =>
      new EhloError('config', `line ${at + 1}: ${why}`, { hint: 'a line is ADDRESS NAME...' });
    if (ipFamily(address) === undefined) throw refuse(`${shown(address)} is not an IP address`);
    if (names.length === 0) throw refuse(`${address} has no name`);
    const bad = names.find((name) => forbiddenCharacter(name) !== undefined || ipFamily(name) !== undefined);
    if (bad !== undefined) throw refuse(`${shown(bad)} is not a host name`);
    return names.map((host) => ({ host, address }));
  });
}

// Values of options and URLs as people type them: durations, sizes, ports, hosts. Refuses what it does not understand.
import { EhloError } from './errors.ts';
import { ipFamily } from './ip.ts';

const durationUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

const refuse = (text: string, wanted: string): EhloError => new EhloError('usage', `"${text}" is not ${wanted}`);

/** `500ms 10s 5m 2h 1d`, also `1.5s`; in milliseconds. A number without a unit is refused: it would mean two things. */
export function parseDuration(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (durationUnits[unit] ?? Number.NaN));
  if (number === '' || !Number.isSafeInteger(ms)) throw refuse(text, 'a duration such as 500ms, 10s, 5m, 2h or 1d');
  return ms;
}

/** `100` bytes, `10k 5M 1G` of 1024; in bytes. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  const bytes = Number(number) * (sizeUnits[unit.toLowerCase()] ?? Number.NaN);
  if (number === '' || !Number.isSafeInteger(bytes)) throw refuse(text, 'a size such as 100, 10k, 5M or 1G');
  return bytes;
}

/** 1 to 65535; for a listener 0 too, which means any free port. */
export function parsePort(text: string, use: 'connect' | 'listen' = 'connect'): number {
  const least = use === 'listen' ? 0 : 1;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= least && port <= 65_535)) throw refuse(text, `a port number from ${least} to 65535`);
  return port;
}

export interface HostPort {
  /** A name, or an address without brackets. */
  host: string;
  port?: number;
}

/** `host`, `host:port`, `1.2.3.4:port`, `[v6]`, `[v6]:port`, and a bare v6 address, which then has no port. */
export function parseHostPort(text: string, use: 'connect' | 'listen' = 'connect'): HostPort {
  if (ipFamily(text) === 6) return { host: text };
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const valid = bracketed === undefined ? isHostName(host) : ipFamily(bracketed) === 6;
  if (!valid) throw refuse(text, 'a host, host:port or [v6 address]:port');
  return port === undefined ? { host } : { host, port: parsePort(port, use) };
}

export const printHostPort = ({ host, port }: HostPort): string => {
  const shown = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? shown : `${shown}:${port}`;
};

/** Labels of letters (of any script), digits, `-` and `_`. What DNS makes of it is decided where it is asked. */
const isHostName = (host: string): boolean => host.length <= 255 && (asciiName.test(host) || anyName().test(host));

const asciiName = /^\w[\w-]*(?:\.[\w-]+)*\.?$/;
/** Made only when needed: the classes of all scripts take milliseconds to compile, and nearly every name is ASCII. */
const anyName = (): RegExp => /^[\p{L}\p{M}\p{N}_][\p{L}\p{M}\p{N}_-]*(?:\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u;

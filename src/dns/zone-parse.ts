// Master file text into a zone (RFC 1035 5, RFC 2308 4 for $TTL, RFC 3597 5 for \#), and our directives (zone.ts). Strict:
// what is not understood is a 'config' error with its line and column. Not supported, and said so: $INCLUDE, $GENERATE.
import type { DnsRecord } from './dns.ts';
import { parseName, printName } from './name.ts';
import { printType } from './types.ts';
import { readData, typeOf } from './zone-data.ts';
import { Fields, parseSeconds } from './zone-fields.ts';
import type { Zone, ZoneDirective } from './zone-shape.ts';
import { type Entry, type Position, zoneEntries, zoneError } from './zone-tokens.ts';

/** Seconds, where a text names no TTL at all. */
const defaultTtl = 3600;
const mostTtl = 0x7fffffff;

/** `origin` is what relative names before the first $ORIGIN are below; without it they are an error. */
export function parseZone(text: string, origin?: string): Zone {
  const parser = new ZoneParser(origin);
  for (const entry of zoneEntries(text)) parser.entry(entry);
  return { origins: parser.origins, records: parser.records, directives: parser.directives };
}

class ZoneParser {
  readonly origins: string[] = [];
  readonly records: DnsRecord[] = [];
  readonly directives: ZoneDirective[] = [];
  #origin: string | undefined;
  #owner: string | undefined;
  /** $TTL, and the TTL stated last (RFC 1035 5.1). */
  #ttl: number | undefined;
  #lastTtl: number | undefined;

  constructor(origin: string | undefined) {
    if (origin === undefined) return;
    this.#origin = printName(parseName(origin));
    this.origins.push(this.#origin);
  }

  entry(entry: Entry): void {
    if (entry.directive !== undefined) this.#directive(entry, entry.directive);
    else if (!entry.blankOwner && entry.tokens[0]?.text.startsWith('$')) this.#control(new Fields(entry, this.#origin));
    else this.#record(new Fields(entry, this.#origin), entry.blankOwner);
  }

  #control(fields: Fields): void {
    const word = fields.next('a control word');
    const control = word.text.toUpperCase();
    if (control === '$ORIGIN') {
      this.#origin = fields.name('the origin');
      this.origins.push(this.#origin);
    } else if (control === '$TTL') {
      this.#ttl = fields.seconds('the TTL', mostTtl);
    } else {
      throw zoneError(word, `${word.text} is not supported`, 'write out what it stands for');
    }
    fields.end(control);
  }

  #record(fields: Fields, blankOwner: boolean): void {
    if (!blankOwner) this.#owner = fields.name('the owner name');
    const name = this.#owner;
    if (name === undefined) throw zoneError(fields.position, 'the first record has no owner name');
    let ttl: number | undefined;
    let type = fields.next('a record type');
    for (; ; type = fields.next('a record type')) {
      const seconds = parseSeconds(type.text);
      if (seconds !== undefined && ttl === undefined) {
        if (seconds > mostTtl) throw zoneError(type, `the TTL ${type.text} is above ${mostTtl}`);
        ttl = seconds;
      } else if (/^(?:CH|CS|HS)$/i.test(type.text)) {
        throw zoneError(type, `class ${type.text} is not supported`, 'only IN is');
      } else if (!/^IN$/i.test(type.text)) break;
    }
    const data = readData(type, fields);
    fields.end(type.text.toUpperCase());
    if (ttl !== undefined) this.#lastTtl = ttl;
    const implied = this.#ttl ?? this.#lastTtl ?? (data.type === 'SOA' ? data.minimum : defaultTtl);
    if (data.type === 'SOA') this.#lastTtl ??= implied;
    this.records.push({ name, ttl: ttl ?? Math.min(implied, mostTtl), ...data });
  }

  #directive(at: Position, text: string): void {
    const [kind, ...words] = text.trim().split(/\s+/);
    if (kind === 'ad' && words.length === 0) {
      this.directives.push({ kind: 'ad' });
      return;
    }
    const [name, type] = words;
    if ((kind !== 'servfail' && kind !== 'refused' && kind !== 'timeout') || name === undefined || words.length > 2) {
      const hint = 'known are ;!ad, ;!servfail NAME [TYPE], ;!refused NAME [TYPE] and ;!timeout NAME [TYPE]';
      throw zoneError(at, `the directive ;!${text} is not understood`, hint);
    }
    const token = { ...at, text: name, quoted: false };
    const fields = new Fields({ ...at, blankOwner: false, tokens: [token] }, this.#origin);
    const number = type === undefined ? undefined : typeOf({ ...at, text: type, quoted: false });
    this.directives.push({
      kind,
      name: fields.name('the name of the directive'),
      type: number === undefined ? undefined : printType(number),
    });
  }
}

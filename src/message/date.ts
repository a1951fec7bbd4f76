// Dates of header fields (RFC 5322 3.3 with the obsolete forms of 4.3), both ways. What cannot be read is null: a date
// that is guessed, or silently "now", is worse than none.

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Hours of RFC 5322 4.3. Military letters were defined backwards in RFC 822: they count as -0000. */
const zones: ReadonlyMap<string, number> = new Map([
  ['ut', 0],
  ['utc', 0],
  ['gmt', 0],
  ['est', -5],
  ['edt', -4],
  ['cst', -6],
  ['cdt', -5],
  ['mst', -7],
  ['mdt', -6],
  ['pst', -8],
  ['pdt', -7],
]);

const dateTime =
  /^(?:(sun|mon|tue|wed|thu|fri|sat)[a-z]{0,6}\s*,?\s*)?(\d{1,2})[\s-]+([a-z]{3})[a-z]{0,6}\.?[\s-]+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?(?:\.\d{1,9})?\s*(?:([+-])(\d{2}):?(\d{2})|([a-z]{1,5}))?$/i;

/** Longer than any date with comments; keeps what follows linear. */
const lengthMax = 200;

export function parseDate(text: string): Date | null {
  if (text.length > lengthMax) return null;
  const found = dateTime.exec(withoutComments(text).replace(/\s+/g, ' ').trim());
  if (!found) return null;
  const [, , day = '', month = '', year = '', hour = '', minute = '', second = '0', sign, zoneHour, zoneMinute, zone] =
    found;
  const monthAt = months.indexOf(month.toLowerCase());
  const offset = zoneOffset(sign, zoneHour, zoneMinute, zone);
  if (monthAt === -1 || offset === null) return null;
  const fields = [fullYear(year), monthAt, Number(day), Number(hour), Number(minute), Number(second)] as const;
  const [y, m, d, h, min, s] = fields;
  // 60 is a leap second; Date carries it into the next minute.
  if (h > 23 || min > 59 || s > 60 || d < 1) return null;
  const utc = new Date(Date.UTC(y, m, d, h, min, s));
  if (y < 100) utc.setUTCFullYear(y);
  // 31 April rolls over: not a date.
  if (new Date(Date.UTC(y, m, d)).getUTCMonth() !== m) return null;
  return new Date(utc.getTime() - offset * 60_000);
}

/** RFC 5322 4.3: two digits are 1950 to 2049, three are years since 1900. */
function fullYear(year: string): number {
  const number = Number(year);
  if (year.length === 2) return number < 50 ? 2000 + number : 1900 + number;
  return year.length === 3 ? 1900 + number : number;
}

/** Minutes; no zone at all is not a date of RFC 5322, but local times without zone exist and mean nothing: null. */
function zoneOffset(sign?: string, hours?: string, minutes?: string, name?: string): number | null {
  if (sign && hours && minutes) {
    if (Number(minutes) > 59) return null;
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  }
  if (!name) return null;
  const known = zones.get(name.toLowerCase());
  if (known !== undefined) return known * 60;
  return /^[a-ik-z]$/i.test(name) ? 0 : null;
}

/** Comments nest (RFC 5322 3.2.2). */
function withoutComments(text: string): string {
  let out = '';
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '\\' && depth > 0) at++;
    else if (char === '(') depth++;
    else if (char === ')' && depth > 0) depth--;
    else if (depth === 0) out += char;
    if (char === ')' && depth === 0) out += ' ';
  }
  return out;
}

/** `Tue, 01 Sep 2026 10:00:00 +0000`: always UTC, so that no machine tells where it stands. */
export function printDate(date: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const month = months[date.getUTCMonth()] ?? '';
  const name = `${month.slice(0, 1).toUpperCase()}${month.slice(1)}`;
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  return `${days[date.getUTCDay()]}, ${two(date.getUTCDate())} ${name} ${year} ${time} +0000`;
}

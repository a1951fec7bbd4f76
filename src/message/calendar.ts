// A calendar object that is sent (RFC 5545, and RFC 6047 for mail): it is one, and which METHOD of RFC 5546 it has. What it
// says is not looked at.
import { EhloError } from '../base/errors.ts';

export interface Calendar {
  content: string;
  /** Upper case; null: nothing that anybody would accept or decline. */
  method: string | null;
}

const refuse = (what: string): EhloError =>
  new EhloError('bad-message', `${what} (RFC 5545)`, {
    hint: 'nothing was sent; attach the file with --attach to send it as it is',
  });

/** `where` is what errors call it. Throws 'bad-message'. */
export function parseCalendar(text: string, where: string): Calendar {
  // RFC 5545 3.1: a line goes on where the next one begins with white space.
  const lines = text.replace(/\r?\n[ \t]/g, '').split(/\r?\n/);
  const filled = lines.filter((line) => line.trim() !== '');
  if (!/^BEGIN:VCALENDAR\s*$/i.test(filled[0] ?? '')) {
    throw refuse(`${where} is not a calendar: it does not begin with BEGIN:VCALENDAR`);
  }
  if (!/^END:VCALENDAR\s*$/i.test(filled.at(-1) ?? '')) {
    throw refuse(`${where} is not a whole calendar: it does not end with END:VCALENDAR`);
  }
  // METHOD is a property of the calendar, not of the events in it.
  const inner = filled.slice(1).findIndex((line) => /^BEGIN:/i.test(line));
  const methods = (inner === -1 ? filled : filled.slice(0, inner + 1)).flatMap((line) => {
    const found = /^METHOD(?:;[^:]*)?:(.*)$/i.exec(line);
    return found ? [(found[1] ?? '').trim()] : [];
  });
  const [method, second] = methods;
  if (second !== undefined) throw refuse(`${where} has more than one METHOD`);
  if (method === undefined) return { content: text, method: null };
  if (!/^[A-Za-z0-9-]{1,60}$/.test(method)) throw refuse(`${where} has a METHOD that is no word`);
  return { content: text, method: method.toUpperCase() };
}

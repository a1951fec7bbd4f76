// A message as a template: header fields, an empty line, the body. Taken apart before any value is put in, so that no value
// can become a field. The fields mean what the options of the same names mean; the command line wins (cli/merge-options.ts).
import { EhloError } from '../base/errors.ts';

export interface TemplateFile {
  /** In order; folded lines joined. */
  fields: { name: string; value: string; line: number }[];
  body: string;
  /** The line of the file where the body begins. */
  bodyLine: number;
  bodyKind: 'text' | 'html';
}

/** At most once in a message, so at most once here. */
const once = new Set(['from', 'to', 'cc', 'bcc', 'reply-to', 'subject', 'content-type']);

/** `text` is the whole file. Throws 'bad-message' with the line. */
export function parseTemplateFile(text: string, path: string): TemplateFile {
  const fields: TemplateFile['fields'] = [];
  let at = 0;
  let line = 0;
  let bodyKind: TemplateFile['bodyKind'] = 'text';
  const refuse = (why: string): EhloError =>
    new EhloError('bad-message', `${path}, line ${line}: ${why}`, {
      hint: 'nothing was sent; a template is header fields such as "Subject: Hello {{name}}", an empty line, and the body',
    });
  for (;;) {
    if (at >= text.length) throw refuse('the empty line between header and body is missing');
    const lf = text.indexOf('\n', at);
    const end = lf === -1 ? text.length : lf;
    const written = text.slice(at, text[end - 1] === '\r' && end > at ? end - 1 : end);
    at = lf === -1 ? text.length : lf + 1;
    line++;
    if (written === '') break;
    const last = fields.at(-1);
    if (/^[ \t]/.test(written)) {
      if (!last) throw refuse('the first line is no header field');
      last.value += ` ${written.trim()}`;
      continue;
    }
    const [, name = '', value = ''] = /^([!-9;-~]+):(.*)$/s.exec(written) ?? [];
    if (name === '' || name.includes('{{')) throw refuse(`"${written.slice(0, 60)}" is no header field`);
    const key = name.toLowerCase();
    if (once.has(key) && fields.some((field) => field.name.toLowerCase() === key)) {
      throw refuse(`the field ${name} is given twice`);
    }
    fields.push({ name, value: value.trim(), line });
  }
  const type = fields.find((field) => field.name.toLowerCase() === 'content-type');
  if (type) {
    const [, kind] = /^text\/(plain|html)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.exec(type.value) ?? [];
    line = type.line;
    if (!kind) throw refuse(`Content-Type is text/plain or text/html in UTF-8, not "${type.value.slice(0, 60)}"`);
    bodyKind = kind.toLowerCase() === 'html' ? 'html' : 'text';
  }
  return { fields: fields.filter((field) => field !== type), body: text.slice(at), bodyLine: line + 1, bodyKind };
}

// What the header of a part says of its body (RFC 2045 5, RFC 2183): type, parameters, disposition. mime.ts finds the parts.
import type { DefectLog } from './defects.ts';
import { fieldsNamed, type HeaderField } from './headers.ts';
import { parseParams } from './params.ts';

/** The first field of the name; more than one is a defect, since readers differ. */
export function single(fields: HeaderField[], name: string, log: DefectLog): HeaderField | undefined {
  const [first, second] = fieldsNamed(fields, name);
  if (second) log.note('header-duplicate', second.offset, name);
  return first;
}

interface Content {
  type: string;
  subtype: string;
  params: Map<string, string>;
}

export function contentType(fields: HeaderField[], fallback: string, log: DefectLog, start: number): Content {
  const field = single(fields, 'Content-Type', log);
  const parsed = parseParams(field?.rawValue ?? fallback);
  for (const { id, detail } of parsed.defects) {
    // The old `name` beside a filename has no other form that old readers know.
    if (id !== 'mime-encoded-word-parameter') log.note(id, field?.offset ?? start, detail);
  }
  const found = /^([!#$%&'*+.^_`{|}~\w-]+)\/([!#$%&'*+.^_`{|}~\w-]+)$/.exec(parsed.value);
  if (found?.[1] && found[2]) return { type: found[1], subtype: found[2], params: parsed.params };
  log.note('mime-bad-type', field?.offset ?? start, parsed.value);
  return { type: 'text', subtype: 'plain', params: parsed.params };
}

export function contentDisposition(
  fields: HeaderField[],
  log: DefectLog,
): { value: string | null; filename: string | undefined } {
  const field = single(fields, 'Content-Disposition', log);
  if (!field) return { value: null, filename: undefined };
  const parsed = parseParams(field.rawValue);
  for (const { id, detail } of parsed.defects) log.note(id, field.offset, detail);
  return { value: parsed.value, filename: parsed.params.get('filename') };
}

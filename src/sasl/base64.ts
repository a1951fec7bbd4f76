// Base64 as SASL exchanges carry it (RFC 4954 4, RFC 5034 4): canonical or nothing (RFC 4648 3.5), no white space, no repair.

/** Undefined for anything that is not canonical base64. The empty text is no bytes. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** An initial response on the line of its command: `=` is an empty one, undefined is none. */
export const printInitial = (initial: Buffer | undefined): string | undefined =>
  initial?.length === 0 ? '=' : initial?.toString('base64');

/** The inverse; undefined for what is not base64. */
export const parseInitial = (text: string): Buffer | undefined => fromBase64(text === '=' ? '' : text);

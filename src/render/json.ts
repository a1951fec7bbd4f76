// JSON that is safe in any terminal and log: one document or one event a line, ASCII only.

/** JSON.stringify leaves DEL, C1, bidi marks and everything above raw; here all beyond printable ASCII becomes \uXXXX. */
const ascii = (json: string): string =>
  json.replace(/[^\x20-\x7e\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

export const jsonDocument = (value: unknown): string => `${ascii(JSON.stringify(value, null, 2))}\n`;
export const jsonLine = (value: unknown): string => `${ascii(JSON.stringify(value))}\n`;

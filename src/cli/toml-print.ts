// Settings to TOML text, as `config init` and `config import` write it. Reading is in config-file.ts.

export interface PrintedProfile {
  name: string;
  entries: readonly { key: string; value: string | readonly string[] | boolean; comment?: string }[];
  comments?: readonly string[];
}

export function printProfile({ name, entries, comments = [] }: PrintedProfile): string {
  const lines = [`[profile.${printKey(name)}]`, ...comments.map(printComment)];
  for (const { key, value, comment } of entries) {
    if (comment !== undefined) lines.push(printComment(comment));
    lines.push(`${printKey(key)} = ${printValue(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

const printKey = (key: string): string => (/^[A-Za-z0-9_-]+$/.test(key) ? key : printString(key));

const printValue = (value: string | readonly string[] | boolean): string => {
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? printString(value) : `[${value.map(printString).join(', ')}]`;
};

/** TOML's basic strings are JSON's, but for U+007F, which TOML wants escaped. */
const printString = (text: string): string => JSON.stringify(text).replaceAll('\x7f', '\\u007f');

/** No control character may stand in a comment (TOML 1.0). */
const printComment = (text: string): string =>
  `# ${text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}`;

// Words to settings, as Getopt::Long reads them for swaks: one dash or two, `=`, unique beginnings of names, `no-` to forget,
// values that are taken unless they look like an option, and --h-NAME for a header field.
import { EhloError } from '../../base/errors.ts';
import { mask } from '../../base/secret.ts';
import { rowOf, type SwaksRow, swaksRows } from './swaks-table.ts';

export interface Setting {
  /** The first name of its row. */
  name: string;
  /** Undefined: given without argument. */
  value: string | undefined;
}

/** `at`: the word that holds the value, or the option where it has none. */
export type Word = { kind: 'set'; setting: Setting; at: number } | { kind: 'forget'; name: string };

/** The whole of an option word: `+` is as good as a dash for Getopt::Long. */
const optionForm = /^(?:--|-|\+)([^=]+)(?:=(.*))?$/s;
const looksLikeOption = (word: string): boolean => word === '--' || /^(?:--|-|\+)./s.test(word);
/** --h-Subject, --header-Subject, and the colon that man pages and people put behind it. */
const fieldForm = /^(no-)?h(?:eader)?-([^:]+):?$/;

/** Throws 'usage'. `where` names the source for errors: "the command line", or a file. */
export function parseSwaksWords(words: readonly string[], where: string): Word[] {
  const parsed: Word[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const [, name, attached] = optionForm.exec(word) ?? [];
    if (word === '--' || name === undefined) {
      const rest = word === '--' ? words.slice(at + 1) : [word];
      if (rest.length === 0) break;
      throw new EhloError('usage', `${where} has "${rest.join(' ')}" where an option should be`, {
        hint: 'quote the argument of the option in front of it; options are in ehlo swaks --help',
      });
    }
    const { row, forget, field } = findOption(name, where);
    if (forget) {
      if (attached !== undefined) throw new EhloError('usage', `option ${name} does not take an argument (${where})`);
      parsed.push({ kind: 'forget', name: row.names[0] });
      continue;
    }
    const next = words[at + 1];
    const { value, used } = argumentOf(row, name, attached, next, where);
    if (used) at++;
    const shown = field === undefined ? value : `${field}: ${value ?? ''}`;
    parsed.push({ kind: 'set', setting: { name: row.names[0], value: shown }, at });
  }
  return parsed;
}

/** The words with every password of theirs masked, however its option was written; `words` were parsed before. */
export function maskSecrets(words: readonly string[]): string[] {
  const shown = [...words];
  for (const word of parseSwaksWords(words, 'the command line')) {
    if (word.kind !== 'set' || word.setting.value === undefined || !rowOf(word.setting.name)?.sensitive) continue;
    const [, head = ''] = /^((?:--|-|\+)[^=]+=)/.exec(words[word.at] ?? '') ?? [];
    shown[word.at] = (words[word.at] ?? '') === word.setting.value ? mask : head + mask;
  }
  return shown;
}

interface Found {
  row: SwaksRow;
  forget: boolean;
  /** The field of --h-NAME. */
  field?: string;
}

function findOption(name: string, where: string): Found {
  const exact = rowOf(name);
  if (exact) return { row: exact, forget: false };
  const [, negated, field] = fieldForm.exec(name) ?? [];
  const header = rowOf('header');
  if (field !== undefined && header) return { row: header, forget: negated !== undefined, field };
  const forms = [...formsOf(name)];
  const rows = new Set(forms.map(({ row, forget }) => `${forget}${row.names[0]}`));
  const [found] = forms;
  if (!found) throw new EhloError('usage', `unknown option "${name}" (${where})`, { hint: 'see ehlo swaks --help' });
  if (rows.size === 1) return found;
  // What is written out in full counts, also behind no-.
  const whole = forms.find(({ row, forget }) => row.names.some((one) => (forget ? `no-${one}` : one) === name));
  if (whole) return whole;
  const names = [...new Set(forms.map(({ written }) => written))].sort().join(', ');
  throw new EhloError('usage', `option "${name}" is ambiguous (${where}): ${names}`);
}

function* formsOf(name: string): Generator<Found & { written: string }> {
  for (const row of swaksRows) {
    for (const one of row.names) {
      if (one.startsWith(name)) yield { row, forget: false, written: one };
      // -g cannot be taken back: the manual says so.
      if (one !== 'g' && `no-${one}`.startsWith(name)) yield { row, forget: true, written: `no-${one}` };
    }
  }
}

function argumentOf(
  row: SwaksRow,
  name: string,
  attached: string | undefined,
  next: string | undefined,
  where: string,
): { value: string | undefined; used: boolean } {
  switch (row.takes) {
    case 'none':
      if (attached === undefined) return { value: undefined, used: false };
      throw new EhloError('usage', `option ${name} does not take an argument (${where})`);
    case 'required': {
      const value = attached ?? next;
      if (value !== undefined) return { value, used: attached === undefined };
      throw new EhloError('usage', `option ${name} requires an argument (${where})`);
    }
    case 'number':
      if (attached !== undefined && !/^\d+$/.test(attached)) {
        throw new EhloError('usage', `option ${name} takes a number, not "${attached}" (${where})`);
      }
      return /^\d+$/.test(attached ?? next ?? '')
        ? { value: attached ?? next, used: attached === undefined }
        : { value: undefined, used: false };
    case 'optional':
      if (attached !== undefined) return { value: attached, used: false };
      if (next === undefined || (next !== '-' && looksLikeOption(next))) return { value: undefined, used: false };
      return { value: next, used: true };
  }
}

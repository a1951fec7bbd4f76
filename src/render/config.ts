// What `ehlo config` says to people: values with where they stand, files with what is wrong. Secrets come here masked.
import type { ErrorJson } from '../base/errors.ts';
import { safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { renderTable } from './table.ts';

export interface ShownFile {
  path: string;
  status: 'read' | 'absent' | 'denied' | 'wrong';
}

export interface ShownValue {
  name: string;
  value: string | readonly string[] | boolean;
  /** The file with its line, or the variable. */
  origin: string;
  /** Of [COMMAND] tables. */
  command: string | null;
}

const words: Readonly<Record<ShownFile['status'], { text: string; role: Role }>> = {
  read: { text: 'read', role: 'good' },
  absent: { text: 'not there', role: 'dim' },
  denied: { text: 'not readable for us, passed over', role: 'warn' },
  wrong: { text: 'wrong', role: 'bad' },
};

export const renderConfigFiles = (files: readonly ShownFile[], style: Style): string =>
  renderTable(
    files.map(({ path, status }) => [path, words[status]]),
    style,
  );

export function renderConfigValues(values: readonly ShownValue[], style: Style): string {
  if (values.length === 0) return 'no option is set in files or the environment\n';
  return renderTable(
    values.map(({ name, value, origin, command }) => [
      command === null ? name : `${command}: ${name}`,
      { text: typeof value === 'object' ? value.join(', ') : String(value), role: 'strong' },
      { text: origin, role: 'dim' },
    ]),
    style,
  );
}

export const renderConfigProblems = (problems: readonly Pick<ErrorJson, 'message' | 'hint'>[], style: Style): string =>
  problems
    .map(({ message, hint }) => {
      const next = hint === null ? '' : `   ${style('accent', 'hint:')} ${safe(hint)}\n`;
      return `${style('bad', '!!')} ${safe(message)}\n${next}`;
    })
    .join('');

/** One line: what a configuration says for one server, and that is not used for another. */
export function renderLeftOut(settings: readonly { name: string; origin: string }[], style: Style): string {
  const names = [...new Set(settings.map(({ name }) => name))].join(', ');
  const places = [...new Set(settings.map(({ origin }) => origin.replace(/:\d+(?=:|$)/, '')))].join(', ');
  return `${style('warn', 'note:')} ${safe(names)} of ${safe(places)} not used: they belong to another server\n`;
}

export const renderNotes = (notes: readonly string[], style: Style): string =>
  notes.map((note) => `${style('warn', 'note:')} ${safe(note)}\n`).join('');

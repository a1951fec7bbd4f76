// The table of src/cli/option-names.ts as the commands of now define it.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { CommandModule } from '../../src/cli/command.ts';
import { optionKind } from '../../src/cli/option-kind.ts';
import { addGlobalOptions, layeredOptionsOf } from '../../src/cli/parse.ts';

const folder = new URL('../../src/cli/commands/', import.meta.url);

const isModule = (value: unknown): value is CommandModule =>
  typeof value === 'object' && value !== null && ('define' in value || 'front' in value);

/** Commands that take their options from the layers. */
export async function layeredCommands(): Promise<[string, Command][]> {
  const found: [string, Command][] = [];
  for (const file of readdirSync(fileURLToPath(folder)).sort()) {
    const exported: Record<string, unknown> = await import(new URL(file, folder).href);
    const module = Object.values(exported).find(isModule);
    if (!module || 'front' in module || module.layers === false) continue;
    const command = new Command(file.replace(/\.ts$/, ''));
    module.define(command);
    found.push([command.name(), command]);
  }
  return found;
}

/** name -> kind -> commands, everything sorted. */
export async function optionTable(): Promise<Record<string, Record<string, string>>> {
  const table = new Map<string, Map<string, string[]>>();
  const add = (owner: string, command: Command): void => {
    for (const [name, option] of layeredOptionsOf(command)) {
      const uses = table.get(name) ?? new Map<string, string[]>();
      const kind = optionKind(option);
      uses.set(kind, [...(uses.get(kind) ?? []), owner]);
      table.set(name, uses);
    }
  };
  const globals = new Command();
  addGlobalOptions(globals);
  add('*', globals);
  for (const [name, command] of await layeredCommands()) add(name, command);
  const names = [...table].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    names.map(([name, uses]) => [
      name,
      Object.fromEntries([...uses].sort().map(([kind, owners]) => [kind, owners.join(' ')])),
    ]),
  );
}

export function printOptionTable(table: Record<string, Record<string, string>>): string {
  const word = (text: string): string => (/^[a-z]\w*$/i.test(text) ? text : `'${text}'`);
  return Object.entries(table)
    .map(([name, uses]) => {
      const kinds = Object.entries(uses).map(([kind, owners]) => `${kind}: '${owners}'`);
      return `  ${word(name)}: { ${kinds.join(', ')} },\n`;
    })
    .join('');
}

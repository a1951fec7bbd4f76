// Options as rows of a table: how commands define theirs, group by group.
import type { Command } from 'commander';

export interface OptionRow {
  flags: string;
  says: string;
  repeatable?: true;
}

export interface OptionGroup {
  heading: string;
  rows: readonly OptionRow[];
}

export function addOptionGroups(command: Command, groups: readonly OptionGroup[]): void {
  for (const { heading, rows } of groups) {
    command.optionsGroup(heading);
    for (const { flags, says, repeatable } of rows) {
      if (repeatable) command.option(flags, says, collect);
      else command.option(flags, says);
    }
  }
}

/** For options that may be repeated. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

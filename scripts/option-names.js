// Writes the table of src/cli/option-names.ts anew, from what the commands define: node --import tsx scripts/option-names.js
import { readFileSync, writeFileSync } from 'node:fs';
import { optionTable, printOptionTable } from '../test/support/option-table.ts';

const file = new URL('../src/cli/option-names.ts', import.meta.url);
const [head, , tail] = readFileSync(file, 'utf8').split(/^(?: {2}\/\/ table: .*\n)([\s\S]*?)(?= {2}\/\/ end)/m);
const table = printOptionTable(await optionTable());
writeFileSync(file, `${head}  // table: made by scripts/option-names.js\n${table}${tail}`);

// Law: the static table of option names is what the commands define, and the rules over it name what exists.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { childEnvironment } from '../../src/app/serve-events.ts';
import { readEnvironment } from '../../src/cli/environment.ts';
import { kindsAt, kindsOf, optionNames } from '../../src/cli/option-names.ts';
import { layeredCommands, optionTable, printOptionTable } from '../support/option-table.ts';

const source = readFileSync(new URL('../../src/cli/option-names.ts', import.meta.url), 'utf8');

test('the table of option names is what the commands define', async () => {
  const wanted = printOptionTable(await optionTable()).split('\n');
  const written = (/^ {2}\/\/ table: .*\n([\s\S]*?) {2}\/\/ end/m.exec(source)?.[1] ?? '').split('\n');
  const missing = wanted.filter((row) => !written.includes(row));
  const outdated = written.filter((row) => !wanted.includes(row));
  assert.deepEqual({ missing, outdated }, { missing: [], outdated: [] }, 'node --import tsx scripts/option-names.js');
  assert.deepEqual(written, wanted);
});

test('a command has one kind for each name', async () => {
  for (const [command] of await layeredCommands()) {
    for (const name of optionNames()) assert.ok(kindsOf(name, command).length <= 1, `${command} --${name}`);
  }
  assert.equal(kindsAt('send').get('cc'), 'list');
  assert.equal(kindsAt('send').get('pipelining'), 'negatable');
  assert.equal(kindsAt('send').get('smtp'), undefined);
  assert.deepEqual(kindsOf('auth').sort(), ['list', 'value']);
  assert.deepEqual(kindsOf('no-such-thing'), []);
});

test('where the configuration is cannot be said in the configuration', () => {
  for (const name of ['config', 'profile', 'help', 'version']) assert.deepEqual(kindsOf(name), [], name);
});

test('what serve gives to the command beside it is no option, but for the resolver, which is meant', () => {
  const listener = { host: '127.0.0.1', port: 1, url: 'x://127.0.0.1:1' };
  const dns = { host: '127.0.0.1', port: 1, server: '127.0.0.1:1' };
  const given = childEnvironment({ event: 'ready', smtp: listener, pop3: listener, dns, pid: 1 });
  for (const name of ['EHLO_SMTP_URL', 'EHLO_SMTP_HOST', 'EHLO_SMTP_PORT', 'EHLO_POP3_URL', 'EHLO_API_URL']) {
    assert.equal(readEnvironment({ ...given, [name]: 'x' }).size, 1, name);
  }
  assert.deepEqual([...readEnvironment(given).keys()], ['dns']);
});

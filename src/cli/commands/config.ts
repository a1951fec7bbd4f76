// `ehlo config`: writes, shows and checks the configuration. How it is read for the other commands is in ../layers.ts.
import type { Command } from 'commander';
import { reportHead } from '../../app/report.ts';
import { readAll } from '../../base/bytes.ts';
import { EhloError } from '../../base/errors.ts';
import { exitCodes } from '../../base/exit.ts';
import { configFileLimit } from '../../base/limits.ts';
import type { Context, OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { type LayerChoice, userConfigPath } from '../layers.ts';
import { type OptionValues, optionValues } from '../option-values.ts';

type Action = (file: string | undefined, values: OptionValues, context: Context) => Promise<number>;

const actions: Readonly<Record<string, Action>> = { init, show, check, import: importFile };

export const configCommand: OptionCommand = {
  // It must work where the configuration does not.
  layers: false,

  define(command: Command): void {
    introduce(command, 'write, show and check the configuration, or take over one of msmtp', [
      { line: 'ehlo config init', says: 'write a first file, all comments, for only you to read' },
      { line: 'ehlo config show -P work', says: 'every option in force with profile work, and where it stands' },
      { line: 'ehlo config check', says: 'read all files and list every problem; exit 78 when there is one' },
      { line: 'ehlo config import ~/.msmtprc -o ~/.config/ehlo/config.toml', says: "msmtp's accounts as profiles" },
    ]);
    command
      .argument('<action>', 'init, show, check or import')
      .argument('[file]', 'import: the configuration of msmtp; - is standard input')
      .option('-o, --output <file>', 'init, import: write this file; nothing is overwritten');
  },

  async run([word = '', file], options, context) {
    const action = Object.hasOwn(actions, word) ? actions[word] : undefined;
    if (!action) {
      throw new EhloError('usage', `"${word}" is no action of config`, {
        hint: `the actions are ${Object.keys(actions).join(', ')}`,
      });
    }
    const values = optionValues(options);
    if (word !== 'import' && file !== undefined)
      throw new EhloError('usage', `config ${word} takes no file: "${file}"`);
    if ((word === 'show' || word === 'check') && values.text('output') !== undefined) {
      throw new EhloError('usage', `--output belongs to init and import, not to ${word}`);
    }
    return action(file, values, context);
  },
};

const choiceOf = (values: OptionValues): LayerChoice => ({
  config: values.text('config'),
  profile: values.text('profile'),
});

async function init(_file: string | undefined, values: OptionValues, context: Context): Promise<number> {
  const [{ starterConfig }, { writeNewConfig }] = await Promise.all([
    import('../config-starter.ts'),
    import('../../store/config-write.ts'),
  ]);
  const path = values.text('output') ?? userConfigPath(context.env);
  if (path === undefined) {
    throw new EhloError('cannot-create', 'there is no home directory for a configuration', { hint: 'add -o FILE' });
  }
  await writeNewConfig(path, starterConfig);
  return wrote({ action: 'init', file: path }, `wrote ${path}`, context);
}

/** The report of what was written. */
async function wrote(facts: { action: string; file: string }, text: string, context: Context): Promise<number> {
  const report = { ...reportHead('config', 'OK'), ...facts };
  if (context.format !== 'human') await writeJson(report, context);
  else if (context.verbosity >= 0) {
    const { safe } = await import('../../render/safe.ts');
    context.stdout.write(`${safe(text)}\n`);
  }
  return report.exit.code;
}

async function writeJson(report: object, { format, stdout }: Context): Promise<void> {
  const { jsonDocument, jsonLine } = await import('../../render/json.ts');
  stdout.write(format === 'json' ? jsonDocument(report) : jsonLine({ event: 'report', ...report }));
}

async function show(_file: string | undefined, values: OptionValues, context: Context): Promise<number> {
  const { showConfig } = await import('../config-report.ts');
  const report = await showConfig(choiceOf(values), context.env);
  if (context.format !== 'human') await writeJson(report, context);
  else {
    const { renderConfigFiles, renderConfigValues } = await import('../../render/config.ts');
    const { stdout } = context;
    stdout.write(`${renderConfigFiles(report.files, stdout.style)}\n`);
    stdout.write(renderConfigValues(report.values, stdout.style));
  }
  return report.exit.code;
}

async function check(_file: string | undefined, values: OptionValues, context: Context): Promise<number> {
  const { checkConfig } = await import('../config-report.ts');
  const report = checkConfig(choiceOf(values), context.env);
  // Every problem is bad configuration here, a missing file too.
  const exit = report.problems.length > 0 ? { code: exitCodes.CONFIG, name: 'CONFIG' } : report.exit;
  if (context.format !== 'human') await writeJson({ ...report, exit }, context);
  else if (context.verbosity >= 0 || report.problems.length > 0) {
    const { renderConfigFiles, renderConfigProblems } = await import('../../render/config.ts');
    const { stdout } = context;
    stdout.write(renderConfigFiles(report.files, stdout.style) + renderConfigProblems(report.problems, stdout.style));
  }
  return exit.code;
}

async function importFile(file: string | undefined, values: OptionValues, context: Context): Promise<number> {
  if (file === undefined)
    throw new EhloError('usage', 'config import needs a file', { hint: 'ehlo config import ~/.msmtprc' });
  const target = values.text('output');
  if (target === undefined && context.format !== 'human') {
    throw new EhloError('usage', 'the imported configuration may hold a secret, which is in no JSON', {
      hint: 'add -o FILE',
    });
  }
  const source = await context.ports.files.read(file);
  if ((source.size ?? 0) > configFileLimit) throw new EhloError('config', `${file} is too large to be a configuration`);
  const text = utf8(file, await readAll(source));
  const [{ convertMsmtprc, parseMsmtprc }, { printProfile }, { renderNotes }] = await Promise.all([
    import('../msmtprc.ts'),
    import('../toml-print.ts'),
    import('../../render/config.ts'),
  ]);
  const { profiles, notes } = convertMsmtprc(parseMsmtprc(text, file), file);
  if (profiles.length === 0)
    throw new EhloError('config', `${file} has no account`, { hint: 'is it a configuration of msmtp?' });
  const toml = profiles.map(printProfile).join('\n');
  if (target !== undefined) await (await import('../../store/config-write.ts')).writeNewConfig(target, toml);
  if (context.format === 'human') context.stderr.write(renderNotes(notes, context.stderr.style));
  if (target === undefined) {
    context.stdout.write(toml);
    return exitCodes.OK;
  }
  const facts = { action: 'import', file: target, profiles: profiles.map(({ name }) => name), notes };
  return wrote(
    facts,
    `wrote ${target} with ${profiles.length === 1 ? 'one profile' : `${profiles.length} profiles`}`,
    context,
  );
}

function utf8(name: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new EhloError('config', `${name} is not valid UTF-8`, { cause });
  }
}

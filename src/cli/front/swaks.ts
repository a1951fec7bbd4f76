// `ehlo swaks`: options in layers, a message, one run of the engine, and all of it told as swaks tells it.
import { asEhloError, EhloError } from '../../base/errors.ts';
import { version } from '../../base/version.ts';
import type { Context } from '../command.ts';
import { complain } from './swaks-complaint.ts';
import { codeOfError, swaksExitCodes } from './swaks-exit.ts';
import { SwaksInput } from './swaks-input.ts';
import { readSwaksLayers } from './swaks-layers.ts';
import { openPrinter, type SwaksPrinter } from './swaks-printer.ts';
import { buildSwaksRequest, wireBytes } from './swaks-request.ts';
import { runSwaks } from './swaks-run.ts';
import { askForMissing, SwaksSettings } from './swaks-settings.ts';

export async function swaks(argv: readonly string[], context: Context): Promise<number> {
  let printer: SwaksPrinter | undefined;
  try {
    const given = new SwaksSettings(await readSwaksLayers(argv, { env: context.env, readText: readTextOf }));
    const passwords = given.texts('auth-password');
    for (const password of passwords) context.scrubber.add(password);
    // In argv it shows in every process list.
    if (passwords.length > 0) process.title = 'ehlo';
    const early = await earlyText(given);
    if (early !== undefined) {
      context.stdout.write(early);
      return swaksExitCodes.OK;
    }
    const input = new SwaksInput(context);
    const settings = await askForMissing(given.all, (question, sensitive) => input.ask(question, sensitive));
    const out = await openPrinter(settings, context);
    printer = out;
    const warn = (text: string): void => out.line({ kind: 'error', text });
    const built = await buildSwaksRequest(settings, { argv, context, input, warn });
    if (settings.has('dump-mail')) out.plain(wireBytes(built.message));
    if (settings.has('dump')) out.plain(built.dump(settings.text('dump') ?? ''));
    if (settings.has('dump-mail') || settings.has('dump')) return swaksExitCodes.OK;
    return await runSwaks(built, settings, out, context);
  } catch (thrown) {
    const error = asEhloError(thrown);
    // A bug is not for swaks's codes.
    if (error.kind === 'internal') throw error;
    complain(error, printer, context);
    return codeOfError(error, { connected: false, startTls: false, xclient: false });
  } finally {
    printer?.close();
  }
}

const readTextOf = async (path: string): Promise<string | undefined> => {
  const { readConfigSource } = await import('../../store/config-source.ts');
  const found = readConfigSource(path);
  if (found.access === 'present') return found.source.text;
  if (found.access === 'absent') return undefined;
  throw new EhloError('config', `${path} may not be read`);
};

async function earlyText(settings: SwaksSettings): Promise<string | undefined> {
  if (settings.has('help')) return (await import('./swaks-help.ts')).swaksHelp;
  if (settings.has('version')) return `ehlo ${version}, with the options of swaks 20201014\n`;
  if (settings.has('support')) return (await import('./swaks-dump.ts')).swaksSupport;
  return undefined;
}

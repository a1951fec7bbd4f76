// The settings of one run as the groups ask for them: the last one of a name counts, some count each.
import { EhloError } from '../../base/errors.ts';
import { rowOf } from './swaks-table.ts';
import type { Setting } from './swaks-words.ts';

export class SwaksSettings {
  readonly all: readonly Setting[];

  constructor(all: readonly Setting[]) {
    this.all = all;
  }

  has(name: string): boolean {
    return this.all.some((one) => one.name === name);
  }

  /** Undefined where it was not given, or without argument. */
  text(name: string): string | undefined {
    return this.all.findLast((one) => one.name === name)?.value;
  }

  /** The arguments of all of that name. */
  texts(name: string): string[] {
    return this.all.flatMap((one) => (one.name === name && one.value !== undefined ? [one.value] : []));
  }
}

/** Asks for whatever was left out where a question belongs to it, once each, in the order given. */
export async function askForMissing(
  settings: readonly Setting[],
  ask: (question: string, sensitive: boolean) => Promise<string>,
): Promise<SwaksSettings> {
  const answered: Setting[] = [];
  for (const [index, setting] of settings.entries()) {
    const row = rowOf(setting.name);
    const last = !settings.slice(index + 1).some((one) => one.name === setting.name);
    const wanted = row?.asks !== undefined && (setting.value === undefined || setting.value === '');
    const counts = last || stacking.has(setting.name);
    answered.push(
      wanted && counts ? { ...setting, value: await ask(row.asks ?? '', row.sensitive === true) } : setting,
    );
  }
  return new SwaksSettings(answered);
}

/** Each of these counts, not only the last. */
const stacking: ReadonlySet<string> = new Set(['attach', 'attach-body', 'header', 'add-header', 'xclient']);

export const usage = (message: string, hint?: string): EhloError =>
  new EhloError('usage', message, hint === undefined ? {} : { hint });

/** For what swaks can do and the engine here cannot yet: said, never left out. */
export const notYet = (option: string, why: string): EhloError =>
  new EhloError('usage', `${option} is not possible yet: ${why}`, {
    hint: 'nothing was sent; see docs/coming-from-swaks.md',
  });

// The options of a template and of a mail merge, and what they come to.
import { parseRate } from '../app/pace.ts';
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import type { OptionGroup } from './option-rows.ts';
import type { OptionValues } from './option-values.ts';

export const mergeOptionRows: OptionGroup = {
  heading: 'Template and mail merge:',
  rows: [
    {
      flags: '--template <file>',
      says: 'header fields, an empty line, the body; {{name}} stands for a value of --data or --csv',
    },
    { flags: '--data <file.json>', says: 'values for {{name}} and {{a.b}} in the template and in every option above' },
    { flags: '--csv <file|->', says: 'one message a row; {{column}} in any field' },
    {
      flags: '--csv-delimiter <char>',
      says: 'what parts the columns: a character, or tab (default: comma, else as the header row has it)',
    },
    { flags: '--csv-key <column>', says: 'the column that names a row in the report (default: all its values)' },
    { flags: '--report <file>', says: 'a journal; the same command again goes on with what was not accepted' },
    {
      flags: '--resend-unknown',
      says: 'send rows again whose outcome an earlier run does not know: they may arrive twice',
    },
    { flags: '--resend-rejected', says: 'send rows again that an earlier run saw refused for good' },
    { flags: '--rate <n/s|n/m|n/h>', says: 'at most so many messages a second, minute or hour' },
    {
      flags: '--jobs <n>',
      says: `so many at the same time, each over its own connection (default 1, at most ${mergeLimits.jobs})`,
    },
    { flags: '--stop-after <n>', says: 'begin no further row after so many failures (default: go on)' },
  ],
};

/** A template is wanted, for one message. */
export const wantsTemplate = (options: OptionValues): boolean =>
  options.text('template') !== undefined || options.text('data') !== undefined;

/** Many messages are wanted. Throws 'usage' for options that mean something only then. */
export function wantsMerge(options: OptionValues): boolean {
  if (options.text('csv') !== undefined) return true;
  const lost = [...merging, ...mergingFlags].find(
    (name) => !options.layered(name) && (options.text(name) !== undefined || options.flag(name)),
  );
  if (lost) throw new EhloError('usage', `--${lost} needs --csv`, { hint: 'see ehlo send --help' });
  return false;
}

const merging = ['csv-delimiter', 'csv-key', 'report', 'rate', 'jobs', 'stop-after'];
const mergingFlags = ['resend-unknown', 'resend-rejected'];

export interface MergeOptions {
  csv: string;
  delimiter: string | undefined;
  key: string | undefined;
  report: string | undefined;
  resend: { unknown: boolean; rejected: boolean };
  /** Milliseconds between two messages. */
  spacing: number;
  jobs: number;
  stopAfter: number | undefined;
}

export function parseMergeOptions(options: OptionValues): MergeOptions {
  const clash = ['raw', 'raw-bytes'].find((name) => options.text(name) !== undefined);
  if (clash) throw new EhloError('usage', `--csv and --${clash} exclude each other: a raw message takes no values`);
  return {
    csv: options.text('csv') ?? '',
    delimiter: options.parsed('csv-delimiter', parseDelimiter),
    key: options.text('csv-key'),
    report: options.text('report'),
    resend: { unknown: options.flag('resend-unknown'), rejected: options.flag('resend-rejected') },
    spacing: options.parsed('rate', parseRate) ?? 0,
    jobs: options.parsed('jobs', (text) => parseCount(text, mergeLimits.jobs)) ?? 1,
    stopAfter: options.parsed('stop-after', (text) => parseCount(text, 1_000_000_000)),
  };
}

const delimiterWords: Record<string, string> = { tab: '\t', '\\t': '\t', comma: ',', semicolon: ';' };

function parseDelimiter(text: string): string {
  const found = delimiterWords[text] ?? text;
  if (/^[^"\r\n\p{L}\p{N}]$/u.test(found) && Buffer.byteLength(found) === 1) return found;
  throw new EhloError('usage', `"${text}" parts no columns; give one character such as , ; | or the word tab`);
}

function parseCount(text: string, max: number): number {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  throw new EhloError('usage', `"${text}" is not a number from 1 to ${max}`);
}

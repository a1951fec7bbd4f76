// Which lines of the transcript are shown, and where: the output options of swaks over render/swaks.ts.
import { peerText } from '../../base/bytes.ts';
import { safe } from '../../render/safe.ts';
import { renderSwaksLine, type SwaksLine } from '../../render/swaks.ts';
import type { Context } from '../command.ts';
import { type SwaksSettings, usage } from './swaks-settings.ts';

type Sink = (text: string | Buffer) => void;

export interface SwaksPrinter {
  line(line: SwaksLine): void;
  /** What was asked for as it is: --dump, --dump-mail. No option hides it; on a terminal it is made harmless. */
  plain(text: string | Buffer): void;
  /** Whether --show-raw-text was given. */
  raw: boolean;
  close(): void;
}

/** Throws 'cannot-create'. */
export async function openPrinter(settings: SwaksSettings, context: Context): Promise<SwaksPrinter> {
  const files: { close(): void }[] = [];
  const both = settings.text('output');
  const sinkFor = async (path: string | undefined, fallback: Sink): Promise<Sink> => {
    if (path === undefined) return fallback;
    if (path === '&STDOUT') return toStdout;
    if (path === '&STDERR') return (text) => context.stderr.write(text);
    const { openTranscriptFile } = await import('../../store/transcript-file.ts');
    const file = openTranscriptFile(path);
    files.push(file);
    return (text) => file.write(text);
  };
  const toStdout: Sink = (text) => context.stdout.write(text);
  const out = await sinkFor(settings.text('output-file-stdout') ?? both, toStdout);
  const shared = both !== undefined && !settings.has('output-file-stderr') && !settings.has('output-file-stdout');
  const errors = shared
    ? out
    : await sinkFor(settings.text('output-file-stderr') ?? both, (text) => context.stderr.write(text));
  const rules = readRules(settings);
  let failed = false;
  return {
    raw: settings.has('show-raw-text'),
    line(line) {
      const wrong = isWrong(line);
      failed ||= wrong;
      if (!rules.shows(line, failed)) return;
      (line.kind === 'error' ? errors : out)(renderSwaksLine(line, rules.bare(line)));
    },
    plain(text) {
      const isShown = out === toStdout && context.stdout.isTTY;
      out(isShown ? linesOf(Buffer.from(text)).map(safe).join('\n') : text);
    },
    close: () => {
      for (const file of files) file.close();
    },
  };
}

const linesOf = (bytes: Buffer): string[] => peerText(bytes).split('\n');

const isWrong = (line: SwaksLine): boolean =>
  line.kind === 'error' || ((line.kind === 'sent' || line.kind === 'received') && !line.expected);

interface Rules {
  /** `failed`: something has gone wrong, at the latest in this line. */
  shows(line: SwaksLine, failed: boolean): boolean;
  bare(line: SwaksLine): boolean;
}

function readRules(settings: SwaksSettings): Rules {
  const silent = readSilent(settings);
  const hidden: Partial<Record<SwaksLine['kind'], boolean>> = {
    info: settings.has('hide-informational'),
    sent: settings.has('hide-send'),
    'raw-sent': settings.has('hide-send'),
    received: settings.has('hide-receive'),
    'raw-received': settings.has('hide-receive'),
  };
  const noHints = settings.has('no-hints');
  const bare: Partial<Record<SwaksLine['kind'], boolean>> = {
    info: settings.has('no-info-hints'),
    sent: noHints || settings.has('no-send-hints'),
    'raw-sent': noHints || settings.has('no-send-hints'),
    received: noHints || settings.has('no-receive-hints'),
    'raw-received': noHints || settings.has('no-receive-hints'),
  };
  const nothing = settings.has('hide-all') || silent >= 3;
  return {
    shows(line, failed) {
      if (nothing || hidden[line.kind]) return false;
      if (silent === 2) return isWrong(line);
      return silent === 0 || failed;
    },
    bare: (line) => bare[line.kind] === true,
  };
}

function readSilent(settings: SwaksSettings): number {
  if (!settings.has('silent')) return 0;
  const level = Number(settings.text('silent') ?? 1);
  if (level >= 0 && level <= 3) return level;
  throw usage(`--silent takes 1, 2 or 3, not ${level}`);
}

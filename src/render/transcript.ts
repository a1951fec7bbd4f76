// A conversation for people: two-character gutters as in swaks, `~` in place of `-` where TLS covers the line.
import type { TranscriptEvent } from '../wire/transcript.ts';
import { safe } from './safe.ts';
import type { Role, Style } from './style.ts';
import { printDuration } from './units.ts';

export interface TranscriptOptions {
  /** In front of each line: the time since the transcript began. */
  times?: boolean;
}

const gutters = {
  out: { plain: '->', tls: '~>', role: 'accent' },
  in: { plain: '<-', tls: '<~', role: 'good' },
  info: { plain: '==', tls: '==', role: 'dim' },
} as const satisfies Record<TranscriptEvent['dir'], { plain: string; tls: string; role: Role }>;

/** One line. Secrets were replaced by `<secret>` when the event was made, not here. */
export function renderEvent(event: TranscriptEvent, style: Style, options: TranscriptOptions = {}): string {
  const gutter = gutters[event.dir];
  const time = options.times ? `${style('dim', printDuration(event.t).padStart(7))} ` : '';
  const role = event.dir === 'in' && /^[45]/.test(event.text) ? 'bad' : gutter.role;
  const text = safe(event.text);
  return `${time}${style(role, event.tls ? gutter.tls : gutter.plain)} ${event.dir === 'info' ? style('dim', text) : text}\n`;
}

export const renderTranscript = (
  events: readonly TranscriptEvent[],
  style: Style,
  options: TranscriptOptions = {},
): string => events.map((event) => renderEvent(event, style, options)).join('');

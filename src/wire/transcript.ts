// What was said, as data: one event a line, with its time, stage and whether TLS covered it. Renderers make the gutters.
import { transcriptEvents } from '../base/limits.ts';
import { Scrubber } from '../base/secret.ts';

export interface TranscriptEvent {
  /** Milliseconds since the transcript began. */
  t: number;
  dir: 'out' | 'in' | 'info';
  tls: boolean;
  stage: string;
  /** One line without its line end. Bytes above 0x7f are UTF-8 where they are valid UTF-8, else latin1. Still untrusted. */
  text: string;
  /** Present where something secret was replaced before it was kept. */
  secret?: true;
}

export class Transcript {
  readonly events: TranscriptEvent[] = [];
  /** Secrets of this conversation; they are taken out of every event, also of what the peer echoes. */
  readonly scrubber: Scrubber;
  /** Events over the limit: counted, not kept. */
  dropped = 0;
  readonly #now: () => number;
  readonly #start: number;
  /** Told of each event. A conversation that goes on for somebody else gets another one. */
  listener: ((event: TranscriptEvent) => void) | undefined;

  constructor(
    now: () => number,
    options: { scrubber?: Scrubber; listener?: ((event: TranscriptEvent) => void) | undefined } = {},
  ) {
    this.#now = now;
    this.#start = now();
    this.scrubber = options.scrubber ?? new Scrubber();
    this.listener = options.listener;
  }

  add(dir: TranscriptEvent['dir'], stage: string, text: string, facts: { tls?: boolean; secret?: boolean } = {}): void {
    if (this.events.length >= transcriptEvents) {
      this.dropped++;
      return;
    }
    const event: TranscriptEvent = {
      t: Math.round((this.#now() - this.#start) * 1000) / 1000,
      dir,
      tls: facts.tls ?? false,
      stage,
      text: this.scrubber.scrub(text),
    };
    if (facts.secret) event.secret = true;
    this.events.push(event);
    this.listener?.(event);
  }
}

// stdout and stderr as commands see them. Opened on first use: a command that says nothing on stderr does not pay for it.
import type { Style } from '../render/style.ts';
import type { Output } from './command.ts';

export class StreamOutput implements Output {
  /** Colours are known only once the options are. */
  style: Style;
  /** Something was written: a second JSON document would spoil the first. */
  used = false;
  readonly #open: () => NodeJS.WriteStream;
  readonly #onFailure: (failure: NodeJS.ErrnoException) => void;
  #stream: NodeJS.WriteStream | undefined;
  #broken = false;

  constructor(open: () => NodeJS.WriteStream, style: Style, onFailure: (failure: NodeJS.ErrnoException) => void) {
    this.#open = open;
    this.style = style;
    this.#onFailure = onFailure;
  }

  write(text: string | Buffer): void {
    if (this.#broken || text.length === 0) return;
    this.used = true;
    this.#get().write(text);
  }

  get isTTY(): boolean {
    return this.#get().isTTY === true;
  }

  get width(): number {
    return this.#get().columns || 80;
  }

  /** Resolves once everything written so far was handed on, or never can be. */
  drained(): Promise<void> {
    const stream = this.#stream;
    if (!stream || this.#broken || stream.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => stream.write('', () => resolve()));
  }

  #get(): NodeJS.WriteStream {
    if (this.#stream) return this.#stream;
    this.#stream = this.#open();
    // Without a listener `| head -1` would end in a stack trace.
    this.#stream.on('error', (failure) => {
      this.#broken = true;
      this.#onFailure(failure);
    });
    return this.#stream;
  }
}

// How a value is written in each kind of place, so that data stays data: no tag in HTML, no second header, no second address,
// no path out of its folder. The places are chosen by what a field is (app/merge-input.ts).
import { EhloError } from '../base/errors.ts';
import { checkLine } from './draft.ts';
import type { Template } from './template.ts';
import { expandTemplate, type Sink, type Values } from './template-expand.ts';

export type PlaceName = 'text' | 'html' | 'line' | 'address' | 'recipient' | 'path';

interface Place extends Sink {
  /** All has come. */
  end?(): void;
}

/** Throws 'bad-message' where a value cannot stand in such a place. */
export function fillTemplate(template: Template, values: Values, place: PlaceName): string {
  let out = '';
  const add = (text: string): void => {
    out += text;
  };
  const sink = places[place](add, template);
  expandTemplate(template, values, sink);
  sink.end?.();
  return out;
}

const places: Record<PlaceName, (add: (text: string) => void, template: Template) => Place> = {
  text: (add) => ({ text: add, value: add }),
  html: (add) => ({ text: add, value: (text, { raw }) => add(raw ? text : escapeHtml(text)) }),
  line: (add) => lineSink(add),
  address: (add, { alone }) => (alone ? lineSink(add) : new AddressSink(add)),
  recipient: (add, template) => recipientSink(add, template),
  path: (add, template) => pathSink(add, template),
};

const lineSink = (add: (text: string) => void): Sink => ({
  text: add,
  value: (text, { name }) => {
    checkLine(text, `the value of "${name}"`);
    add(text);
  },
});

/** An address with options of its own behind a `?` (`a@x?notify=never`): where they begin it is a quoted local part or none. */
const beginsOptions = /^(?:"(?:[^"\\]|\\.)*"|[^@"])*@[^?@]+\?/s;

/** Options are the template's to give: a value neither begins them nor adds one. */
function recipientSink(add: (text: string) => void, { where }: Template): Sink {
  let before = '';
  const take = (text: string): void => {
    before += text;
    add(text);
  };
  return {
    text: take,
    value: (text, { name }) => {
      checkLine(text, `the value of "${name}"`);
      if (beginsOptions.test(before) ? text.includes('&') : beginsOptions.test(before + text)) {
        throw new EhloError('bad-address', `${where}: the value of "${name}", ${JSON.stringify(text)}, holds options`, {
          hint: 'nothing was sent; write options behind the value: {{email}}?notify=never',
        });
      }
      take(text);
    },
  };
}

/** The whole name from the data is what the user asked for; a part of it must not lead elsewhere. */
function pathSink(add: (text: string) => void, { alone, where }: Template): Sink {
  /** The value that the name begins with, as long as nothing has come of it. */
  let empty: string | undefined;
  let begun = false;
  const refuse = (name: string): EhloError =>
    new EhloError('bad-message', `the value of "${name}" would lead out of the folder in ${where}`, {
      hint: 'nothing was sent; a value inside of a file name holds no / and no \\, and is not empty in front of a /',
    });
  return {
    text: (text) => {
      if (!begun && empty !== undefined && text.startsWith('/')) throw refuse(empty);
      begun ||= text !== '';
      add(text);
    },
    value: (text, { name }) => {
      checkLine(text, `the value of "${name}"`);
      if (!alone && (/[/\\]/.test(text) || text === '..' || text === '.')) throw refuse(name);
      if (text === '') empty ??= name;
      begun ||= text !== '';
      add(text);
    },
  };
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char] ?? char);

/** What would begin another address, a comment or a group; in a name it goes into quotes (RFC 5322 3.2.4). */
const special = /[,;:<>()"\\]/;
/** In front of `<` stands a name, and there even a dot or an @ needs quotes. */
const specialInName = /[,;:<>()"\\@.[\]]/;

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** `{{name}} <{{email}}>`: whatever the name holds, it stays one name. A value that is the whole field may be a list. */
class AddressSink implements Place {
  readonly #add: (text: string) => void;
  /** Since the last comma or bracket: what these are is known at the next one. */
  #held: { text: string; isValue: boolean }[] = [];
  #quoted = false;
  #escaped = false;

  constructor(add: (text: string) => void) {
    this.#add = add;
  }

  text(text: string): void {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text[at];
      if (this.#escaped) this.#escaped = false;
      else if (this.#quoted && char === '\\') this.#escaped = true;
      else if (char === '"') this.#quoted = !this.#quoted;
      else if (!this.#quoted && (char === '<' || char === '>' || char === ',')) {
        this.#held.push({ text: text.slice(from, at), isValue: false });
        this.#release(char === '<' ? specialInName : special);
        from = at;
      }
    }
    this.#held.push({ text: text.slice(from), isValue: false });
  }

  value(text: string, { name }: { name: string }): void {
    checkLine(text, `the value of "${name}"`);
    if (this.#quoted) this.#held.push({ text: text.replace(/["\\]/g, '\\$&'), isValue: false });
    else this.#held.push({ text, isValue: true });
  }

  end(): void {
    this.#release(special);
  }

  #release(needsQuotes: RegExp): void {
    for (const { text, isValue } of this.#held) this.#add(isValue && needsQuotes.test(text) ? quote(text) : text);
    this.#held = [];
  }
}

// Values that must never be printed, and the scrubber that takes them out of text that a peer or the system echoes.

/** A value that prints as `<secret>` wherever it ends up by accident: templates, JSON, util.inspect. */
export class Secret<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return mask;
  }
  toJSON(): string {
    return mask;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return mask;
  }
}

export const mask = '<secret>';

/** Secrets this short are not searched for: masking every `a` would hide the text and tell the secret. */
const shortest = 4;

/** Takes known secrets out of text: as they are, percent- and quoted-encoded, and as base64 in any of the three alignments. */
export class Scrubber {
  readonly #forms = new Set<string>();

  add(secret: string | Buffer): void {
    const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret;
    if (bytes.length < shortest) return;
    const text = bytes.toString('utf8');
    this.#forms.add(text);
    this.#forms.add(bytes.toString('latin1'));
    this.#forms.add(encodeURIComponent(text));
    this.#forms.add(JSON.stringify(text).slice(1, -1));
    this.#forms.add(bytes.toString('hex'));
    for (const form of base64Forms(bytes)) this.#forms.add(form);
  }

  scrub(text: string): string {
    if (this.#forms.size === 0) return text;
    // The longest first: a form may hold another one.
    for (const form of [...this.#forms].sort((a, b) => b.length - a.length)) text = text.replaceAll(form, mask);
    return text;
  }
}

/** What of the secret's base64 does not depend on the bytes around it, for each position in a group of three. */
function base64Forms(bytes: Buffer): string[] {
  const forms = [bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, '')];
  for (const shift of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const head = shift === 0 ? 0 : shift + 1;
    const tail = (shift + bytes.length) % 3 === 0 ? encoded.length : encoded.length - 1;
    const stable = encoded.slice(head, tail);
    if (stable.length >= shortest + 2) forms.push(stable);
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

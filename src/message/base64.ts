// base64 bodies (RFC 2045 6.8) written as a stream: lines of 76 characters with CRLF, the same for any split of the input.

const lineBytes = 57;
const lineChars = 76;
const CRLF_LENGTH = 2;

/** Octets of the encoded form without a line end behind the last line. */
export const base64Size = (bytes: number): number => {
  const chars = Math.ceil(bytes / 3) * 4;
  const lines = Math.ceil(chars / lineChars);
  return chars + Math.max(0, lines - 1) * CRLF_LENGTH;
};

export class Base64Lines {
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;

  /** Whole lines of what has come so far; the last one is held back, since it ends without CRLF. */
  feed(chunk: Buffer): Buffer {
    const input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const whole = input.length - (input.length % lineBytes);
    this.#rest = Buffer.from(input.subarray(whole));
    return this.#lines(input.subarray(0, whole));
  }

  end(): Buffer {
    const last = this.#lines(this.#rest);
    this.#rest = Buffer.alloc(0);
    return last;
  }

  #lines(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const chars = Buffer.from(bytes.toString('base64'), 'latin1');
    const lines = Math.ceil(chars.length / lineChars);
    const out = Buffer.allocUnsafe(chars.length + lines * CRLF_LENGTH);
    let size = 0;
    for (let at = 0; at < chars.length; at += lineChars) {
      if (this.#begun) {
        out[size++] = 0x0d;
        out[size++] = 0x0a;
      }
      this.#begun = true;
      size += chars.copy(out, size, at, at + lineChars);
    }
    return out.subarray(0, size);
  }
}

/** All lines at once, CRLF between them, none behind the last. */
export function encodeBase64Lines(bytes: Buffer): Buffer {
  const lines = new Base64Lines();
  return Buffer.concat([lines.feed(bytes), lines.end()]);
}

// A table from 128-bit digests to small numbers: what a million rows are known by, in tens of bytes each instead of hundreds.

/** Octets of a digest that count. */
export const digestBytes = 16;

export class DigestTable {
  size = 0;
  #capacity = 1024;
  #digests = Buffer.alloc(this.#capacity * digestBytes);
  /** 0: the place is free; else the value and one. */
  #values = new Uint32Array(this.#capacity);

  get(digest: Buffer): number | undefined {
    const value = this.#values[this.#place(digest)] ?? 0;
    return value === 0 ? undefined : value - 1;
  }

  /** `value`: 0 to 2^32 - 2. */
  set(digest: Buffer, value: number): void {
    let place = this.#place(digest);
    if (this.#values[place] === 0) {
      if (this.size * 2 >= this.#capacity) {
        this.#grow();
        place = this.#place(digest);
      }
      digest.copy(this.#digests, place * digestBytes, 0, digestBytes);
      this.size++;
    }
    this.#values[place] = value + 1;
  }

  /** Where it is, or would be: linear probing from its first bits, which are as good as random. */
  #place(digest: Buffer): number {
    const mask = this.#capacity - 1;
    let place = digest.readUInt32LE(0) & mask;
    while (this.#values[place] !== 0) {
      const at = place * digestBytes;
      if (digest.compare(this.#digests, at, at + digestBytes, 0, digestBytes) === 0) return place;
      place = (place + 1) & mask;
    }
    return place;
  }

  #grow(): void {
    const [digests, values] = [this.#digests, this.#values];
    this.#capacity *= 2;
    this.#digests = Buffer.alloc(this.#capacity * digestBytes);
    this.#values = new Uint32Array(this.#capacity);
    for (const [old, value] of values.entries()) {
      if (value === 0) continue;
      const digest = digests.subarray(old * digestBytes, (old + 1) * digestBytes);
      const place = this.#place(digest);
      digest.copy(this.#digests, place * digestBytes);
      this.#values[place] = value;
    }
  }
}

// A message coming in at a server, by DATA or BDAT: counted, checked, handed to the store. Once refused, it keeps eating
// until the true end, so that a refusal never puts client and server out of step.
import { asEhloError, type EhloError } from '../base/errors.ts';
import type { Delivery, StoredMessage } from '../store/store.ts';
import type { BlockSink } from '../wire/wire.ts';
import { type Reply, reply } from './reply.ts';

const CR = 0x0d;
const LF = 0x0a;

const tooLarge = reply(552, '5.3.4', 'the message is larger than this server takes');
const bareLineEnd = reply(554, '5.6.11', 'the message has a bare CR or LF; lines end in CRLF');

/** A disk that is full now may not be later: 4xx, so that the client keeps the message (RFC 5321 4.2.3). */
export const storeFailure = (error: EhloError): Reply =>
  error.code === 'io'
    ? reply(452, '4.3.1', 'the message cannot be stored now')
    : reply(451, '4.3.0', 'an error on this side; try again later');

export class Incoming implements BlockSink {
  size = 0;
  refusal: Reply | undefined;
  readonly #delivery: Delivery;
  readonly #max: number;
  readonly #onProblem: ((error: EhloError) => void) | undefined;

  constructor(delivery: Delivery, max: number, onProblem: ((error: EhloError) => void) | undefined) {
    this.#delivery = delivery;
    this.#max = max;
    this.#onProblem = onProblem;
  }

  write(content: Buffer): void | Promise<void> {
    this.size += content.length;
    if (this.refusal) return;
    if (this.size > this.#max) return this.refuse(tooLarge);
    try {
      return this.#delivery.write(content)?.catch((thrown: unknown) => this.#fail(thrown));
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  /** The first refusal counts; what was written so far goes at once. */
  async refuse(refusal: Reply): Promise<void> {
    if (this.refusal) return;
    this.refusal = refusal;
    await this.#delivery.abort();
  }

  refuseBareEnds(report: { bareCr?: number | undefined; bareLf?: number | undefined }): Promise<void> | undefined {
    return report.bareCr === undefined && report.bareLf === undefined ? undefined : this.refuse(bareLineEnd);
  }

  /** Stores, if nothing has refused so far. */
  async finish(): Promise<StoredMessage | Reply> {
    if (this.refusal) return this.refusal;
    try {
      return await this.#delivery.commit();
    } catch (thrown) {
      const error = asEhloError(thrown);
      this.#onProblem?.(error);
      this.refusal = storeFailure(error);
      return this.refusal;
    }
  }

  #fail(thrown: unknown): Promise<void> {
    const error = asEhloError(thrown);
    if (!this.refusal) this.#onProblem?.(error);
    return this.refuse(storeFailure(error));
  }
}

/** Looks for bare CR and LF in content without dot-stuffing (BDAT without BINARYMIME is text still, RFC 3030 3). */
export class BareEnds {
  bareCr: number | undefined;
  bareLf: number | undefined;
  #offset = 0;
  #afterCr = false;

  feed(chunk: Buffer): void {
    let at = 0;
    if (this.#afterCr && chunk.length > 0) {
      if (chunk[0] === LF) at = 1;
      else this.bareCr ??= this.#offset - 1;
      this.#afterCr = false;
    }
    let lf = chunk.indexOf(LF, at);
    let cr = chunk.indexOf(CR, at);
    while (lf !== -1 || cr !== -1) {
      if (cr !== -1 && cr + 1 === lf) {
        lf = chunk.indexOf(LF, lf + 1);
        cr = chunk.indexOf(CR, cr + 1);
      } else if (cr !== -1 && (lf === -1 || cr < lf)) {
        if (cr === chunk.length - 1) {
          this.#afterCr = true;
          break;
        }
        this.bareCr ??= this.#offset + cr;
        cr = chunk.indexOf(CR, cr + 1);
      } else {
        this.bareLf ??= this.#offset + lf;
        lf = chunk.indexOf(LF, lf + 1);
      }
    }
    this.#offset += chunk.length;
  }

  end(): void {
    if (this.#afterCr) this.bareCr ??= this.#offset - 1;
  }
}

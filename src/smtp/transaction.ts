// One mail transaction of the client (RFC 5321 3.3, 2920, 2033): MAIL, RCPT, DATA in as few writes as the server allows,
// the body, the verdict; told per recipient. It does not throw for what the peer does: a transaction always has an outcome,
// and once the end of data went out and no verdict was read, that outcome is "unknown".
import { asEhloError, EhloError } from '../base/errors.ts';
import { turn } from '../wire/turn.ts';
import type { SmtpClient } from './client.ts';
import { type Envelope, envelopeCommands, type OutgoingMessage } from './envelope.ts';
import { type ReplyStage, verdictOf } from './phases.ts';
import { hearPrdr } from './prdr.ts';
import type { Reply } from './reply.ts';
import { sendBody } from './send-body.ts';
import { chunkSize, sendChunks } from './send-chunks.ts';

export type RecipientStatus = 'accepted' | 'rejected' | 'deferred' | 'unknown';

export interface RecipientOutcome {
  address: string;
  status: RecipientStatus;
  /** What decided it; null where no reply did (a lost connection, a broken protocol). */
  reply: Reply | null;
  stage: ReplyStage | 'body';
}

export interface TransactionOutcome {
  recipients: RecipientOutcome[];
  /** The verdict on the message, where one was read. */
  final: Reply | null;
  /** What broke, if anything did; refusals are not errors here. */
  error: EhloError | null;
  /** The session may go on with another transaction. */
  usable: boolean;
  notes: string[];
}

export interface TransactionOptions {
  /** 'abort': one refused recipient and nothing is sent (the others are then deferred). */
  onReject: 'continue' | 'abort';
  pipelining: boolean;
  /** A probe: ends after this stage, takes everything back, and `accepted` means "would go on". No message is needed. */
  until?: 'mail' | 'rcpt' | 'data';
  /** After a probe: without RSET. */
  leave?: 'reset' | 'as-is';
  /** BDAT where the server offers it, never (the default), or in chunks of so many octets. */
  bdat?: 'auto' | 'off' | number;
  prdr?: boolean;
  /** What the server does not offer is said all the same. */
  force?: boolean;
  /** MAIL says REQUIRETLS; that the session may is the caller's to know (RFC 8689 4.1). */
  requireTls?: boolean;
}

/** `message` may be null for a probe only. */
export async function transaction(
  client: SmtpClient,
  envelope: Envelope,
  message: OutgoingMessage | null,
  options: TransactionOptions,
): Promise<TransactionOutcome> {
  const run = new Transaction(client, envelope, message, options);
  return run.outcome();
}

class Transaction {
  readonly #client: SmtpClient;
  readonly #envelope: Envelope;
  readonly #message: OutgoingMessage | null;
  readonly #options: TransactionOptions;
  readonly #decided = new Map<number, RecipientOutcome>();
  #final: Reply | null = null;
  #dotSent = false;
  /** What ended the message, for the steps: a lone dot, or the last chunk's command. */
  #end = '.';
  #prdr = false;
  #usable = true;
  #notes: string[] = [];

  constructor(client: SmtpClient, envelope: Envelope, message: OutgoingMessage | null, options: TransactionOptions) {
    this.#client = client;
    this.#envelope = envelope;
    this.#message = message;
    this.#options = options;
  }

  async outcome(): Promise<TransactionOutcome> {
    let error: EhloError | null = null;
    try {
      await this.#converse();
    } catch (thrown) {
      error = this.#broken(asEhloError(thrown));
    }
    return {
      recipients: this.#envelope.to.map(
        (one, index) =>
          this.#decided.get(index) ?? {
            address: one.address,
            status: this.#dotSent ? 'unknown' : 'deferred',
            reply: null,
            stage: this.#dotSent ? 'dot' : 'rcpt',
          },
      ),
      final: this.#final,
      error,
      usable: this.#usable,
      notes: this.#notes,
    };
  }

  async #converse(): Promise<void> {
    const client = this.#client;
    const { until, prdr: wantsPrdr = false, force = false, requireTls = false } = this.#options;
    const prdr = wantsPrdr && client.protocol === 'smtp';
    const commands = envelopeCommands(this.#envelope, this.#message, client.extensions, { prdr, force, requireTls });
    this.#notes = commands.notes;
    if (wantsPrdr && !prdr) this.#notes.push('PRDR is for SMTP: over LMTP each recipient has a verdict in any case');
    this.#prdr = commands.prdr;
    const chunkBytes = this.#message?.verbatim ? null : chunkSize(client, this.#options);
    // A probe shows each step with its own time. DATA cannot be taken back once it is on its way, so whoever may abort
    // waits for the recipients first.
    const grouped = !until && this.#options.pipelining && client.extensions.has('PIPELINING');
    const groupsData = grouped && this.#options.onReject === 'continue' && chunkBytes === null;
    if (grouped) await client.say('mail', [commands.mail, ...commands.rcpt, ...(groupsData ? ['DATA'] : [])]);
    const ask = (stage: ReplyStage, line: string) => (grouped ? client.hear(stage, line) : client.ask(stage, line));

    const mail = await ask('mail', commands.mail);
    const mailTaken = verdictOf('mail', mail) === 'yes';
    if (!mailTaken || until === 'mail') this.#decideAll('mail', mail);
    if (this.#isGoodbye(mail)) return;
    if (until === 'mail') return this.#takeBack();
    for (const [index, line] of commands.rcpt.entries()) {
      if (!mailTaken && !grouped) break;
      const answer = await ask('rcpt', line);
      if (mailTaken && (until === 'rcpt' || verdictOf('rcpt', answer) !== 'yes')) this.#decide(index, 'rcpt', answer);
      if (this.#isGoodbye(answer)) return this.#decideAll('rcpt', answer);
    }
    const open = this.#open();
    const aborting = this.#options.onReject === 'abort' && this.#decided.size > 0;
    if ((open.length === 0 || aborting) && !groupsData) return until ? this.#takeBack() : this.#reset();
    if (chunkBytes !== null && until === undefined && this.#message) {
      if (await this.#chunks(this.#message, chunkBytes)) await this.#verdicts();
      return;
    }
    const go = groupsData ? await client.hear('data', 'DATA') : await client.ask('data', 'DATA');
    if (verdictOf('data', go) !== 'more') {
      this.#decideAll('data', go);
      if (!this.#isGoodbye(go)) await this.#reset();
      return;
    }
    if (until === 'data') {
      this.#decideAll('data', go);
      // After 354 there is no way back but to leave without the end of data.
      return this.#hangUp();
    }
    // RFC 2920 3.1: a 354 without a single recipient must still be answered, by a message of nothing at all.
    if (open.length === 0) return this.#endEmpty();
    await turn();
    if (!this.#message) throw new EhloError('internal', 'a transaction without a message must be a probe');
    if (await this.#body(this.#message)) await this.#verdicts();
  }

  /** Sends the message and its end. False where the server cut in with a refusal. */
  async #body(message: OutgoingMessage): Promise<boolean> {
    const client = this.#client;
    const answer = await sendBody(client, message.source, message.verbatim ? 'verbatim' : 'stuffed', (bytes) =>
      this.#endGoesOut(bytes),
    );
    if (!answer) return true;
    this.#decideAll('dot', answer);
    this.#hangUp();
    return false;
  }

  /** As #body(), by BDAT. */
  async #chunks({ source }: OutgoingMessage, chunkBytes: number): Promise<boolean> {
    const sent = await sendChunks(this.#client, source, chunkBytes, (bytes) => this.#endGoesOut(bytes));
    if (sent.kind === 'sent') {
      this.#end = sent.last;
      return true;
    }
    const { answer, midway } = sent;
    this.#decideAll('bdat', answer);
    if (midway) this.#hangUp();
    // RFC 3030 2: what came so far is void, but the transaction still stands.
    else if (!this.#isGoodbye(answer)) await this.#reset();
    return false;
  }

  #endGoesOut(bytes: number): void {
    this.#dotSent = true;
    this.#client.wire.transcript?.add('info', 'body', `${bytes} bytes of message, then the end of data`, {
      tls: this.#client.wire.tls !== undefined,
    });
  }

  async #verdicts(): Promise<void> {
    const open = this.#open();
    if (this.#prdr) await this.#prdrVerdicts(open);
    else {
      // LMTP answers once for each recipient that was accepted (RFC 2033 4.2).
      const answers = this.#client.protocol === 'lmtp' ? open.map((index) => [index]) : [open];
      for (const indexes of answers) {
        const answer = await this.#client.hear('dot', this.#end);
        this.#final = answer;
        this.#isGoodbye(answer);
        for (const index of indexes) this.#decide(index, 'dot', answer);
      }
    }
    await turn();
    if (this.#client.wire.buffered === 0) return;
    try {
      await this.#client.refuseEarly();
    } catch (thrown) {
      const error = asEhloError(thrown);
      if (error.code === 'deferred') {
        this.#usable = false;
        return;
      }
      // Which of the replies was the verdict? Nobody can tell.
      for (const index of open) this.#decided.delete(index);
      throw error;
    }
  }

  async #prdrVerdicts(open: readonly number[]): Promise<void> {
    const { taken, last } = await hearPrdr(this.#client, open, this.#end, (index, answer) =>
      this.#decide(index, 'dot', answer),
    );
    this.#final = last;
    this.#isGoodbye(last);
    for (const [index, answer] of taken) this.#decide(index, 'dot', answer);
    this.#decideAll('dot', last);
  }

  async #endEmpty(): Promise<void> {
    this.#client.wire.write('.\r\n');
    this.#client.wire.transcript?.add('out', 'dot', '.');
    // LMTP answers for each recipient: for none, not at all (RFC 2033 4.2).
    if (this.#client.protocol === 'lmtp') return;
    const answer = await this.#client.hear('dot', '.');
    if (verdictOf('dot', answer) === 'yes') this.#notes.push('the server took a message without any recipient');
  }

  /** The end of a probe. */
  async #takeBack(): Promise<void> {
    if (this.#options.leave !== 'as-is') await this.#reset();
  }

  async #reset(): Promise<void> {
    const answer = await this.#client.ask('rset', 'RSET');
    this.#usable = verdictOf('rset', answer) === 'yes';
  }

  #open(): number[] {
    return this.#envelope.to.flatMap((_, index) => (this.#decided.has(index) ? [] : [index]));
  }

  #decide(index: number, stage: ReplyStage, answer: Reply): void {
    const kind = verdictOf(stage, answer);
    const status = kind === 'yes' || kind === 'more' ? 'accepted' : kind === 'no' ? 'rejected' : 'deferred';
    const address = this.#envelope.to[index]?.address ?? '';
    this.#decided.set(index, { address, status, reply: answer, stage });
  }

  #decideAll(stage: ReplyStage, answer: Reply): void {
    for (const index of this.#open()) this.#decide(index, stage, answer);
  }

  /** 421 ends the session whatever it answers (RFC 5321 4.2.2). */
  #isGoodbye(answer: Reply): boolean {
    if (answer.code !== 421) return false;
    this.#usable = false;
    return true;
  }

  #hangUp(): void {
    this.#usable = false;
    this.#client.wire.destroy();
  }

  /** What a thrown error means for the message; the connection is of no use any more. */
  #broken(error: EhloError): EhloError {
    const early =
      ((error.kind === 'input' || error.kind === 'policy') && error.stage === 'mail') ||
      (error.kind === 'answer' && error.stage !== 'data');
    this.#usable = early;
    // Without its dot the message is not one; nothing that is still queued may complete it.
    if (!early) this.#client.wire.destroy();
    if (!this.#dotSent || this.#open().length === 0) return error;
    const doubt = { mayDuplicate: true, retryable: false };
    const how = noVerdict[error.kind];
    if (how === undefined) return error.with(doubt);
    return new EhloError(
      'outcome-unknown',
      `${how} after the end of data was sent to ${error.peer}: the message may have been accepted`,
      { ...doubt, stage: 'dot', peer: error.peer, side: 'remote', cause: error, hint: unknownHint },
    );
  }
}

/** What kept the verdict away, where the peer broke no rule. */
const noVerdict: Partial<Record<EhloError['kind'], string>> = {
  lost: 'the connection was lost',
  timeout: 'no verdict came',
  interrupted: 'the run was interrupted',
};

const unknownHint =
  'look at the recipient or the server log for the Message-ID before sending again: it may arrive twice';

// From the engine's events to swaks's lines: what was expected, the message line by line, TLS and the times. State of one run.
import type { DialTarget } from '../../app/ports.ts';
import { peerText } from '../../base/bytes.ts';
import type { EhloError } from '../../base/errors.ts';
import { isLoopback } from '../../base/ip.ts';
import { mask, type Scrubber } from '../../base/secret.ts';
import { hexDump } from '../../render/swaks.ts';
import { fromBase64 } from '../../sasl/base64.ts';
import { phases, type ReplyStage, verdictOf } from '../../smtp/phases.ts';
import type { TlsFacts } from '../../wire/channel.ts';
import type { TranscriptEvent } from '../../wire/transcript.ts';
import type { Progress } from './swaks-exit.ts';
import type { SwaksMessage } from './swaks-message.ts';
import type { SwaksPrinter } from './swaks-printer.ts';
import type { SwaksSettings } from './swaks-settings.ts';
import { cipherBits, distinguishedName, type SwaksTls } from './swaks-tls.ts';
import type { Transport } from './swaks-transport.ts';

export interface TranscriptFacts {
  settings: SwaksSettings;
  transport: Transport;
  tls: SwaksTls;
  message: SwaksMessage;
  printer: SwaksPrinter;
  scrubber: Scrubber;
}

export class SwaksTranscript {
  readonly progress: Progress = { connected: false, startTls: false, xclient: false };
  /** QUIT was answered. */
  quit = false;
  /** The connection was broken off from here: whatever is said after that goes nowhere, and is not told. */
  over = false;
  readonly #facts: TranscriptFacts;
  #stage = '';
  #tls: TlsFacts | undefined;
  #address = '';
  /** When the last thing was said or heard; null in the middle of a reply. */
  #since: number | null = 0;
  #warnedOfLogin = false;
  #toldOfClear = false;

  constructor(facts: TranscriptFacts) {
    this.#facts = facts;
  }

  trying({ address, port }: DialTarget): void {
    const { transport } = this.#facts;
    this.info(`Trying ${transport.mx ? `${address}:${port}` : transport.trying}...`);
  }

  connected({ address }: DialTarget): void {
    const { transport } = this.#facts;
    this.#address = address;
    this.#tls = undefined;
    this.#since = 0;
    this.progress.connected = true;
    this.info(`Connected to ${transport.mx ? address : transport.connected}.`);
  }

  secured(facts: TlsFacts): void {
    const { tls } = this.#facts;
    this.#tls = facts;
    this.info(`TLS started with cipher ${facts.protocol}:${facts.cipher}:${cipherBits(facts.cipher)}`);
    this.info(tls.localSubject === null ? 'TLS no local certificate set' : `TLS local DN="${tls.localSubject}"`);
    this.info(`TLS peer DN="${facts.subject === null ? '' : distinguishedName(facts.subject)}"`);
    if (tls.peerCertificate === null) for (const line of facts.chain?.[0]?.trim().split('\n') ?? []) this.info(line);
  }

  raw(kind: 'raw-sent' | 'raw-received', bytes: Buffer): void {
    const { printer, scrubber } = this.#facts;
    const text = bytes.toString('latin1');
    if (this.#stage === 'auth' || scrubber.scrub(text) !== text) {
      printer.line({ kind, text: `(${bytes.length} bytes that hold a secret, or may)` });
      return;
    }
    for (const row of hexDump(bytes)) printer.line({ kind, text: row });
  }

  event(event: TranscriptEvent): void {
    if (this.over) return;
    this.#stage = event.stage;
    switch (event.dir) {
      case 'out':
        this.#said(event);
        break;
      case 'in':
        this.#heard(event);
        break;
      case 'info':
        if (event.stage === 'body') this.#sentMessage(event.tls);
        else if (event.stage === 'connect' && event.text.startsWith('PROXY protocol')) this.#sentProxyHeader();
    }
  }

  info(text: string): void {
    this.#facts.printer.line({ kind: 'info', text });
  }

  error(text: string): void {
    this.#facts.printer.line({ kind: 'error', text: this.#facts.scrubber.scrub(text) });
  }

  #said({ stage, text, tls, t }: TranscriptEvent): void {
    const { transport, settings, printer } = this.#facts;
    if (stage === 'starttls') this.progress.startTls = true;
    if (stage === 'xclient') this.progress.xclient = true;
    if (stage === 'auth') this.#warnOfLogin();
    const wanted = transport.tls === 'optional' || transport.tls === 'optional-strict';
    if (stage === 'mail' && !tls && wanted && !this.#toldOfClear) {
      this.#toldOfClear = true;
      this.error(
        `going on without TLS: ${this.progress.startTls ? 'STARTTLS did not succeed' : 'the server does not offer STARTTLS'}`,
      );
    }
    this.#since = t;
    const hidden = settings.text('auth-hide-password');
    const shown = settings.has('auth-hide-password') ? text.replaceAll(mask, hidden || 'PROVIDED_BUT_REMOVED') : text;
    printer.line({ kind: 'sent', text: shown, tls, expected: true });
  }

  #heard({ stage, text, tls, t }: TranscriptEvent): void {
    const { settings, printer } = this.#facts;
    if (this.#since !== null && settings.has('show-time-lapse')) {
      const seconds = Math.max(0, t - this.#since) / 1000;
      this.info(`response in ${settings.text('show-time-lapse') === 'i' ? Math.floor(seconds) : seconds.toFixed(3)}s`);
    }
    const last = !/^\d{3}-/.test(text);
    this.#since = last ? t : null;
    printer.line({ kind: 'received', text: this.#shownReply(stage, text), tls, expected: isExpected(stage, text) });
    if (stage !== 'quit' || !last) return;
    this.quit = true;
    this.info(
      this.#facts.transport.kind === 'pipe'
        ? 'Connection closed with child process.'
        : 'Connection closed with remote host.',
    );
  }

  /** --auth-plaintext: challenges decoded. What we answer stays masked. */
  #shownReply(stage: string, text: string): string {
    const [, code = '', challenge] = /^(334[ -])([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
    if (stage !== 'auth' || challenge === undefined || !this.#facts.settings.has('auth-plaintext')) return text;
    const decoded = fromBase64(challenge);
    return decoded ? `${code}${this.#facts.scrubber.scrub(peerText(decoded))}` : text;
  }

  #sentMessage(tls: boolean): void {
    const { settings, printer, message } = this.#facts;
    if (settings.has('suppress-data')) {
      let count = 1;
      for (const _ of linesOf(message.bytes)) count++;
      printer.line({ kind: 'sent', text: `${count} lines sent`, tls, expected: true });
      return;
    }
    for (const line of linesOf(message.bytes)) {
      const text = peerText(line);
      const stuffed = text.startsWith('.') && !message.verbatim ? `.${text}` : text;
      printer.line({ kind: 'sent', text: stuffed, tls, expected: true });
    }
    printer.line({ kind: 'sent', text: '.', tls, expected: true });
  }

  #sentProxyHeader(): void {
    const { settings, printer } = this.#facts;
    const text = settings.text('proxy-version') === '2' ? 'PROXY header, version 2' : proxyLine(settings);
    printer.line({ kind: 'sent', text, tls: false, expected: true });
  }

  /** swaks logs in wherever it is told to. That others may read along is said. */
  #warnOfLogin(): void {
    if (this.#warnedOfLogin) return;
    this.#warnedOfLogin = true;
    const local = this.#address.startsWith('/') || isLoopback(this.#address);
    if (local || this.#tls?.authorized) return;
    const why = this.#tls ? 'the certificate is not verified (--tls-verify)' : 'there is no TLS (-tls)';
    this.error(`the login goes to ${this.#facts.transport.connected} although ${why}`);
  }
}

/** Without their line ends; a message may be large, so nothing of it is copied. */
function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n', at);
    yield bytes.subarray(at, end === -1 ? bytes.length : end);
    at = end === -1 ? bytes.length : end + 2;
  }
}

function proxyLine(settings: SwaksSettings): string {
  const raw = settings.text('proxy');
  if (raw !== undefined) return `PROXY ${raw}`;
  const words = ['family', 'source', 'dest', 'source-port', 'dest-port'].map((part) => settings.text(`proxy-${part}`));
  return `PROXY ${words.join(' ')}`;
}

/** By the code of the line at its stage; what is no reply never is. */
function isExpected(stage: string, text: string): boolean {
  const code = Number(/^(\d{3})(?:[ -]|$)/.exec(text)?.[1]);
  if (Number.isNaN(code) || !isReplyStage(stage)) return false;
  const verdict = verdictOf(stage, { code, enhanced: null, lines: [] });
  return verdict === 'yes' || verdict === 'more';
}

const isReplyStage = (stage: string): stage is ReplyStage => stage in phases;

/** Why nobody was reached, in two lines as swaks has it. */
export function connectLines(transport: Transport, error: EhloError): string[] {
  return [`Error connecting to ${transport.trying}:`, `    ${error.message}`];
}

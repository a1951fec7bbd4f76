// Who may in: USER and PASS, APOP (RFC 1939 7) and AUTH (RFC 5034), with a growing delay after each failure. Tells a user's
// name or the refusal; what the mailbox holds is server.ts's business.
import { createHash, randomBytes } from 'node:crypto';
import { sleep } from '../base/clock.ts';
import { type pop3Limits, smtpServerLimits } from '../base/limits.ts';
import { sameSecret } from '../sasl/exchange.ts';
import { createSaslServer, serverMechanisms } from '../sasl/mechanisms.ts';
import type { Accounts, SaslStep } from '../sasl/sasl.ts';
import type { TlsServerOptions } from '../wire/channel.ts';
import type { Line, Wire } from '../wire/wire.ts';
import type { Pop3Command, Pop3Response } from './grammar.ts';

export interface LoginDeskOptions {
  hostname: string;
  accounts: Accounts;
  tls?: TlsServerOptions;
  allowInsecureAuth: boolean;
  nonce?: () => string;
}

/** The line of the conversation, as the session lends it. */
export interface LoginTalk {
  wire: Wire;
  /** The next line; queued replies go out before it is waited for. Undefined: the client is gone. */
  line(limit: number): Promise<Line | undefined>;
  challenge(base64: string): void;
}

/** After the first failure, in milliseconds; doubles with each one. */
const firstDelay = 500;

const refuse = (text: string, code?: string): Pop3Response => ({ ok: false, text, ...(code ? { code } : {}) });

export class LoginDesk {
  /** For APOP: in the greeting, unique to this session. */
  readonly timestamp: string;
  readonly #options: LoginDeskOptions;
  readonly #limits: typeof pop3Limits;
  readonly #talk: LoginTalk;
  readonly #mechanisms: string[];
  #user: string | undefined;
  #failures = 0;

  constructor(options: LoginDeskOptions, limits: typeof pop3Limits, talk: LoginTalk) {
    this.#options = options;
    this.#limits = limits;
    this.#talk = talk;
    this.#mechanisms = serverMechanisms(options.accounts);
    const nonce = options.nonce ?? (() => randomBytes(18).toString('base64url'));
    this.timestamp = `<${nonce()}@${options.hostname}>`;
  }

  /** Too many wrong passwords: the session ends. */
  get exhausted(): boolean {
    return this.#failures >= this.#limits.badPasswords;
  }

  capabilities(): string[] {
    return this.#safe() ? ['USER', `SASL ${this.#mechanisms.join(' ')}`] : [];
  }

  forget(): void {
    this.#user = undefined;
  }

  async take(
    command: Extract<Pop3Command, { verb: 'USER' | 'PASS' | 'APOP' | 'AUTH' }>,
  ): Promise<Pop3Response | { user: string }> {
    if (!this.#safe()) return refuse(this.#options.tls ? 'use STLS first' : 'logins are not taken without TLS');
    switch (command.verb) {
      case 'USER':
        // The same answer for everybody: who exists is nobody's business.
        this.#user = command.name;
        return { ok: true, text: 'now PASS' };
      case 'PASS': {
        const user = this.#user;
        this.#user = undefined;
        if (user === undefined) return refuse('USER first');
        return this.#judge(user, (password) => sameSecret(password, command.password.reveal()));
      }
      case 'APOP': {
        const expected = (password: string) =>
          createHash('md5')
            .update(this.timestamp + password)
            .digest('hex');
        return this.#judge(command.name, (password) => sameSecret(expected(password), command.digest));
      }
      case 'AUTH':
        return this.#auth(command.mechanism, command.initial?.reveal());
    }
  }

  #safe(): boolean {
    return this.#options.allowInsecureAuth || this.#talk.wire.tls !== undefined;
  }

  async #judge(user: string, right: (password: string) => boolean): Promise<Pop3Response | { user: string }> {
    const password = this.#options.accounts.passwordOf(user);
    if (password === 'any' || (password && right(password.reveal()))) return { user };
    return this.#failure();
  }

  async #failure(): Promise<Pop3Response> {
    this.#failures++;
    const { clock } = this.#talk.wire;
    await sleep(clock, firstDelay * 2 ** (this.#failures - 1));
    return refuse('wrong user name or password', 'AUTH');
  }

  async #auth(mechanism: string, initial: string | undefined): Promise<Pop3Response | { user: string }> {
    if (!this.#mechanisms.includes(mechanism)) return refuse('that mechanism is not offered');
    const { hostname, accounts, nonce } = this.#options;
    const server = createSaslServer(mechanism, accounts, { hostname, ...(nonce ? { nonce } : {}) });
    const first = initial === undefined ? undefined : fromBase64(initial === '=' ? '' : initial);
    if (initial !== undefined && first === undefined) return refuse('that is not base64');
    let step: SaslStep = server.start(first);
    while (step.kind === 'challenge') {
      const response = await this.#exchange(step.bytes);
      if (!Buffer.isBuffer(response)) return response;
      step = server.next(response);
    }
    if (step.kind === 'done') return { user: step.identity };
    if (step.bytes) await this.#exchange(step.bytes);
    return this.#failure();
  }

  /** Sends a challenge and reads the answer to it. */
  async #exchange(challenge: Buffer): Promise<Buffer | Pop3Response> {
    this.#talk.challenge(challenge.toString('base64'));
    const line = await this.#talk.line(smtpServerLimits.authLine);
    if (!line) throw this.#talk.wire.lost();
    this.#talk.wire.transcript?.add('in', 'auth', '<secret>', { tls: this.#talk.wire.tls !== undefined, secret: true });
    const text = line.bytes.toString('latin1');
    if (text === '*') return refuse('the login was cancelled');
    return fromBase64(text) ?? refuse('that is not base64');
  }
}

/** Canonical base64 only. */
function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

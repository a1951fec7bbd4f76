// Who may in: USER and PASS, APOP (RFC 1939 7) and AUTH (RFC 5034), with a growing delay after each failure. Tells a user's
// name or the refusal; what the mailbox holds is server.ts's business.

import { createHash, randomBytes } from 'node:crypto';
import { sleep } from '../base/clock.ts';
import { type pop3Limits, smtpServerLimits } from '../base/limits.ts';
import { mask } from '../base/secret.ts';
import { fromBase64, parseInitial } from '../sasl/base64.ts';
import { sameSecret } from '../sasl/exchange.ts';
import { createSaslServer, serverMechanisms } from '../sasl/mechanisms.ts';
import type { Accounts, SaslStep } from '../sasl/sasl.ts';
import type { TlsServerOptions } from '../wire/channel.ts';
import { err, ok, type Pop3Command, type Pop3Response } from './grammar.ts';
import type { Pop3Talk } from './server-talk.ts';

export interface LoginDeskOptions {
  hostname: string;
  accounts: Accounts;
  tls?: TlsServerOptions;
  allowInsecureAuth: boolean;
  nonce?: () => string;
}

/** After the first failure, in milliseconds; doubles with each one. */
const firstDelay = 500;

export class LoginDesk {
  /** For APOP: in the greeting, unique to this session. */
  readonly timestamp: string;
  readonly #options: LoginDeskOptions;
  readonly #limits: typeof pop3Limits;
  readonly #talk: Pop3Talk;
  readonly #mechanisms: string[];
  #user: string | undefined;
  #failures = 0;

  constructor(options: LoginDeskOptions, limits: typeof pop3Limits, talk: Pop3Talk) {
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
    if (!this.#safe()) return err(this.#options.tls ? 'use STLS first' : 'logins are not taken without TLS');
    switch (command.verb) {
      case 'USER':
        // The same answer for everybody: who exists is nobody's business.
        this.#user = command.name;
        return ok('now PASS');
      case 'PASS': {
        const user = this.#user;
        this.#user = undefined;
        if (user === undefined) return err('USER first');
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
    return err('wrong user name or password', 'AUTH');
  }

  async #auth(mechanism: string, initial: string | undefined): Promise<Pop3Response | { user: string }> {
    if (!this.#mechanisms.includes(mechanism)) return err('that mechanism is not offered');
    const { hostname, accounts, nonce } = this.#options;
    const server = createSaslServer(mechanism, accounts, { hostname, ...(nonce ? { nonce } : {}) });
    const first = initial === undefined ? undefined : parseInitial(initial);
    if (initial !== undefined && first === undefined) return err('that is not base64');
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
    this.#talk.wire.transcript?.add('in', 'auth', mask, { tls: this.#talk.wire.tls !== undefined, secret: true });
    const text = line.bytes.toString('latin1');
    if (text === '*') return err('the login was cancelled');
    return fromBase64(text) ?? err('that is not base64');
  }
}

// What the stages of one server session share: the client, the state, the open transaction. A value to look things up in
// and to change; the stages (server-hello.ts, server-transaction.ts, server-body.ts) are functions over it.
import type { EnvelopeParam, ReceivedEnvelope } from '../store/store.ts';
import type { Wire } from '../wire/wire.ts';
import type { Command } from './command.ts';
import type { ServerState } from './phases.ts';
import type { Reply } from './reply.ts';
import type { BareEnds, Incoming } from './server-data.ts';
import type { ClientFacts, PolicyAnswer, SmtpServerOptions } from './server-policy.ts';
import { replies } from './server-replies.ts';
import { ServerTalk } from './server-talk.ts';

/** A stage that need not wait costs no promise. */
export type Waits = void | Promise<void>;
export type Of<V extends Command['verb']> = Extract<Command, { verb: V }>;

export interface ServerTransaction {
  mailFrom: string;
  mailParams: EnvelopeParam[];
  /** Addresses may hold UTF-8 (RFC 6531). */
  utf8: boolean;
  rcptTo: { address: string; params: EnvelopeParam[] }[];
  refused: number;
  /** From the first BDAT on. */
  chunks?: { incoming: Incoming; ends: BareEnds; envelope: ReceivedEnvelope };
}

export class ServerSession {
  readonly options: SmtpServerOptions;
  readonly talk: ServerTalk;
  readonly client: ClientFacts;
  state: ServerState = 'start';
  /** After EHLO or LHLO; HELO knows no parameters. */
  extended = false;
  transaction: ServerTransaction | undefined;

  constructor(wire: Wire, options: SmtpServerOptions) {
    this.options = options;
    this.talk = new ServerTalk(wire, options);
    this.client = { address: options.client.address, helo: '', tls: null, auth: null };
  }

  get betweenMessages(): boolean {
    return this.state === 'start' || this.state === 'ready';
  }

  /** Ends the transaction without a message. Undefined where nothing has to be waited for. */
  dropTransaction(): Promise<void> | undefined {
    const chunks = this.transaction?.chunks;
    this.transaction = undefined;
    if (this.state !== 'start') this.state = 'ready';
    return chunks?.incoming.refuse(replies.ok);
  }

  /** Does what the policy says, at once where it need not wait. */
  judge(answer: PolicyAnswer, accept: () => void, refuse = (refusal: Reply) => this.talk.say(refusal)): Waits {
    if (answer instanceof Promise) return answer.then((refusal) => (refusal ? refuse(refusal) : accept()));
    return answer ? refuse(answer) : accept();
  }
}

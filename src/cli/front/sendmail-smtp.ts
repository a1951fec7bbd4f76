// `sendmail -bs`: an SMTP server session on standard input and output (RFC 5321). Each message goes along the configured
// route before it gets its 250; what becomes of it there is the reply here. Nothing is kept.
import { randomUUID } from 'node:crypto';
import type { SendResult } from '../../app/send.ts';
import { parseMailbox, sameDomain } from '../../base/address.ts';
import { asEhloError, EhloError } from '../../base/errors.ts';
import { smtpServerLimits } from '../../base/limits.ts';
import { clip, safe } from '../../render/safe.ts';
import { type Reply, reply } from '../../smtp/reply.ts';
import { serveSmtp } from '../../smtp/server.ts';
import type { Delivery, ReceivedEnvelope, StoredMessage } from '../../store/store.ts';
import { Shutdown } from '../../wire/shutdown.ts';
import { Wire } from '../../wire/wire.ts';
import type { Context } from '../command.ts';
import { Handoff } from './handoff.ts';
import type { SendmailRequest } from './sendmail-arguments.ts';
import { readDraft, type SendmailDraft } from './sendmail-draft.ts';
import { complain, errorText, fateText } from './sendmail-exit.ts';
import { type SendmailRoute, sendmailRoute } from './sendmail-route.ts';
import { stdioChannel } from './sendmail-stdio.ts';
import { submit } from './sendmail-submit.ts';

const limits = {
  ...smtpServerLimits,
  /** What the server of the route takes is its own to say; messages pass through a file. */
  messageBytes: 1024 ** 3,
  /** RFC 5321 4.5.3.2.7: the program at the other end may wait for a person. */
  command: 5 * 60_000,
};

/** Exit 0 when the session has come to its end: each message had its reply. */
export async function speakSmtp(request: SendmailRequest, context: Context): Promise<number> {
  const route = await sendmailRoute(context);
  const shutdown = new Shutdown();
  if (context.signal.aborted) shutdown.request();
  else context.signal.addEventListener('abort', () => shutdown.request(), { once: true });
  const messages = new WeakMap<ReceivedEnvelope, Passing>();
  await serveSmtp(new Wire(stdioChannel(context), context.ports.clock), {
    hostname: context.ports.hostname(),
    protocol: 'smtp',
    client: { address: '127.0.0.1' },
    limits,
    shutdown,
    // Notifications are asked for by -N; a parameter that could not be kept on the way is not taken.
    hidden: new Set(['DSN']),
    async begin(envelope) {
      const passing = new Passing(envelope, request, route, context);
      messages.set(envelope, passing);
      return passing;
    },
    policy: {
      async message(envelope) {
        const passing = messages.get(envelope);
        return passing?.send((draft) =>
          submit({ ...request, ...draft, onReject: together(draft, route) }, route, context),
        );
      },
    },
    onProblem: (error) => complain(errorText(error), context),
  });
  return 0;
}

/** One reply stands for all recipients, so it is all or nobody; that cannot be kept across the servers of several domains. */
function together({ recipients }: SendmailDraft, { connection }: SendmailRoute): 'continue' | 'abort' {
  if (connection.server?.scheme !== 'mx') return 'abort';
  const [first = '', ...others] = recipients.map((address) => parseMailbox(address).domain);
  return others.every((domain) => sameDomain(domain, first)) ? 'abort' : 'continue';
}

/** A message on its way through: made whole while it comes in. */
class Passing implements Delivery {
  readonly #envelope: ReceivedEnvelope;
  readonly #clock: Context['ports']['clock'];
  readonly #input = new Handoff();
  readonly #draft: Promise<SendmailDraft | EhloError>;
  #queueId: string | null = null;
  #size = 0;

  constructor(envelope: ReceivedEnvelope, request: SendmailRequest, route: SendmailRoute, context: Context) {
    this.#envelope = envelope;
    this.#clock = context.ports.clock;
    const { domain } = route;
    const draftRequest: SendmailRequest = {
      ...request,
      // Postmaster alone may come without a domain (RFC 5321 4.5.1).
      recipients: envelope.rcptTo.map(({ address }) => (address.includes('@') ? address : `${address}@${domain}`)),
      sender: envelope.mailFrom,
      readRecipients: false,
      ignoreDots: true,
    };
    const ports = { files: context.ports.files, now: context.ports.clock.date() };
    this.#draft = readDraft(this.#input, draftRequest, route, ports)
      .catch((thrown: unknown) => asEhloError(thrown))
      .finally(() => this.#input.close());
  }

  write(chunk: Buffer): Promise<void> {
    this.#size += chunk.length;
    return this.#input.push(chunk);
  }

  /** A refusal, or undefined where everybody was accepted. */
  async send(along: (draft: SendmailDraft) => Promise<SendResult>): Promise<Reply | undefined> {
    this.#input.end();
    const draft = await this.#draft;
    if (draft instanceof EhloError) return refusalOf(draft, draft.message);
    try {
      const { report, error } = await along(draft);
      this.#queueId = report.queued?.id ?? report.queueId;
      return error ? refusalOf(error, fateText(report, error)) : undefined;
    } catch (thrown) {
      const error = asEhloError(thrown);
      return refusalOf(error, error.message);
    }
  }

  async commit(): Promise<StoredMessage> {
    return {
      id: this.#queueId ?? randomUUID(),
      mailboxes: [],
      size: this.#size,
      receivedAt: this.#clock.date(),
      envelope: this.#envelope,
    };
  }

  async abort(): Promise<void> {
    this.#input.end();
    const draft = await this.#draft;
    if (!(draft instanceof EhloError)) await draft.source.dispose();
  }
}

const textMax = 400;

/**
 * 4xx invites to try again, so only what may be tried again gets it: not a message that was accepted for some, or may have
 * been accepted. The server's own enhanced code is passed on where it agrees.
 */
function refusalOf(error: EhloError, text: string): Reply {
  // A full disk of ours may have room later.
  const again = error.retryable || error.kind === 'io';
  const later = again && error.code !== 'partial' && !error.mayDuplicate;
  const digit = later ? '4' : '5';
  const enhanced = error.reply?.enhanced;
  const said = safe(clip(text, textMax));
  return reply(later ? 451 : 554, enhanced?.startsWith(digit) ? enhanced : `${digit}.0.0`, said);
}

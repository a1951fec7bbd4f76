// Opens one SMTP session at one address, up to the point where a transaction can begin: connect, greeting, EHLO, TLS, AUTH.
// The TLS and credential policy stands here, once, for everything that talks to a server. Refusals become errors here.

import { domainToAscii, isAscii } from '../base/address.ts';
import type { Clock } from '../base/clock.ts';
import { asEhloError, EhloError, type ReplyFacts } from '../base/errors.ts';
import type { ClientDeadlines } from '../base/limits.ts';
import { isUnknownCommand, SmtpClient, type Step } from '../smtp/client.ts';
import { type ReplyStage, type Stage, stages, verdictOf } from '../smtp/phases.ts';
import { type Reply, replyFacts, replyLine } from '../smtp/reply.ts';
import type { TlsClientOptions, TlsFacts } from '../wire/channel.ts';
import type { Transcript } from '../wire/transcript.ts';
import { Wire } from '../wire/wire.ts';
import type { Connection, TlsMode } from './connection.ts';
import { normalControl, type ProtocolControl } from './control.ts';
import { unmetBy } from './expectations.ts';
import { type Login, tryLogin } from './login.ts';
import type { Dial, Via } from './ports.ts';
import { checkRequired, heloOf, sayCommands, sayProxyHeader, sayXclient } from './preface.ts';
import { endsWith } from './session-end.ts';
import { endingError, unlessAborted } from './time-limit.ts';
import { certificateError, type TlsVerify, tlsAccepted } from './tls-policy.ts';
import { isLocal, viaOf } from './via.ts';

export interface Target {
  /** The name that was asked for: SNI, the certificate's name, messages. */
  host: string;
  address: string;
  port: number;
}

export interface SessionPlan {
  target: Target;
  protocol: 'smtp' | 'lmtp';
  tls: { mode: TlsMode; verify: TlsVerify; options: Omit<TlsClientOptions, 'role' | 'servername'> };
  login?: Login;
  allowPlaintextAuth: boolean;
  helo: string;
  deadlines: ClientDeadlines;
  via: Via;
  onChain: Connection['onChain'];
  control: ProtocolControl;
  /** The session ends after this stage. */
  stopAt?: Stage;
}

export interface SessionTimings {
  connect: number | null;
  banner: number | null;
  tls: number | null;
  auth: number | null;
}

/** What came of opening a session. `error` says why it went no further; a stop on request is no error. */
export interface Session {
  client: SmtpClient | null;
  wire: Wire | null;
  tls: TlsFacts | null;
  timings: SessionTimings;
  transcript: Transcript;
  notes: string[];
  error: EhloError | null;
  stopped: boolean;
}

export interface SessionHooks {
  transcript: Transcript;
  onStep?: ((step: Step) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export const planFor = (
  connection: Connection,
  target: Target,
  route: 'server' | 'mx',
  helo: string,
  control: ProtocolControl = normalControl,
): SessionPlan => {
  const scheme = connection.server?.scheme;
  const mechanisms = connection.mechanisms;
  const login =
    connection.credentials && mechanisms !== 'none' && route === 'server'
      ? { credentials: connection.credentials, mechanisms, optional: connection.authOptional }
      : undefined;
  // With credentials TLS is required, except where nobody can listen in between.
  const fallback: TlsMode = login && !isLocal(target.address, viaOf(connection)) ? 'required' : 'opportunistic';
  return {
    target,
    protocol: scheme === 'lmtp' || scheme === 'lmtp+unix' ? 'lmtp' : 'smtp',
    tls: {
      mode: connection.tls ?? (scheme === 'smtps' ? 'implicit' : fallback),
      verify: connection.tlsVerify,
      options: connection.tlsClient,
    },
    ...(login ? { login } : {}),
    allowPlaintextAuth: connection.allowPlaintextAuth,
    helo: connection.helo ?? helo,
    deadlines: connection.deadlines,
    via: viaOf(connection),
    onChain: connection.onChain,
    control,
  };
};

export async function openSession(plan: SessionPlan, dial: Dial, clock: Clock, hooks: SessionHooks): Promise<Session> {
  const session: Session = {
    client: null,
    wire: null,
    tls: null,
    timings: { connect: null, banner: null, tls: null, auth: null },
    transcript: hooks.transcript,
    notes: [],
    error: null,
    stopped: false,
  };
  try {
    await open(session, plan, dial, clock, hooks);
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    const { signal } = hooks;
    session.error = signal?.aborted ? endingError(signal).with({ stage: thrown.stage, peer: thrown.peer }) : thrown;
  }
  return session;
}

async function open(session: Session, plan: SessionPlan, dial: Dial, clock: Clock, hooks: SessionHooks): Promise<void> {
  const { target, deadlines } = plan;
  const timed = async <T>(name: keyof SessionTimings, work: () => Promise<T>): Promise<T> => {
    const began = clock.now();
    try {
      return await work();
    } finally {
      session.timings[name] = Math.round((clock.now() - began) * 10) / 10;
    }
  };
  const stopsAt = (stage: Stage): boolean => {
    if (plan.stopAt === undefined || stages.indexOf(plan.stopAt) > stages.indexOf(stage)) return false;
    session.stopped = true;
    return true;
  };

  const { signal } = hooks;
  const channel = await timed('connect', () => {
    const dialled = dial({
      address: target.address,
      port: target.port,
      deadline: clock.now() + deadlines.connect,
      ...plan.via,
    });
    return unlessAborted(dialled, signal, (late) => late.destroy());
  });
  const wire = new Wire(channel, clock, hooks.transcript);
  session.wire = wire;
  endsWith(wire, signal);
  wire.info(`connected to ${target.host} [${wire.peer}]`);
  const client = new SmtpClient(wire, {
    deadlines,
    protocol: plan.protocol,
    strict: plan.control.strict,
    ...(plan.control.expect.length > 0 ? { judge: (step: Step) => unmetBy(plan.control.expect, step) } : {}),
    onStep: hooks.onStep,
  });
  session.client = client;
  if (plan.control.proxyHeader) await sayProxyHeader(wire, channel, plan.control.proxyHeader);
  if (stopsAt('connect')) return;

  if (plan.tls.mode === 'implicit') {
    wire.stage = 'starttls';
    session.tls = await timed('tls', () => wire.startTls(tlsOptions(plan), deadlines.tlsHandshake));
    await judge(session, plan, session.tls);
  }
  takeOrThrow(client, 'banner', await timed('banner', () => client.greet()));
  if (stopsAt('banner')) return;

  await hello(client, plan);
  if (stopsAt('ehlo')) return;

  if (plan.tls.mode === 'required' || plan.tls.mode === 'opportunistic') {
    session.tls = await timed('tls', () => startTls(session, client, plan));
    if (!session.tls) session.timings.tls = null;
    else {
      wire.stage = 'starttls';
      await judge(session, plan, session.tls);
      await hello(client, plan);
    }
  }
  if (stopsAt('starttls')) return;

  if (await sayXclient(client, plan.control)) await hello(client, { ...plan, helo: heloOf(plan.control) ?? plan.helo });
  checkRequired(client, session.tls, plan.tls.verify, plan.control);
  const { login: who } = plan;
  const without = who ? await timed('auth', () => tryLogin(client, session.tls, plan, who)) : null;
  if (without) session.notes.push(without);
  if (stopsAt('auth')) return;
  await sayCommands(client, plan.control);
}

/** A HELO session knows no TLS and no AUTH (RFC 5321 3.2): whoever must have them does not fall back. */
async function hello(client: SmtpClient, plan: SessionPlan): Promise<void> {
  const needs = plan.tls.mode === 'required' ? 'tls-unavailable' : plan.login ? 'auth-unavailable' : null;
  const answer = await client.hello(plan.helo, plan.control.heloOnly ? 'only' : needs ? 'none' : 'helo');
  if (needs && !plan.control.heloOnly && isUnknownCommand(answer)) {
    const { wire } = client;
    const what = needs === 'tls-unavailable' ? 'TLS is required' : 'a user was given';
    throw wire.error(needs, `${wire.peer} knows no EHLO, so it has no extensions, and ${what}: ${replyLine(answer)}`, {
      reply: replyFacts(answer),
      hint: 'nothing was sent; use another server or port',
    });
  }
  takeOrThrow(client, 'ehlo', answer);
}

/** STARTTLS if it is offered. Null: it is not in use, and the mode allows that. */
async function startTls(session: Session, client: SmtpClient, plan: SessionPlan): Promise<TlsFacts | null> {
  const { wire } = client;
  const required = plan.tls.mode === 'required';
  const refused = (answer: ReplyFacts | undefined): EhloError =>
    wire.error('tls-unavailable', `${wire.peer} offers STARTTLS but does not begin it`, {
      reply: answer,
      hint: 'nothing was sent; if the network is trusted use --tls opportunistic, or --tls off',
    });
  if (!client.extensions.has('STARTTLS')) {
    if (!required) return null;
    wire.stage = 'starttls';
    throw wire.error('tls-unavailable', `${wire.peer} does not offer STARTTLS, and TLS is required`, {
      hint: 'nothing was sent; if the network is trusted use --tls opportunistic, or --tls off',
    });
  }
  const { answer, tls } = await client.secure(tlsOptions(plan)).catch((thrown: unknown) => {
    const error = asEhloError(thrown);
    // Neither yes nor no: out of step. Who must have TLS need only know that there is none.
    throw required && error.code === 'reply-unexpected' ? refused(error.reply) : error;
  });
  if (tls) return tls;
  if (required) throw refused(replyFacts(answer));
  session.notes.push(`STARTTLS was refused (${replyLine(answer)}); went on in the clear, as opportunistic TLS allows`);
  return null;
}

/** SNI and certificates have A-labels (RFC 6066 3); a socket's path has no name at all. */
const serverName = (host: string): string =>
  host.startsWith('/') ? 'localhost' : isAscii(host) ? host : domainToAscii(host);

const tlsOptions = (plan: SessionPlan): TlsClientOptions => ({
  ...plan.tls.options,
  role: 'client',
  servername: serverName(plan.target.host),
});

/** Whether this TLS layer is good enough for the mode; told before anything is sent over it. */
async function judge(session: Session, plan: SessionPlan, tls: TlsFacts): Promise<void> {
  await plan.onChain?.(tls.chain ?? []);
  if (tlsAccepted(tls, plan.tls.verify)) return;
  if (plan.tls.mode !== 'opportunistic') throw certificateError(tls, plan.target.host, session.wire?.peer ?? '');
  session.notes.push(`the certificate is not verified: ${tls.error ?? 'not accepted'}; opportunistic TLS goes on`);
}

function takeOrThrow(client: SmtpClient, stage: ReplyStage, answer: Reply): void {
  if (verdictOf(stage, answer) === 'yes') return;
  throw refusal(client.wire.peer, stage, answer);
}

/** A 4xx or 5xx reply as the error of whoever needed a yes. */
export const refusal = (peer: string, stage: Stage, answer: Reply): EhloError =>
  new EhloError(answer.code >= 500 ? 'rejected' : 'deferred', `${peer} refused at ${stage}: ${replyLine(answer)}`, {
    stage,
    peer,
    side: 'remote',
    reply: replyFacts(answer),
    hint: answer.code >= 500 ? undefined : 'try again later',
  });

// Logging in to POP3: which way (SASL by RFC 5034, APOP, USER and PASS), and whether the channel is safe enough for it.
import { createHash } from 'node:crypto';
import { asEhloError, EhloError } from '../base/errors.ts';
import { saslLimits } from '../base/limits.ts';
import { mask, Secret } from '../base/secret.ts';
import { fromBase64, printInitial } from '../sasl/base64.ts';
import {
  chooseMechanism,
  clientMechanisms,
  createSaslClient,
  type Exposure,
  exposureOf,
  secretForms,
} from '../sasl/mechanisms.ts';
import type { Credentials, SaslClient } from '../sasl/sasl.ts';
import type { Pop3Client } from './client.ts';
import { type Pop3Response, parseResponse } from './grammar.ts';
import { refusal } from './refusal.ts';

export interface LoginOptions {
  credentials: Credentials;
  /** SASL mechanisms, USER and APOP, in the user's order. Undefined: the best of what is offered, never APOP. */
  wanted?: string[] | undefined;
  /** protected: verified TLS, loopback, or the user's word. open: only what tells a listener nothing. */
  channel: 'protected' | 'open';
  /** The clock's milliseconds for each answer. */
  replyMs: number;
  nonce?: () => string;
}

/** RFC 5034 4: with an initial response that makes the line longer than this, it goes in an answer of its own. */
const commandLine = 255;
/** Microsoft refuses XOAUTH2's initial response in the command. */
const twoSteps = new Set(['XOAUTH2']);
const challengeLine = Math.ceil((saslLimits.message * 4) / 3) + 8;
const rounds = 8;

/** Resolves with the name of the way that was used. */
export async function login(client: Pop3Client, options: LoginOptions): Promise<string> {
  const { credentials } = options;
  for (const form of secretForms(credentials)) client.scrubber.add(form);
  const method = chooseMethod(client, options);
  client.wire.info(`logging in with ${method}`);
  const response = await enter(client, method, options);
  if (!response.ok) throw refusal(client.wire, response, 'auth', 'login');
  return method;
}

function enter(client: Pop3Client, method: string, options: LoginOptions): Promise<Pop3Response> {
  switch (method) {
    case 'USER':
      return userPass(client, options.credentials);
    case 'APOP':
      return apop(client, options.credentials);
    default: {
      const offered = client.capabilities?.get('SASL');
      const made = {
        bindings: bindingsOf(client),
        ...(offered ? { offered } : {}),
        ...(options.nonce ? { nonce: options.nonce } : {}),
      };
      return sasl(client, createSaslClient(method, options.credentials, made), options.replyMs);
    }
  }
}

/** What SCRAM-PLUS can bind the login to; nothing without TLS. */
const bindingsOf = ({ wire }: Pop3Client) => wire.tls?.channelBindings?.() ?? [];

function chooseMethod(client: Pop3Client, { credentials, wanted, channel }: LoginOptions): string {
  const offers = offersOf(client, credentials, wanted);
  const bindings = bindingsOf(client);
  const fits = (method: string): boolean =>
    method === 'USER' || method === 'APOP'
      ? credentials.password !== undefined
      : chooseMechanism([method], [method], credentials, bindings) !== undefined;
  const pick = (names: string[]): string | undefined => {
    if (wanted) return wanted.map((name) => name.toUpperCase()).find((name) => names.includes(name) && fits(name));
    return chooseMechanism(names, undefined, credentials, bindings) ?? names.find((name) => name === 'USER');
  };
  // A digest can be searched at leisure by whoever reads it: not in the open unless it was asked for by name.
  const harmless: Exposure[] = wanted ? ['none', 'digest'] : ['none'];
  const safe = channel === 'protected' ? offers : offers.filter((name) => harmless.includes(exposure(name)));
  const method = pick(safe);
  if (method) return method;
  const exposed = pick(offers);
  if (exposed) {
    throw client.wire.error(
      'auth-plaintext',
      `${client.wire.peer} takes no login that keeps the password secret, and the connection is not protected by verified TLS`,
      {
        side: 'local',
        stage: 'auth',
        hint: `use --tls required with a server that has a valid certificate, or --allow-plaintext-auth to use ${exposed} anyway`,
      },
    );
  }
  const asked = wanted ? ` (asked for: ${wanted.join(', ')})` : '';
  throw client.wire.error(
    'auth-unavailable',
    `${client.wire.peer} offers no way to log in that can be used here${asked}; it offers ${offers.join(', ') || 'none'}`,
    {
      stage: 'auth',
      hint:
        client.capabilities?.has('STLS') && !client.wire.tls
          ? 'the server offers STLS and may want it first: add --tls required'
          : 'check --auth, --user and the password or token options',
    },
  );
}

/** What the server offers. One without CAPA tells nothing: then what the user asked for is tried, or USER. */
function offersOf({ capabilities, timestamp }: Pop3Client, credentials: Credentials, wanted?: string[]): string[] {
  const apop = timestamp !== undefined && wanted ? ['APOP'] : [];
  if (!capabilities) return [...(wanted ? clientMechanisms : []), ...apop, ...(credentials.password ? ['USER'] : [])];
  const sasl = (capabilities.get('SASL') ?? []).map((name) => name.toUpperCase());
  return [...sasl, ...apop, ...(capabilities.has('USER') && credentials.password ? ['USER'] : [])];
}

const exposure = (method: string): Exposure =>
  method === 'USER' ? 'clear' : method === 'APOP' ? 'digest' : exposureOf(method);

async function userPass(client: Pop3Client, { user, password }: Credentials): Promise<Pop3Response> {
  const secret = carried(password?.reveal() ?? '', 'password');
  const answer = await client.ask({ verb: 'USER', name: carried(user, 'user name') });
  if (!answer.ok) return answer;
  return client.ask({ verb: 'PASS', password: new Secret(secret) });
}

/** RFC 1939 7: MD5 over the timestamp of the greeting and the password. */
async function apop(client: Pop3Client, { user, password }: Credentials): Promise<Pop3Response> {
  const digest = createHash('md5')
    .update(`${client.timestamp ?? ''}${password?.reveal() ?? ''}`)
    .digest('hex');
  return client.ask({ verb: 'APOP', name: carried(user, 'user name'), digest });
}

/** A line cannot carry a line end: what follows it would be a command of its own. */
function carried(text: string, what: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: naming control characters is the purpose
  const found = /[\x00-\x1f\x7f]/.exec(text);
  if (!found && text !== '') return text;
  const problem = found ? `holds a control character at position ${found.index}` : 'is empty';
  throw new EhloError('usage', `the ${what} ${problem}, which POP3 cannot carry`, {
    stage: 'auth',
    hint: `check the source of the ${what}: a line end at its end is the usual cause`,
  });
}

async function sasl(client: Pop3Client, mechanism: SaslClient, replyMs: number): Promise<Pop3Response> {
  const name = mechanism.mechanism;
  const initial = printInitial(mechanism.initial);
  const inline = initial !== undefined && !twoSteps.has(name) && `AUTH ${name} ${initial}\r\n`.length <= commandLine;
  let pending = inline ? undefined : mechanism.initial;
  client.say([{ verb: 'AUTH', mechanism: name, ...(inline ? { initial: new Secret(initial) } : {}) }]);
  for (let round = 0; ; round++) {
    const answer = await hearStep(client, replyMs, name.startsWith('SCRAM-') ? maskChallenge : undefined);
    if ('ok' in answer) {
      if (answer.ok) mechanism.finish();
      return answer;
    }
    if (round === rounds) {
      throw client.wire.error('reply-unexpected', `${client.wire.peer} asks for more than ${rounds} answers in AUTH`);
    }
    const response = respond(client, mechanism, answer.challenge, pending);
    pending = undefined;
    send(client, response.toString('base64'), mask);
  }
}

/** SCRAM's challenges hold what guesses at the password can be checked against. */
const maskChallenge = (text: string): string => (text.startsWith('+ ') ? `+ ${mask}` : text);

/** RFC 5034 4: `+`, a space and base64 asks; a normal response ends the exchange. */
async function hearStep(
  client: Pop3Client,
  replyMs: number,
  shown: ((text: string) => string) | undefined,
): Promise<Pop3Response | { challenge: string }> {
  client.wire.stage = 'auth';
  const text = await client.line(challengeLine, client.wire.clock.now() + replyMs, shown);
  const response = parseResponse(text);
  if (response) return client.shown(response);
  const challenge = /^\+(?: (.*))?$/s.exec(text)?.[1] ?? (text === '+' ? '' : undefined);
  if (challenge !== undefined) return { challenge };
  throw client.wire.error('reply-malformed', `${client.wire.peer} answered AUTH with neither +, +OK nor -ERR`);
}

/** What cannot be answered is cancelled with `*` before the error goes up. */
function respond(client: Pop3Client, mechanism: SaslClient, text: string, pending: Buffer | undefined): Buffer {
  try {
    const bytes = fromBase64(text);
    if (!bytes) {
      throw client.wire.error('reply-malformed', `${client.wire.peer} sent an AUTH challenge that is not base64`);
    }
    if (pending === undefined) return mechanism.next(bytes);
    if (text === '') return pending;
    throw client.wire.error('reply-unexpected', `${client.wire.peer} sent a challenge where the client speaks first`);
  } catch (thrown) {
    send(client, '*');
    throw asEhloError(thrown).with({ stage: 'auth', peer: client.wire.peer });
  }
}

function send({ wire }: Pop3Client, line: string, shown?: string): void {
  if (wire.buffered > 0) {
    throw wire.error('reply-out-of-turn', `${wire.peer} sent something before the answer that it asked for`);
  }
  wire.transcript?.add('out', 'auth', shown ?? line, { tls: wire.tls !== undefined, secret: shown !== undefined });
  wire.write(`${line}\r\n`);
}

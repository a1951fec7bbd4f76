// The table of SASL mechanisms: who makes them, what they need, what they expose, which is preferred. Transport is elsewhere.
import { EhloError } from '../base/errors.ts';
import { cramMd5Client, cramMd5Server } from './cram-md5.ts';
import { externalClient } from './external.ts';
import { loginClient, loginServer } from './login.ts';
import { oauthBearerClient, oauthBearerMessage, oauthBearerServer } from './oauthbearer.ts';
import { plainClient, plainMessage, plainServer } from './plain.ts';
import { saslPrep } from './prep.ts';
import type { Accounts, ChannelBinding, Credentials, SaslClient, SaslServer } from './sasl.ts';
import { type Binding, type ScramHash, scramClient, scramName } from './scram.ts';
import { scramServer } from './scram-server.ts';
import { xoauth2Client, xoauth2Message, xoauth2Server } from './xoauth2.ts';

/** What somebody who reads the line learns: the secret itself, something to search it with at leisure, or nothing usable. */
export type Exposure = 'clear' | 'digest' | 'none';

export interface SaslClientOptions {
  nonce?: () => string;
  /** What OAUTHBEARER says about where it connects. */
  server?: { host: string; port: number };
  /** Those of the TLS layer that is in use, the preferred first. */
  bindings?: readonly ChannelBinding[];
  /** What the server offers; undefined where it did not tell. With `bindings` it decides what SCRAM says of them. */
  offered?: readonly string[];
}

export interface SaslServerOptions {
  nonce?: () => string;
  /** The name in CRAM-MD5's challenge. */
  hostname?: string;
  iterations?: number;
  salt?: (user: string) => Buffer;
  /** Those of the TLS layer that is in use, where serverMechanisms() was asked with them. */
  bindings?: readonly ChannelBinding[];
}

interface MechanismRow {
  needs: 'password' | 'token' | 'nothing';
  exposure: Exposure;
  client: (credentials: Credentials, options: SaslClientOptions) => SaslClient;
  server?: (accounts: Accounts, options: SaslServerOptions) => SaslServer;
  /** The server's side works from the password itself: 'any' cannot be served. */
  serverNeedsPassword?: true;
  /** There must be a TLS layer to bind to. */
  binds?: true;
}

const scramRow = (hash: ScramHash): MechanismRow => ({
  needs: 'password',
  exposure: 'none',
  client: (credentials, options) => scramClient(hash, credentials, { nonce: options.nonce, binding: unbound(options) }),
  server: (accounts, options) => scramServer(hash, accounts, options),
  serverNeedsPassword: true,
});

const scramPlusRow = (hash: ScramHash): MechanismRow => ({
  ...scramRow(hash),
  client: (credentials, options) => {
    const [to] = options.bindings ?? [];
    if (!to) throw noBinding(`${scramName[hash]}-PLUS`);
    return scramClient(hash, credentials, { nonce: options.nonce, binding: { kind: 'bound', to } });
  },
  server: (accounts, options) => scramServer(hash, accounts, { ...options, plus: true }),
  binds: true,
});

/** RFC 5802 6: `y` only where we could bind and the server, as far as we see, could not. */
const unbound = ({ bindings = [], offered }: SaslClientOptions): Binding =>
  bindings.length === 0 || !offered || offered.some((name) => /^SCRAM-.*-PLUS$/i.test(name))
    ? { kind: 'none' }
    : { kind: 'not-offered' };

const noBinding = (mechanism: string): EhloError =>
  new EhloError('auth-unavailable', `${mechanism} binds the login to TLS, and there is no TLS here to bind it to`, {
    side: 'local',
    stage: 'auth',
    hint: `use --tls required, or ${mechanism.replace(/-PLUS$/, '')}`,
  });

/** The order is the order of preference: what exposes least comes first. EXTERNAL is last: it is meant only when asked for. */
const table: Record<string, MechanismRow> = {
  OAUTHBEARER: {
    needs: 'token',
    exposure: 'clear',
    client: (credentials, options) => oauthBearerClient(credentials, options.server),
    server: oauthBearerServer,
  },
  XOAUTH2: { needs: 'token', exposure: 'clear', client: xoauth2Client, server: xoauth2Server },
  // RFC 5802 6: who can bind must, where it is offered, so both -PLUS forms come before the others.
  'SCRAM-SHA-256-PLUS': scramPlusRow('sha256'),
  'SCRAM-SHA-1-PLUS': scramPlusRow('sha1'),
  'SCRAM-SHA-256': scramRow('sha256'),
  'SCRAM-SHA-1': scramRow('sha1'),
  'CRAM-MD5': { needs: 'password', exposure: 'digest', client: cramMd5Client, server: cramMd5Server },
  PLAIN: { needs: 'password', exposure: 'clear', client: plainClient, server: plainServer },
  LOGIN: { needs: 'password', exposure: 'clear', client: loginClient, server: loginServer },
  EXTERNAL: { needs: 'nothing', exposure: 'none', client: externalClient },
};

const rowOf = (mechanism: string): MechanismRow | undefined => {
  const name = mechanism.toUpperCase();
  return Object.hasOwn(table, name) ? table[name] : undefined;
};

/** Every mechanism that our client speaks, the preferred first. */
export const clientMechanisms: readonly string[] = Object.keys(table);

/** What a server over these accounts can offer, the preferred first; the -PLUS forms only where there is TLS to bind to. */
export function serverMechanisms(accounts: Accounts, bindings: readonly ChannelBinding[] = []): string[] {
  // Nobody has the empty name: where even it may log in, every password is right and none is known.
  const any = accounts.passwordOf('') === 'any';
  return Object.entries(table).flatMap(([name, row]) =>
    row.server && !(any && row.serverNeedsPassword) && !(row.binds && bindings.length === 0) ? [name] : [],
  );
}

export const exposureOf = (mechanism: string): Exposure => rowOf(mechanism)?.exposure ?? 'clear';

/** Throws 'auth-unavailable' for a mechanism that we do not speak and 'usage' for credentials that do not fit. */
export function createSaslClient(
  mechanism: string,
  credentials: Credentials,
  options: SaslClientOptions = {},
): SaslClient {
  const row = rowOf(mechanism);
  if (!row) throw unknown(mechanism);
  return row.client(credentials, options);
}

/** Throws 'auth-unavailable' for a mechanism that is not served: ask serverMechanisms() first. */
export function createSaslServer(mechanism: string, accounts: Accounts, options: SaslServerOptions = {}): SaslServer {
  const server = rowOf(mechanism)?.server;
  if (!server) throw unknown(mechanism);
  return server(accounts, options);
}

const unknown = (mechanism: string): EhloError =>
  new EhloError('auth-unavailable', `the authentication mechanism ${mechanism} is not known here`, {
    side: 'local',
    stage: 'auth',
    hint: `known are ${clientMechanisms.join(', ')}`,
  });

/**
 * The mechanism to use: the first of `wanted` (the user's order), or of our own order, that the server offers and the
 * credentials and the TLS layer fit. Undefined: there is none. Whether the channel is safe enough for its exposure is the caller's question.
 */
export function chooseMechanism(
  offered: string[],
  wanted: string[] | undefined,
  credentials: Credentials,
  bindings: readonly ChannelBinding[] = [],
): string | undefined {
  const there = new Set(offered.map((name) => name.toUpperCase()));
  const order = wanted?.map((name) => name.toUpperCase()) ?? clientMechanisms;
  return order.find((name) => {
    const row = rowOf(name);
    if (!row || !there.has(name) || (row.binds && bindings.length === 0)) return false;
    return fits(row, credentials, wanted !== undefined);
  });
}

const fits = (row: MechanismRow, { password, token }: Credentials, asked: boolean): boolean => {
  switch (row.needs) {
    case 'password':
      return password !== undefined;
    case 'token':
      return token !== undefined;
    case 'nothing':
      return asked || (!password && !token);
  }
};

/** Everything that a Scrubber must know to keep these credentials out of transcripts, reports and errors. */
export function secretForms({ user, password, token }: Credentials): (string | Buffer)[] {
  const forms: (string | Buffer)[] = [];
  if (password) {
    const text = password.reveal();
    forms.push(
      text,
      saslPrep(text),
      blob(() => plainMessage(user, text)),
    );
  }
  if (token) {
    const text = token.reveal();
    forms.push(
      text,
      blob(() => xoauth2Message(user, text)),
      blob(() => oauthBearerMessage(user, text)),
    );
  }
  return forms.filter((form) => form.length > 0);
}

/** Credentials that no message can carry have no such form; that they are refused is said where they are used. */
function blob(make: () => Buffer): Buffer {
  try {
    return make();
  } catch {
    return Buffer.alloc(0);
  }
}

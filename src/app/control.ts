// What a tester may ask of a session beyond a normal one: where to stop, what to say besides, what to expect. Types only;
// attempt.ts and smtp/transaction.ts do it. Whatever is not asked for leaves a session as it always is.
import type { ReplyStage, Stage } from '../smtp/phases.ts';
import type { ProxyHeader } from '../smtp/proxy-header.ts';

export type { ProxyEnd, ProxyHeader } from '../smtp/proxy-header.ts';

/** --quit-after and --drop-after take these; `tls` is the stage `starttls` of phases.ts, also where TLS comes first. */
export const stopStages = ['connect', 'banner', 'ehlo', 'tls', 'auth', 'mail', 'rcpt', 'data', 'dot'] as const;
export type StopStage = (typeof stopStages)[number];

export interface ProtocolControl {
  /** The session ends behind this stage: with QUIT, or (`drop`) by closing the connection without a word. */
  stop?: { after: StopStage; how: 'quit' | 'drop' };
  /** Lines said as they are, one after the other, before MAIL. */
  commands: string[];
  /** `codes` as in `550`, `5xx`, `250,251`. */
  expect: Expectation[];
  /** BDAT (RFC 3030): where the server offers it, never, or in chunks of so many bytes. */
  bdat: 'auto' | 'off' | number;
  /** A verdict for each recipient after the data (draft-hall-prdr). */
  prdr: boolean;
  /** XCLIENT attributes in the order given, NAME=value before xtext; [] says none. */
  xclient: { name: string; value: string }[];
  proxyHeader?: ProxyHeader;
  /** AUTH and parameters go out although the server does not offer them. */
  force: boolean;
  /** HELO in place of EHLO: a session without extensions. */
  heloOnly: boolean;
  /** A reply with a bare LF or a control character is an error, not a quirk. */
  strict: boolean;
  /** EHLO keywords in upper case that must be there, also STARTTLS for a session that must be under TLS. */
  require: string[];
}

export interface Expectation {
  stage: ReplyStage;
  codes: string;
}

export const normalControl: ProtocolControl = {
  commands: [],
  expect: [],
  bdat: 'off',
  prdr: false,
  xclient: [],
  force: false,
  heloOnly: false,
  strict: false,
  require: [],
};

/** The stage of phases.ts behind which a session stops. */
export const stageOf = (stop: StopStage): Stage => (stop === 'tls' ? 'starttls' : stop);

// AUTH on the server's side (RFC 4954): base64 and framing around a SASL mechanism. Which mechanism means what is sasl/'s
// business; whether AUTH is in order here is server-order.ts's.
import { fromBase64, parseInitial } from '../sasl/base64.ts';
import type { SaslServer, SaslStep } from '../sasl/sasl.ts';
import type { Line } from '../wire/wire.ts';
import { type Reply, reply } from './reply.ts';

/** Sends a 334 with this text and brings the answer; undefined: the client is gone. */
type Challenge = (text: string) => Promise<Line | undefined>;

type AuthOutcome = { identity: string } | Reply | undefined;

const cancelled = reply(501, '5.7.0', 'authentication cancelled');
const notBase64 = reply(501, '5.5.2', 'the response is not base64');
const failed = reply(535, '5.7.8', 'authentication failed');
/** SCRAM takes two rounds; nothing known takes more than three. */
const maxRounds = 8;

/** The identity, a refusal, or undefined where the client went away. */
export async function serveAuth(
  server: SaslServer,
  initial: string | undefined,
  challenge: Challenge,
): Promise<AuthOutcome> {
  const first = initial === undefined ? undefined : parseInitial(initial);
  if (initial !== undefined && first === undefined) return notBase64;
  let step: SaslStep = server.start(first);
  for (let round = 0; round < maxRounds; round++) {
    if (step.kind === 'done') return { identity: step.identity };
    if (step.kind === 'failed' && step.bytes === undefined) return failed;
    const line = await challenge((step.bytes ?? Buffer.alloc(0)).toString('base64'));
    if (line === undefined) return undefined;
    // XOAUTH2: the error as a last challenge; whatever the client answers, it has failed.
    if (step.kind === 'failed') return failed;
    const text = line.bytes.toString('latin1');
    if (line.ending === 'lf') return reply(500, '5.5.2', 'lines end in CRLF, this one in a bare LF');
    if (text === '*') return cancelled;
    const response = fromBase64(text);
    if (response === undefined) return notBase64;
    step = server.next(response);
  }
  return failed;
}

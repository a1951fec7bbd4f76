// How a session ends that is ended from outside (a signal, --max-time): with a last word where that does no harm, and at once.
import type { Wire } from '../wire/wire.ts';
import { endingError } from './time-limit.ts';

/** Between commands a last word does no harm; anywhere else it would be part of a login, a handshake or the message. */
const quitStages: ReadonlySet<string> = new Set(['ehlo', 'xclient', 'command', 'mail', 'rcpt']);

/** Breaks the connection off when `signal` is aborted; whoever reads or writes then has the reason. Returns what unties the two. */
export function endsWith(wire: Wire, signal: AbortSignal | undefined): () => void {
  if (!signal) return () => undefined;
  const end = (): void => {
    sayGoodbye(wire);
    wire.destroy(endingError(signal));
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return () => signal.removeEventListener('abort', end);
}

/** QUIT as far as it gets (RFC 5321 4.1.1.10); nobody waits for an answer. */
function sayGoodbye(wire: Wire): void {
  if (!quitStages.has(wire.stage) || wire.congested || wire.ended) return;
  wire.transcript?.add('out', 'quit', 'QUIT', { tls: wire.tls !== undefined });
  wire.write('QUIT\r\n');
}

// The message after DATA (RFC 5321 4.5.2): stuffed and closed with a lone dot. Chunks are in send-chunks.ts, what the answer
// means in transaction.ts.
import type { ByteSource } from '../base/bytes.ts';
import { writeHighWater } from '../base/limits.ts';
import { DotWriter } from '../wire/dot.ts';
import { turn } from '../wire/turn.ts';
import type { SmtpClient } from './client.ts';
import { verdictOf } from './phases.ts';
import { type Reply, replyFacts, replyLine } from './reply.ts';

interface BodyWriter {
  /** The bytes to send for this chunk. */
  write(chunk: Buffer): Buffer[];
  /** The end of data. */
  end(): Buffer;
}

/** For malformed input on purpose: nothing stuffed, nothing checked; a line of its own ends it. */
export class VerbatimWriter implements BodyWriter {
  #tail = '\r\n';
  write(chunk: Buffer): Buffer[] {
    this.#tail = (this.#tail + chunk.toString('latin1', Math.max(0, chunk.length - 2))).slice(-2);
    return [chunk];
  }
  end(): Buffer {
    return Buffer.from(this.#tail === '\r\n' ? '.\r\n' : '\r\n.\r\n');
  }
}

/**
 * Sends the message and its end; `ending` is called just before the end of data goes out. Returns a refusal where the server
 * cut in (then the end was not sent, and the connection is of no use), null where the verdict is still to come.
 */
export async function sendBody(
  client: SmtpClient,
  source: ByteSource,
  how: 'stuffed' | 'verbatim',
  ending: (bytes: number) => void,
): Promise<Reply | null> {
  const { wire } = client;
  const stall = client.deadlines.writeStall;
  const writer: BodyWriter = how === 'verbatim' ? new VerbatimWriter() : new DotWriter();
  wire.stage = 'body';
  const lost = () => wire.ended && wire.buffered === 0;
  let sent = 0;
  // A small message goes out with its end in one write. A large one waits until it is out: as long as the end of data has
  // not left, nobody can have taken the message.
  const last = source.bytes !== undefined && source.bytes.length <= writeHighWater;
  for await (const chunk of source.chunks()) {
    sent += chunk.length;
    const parts = writer.write(chunk);
    if (last) parts.push(writer.end());
    if (wire.buffered > 0) return earlyRefusal(client);
    if (lost()) throw wire.lost();
    if (last) ending(sent);
    wire.write(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
    if (wire.congested && (await wire.flush(wire.clock.now() + stall)) === 'input' && !last)
      return earlyRefusal(client);
  }
  if (!last) {
    if ((await wire.flush(wire.clock.now() + stall)) === 'input') return earlyRefusal(client);
    if (lost()) throw wire.lost();
    ending(sent);
    wire.write(writer.end());
  }
  if ((await wire.flush(wire.clock.now() + stall)) === 'input') {
    // Over TLS the verdict may overtake the news that its message went out; both come within one turn.
    await turn();
    if (wire.unsent > 0) return earlyRefusal(client);
  }
  client.markSent('dot');
  return null;
}

/** A refusal may come at any time; a success before the end may not. */
export async function earlyRefusal(client: SmtpClient): Promise<Reply> {
  const answer = await client.hear('dot', null);
  if (verdictOf('dot', answer) !== 'yes') return answer;
  throw client.wire.error(
    'reply-out-of-turn',
    `${client.wire.peer} answered before the end of the message: ${replyLine(answer)}`,
    { reply: replyFacts(answer) },
  );
}

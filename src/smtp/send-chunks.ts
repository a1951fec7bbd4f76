// The message in chunks by BDAT (RFC 3030): by length, without dots, and so byte for byte. Each chunk has its own reply.
import type { ByteSource } from '../base/bytes.ts';
import { writeHighWater } from '../base/limits.ts';
import { turn } from '../wire/turn.ts';
import type { SmtpClient } from './client.ts';
import { verdictOf } from './phases.ts';
import type { Reply } from './reply.ts';
import { earlyRefusal } from './send-body.ts';

export interface ChunkRefusal {
  answer: Reply;
  /** It came before the chunk was out: replies and bytes are out of step from here on. */
  midway: boolean;
}

/**
 * Sends all chunks; `ending` is called just before the last goes out. Returns the refusal of an earlier chunk, or null where
 * the verdict is still to come. One chunk at a time: a pipelined one would be read as commands where the one before failed.
 */
export async function sendChunks(
  client: SmtpClient,
  source: ByteSource,
  chunkBytes: number,
  ending: (bytes: number) => void,
): Promise<ChunkRefusal | null> {
  let sent = 0;
  let refusal: ChunkRefusal | null = null;
  const send = async (chunk: Buffer[], size: number, last: boolean): Promise<ChunkRefusal | null> => {
    sent += size;
    if (last) ending(sent);
    const command = `BDAT ${size}${last ? ' LAST' : ''}`;
    await client.say('bdat', [command]);
    if (!(await writeAll(client, chunk))) return { answer: await earlyRefusal(client), midway: true };
    if (last) {
      client.markSent('dot');
      return null;
    }
    const answer = await client.hear('bdat', command);
    return verdictOf('bdat', answer) === 'yes' ? null : { answer, midway: false };
  };
  let held: Buffer[] = [];
  let size = 0;
  for await (const bytes of source.chunks()) {
    let rest = bytes;
    // A full chunk waits until there is more, so that the last one is never empty.
    while (size + rest.length > chunkBytes) {
      const head = rest.subarray(0, chunkBytes - size);
      rest = rest.subarray(head.length);
      refusal = await send([...held, head], chunkBytes, false);
      if (refusal) return refusal;
      held = [];
      size = 0;
    }
    held.push(rest);
    size += rest.length;
  }
  return send(held, size, true);
}

/** False where the server speaks before all is out. */
async function writeAll(client: SmtpClient, chunk: readonly Buffer[]): Promise<boolean> {
  const { wire } = client;
  const stall = client.deadlines.writeStall;
  for (const bytes of chunk) {
    for (let at = 0; at < bytes.length; at += writeHighWater) {
      if (wire.ended && wire.buffered === 0) throw wire.lost();
      wire.write(bytes.subarray(at, at + writeHighWater));
      if (wire.congested && (await wire.flush(wire.clock.now() + stall)) === 'input') return false;
    }
  }
  if ((await wire.flush(wire.clock.now() + stall)) !== 'input') return true;
  // The reply may overtake the news that the chunk went out.
  await turn();
  return wire.unsent === 0;
}

// The message in chunks by BDAT (RFC 3030): by length, without dots, and so byte for byte. Each chunk has its own reply.
import type { ByteSource } from '../base/bytes.ts';
import { EhloError } from '../base/errors.ts';
import { writeHighWater } from '../base/limits.ts';
import { turn } from '../wire/turn.ts';
import type { SmtpClient } from './client.ts';
import { verdictOf } from './phases.ts';
import type { Reply } from './reply.ts';
import { earlyRefusal } from './send-body.ts';

/** `last` is the command of the last chunk, whose verdict is still to come. */
export type Chunked = { kind: 'sent'; last: string } | ChunkRefusal;

export interface ChunkRefusal {
  kind: 'refused';
  answer: Reply;
  /** It came before the chunk was out: replies and bytes are out of step from here on. */
  midway: boolean;
}

/** Octets of a chunk where nobody says: large enough for few round trips, small enough to hold. */
const defaultChunk = 1024 * 1024;

/** Octets of a chunk; null: DATA. Throws 'missing-extension' where BDAT was asked for and is not there. */
export function chunkSize(
  { wire, extensions }: SmtpClient,
  { bdat = 'off', force = false }: { bdat?: 'auto' | 'off' | number; force?: boolean },
): number | null {
  const offered = extensions.has('CHUNKING');
  if (bdat === 'off') return null;
  if (bdat === 'auto') return offered ? defaultChunk : null;
  if (offered || force) return bdat;
  throw new EhloError('missing-extension', `${wire.peer} does not offer CHUNKING, and --bdat asks for it`, {
    stage: 'mail',
    hint: 'nothing was sent; --bdat auto uses DATA where there is no BDAT, --force tries it all the same',
  });
}

/**
 * Sends all chunks; `ending` is called just before the last bytes go out: without them nobody can have taken the message.
 * One chunk at a time: a pipelined one would be read as commands where the one before failed.
 */
export async function sendChunks(
  client: SmtpClient,
  source: ByteSource,
  chunkBytes: number,
  ending: (bytes: number) => void,
): Promise<Chunked> {
  let sent = 0;
  const send = async (chunk: Buffer[], size: number, last: boolean): Promise<ChunkRefusal | string> => {
    sent += size;
    const command = `BDAT ${size}${last ? ' LAST' : ''}`;
    await client.say('bdat', [command]);
    const whole = await writeAll(client, chunk, last ? () => ending(sent) : undefined);
    if (!whole) return { kind: 'refused', answer: await earlyRefusal(client), midway: true };
    if (last) {
      client.markSent('dot');
      return command;
    }
    const answer = await client.hear('bdat', command);
    return verdictOf('bdat', answer) === 'yes' ? command : { kind: 'refused', answer, midway: false };
  };
  let held: Buffer[] = [];
  let size = 0;
  for await (const bytes of source.chunks()) {
    let rest = bytes;
    // A full chunk waits until there is more, so that the last one is never empty.
    while (size + rest.length > chunkBytes) {
      const head = rest.subarray(0, chunkBytes - size);
      rest = rest.subarray(head.length);
      const chunk = await send([...held, head], chunkBytes, false);
      if (typeof chunk !== 'string') return chunk;
      held = [];
      size = 0;
    }
    held.push(rest);
    size += rest.length;
  }
  const last = await send(held, size, true);
  return typeof last === 'string' ? { kind: 'sent', last } : last;
}

/**
 * False where the server speaks before all is out. `ending` is called before the last write, which then waits until what is
 * before it has left; a chunk of one write goes out with its command.
 */
async function writeAll(client: SmtpClient, chunk: readonly Buffer[], ending?: () => void): Promise<boolean> {
  const { wire } = client;
  const deadline = () => wire.clock.now() + client.deadlines.writeStall;
  const pieces = chunk.flatMap(slices);
  if (pieces.length === 0) ending?.();
  for (const [at, piece] of pieces.entries()) {
    if (ending && at === pieces.length - 1) {
      if (at > 0 && (await wire.flush(deadline())) === 'input') return false;
      if (wire.ended && wire.buffered === 0) throw wire.lost();
      ending();
    } else if (wire.ended && wire.buffered === 0) throw wire.lost();
    wire.write(piece);
    if (wire.congested && (await wire.flush(deadline())) === 'input') return false;
  }
  if ((await wire.flush(deadline())) !== 'input') return true;
  // The reply may overtake the news that the chunk went out.
  await turn();
  return wire.unsent === 0;
}

const slices = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / writeHighWater) }, (_, at) =>
    bytes.subarray(at * writeHighWater, (at + 1) * writeHighWater),
  );

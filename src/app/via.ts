// The way to an address as the connection options say it, and whether anybody could listen on that way.
import { isLoopback } from '../base/ip.ts';
import type { Connection } from './connection.ts';
import type { Via } from './ports.ts';

export const viaOf = ({ localAddress, proxy, pipe }: Connection): Via => ({
  ...(localAddress === undefined ? {} : { localAddress }),
  ...(proxy && { proxy }),
  ...(pipe === undefined ? {} : { pipe }),
});

/**
 * Nobody can listen in between: loopback, or a socket of this machine. Never through a proxy, whose 127.0.0.1 is another
 * machine, nor through a command: where that one takes our bytes (ssh, nc) nobody here knows.
 */
export const isLocal = (address: string, { proxy, pipe }: Via): boolean =>
  proxy === undefined && pipe === undefined && (address.startsWith('/') || isLoopback(address));

/** A proxy that looks names up itself: it is told the name, and no DNS of ours is asked for it. */
export const looksUpNames = ({ proxy }: Via): boolean => proxy !== undefined && proxy.kind !== 'socks5';

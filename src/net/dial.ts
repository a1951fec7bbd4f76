// Connects a TCP or unix socket, or through a proxy (proxy.ts), and hands it on as a Channel. One address a call: which addresses to
// try is the caller's walk.
import type { Socket } from 'node:net';
import type { Dial } from '../app/ports.ts';
import { printHostPort } from '../base/values.ts';
import type { ChannelEnds } from '../wire/channel.ts';
import { socketChannel } from './channel.ts';
import { connectSocket } from './connect.ts';

export const dial: Dial = async (target) => {
  const { address, port, localAddress, deadline } = target;
  if (target.proxy) return (await import('./proxy.ts')).dialThroughProxy(target, target.proxy);
  if (address.startsWith('/')) {
    return socketChannel(await connectSocket({ path: address }, { what: address, peer: address }, deadline), address);
  }
  const peer = printHostPort({ host: address, port });
  const from = localAddress === undefined ? {} : { localAddress };
  const socket = await connectSocket({ host: address, port, ...from }, { what: peer, peer }, deadline);
  return socketChannel(socket, peer, endsOf(socket));
};

/** Undefined where the connection is gone already. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): ChannelEnds | undefined {
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return {
    source: { address: localAddress, port: localPort },
    destination: { address: remoteAddress, port: remotePort },
  };
}

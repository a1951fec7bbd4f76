// The Channel over a node:net socket, with TLS put on in place. What TLS means is in tls.ts, loaded only when it is used.
import type { Socket } from 'node:net';
import type { Channel, ChannelEnds, ChannelSink, TlsFacts, TlsOptions } from '../wire/channel.ts';

/** `socket` must be connected and not read from yet. Half-open sockets are expected: the session decides when to close. */
export function socketChannel(socket: Socket, peer: string, ends?: ChannelEnds): Channel {
  return new SocketChannel(socket, peer, ends);
}

class SocketChannel implements Channel {
  readonly peer: string;
  readonly ends?: ChannelEnds;
  #socket: Socket;
  #sink: ChannelSink | undefined;
  #failure: Error | undefined;
  #detach: () => void = () => undefined;

  constructor(socket: Socket, peer: string, ends: ChannelEnds | undefined) {
    this.#socket = socket;
    this.peer = peer;
    if (ends) this.ends = ends;
    socket.setNoDelay(true);
    // Without a listener an error in the gap before attach() would end the process.
    socket.on('error', (cause) => {
      this.#failure ??= cause;
    });
  }

  attach(sink: ChannelSink): void {
    this.#sink = sink;
    this.#listen();
  }

  write(bytes: Buffer, done: (failure?: Error) => void): void {
    if (this.#socket.destroyed) process.nextTick(done, this.#failure ?? new Error('the connection is closed'));
    else this.#socket.write(bytes, (failure) => done(failure ?? undefined));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async startTls(options: TlsOptions, deadlineMs: number): Promise<TlsFacts> {
    this.#detach();
    // What comes before the TLS layer is there (a client's first flight) stays in the socket's buffer, not lost on nobody.
    this.#socket.pause();
    const { secureSocket } = await import('./tls.ts');
    const { socket, facts } = await secureSocket(this.#socket, options, this.peer, deadlineMs);
    this.#socket = socket;
    this.#listen();
    return facts;
  }

  end(): void {
    this.#socket.end();
    // A peer that never closes must not keep us: nothing more is read, and what is queued has been handed to the kernel.
    this.#socket.once('finish', () => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    let ended = false;
    const end = (cause?: Error) => {
      if (ended) return;
      ended = true;
      this.#sink?.end(cause);
    };
    const onData = (chunk: Buffer) => this.#sink?.data(chunk);
    const onEnd = () => end();
    const onError = (cause: Error) => end(cause);
    const onClose = () => end(this.#failure);
    socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    this.#detach = () => {
      socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    };
    if (socket.destroyed) onClose();
    else socket.resume();
  }
}

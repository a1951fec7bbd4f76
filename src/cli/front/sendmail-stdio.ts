// Standard input and output as one channel, for an SMTP session with the program that started us (-bs). No TLS.
import { EhloError } from '../../base/errors.ts';
import type { Channel, ChannelSink } from '../../wire/channel.ts';
import type { Context } from '../command.ts';

export function stdioChannel({ stdin, stdout, signal }: Pick<Context, 'stdin' | 'stdout' | 'signal'>): Channel {
  let detach: () => void = () => undefined;
  return {
    peer: 'standard input',
    attach(sink: ChannelSink) {
      detach();
      let ended = false;
      const end = (cause?: Error): void => {
        if (ended) return;
        ended = true;
        sink.end(cause);
      };
      const onData = (chunk: Buffer | string): void =>
        sink.data(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      const onEnd = (): void => end();
      // Nobody reads our replies any more.
      const onAbort = (): void => {
        if (signal.reason === 'SIGPIPE') end();
      };
      stdin.on('data', onData).on('end', onEnd).on('error', end).on('close', onEnd);
      signal.addEventListener('abort', onAbort, { once: true });
      detach = () => {
        stdin.off('data', onData).off('end', onEnd).off('error', end).off('close', onEnd);
        signal.removeEventListener('abort', onAbort);
      };
    },
    write(bytes, done) {
      stdout.write(bytes);
      const drained = stdout.drained?.() ?? Promise.resolve();
      void drained.then(() => done());
    },
    pause: () => void stdin.pause(),
    resume: () => void stdin.resume(),
    async startTls() {
      throw new EhloError('internal', 'standard input and output have no TLS');
    },
    end() {
      detach();
      stdin.pause();
    },
    destroy() {
      detach();
      stdin.destroy();
    },
  };
}

// Plugs the outside (net/, store/) into what use cases ask for. Each part is imported when it is first used.
import { hostname } from 'node:os';
import type { Files, Ports } from '../app/ports.ts';
import { systemClock } from '../base/clock.ts';

export interface PortSources {
  stdin: () => NodeJS.ReadableStream;
  /** Ends reading from standard input. */
  signal: AbortSignal;
}

export function createPorts(sources: PortSources): Ports {
  const clock = systemClock;
  let files: Promise<Files> | undefined;
  const openFiles = (): Promise<Files> => {
    files ??= import('../store/files.ts').then(({ createFiles }) => createFiles(sources.stdin, sources.signal));
    return files;
  };
  const children = new Set<Promise<void>>();
  return {
    clock,
    dial: async (target) => {
      if (target.pipe === undefined) return (await import('../net/dial.ts')).dial(target);
      const { channel, ended } = await (await import('../net/pipe.ts')).openPipe(target.pipe);
      children.add(ended);
      return channel;
    },
    settled: async () => void (await Promise.all(children)),
    resolve: {
      exchange: {
        exchange: async (...question) => (await import('../net/udp.ts')).udpTcpExchange(clock).exchange(...question),
      },
      systemServers: async () => (await import('../net/udp.ts')).systemServers(),
      lookup: async (host) => (await import('../net/udp.ts')).lookupHost(host),
    },
    listen: async (target, accept) => (await import('../net/listen.ts')).listenTcp(target, accept),
    listenDns: async (target, answer) => (await import('../net/dns-server.ts')).listenDns(target, answer),
    files: {
      read: async (path) => (await openFiles()).read(path),
      spool: async (chunks) => (await openFiles()).spool(chunks),
    },
    hostname,
  };
}

// A peer that follows a script, on the other end of a channel. One line a step:
//   S: text      sends text CRLF            S! text   sends text as it is, with \r \n \0 \xHH escapes
//   C: prefix    waits for a line that begins so
//   M            reads a message up to CRLF.CRLF
//   B number     reads so many octets (a chunk of BDAT)
//   F / R        closes (FIN) / resets the connection
//   W            does nothing more; the peer waits in vain
//   T            puts TLS on, as the server
import type { Channel, TlsServerOptions } from '../../src/wire/channel.ts';

export interface ScriptedPeer {
  /** Everything the other side sent, as latin1. */
  received(): string;
  /** Rejects where the other side did not say what the script expects. */
  finished: Promise<void>;
}

export function scriptedPeer(channel: Channel, script: string, tls?: TlsServerOptions): ScriptedPeer {
  let inbox = '';
  let all = '';
  let ended = false;
  let wake = () => {};
  channel.attach({
    data(chunk) {
      inbox += chunk.toString('latin1');
      all += chunk.toString('latin1');
      wake();
    },
    end() {
      ended = true;
      wake();
    },
  });
  const more = () => new Promise<void>((resolve) => (wake = resolve));
  const until = async (mark: string): Promise<string | undefined> => {
    for (;;) {
      const at = inbox.indexOf(mark);
      if (at !== -1) {
        const found = inbox.slice(0, at);
        inbox = inbox.slice(at + mark.length);
        return found;
      }
      if (ended) return undefined;
      await more();
    }
  };
  const octets = async (count: number): Promise<void> => {
    while (inbox.length < count && !ended) await more();
    inbox = inbox.slice(count);
  };
  const send = (text: string) => channel.write(Buffer.from(text, 'latin1'), () => {});
  const run = async () => {
    for (const step of script.split('\n').map((line) => line.trim())) {
      if (step === '' || step.startsWith('#')) continue;
      if (step.startsWith('S: ')) send(`${step.slice(3)}\r\n`);
      else if (step === 'S:') send('\r\n');
      else if (step.startsWith('S! ')) send(bytesOf(step.slice(3)));
      else if (step.startsWith('C: ')) {
        const line = await until('\r\n');
        if (line === undefined) return;
        if (!line.startsWith(step.slice(3))) throw new Error(`the script expects "${step.slice(3)}", got "${line}"`);
      } else if (step === 'M') await until('\r\n.\r\n');
      else if (step.startsWith('B ')) await octets(Number(step.slice(2)));
      else if (step === 'F') channel.end();
      else if (step === 'R') channel.destroy();
      else if (step === 'W') return;
      else if (step === 'T' && tls) await channel.startTls(tls, 10_000);
      else throw new Error(`no such step: ${step}`);
    }
  };
  const finished = run();
  finished.catch(() => channel.destroy());
  return { received: () => all, finished };
}

const bytesOf = (text: string): string =>
  text.replace(/\\(?:r|n|0|x([0-9a-f]{2}))/g, (written, hex) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : ({ '\\r': '\r', '\\n': '\n', '\\0': '\0' }[written] ?? ''),
  );

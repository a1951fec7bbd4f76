// Open sessions that wait for the next message to the same address (RFC 5321 3.3: a session takes as many as it likes).
// One pool belongs to one line of work: a session carries one message at a time.
import type { Session, Target } from './session.ts';

export interface SessionPool {
  /** The session that waits for this address, if any; it is then no longer in the pool. */
  take(target: Target): Session | undefined;
  /** True: the pool has it now. False: it has carried enough, and whoever holds it says goodbye. */
  keep(target: Target, session: Session): boolean;
  /** QUIT to all of them. */
  close(): Promise<void>;
}

/** Servers limit the messages of a session (Postfix and Gmail at 100); nobody counts fewer against us. */
const messagesPerSession = 100;
/** One for each MX host that is in use; the one that waited longest goes. */
const sessionsPerPool = 8;

export function createSessionPool(): SessionPool {
  const waiting = new Map<string, Session>();
  const carried = new WeakMap<Session, number>();
  const end = async ({ client, wire }: Session): Promise<void> => {
    await client?.goodbye();
    wire?.close();
  };
  return {
    take(target) {
      const key = keyOf(target);
      const session = waiting.get(key);
      waiting.delete(key);
      return session;
    },
    keep(target, session) {
      const count = (carried.get(session) ?? 0) + 1;
      carried.set(session, count);
      if (count >= messagesPerSession) return false;
      // The next message did not wait for any of these.
      session.timings = { connect: null, banner: null, tls: null, auth: null };
      waiting.set(keyOf(target), session);
      const [oldest] = waiting;
      if (oldest && waiting.size > sessionsPerPool) {
        waiting.delete(oldest[0]);
        void end(oldest[1]);
      }
      return true;
    },
    async close() {
      const all = [...waiting.values()];
      waiting.clear();
      await Promise.all(all.map(end));
    },
  };
}

const keyOf = ({ host, address, port }: Target): string => `${host} ${address} ${port}`;

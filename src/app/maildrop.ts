// A Store as a POP3 maildrop: the user name is the mailbox, `all` is every message. One session a mailbox at a time.
import { createHash } from 'node:crypto';
import { EhloError } from '../base/errors.ts';
import type { Maildrop, MaildropMessage, OpenMaildrop } from '../pop3/maildrop.ts';
import { mailboxName, type Store } from '../store/store.ts';

/** The user who sees every mailbox. */
const everything = 'all';
/** RFC 1939 7 */
const uidlMax = 70;

export function storeMaildrop(store: Store): Maildrop {
  const locked = new Set<string>();
  return {
    async open(user): Promise<OpenMaildrop | 'locked'> {
      const mailbox = user === everything ? undefined : mailboxName(user);
      const lock = mailbox ?? everything;
      if (locked.has(lock)) return 'locked';
      locked.add(lock);
      try {
        const messages = (await store.list(mailbox)).map(
          ({ id, size }): MaildropMessage => ({ id, uidl: uidlOf(id), size }),
        );
        return {
          messages,
          async read(id) {
            const source = await store.read(id);
            if (source) return source;
            throw new EhloError('io', 'the message is no longer there');
          },
          async delete(ids) {
            for (const id of ids) await store.delete(id, mailbox);
          },
          release: () => void locked.delete(lock),
        };
      } catch (thrown) {
        locked.delete(lock);
        throw thrown;
      }
    },
  };
}

/** Store ids have only characters that UIDL allows, but may be longer. */
const uidlOf = (id: string): string => (id.length <= uidlMax ? id : createHash('sha256').update(id).digest('hex'));

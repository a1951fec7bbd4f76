// What crashes left in Maildirs, taken away when the store opens: files in tmp that nobody will finish, links made before
// their rename, envelopes without a message. Nothing that a client was told 250 for is touched.
import { join } from 'node:path';
import { type Disk, systemCode } from './disk.ts';
import { mailboxDirectory, messageId } from './maildir-names.ts';

/** Where one copy lies: a mailbox and `new/NAME` or `cur/NAME:2,S`. */
export interface Place {
  mailbox: string;
  file: string;
}

export const placePath = (root: string, place: Place): string =>
  join(root, mailboxDirectory(place.mailbox), place.file);

export interface Sweep {
  root: string;
  /** The directory of the envelope files. */
  envelopes: string;
  disk: Disk;
  mailboxes: readonly string[];
  places(mailbox: string): Promise<readonly Place[]>;
  /** Whether the process that made this name is gone. */
  abandoned(name: string): boolean;
  now: Date;
}

/** What cr.yp.to/proto/maildir.html gives a slow writer: older files in tmp belong to nobody. */
const staleMs = 36 * 3600 * 1000;

export async function sweepMaildirs(sweep: Sweep): Promise<void> {
  const { root, envelopes, disk, mailboxes, places, abandoned } = sweep;
  const unfinished = new Set<string>();
  for (const mailbox of mailboxes) {
    const tmp = join(root, mailboxDirectory(mailbox), 'tmp');
    for (const name of await disk.readdir(tmp).catch(() => [])) {
      if (!abandoned(name) && !(await isStale(sweep, join(tmp, name)))) continue;
      unfinished.add(name);
      await removeFile(disk, join(tmp, name));
    }
  }
  const here = new Set<string>();
  for (const mailbox of mailboxes) {
    for (const place of await places(mailbox)) {
      const id = messageId(place.file.slice('new/'.length));
      // Still in tmp of its first mailbox: nobody was told 250, and the client will send it again to all of them.
      if (unfinished.has(id)) await removeFile(disk, placePath(root, place));
      else here.add(id);
    }
  }
  for (const name of await disk.readdir(envelopes)) {
    const orphan = !here.has(name.replace(/\.json$/, '')) && abandoned(name);
    if (orphan) await removeFile(disk, join(envelopes, name));
  }
}

async function isStale({ disk, now }: Sweep, path: string): Promise<boolean> {
  try {
    return now.getTime() - (await disk.stat(path)).mtime.getTime() > staleMs;
  } catch {
    return false;
  }
}

/** Gone already is as good as removed. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (failure) {
    if (systemCode(failure) !== 'ENOENT') throw failure;
  }
}

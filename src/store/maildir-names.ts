// Names in a Maildir store: mailbox directories (safe and reversible), unique message names, and who made a name.
// Unique names follow https://cr.yp.to/proto/maildir.html; nothing here touches a disk.
import { createHash, randomUUID } from 'node:crypto';
import { EhloError } from '../base/errors.ts';

/** Everything but these is percent-encoded; a leading dot too (Maildir++ folders and our own .envelopes start with one). */
const plain = /[A-Za-z0-9@._+-]/;
const nameMax = 255;

export function mailboxDirectory(mailbox: string): string {
  // The empty name has a form that no other name prints.
  if (mailbox === '') return '%';
  let out = '';
  for (const octet of Buffer.from(mailbox)) {
    const char = String.fromCharCode(octet);
    const keep = plain.test(char) && !(out === '' && char === '.');
    out += keep ? char : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (out.length > nameMax) {
    throw new EhloError(
      'io',
      `the mailbox name of ${Buffer.byteLength(mailbox)} bytes is too long for a directory name`,
    );
  }
  return out;
}

/** The mailbox of a directory; undefined for a name that mailboxDirectory() does not print. */
export function directoryMailbox(name: string): string | undefined {
  if (name === '%') return '';
  if (!/^(?:[A-Za-z0-9@._+-]|%[0-9A-F]{2})+$/.test(name)) return undefined;
  const octets = Buffer.from(
    name.replace(/%(..)/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  const mailbox = octets.toString('utf8');
  return mailboxDirectory(mailbox) === name ? mailbox : undefined;
}

/** Makes unique names: time, process, counter, randomness, host. The random part makes them safe to put into URLs. */
export class UniqueNames {
  readonly host: string;
  readonly pid: number;
  #count = 0;

  constructor(host: string, pid: number) {
    this.host = host.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 64) || 'localhost';
    this.pid = pid;
  }

  next(date: Date): string {
    const ms = date.getTime();
    const seconds = Math.floor(ms / 1000);
    const micros = String((ms % 1000) * 1000).padStart(6, '0');
    this.#count++;
    return `${seconds}.M${micros}P${this.pid}Q${this.#count}R${randomUUID().slice(-17).replace('-', '')}.${this.host}`;
  }

  /** Whether this store made the name in a process that is gone: then a leftover in tmp belongs to nobody. */
  abandoned(name: string, alive: (pid: number) => boolean): boolean {
    const match = /^\d+\.M\d{6}P(\d+)Q\d+R[0-9a-f]{16}\.([A-Za-z0-9-]+)(?:\.json)?$/.exec(name);
    if (!match || match[2] !== this.host) return false;
    const pid = Number(match[1]);
    // Our own number at the start of the program is that of an earlier process (containers count from 1 again).
    return pid === this.pid || !alive(pid);
  }
}

/** The id of a file name: what stands before the flags (`:2,S`). Names of other programs may need a stand-in. */
export function messageId(file: string): string {
  const base = file.split(':')[0] ?? file;
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(base)) return base;
  return `x-${createHash('sha256').update(base).digest('hex').slice(0, 32)}`;
}

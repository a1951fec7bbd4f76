// What the POP3 tests stand on: a maildrop in memory, a clock that lets short sleeps pass at once, and the runner of
// test/dialogs/pop3-*.txt (the language of test/smtp/dialog.ts, where each `S:` is one line and must begin so):
//   ! account user:password | any     ! message TEXT     ! tls     ! no-insecure-auth     ! busy     ! broken read|delete
//   ! whole (no cuts: memory has no border between clear text and TLS)
//   = deleted 1 3                     = slept 500 1000   = released
import assert from 'node:assert/strict';
import { type ByteSource, bytesSource } from '../../src/base/bytes.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import type { Maildrop, OpenMaildrop } from '../../src/pop3/maildrop.ts';
import { type Pop3ServerOptions, servePop3 } from '../../src/pop3/server.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';
import { accountsOf, cuts, type Dialog, tlsFacts, wireBytes } from '../smtp/dialog.ts';

export class LabMaildrop implements Maildrop {
  readonly messages: (Buffer | ByteSource)[];
  readonly opened: string[] = [];
  deleted: number[] = [];
  open_ = 0;
  released = 0;
  busy = false;
  broken: 'read' | 'delete' | undefined;

  constructor(messages: (Buffer | ByteSource)[]) {
    this.messages = messages;
  }

  async open(mailbox: string): Promise<OpenMaildrop | 'locked'> {
    if (this.busy || this.open_ > 0) return 'locked';
    this.opened.push(mailbox);
    this.open_++;
    return {
      messages: this.messages.map((message, at) => ({
        id: `id-${at + 1}`,
        uidl: `uid-${at + 1}`,
        size: Buffer.isBuffer(message) ? message.length : (message.size ?? 0),
      })),
      read: async (id) => {
        if (this.broken === 'read') throw new EhloError('io', 'the disk is on fire');
        const message = this.messages[Number(id.slice(3)) - 1];
        if (!message) throw new EhloError('io', 'gone');
        return Buffer.isBuffer(message) ? bytesSource(message) : message;
      },
      delete: async (ids) => {
        if (this.broken === 'delete') throw new EhloError('io', 'the disk is on fire');
        this.deleted.push(...ids.map((id) => Number(id.slice(3))));
      },
      release: () => {
        this.open_--;
        this.released++;
      },
    };
  }
}

/** The system's clock, where sleeps of up to ten seconds pass at once and are noted. */
export function hastyClock(): Clock & { slept: number[] } {
  const slept: number[] = [];
  return {
    ...systemClock,
    slept,
    after(ms, run) {
      if (ms > 10_000) return systemClock.after(ms, run);
      slept.push(ms);
      setImmediate(run);
      return () => undefined;
    },
  };
}

export const serverOptions = (maildrop: Maildrop, extra: Partial<Pop3ServerOptions> = {}): Pop3ServerOptions => ({
  hostname: 'mx.test',
  accounts: { passwordOf: () => 'any' },
  maildrop,
  allowInsecureAuth: true,
  nonce: () => 'nonce',
  ...extra,
});

/** In chunks, as from a disk. */
export const chunkedSource = (bytes: Buffer, size: number): ByteSource => ({
  size: bytes.length,
  async *chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  },
});

export async function runPop3Dialog(dialog: Dialog, size: number, withTranscript = false): Promise<string[]> {
  const maildrop = new LabMaildrop([]);
  let extra: Partial<Pop3ServerOptions> = {};
  for (const [name, value] of dialog.options) {
    if (name === 'message') maildrop.messages.push(wireBytes(value));
    else if (name === 'account') {
      const [user = '', password = ''] = value.split(':');
      extra.accounts = accountsOf(user, password);
    } else if (name === 'tls') extra.tls = { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) };
    else if (name === 'no-insecure-auth') extra = { ...extra, allowInsecureAuth: false };
    else if (name === 'whole') size = 1 << 20;
    else if (name === 'busy') maildrop.busy = true;
    else if (name === 'broken') maildrop.broken = value === 'read' ? 'read' : 'delete';
    else throw new Error(`no such option: ${name}`);
  }
  const clock = hastyClock();
  const [ours, theirs] = memoryPair({ split: cuts(size), ...(extra.tls ? { tls: tlsFacts } : {}) });
  const transcript = withTranscript ? new Transcript(() => 0) : undefined;
  const served = servePop3(new Wire(ours, clock, transcript), serverOptions(maildrop, extra));
  const client = new Wire(theirs, systemClock);
  const said: string[] = [];
  const within = () => systemClock.now() + 5000;
  try {
    for (const { kind, text, line } of dialog.steps) {
      if (kind === 'C') client.write(Buffer.concat([wireBytes(text), Buffer.from('\r\n')]));
      else if (kind === 'C-') client.write(wireBytes(text));
      else if (kind === 'S') {
        const got = await client.readLine(4096, within());
        const heard = got ? got.bytes.toString('latin1') : '<closed>';
        said.push(heard);
        const wanted = wireBytes(text).toString('latin1');
        assert.ok(
          wanted === '' ? heard === '' : heard.startsWith(wanted),
          `line ${line}: wanted "${text}", got "${heard}"`,
        );
      } else if (kind === 'S.') {
        const rest = await client.readLine(4096, within()).catch(() => undefined);
        assert.equal(rest?.bytes.toString('latin1'), undefined, `line ${line}: the server should have closed`);
        await served;
      } else {
        const [what, ...values] = text.split(' ');
        const found = { deleted: maildrop.deleted, slept: clock.slept, released: [maildrop.released] }[what ?? ''];
        assert.deepEqual(found, values.map(Number), `line ${line}`);
      }
    }
  } finally {
    client.destroy();
    await served;
  }
  assert.equal(maildrop.open_, 0, 'the lock is released');
  return said;
}

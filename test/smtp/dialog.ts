// The language of test/dialogs/*.txt and its runner: a scripted client against our server over memory.
//   # comment            ! option value      C: line sent with CRLF       C- bytes sent as they are, no line end
//   S: one whole reply must begin so (its lines joined with " | ")        S. the server must have closed
//   = messages N         = body TEXT (of the last message)                = from / to / protocol / helo TEXT
// In C lines \r \n \t \0 \\ \xNN are bytes, everything else is UTF-8; \r*100 repeats are written {text*100}.
import assert from 'node:assert/strict';
import { readAll } from '../../src/base/bytes.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type SmtpServerLimits, smtpServerLimits } from '../../src/base/limits.ts';
import { Secret } from '../../src/base/secret.ts';
import { type Reply, ReplyParser, replyLine } from '../../src/smtp/reply.ts';
import { type ServerPolicy, type SmtpServerOptions, serveSmtp } from '../../src/smtp/server.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import type { TlsFacts } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { Transcript } from '../../src/wire/transcript.ts';
import { Wire } from '../../src/wire/wire.ts';

export interface Step {
  kind: 'C' | 'C-' | 'S' | 'S.' | '=';
  text: string;
  line: number;
}

export interface Dialog {
  options: [name: string, value: string][];
  steps: Step[];
}

export function parseDialog(source: string): Dialog {
  const dialog: Dialog = { options: [], steps: [] };
  for (const [index, raw] of source.split('\n').entries()) {
    if (raw.trim() === '' || raw.startsWith('#')) continue;
    const match = /^(!|C:|C-|S:|S\.|=)(?: (.*))?$/s.exec(raw);
    if (!match) throw new Error(`line ${index + 1}: not a dialog line: ${raw}`);
    const text = match[2] ?? '';
    const mark = match[1] ?? '';
    if (mark === '!') {
      const [name = '', ...value] = text.split(' ');
      dialog.options.push([name, value.join(' ')]);
    } else {
      const kind = mark === 'C:' ? 'C' : mark === 'S:' ? 'S' : (mark as Step['kind']);
      dialog.steps.push({ kind, text, line: index + 1 });
    }
  }
  return dialog;
}

const escapes: Record<string, string> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };

export function wireBytes(text: string): Buffer {
  const expanded = text.replace(/\{([^{}]+)\*(\d+)\}/g, (_all, what: string, count: string) =>
    what.repeat(Number(count)),
  );
  const parts: Buffer[] = [];
  for (const [part] of expanded.matchAll(/\\x[0-9a-f]{2}|\\.|[^\\]+/gi)) {
    if (part.startsWith('\\x')) parts.push(Buffer.from(part.slice(2), 'hex'));
    else parts.push(Buffer.from(part.startsWith('\\') ? (escapes[part[1] ?? ''] ?? part) : part));
  }
  return Buffer.concat(parts);
}

export const tlsFacts: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TEST',
  authorized: true,
  error: null,
  cause: null,
  subject: null,
  issuer: null,
  validFrom: null,
  validTo: null,
  altNames: [],
  fingerprint: null,
};

export const accountsOf = (user: string, password: string) => ({
  passwordOf: (name: string) => (name === user ? new Secret(password) : undefined),
});

/** Options for a session over this store; dialogs change them by name. */
export function serverOptions(store: Store, extra: Partial<SmtpServerOptions> = {}): SmtpServerOptions {
  return {
    hostname: 'mx.test',
    protocol: 'smtp',
    client: { address: '127.0.0.1' },
    policy: {},
    limits: smtpServerLimits,
    begin: (envelope) => store.begin(envelope),
    ...extra,
  };
}

function optionsOf(dialog: Dialog, store: Store): SmtpServerOptions {
  const limits: SmtpServerLimits = { ...smtpServerLimits };
  const policy: ServerPolicy = {};
  const extra: Partial<SmtpServerOptions> = { limits, policy };
  for (const [name, value] of dialog.options) {
    if (name === 'lmtp') extra.protocol = 'lmtp';
    else if (name === 'tls') extra.tls = { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) };
    else if (name === 'account') extra.accounts = accountsOf(value.split(':')[0] ?? '', value.split(':')[1] ?? '');
    else if (name === 'any-account') extra.accounts = { passwordOf: () => 'any' };
    else if (name === 'insecure-auth') extra.allowInsecureAuth = true;
    else if (name === 'require-tls') extra.requireTls = true;
    else if (name === 'require-auth') extra.requireAuth = true;
    else if (name === 'hide') extra.hidden = new Set(value.split(' '));
    else if (name === 'refuse') refuse(policy, value);
    else if (name === 'limit') Object.assign(limits, { [value.split(' ')[0] ?? '']: Number(value.split(' ')[1]) });
    else throw new Error(`unknown option ${name}`);
  }
  return serverOptions(store, extra);
}

/** `! refuse STAGE CODE TEXT`, asynchronously for the stages where it makes a difference. */
function refuse(policy: ServerPolicy, value: string): void {
  const [stage = '', code = '', ...text] = value.split(' ');
  const refusal: Reply = { code: Number(code), enhanced: null, lines: [text.join(' ')] };
  const answer = stage === 'rcpt' ? refusal : Promise.resolve(refusal);
  Object.assign(policy, { [stage]: () => answer });
}

export const cuts = (size: number) => (bytes: Buffer) => {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
};

/** Runs a dialog with all bytes cut into pieces of `size` in both directions; returns what was said and stored. */
export async function runDialog(dialog: Dialog, size: number, withTranscript = false): Promise<string[]> {
  const store = memoryStore(systemClock);
  const usesTls = dialog.options.some(([name]) => name === 'tls');
  const [ours, theirs] = memoryPair({ split: cuts(size), ...(usesTls ? { tls: tlsFacts } : {}) });
  const transcript = withTranscript ? new Transcript(() => 0) : undefined;
  const served = serveSmtp(new Wire(ours, systemClock, transcript), optionsOf(dialog, store));
  const client = new Wire(theirs, systemClock);
  const said: string[] = [];
  const hear = async (line: number): Promise<string | undefined> => {
    const parser = new ReplyParser(200);
    for (;;) {
      const got = await client.readLine(4096, systemClock.now() + 5000);
      if (!got) return undefined;
      assert.equal(got.ending, 'crlf', `line ${line}`);
      const whole = parser.push(got);
      if (whole) return replyLine({ ...whole, lines: [whole.lines.join(' | ')] });
    }
  };
  let quiet = true;
  for (const { kind, text, line } of dialog.steps) {
    switch (kind) {
      case 'C':
        client.write(Buffer.concat([wireBytes(text), Buffer.from('\r\n')]));
        break;
      case 'C-':
        client.write(wireBytes(text));
        break;
      case 'S': {
        const got = await hear(line);
        said.push(`${got}`);
        assert.ok(got?.startsWith(text), `line ${line}: wanted "${text}", got "${got}"`);
        break;
      }
      case 'S.':
        assert.equal(await hear(line).catch(() => undefined), undefined, `line ${line}: the server must close`);
        quiet = false;
        break;
      case '=':
        await judge(text, store, line);
        break;
    }
  }
  if (quiet) assert.equal(client.buffered, 0, 'a reply that nobody asked for');
  client.close();
  await served;
  for (const message of await store.list()) {
    const source = await store.read(message.id);
    said.push(JSON.stringify(message.envelope), source ? (await readAll(source)).toString('latin1') : '');
  }
  // Ids are random: they are the only part of a reply that differs between two runs.
  return said.map((text) => text.replace(/queued as \S+/, 'queued'));
}

async function judge(text: string, store: Store, line: number): Promise<void> {
  const [what = '', ...rest] = text.split(' ');
  const wanted = rest.join(' ');
  const messages = await store.list();
  const last = messages.at(-1);
  const source = last && (await store.read(last.id));
  const found: Record<string, string> = {
    messages: String(messages.length),
    body: source ? (await readAll(source)).toString('latin1') : '',
    from: last?.envelope.mailFrom ?? '',
    to: last?.envelope.rcptTo.map(({ address }) => address).join(' ') ?? '',
    protocol: last?.envelope.protocol ?? '',
    helo: last?.envelope.helo ?? '',
    auth: JSON.stringify(last?.envelope.auth ?? null),
    tls: JSON.stringify(last?.envelope.tls ?? null),
    params: JSON.stringify([last?.envelope.mailParams, ...(last?.envelope.rcptTo.map(({ params }) => params) ?? [])]),
  };
  assert.equal(found[what], what === 'body' ? wireBytes(wanted).toString('latin1') : wanted, `line ${line}: ${what}`);
}

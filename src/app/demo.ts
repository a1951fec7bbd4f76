// The use case of `ehlo demo`: the whole loop on this machine, through the same use cases as the commands: a server with a
// zone, a walk, a message, a mailbox, a look inside, and the proof that no byte changed. Each step is told as it is done.
import { createHash } from 'node:crypto';
import { bytesSource, readAll } from '../base/bytes.ts';
import { asEhloError, EhloError } from '../base/errors.ts';
import { clientDeadlines } from '../base/limits.ts';
import { type Scrubber, Secret } from '../base/secret.ts';
import type { Store } from '../store/store.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import { anyAccount } from './accounts.ts';
import type { Connection } from './connection.ts';
import { type FetchReport, fetchMail } from './fetch.ts';
import type { FetchOutput } from './fetch-output.ts';
import { inspectMessage, type MessageReport, openMessage } from './inspect-message.ts';
import { emptyInput, type MessageInput } from './message-input.ts';
import type { Ports } from './ports.ts';
import { type RelayTestReport, relayTest } from './relay-test.ts';
import { type ReportHead, reportHead } from './report.ts';
import { type SendReport, send } from './send.ts';
import { type ServeHandle, serve } from './serve.ts';

export type DemoStep = { title: string /** What a user would type. */; command: string | null; ok: boolean } & (
  | { name: 'serve'; zone: string; urls: string[] }
  | { name: 'relay-test'; report: RelayTestReport }
  | { name: 'send'; report: SendReport; transcript: TranscriptEvent[] }
  | { name: 'fetch'; report: FetchReport }
  | { name: 'inspect'; report: MessageReport }
  | { name: 'compare'; checks: { what: string; ok: boolean; detail: string }[] }
);

export interface DemoReport extends ReportHead<'demo'> {
  steps: { name: DemoStep['name']; title: string; command: string | null; ok: boolean }[];
}

export interface DemoHooks {
  scrubber: Scrubber;
  signal: AbortSignal;
  onDone(step: DemoStep): void;
}

/** demo.test is reserved (RFC 6761). The better host has an address where nobody listens. */
const zoneText = `$ORIGIN demo.test.
@    300  MX    10 mx1
@    300  MX    20 mx2
mx1  300  AAAA  ::1
mx2  300  A     127.0.0.1
`;

const sender = 'alice@sender.test';
const recipient = 'bob@demo.test';
const bodyText =
  'Hello Bob,\n\nthe picture is attached.\n.\nA line with one dot survives, and so do these: äöü — 你好.\n';

/** Rejects only where the server cannot be started. */
export async function demo(
  ports: Ports & { store: Store; pid: number },
  hooks: DemoHooks,
): Promise<{ report: DemoReport; error: EhloError | null }> {
  const steps: DemoReport['steps'] = [];
  const tell = (step: DemoStep): void => {
    const { name, title, command, ok } = step;
    steps.push({ name, title, command, ok });
    hooks.onDone(step);
    if (!ok) throw new EhloError('answer-no', `the step "${title}" did not hold`);
  };
  const attachment = { name: 'Übersicht.bin', bytes: sampleBytes() };
  const server = await serve(
    {
      smtp: { host: '127.0.0.1', port: 0 },
      pop3: { host: '127.0.0.1', port: 0 },
      dns: { host: '127.0.0.1', port: 0 },
      zones: [{ name: 'demo.zone', text: zoneText }],
      hostname: 'mx2.demo.test',
      accounts: anyAccount,
      requireAuth: false,
      requireTls: false,
      domains: ['demo.test'],
      hidden: new Set(),
    },
    ports,
  );
  try {
    await walkThrough(server, attachment, ports, hooks, tell);
    return { report: { ...reportHead('demo', 'OK'), steps }, error: null };
  } catch (thrown) {
    const error = asEhloError(thrown);
    return { report: { ...reportHead('demo', error), steps }, error };
  } finally {
    server.stop('stopped');
    await server.finished;
  }
}

async function walkThrough(
  server: ServeHandle,
  attachment: { name: string; bytes: Buffer },
  ports: Ports,
  hooks: DemoHooks,
  tell: (step: DemoStep) => void,
): Promise<void> {
  const { smtp, pop3, dns } = server.ready;
  if (!smtp || !pop3 || !dns) throw new EhloError('internal', 'the server did not tell all its ports');
  const toMx: Connection = {
    server: { scheme: 'mx', host: '' },
    tlsVerify: 'full',
    tlsClient: {},
    allowPlaintextAuth: false,
    deadlines: clientDeadlines,
    dns: { host: dns.host, port: dns.port },
    overrides: [],
    mxPort: smtp.port,
  };
  const route = `--dns ${dns.server} --mx-port ${smtp.port}`;
  tell({
    name: 'serve',
    title: 'start a throwaway server that also answers DNS for a zone',
    command: `ehlo serve --zone demo.zone --domain demo.test --smtp ${smtp.port} --pop3 ${pop3.port} --dns ${dns.port}`,
    ok: true,
    zone: zoneText,
    urls: [smtp.url, pop3.url, `dns ${dns.server}`],
  });

  const walk = await relayTest(
    {
      connection: toMx,
      target: { kind: 'address', address: recipient },
      written: recipient,
      from: sender,
      stopAt: 'rcpt',
      allHosts: false,
      localDomains: [],
      // Plain SMTP is the point of a throwaway server on loopback.
      ignore: ['TLS-NONE'],
      failOn: undefined,
    },
    ports,
    hooks,
  );
  tell({
    name: 'relay-test',
    title: 'walk what a sending server would do; the better MX host refuses connections',
    command: `ehlo relay-test ${recipient} --from ${sender} ${route}`,
    ok:
      walk.report.verdict.status === 'deliverable' &&
      walk.report.hops.map((hop) => hop.verdict.status).join() === 'unreachable,deliverable',
    report: walk.report,
  });

  const transcript: TranscriptEvent[] = [];
  const files = { ...ports.files, read: async () => ({ ...bytesSource(attachment.bytes), name: attachment.name }) };
  const sent = await send(
    { connection: toMx, input: messageInput(attachment.name), onReject: 'continue', pipelining: true, dryRun: false },
    { ...ports, files },
    { ...hooks, onEvent: (event) => transcript.push(event) },
  );
  tell({
    name: 'send',
    title: 'send a message with an attachment by the same way',
    command: `ehlo send --server mx: ${route} --from ${sender} -s 'Grüße, Bob' --body @letter.txt -a '${attachment.name}' -v ${recipient}`,
    ok: sent.report.ok,
    report: sent.report,
    transcript,
  });

  const mailbox = keepInMemory();
  const fetched = await fetchMail(
    {
      connection: {
        ...toMx,
        server: { scheme: 'pop3', host: pop3.host, port: pop3.port },
        credentials: { user: recipient, password: new Secret('any password will do') },
      },
      action: 'get',
      maxSize: 10_000_000,
      maxMessages: 10,
      topLines: 0,
      delete: false,
      output: mailbox.output,
    },
    ports,
    hooks,
  );
  tell({
    name: 'fetch',
    title: 'fetch it over POP3; the user is the mailbox',
    command: `ehlo fetch ${pop3.url.replace('://', `://${encodeURIComponent(recipient)}@`)} get -o inbox --password-env PW`,
    ok: fetched.report.ok && mailbox.messages.length === 1,
    report: fetched.report,
  });

  const [bytes = Buffer.alloc(0)] = mailbox.messages;
  const report = await inspectMessage(await openMessage(bytesSource(bytes)));
  tell({
    name: 'inspect',
    title: 'look inside what was fetched',
    command: 'ehlo inspect inbox/001-*.eml',
    ok: report.ok && report.attachments.length === 1,
    report,
  });

  const original = sent.message ? await readAll(sent.message) : Buffer.alloc(0);
  const checks = [
    check('the message, as sent and as fetched', sha256(original), sha256(bytes), `${bytes.length} bytes`),
    check(
      'the attachment',
      sha256(attachment.bytes),
      report.attachments[0]?.sha256 ?? '',
      `${attachment.bytes.length} bytes`,
    ),
    check('its name', attachment.name, report.attachments[0]?.filename ?? '', attachment.name),
    check('the text', bodyText, (report.message.text ?? '').replaceAll('\r\n', '\n'), `${bodyText.length} characters`),
  ];
  tell({
    name: 'compare',
    title: 'compare what came out with what went in',
    command: null,
    ok: checks.every((one) => one.ok),
    checks,
  });
}

const messageInput = (attachment: string): MessageInput => ({
  ...emptyInput,
  from: `Alice <${sender}>`,
  to: [recipient],
  subject: 'Grüße, Bob',
  text: { kind: 'text', text: bodyText },
  attachments: [{ path: attachment }],
});

/** Every byte value, dots at line starts, bare CR and LF: what careless software changes. */
const sampleBytes = (): Buffer =>
  Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.from('\r\n.\r\n..\r\n.\n\r.\r'),
    Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * at + 7 * at) & 0xff)),
  ]);

function keepInMemory(): { output: FetchOutput; messages: Buffer[] } {
  const messages: Buffer[] = [];
  const output: FetchOutput = {
    durable: false,
    begin() {
      const chunks: Buffer[] = [];
      return {
        write: (chunk) => void chunks.push(chunk),
        commit: async () => {
          messages.push(Buffer.concat(chunks));
          return { file: null };
        },
        abort: async () => undefined,
      };
    },
    settle: async () => true,
  };
  return { output, messages };
}

const check = (what: string, before: string, after: string, detail: string) => ({ what, ok: before === after, detail });

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

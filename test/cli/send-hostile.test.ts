// `ehlo send` against servers that lie, stall, break off or show the wrong certificate: the exit code, one JSON document,
// what a person reads, and what must never have gone out. The client alone is in test/smtp/client.test.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import { exitCodes } from '../../src/base/exit.ts';
import { sendCommand } from '../../src/cli/commands/send.ts';
import { parseLine } from '../../src/cli/parse.ts';
import { createPorts } from '../../src/cli/ports.ts';
import { socketChannel } from '../../src/net/channel.ts';
import { testCertificate, testKey } from '../support/certificate.ts';
import { testContext } from '../support/context.ts';
import { hostileCertificates, hostileKey, testAuthority } from '../support/hostile-certificates.ts';
import { scriptedPeer } from '../support/scripted.ts';

const directory = mkdtempSync(join(tmpdir(), 'ehlo-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};

const certificates = {
  ...Object.fromEntries(Object.entries(hostileCertificates).map(([name, cert]) => [name, { cert, key: hostileKey }])),
  self: { cert: testCertificate, key: testKey },
};

interface Peer {
  port: number;
  /** What each connection received, before TLS and under it. */
  received(): string;
  connections(): number;
  close(): void;
}

/** Each connection follows the next script; the last one serves all that come later. */
async function listen(scripts: readonly string[], certificate = 'self'): Promise<Peer> {
  const { cert = '', key = '' } = (certificates as Record<string, { cert: string; key: string }>)[certificate] ?? {};
  const all: (() => string)[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    const script = scripts[Math.min(all.length, scripts.length - 1)] ?? '';
    const tls = { role: 'server' as const, cert: Buffer.from(cert), key: Buffer.from(key) };
    const peer = scriptedPeer(socketChannel(socket, 'client'), script, tls);
    peer.finished.catch(() => undefined);
    all.push(peer.received);
    closing.push(() => socket.destroy());
  });
  const closing: (() => void)[] = [() => server.close()];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    received: () => all.map((one) => one()).join(''),
    connections: () => all.length,
    close: () => {
      for (const one of closing) one();
    },
  };
}

const hello = (...keywords: string[]): string =>
  ['S: 220 mx.test', 'C: EHLO', ...keywords.map((one) => `S: 250-${one}`), 'S: 250 HELP'].join('\n');
// The first line of a 250 is the greeting, so keywords come behind one.
const offers = (...keywords: string[]): string => hello('mx.test', ...keywords);
const bye = 'C: QUIT\nS: 221 bye\nF';
const takes = 'C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 2.0.0 Ok: queued as T1';
const honest = `${offers()}\n${takes}\n${bye}`;
const startTls = `${offers('STARTTLS')}\nC: STARTTLS`;
const underTls = `S: 220 go\nT\nC: EHLO\nS: 250-mx.test\nS: 250 HELP\n${takes}\n${bye}`;

const password = 'wonder4land';
const login = ['--user', 'alice', '--password-env', 'PW', '--tls', 'off'];
const secretForms = [password, Buffer.from(password).toString('base64'), encodeURIComponent(password)];
const ca = ['--ca', file('ca.pem', testAuthority)];

interface Row {
  name: string;
  script: string;
  /** Scripts of later connections. */
  later?: string[];
  certificate?: string;
  args?: string[];
  exit: number;
  /** error.code of the JSON. */
  code: string | null;
  text?: RegExp;
  statuses?: string[];
  never?: RegExp;
  sends?: RegExp;
  connections?: number;
  input?: string;
}

const rows: Row[] = [
  { name: 'an honest server', script: honest, exit: 0, code: null, statuses: ['accepted'], sends: /\r\n\.\r\n/ },
  {
    name: 'accepts and never greets',
    script: 'W',
    args: ['--timeout', '80ms'],
    exit: 75,
    code: 'timeout',
    text: /within 80 ms[\s\S]*--tls implicit/,
  },
  {
    name: 'greets for ever',
    script: `S! ${'220-x\\r\\n'.repeat(150)}`,
    exit: 76,
    code: 'reply-too-long',
    never: /EHLO/,
  },
  { name: 'blank lines', script: `S! ${'\\r\\n'.repeat(1000)}`, exit: 76, code: 'reply-malformed', never: /EHLO/ },
  {
    name: 'speaks TLS from the first byte, without any line end',
    script: 'S! \\x16\\x03\\x01\\x00\\x05hello\nF',
    exit: 76,
    code: 'reply-malformed',
    text: /looks like TLS[\s\S]*--tls implicit/,
  },
  {
    name: 'is an HTTP server',
    script: 'S: HTTP/1.1 400 Bad Request\nW',
    exit: 76,
    code: 'reply-malformed',
    text: /HTTP/,
  },
  { name: '554 greeting', script: `S: 554 no service\n${bye}`, exit: 69, code: 'rejected', sends: /^QUIT\r\n$/ },
  { name: '421 greeting', script: `S: 421 busy\n${bye}`, exit: 75, code: 'deferred', sends: /^QUIT\r\n$/ },
  {
    name: 'EHLO unknown: HELO',
    script: `S: 220 hi\nC: EHLO\nS: 502 what\nC: HELO\nS: 250 hi\n${takes}\n${bye}`,
    exit: 0,
    code: null,
    statuses: ['accepted'],
  },
  {
    name: 'EHLO unknown where TLS is required',
    script: `S: 220 hi\nC: EHLO\nS: 502 what\n${bye}`,
    args: ['--tls', 'required'],
    exit: 77,
    code: 'tls-unavailable',
    never: /HELO/,
  },
  {
    name: 'EHLO unknown where a login is wanted',
    script: `S: 220 hi\nC: EHLO\nS: 500 what\n${bye}`,
    args: login,
    exit: 77,
    code: 'auth-unavailable',
    never: /HELO/,
  },
  {
    name: 'STARTTLS stripped where TLS is required',
    script: `${offers('AUTH PLAIN LOGIN')}\n${bye}`,
    args: [...login, '--tls', 'required'],
    exit: 77,
    code: 'tls-unavailable',
    never: /AUTH|MAIL/,
    text: /nothing was sent/,
  },
  ...['454 4.7.0 not now', '502 5.5.1 what', '250 ok', '354 go'].map((answer) => ({
    name: `STARTTLS answered ${answer} where TLS is required`,
    script: `${startTls}\nS: ${answer}\n${bye}`,
    args: [...login, '--tls', 'required'],
    exit: 77,
    code: 'tls-unavailable',
    never: /AUTH|MAIL/,
    text: /nothing was sent/,
  })),
  {
    name: 'STARTTLS refused, opportunistic',
    script: `${startTls}\nS: 454 4.7.0 not now\n${takes}\n${bye}`,
    args: ['--tls', 'opportunistic'],
    exit: 0,
    code: null,
    text: /note: STARTTLS was refused/,
  },
  ...[
    ['in one segment', 'S! 220 go\\r\\n250-injected\\r\\n250 AUTH PLAIN\\r\\n\nW'],
    ['behind the line end', 'S: 220 go\nS: 250 injected, and rather long\nW'],
    ['without a line end', 'S! 220 go\\r\\ninjected bytes\nW'],
  ].flatMap(([how, script]) =>
    ['required', 'opportunistic'].map((mode) => ({
      name: `replies injected behind STARTTLS ${how}, ${mode}`,
      script: `${startTls}\n${script}`,
      args: ['--tls', mode],
      exit: 76,
      code: 'starttls-injection',
      never: /MAIL|AUTH/,
      connections: 1,
    })),
  ),
  {
    name: 'a TLS handshake that hangs',
    script: `${startTls}\nS: 220 go\nW`,
    args: ['--tls', 'required', '--timeout', '600ms'],
    exit: 75,
    code: 'timeout',
    text: /TLS handshake/,
  },
  {
    name: 'no TLS behind 220 where it is only opportunistic: the handshake fails, a new connection without it',
    script: `${startTls}\nS: 220 go\nF`,
    later: [honest],
    args: ['--tls', 'opportunistic'],
    exit: 75,
    code: 'lost',
    connections: 1,
  },
  ...(
    [
      ['self', [], /self-signed[\s\S]*--ca FILE or --pin/],
      ['good', [], /not trusted here|unknown[\s\S]*--ca FILE/],
      ['expired', ca, /has expired/],
      ['future', ca, /not valid yet[\s\S]*clocks/],
      ['wrong', ca, /other\.test, not for 127\.0\.0\.1[\s\S]*--tls-name/],
      ['commonNameOnly', ca, /not for 127\.0\.0\.1/],
      ['hostile', ca, /not for 127\.0\.0\.1/],
      ['good', [...ca, '--tls-name', 'elsewhere.test'], /not for elsewhere\.test/],
      ['good', ['--pin', `sha256:${'0'.repeat(64)}`], /not the pinned one/],
      ['good', ['--pin', `sha256:${'0'.repeat(64)}`, '--tls-verify', 'none'], /not the pinned one/],
    ] as const
  ).map(([certificate, args, text]) => ({
    name: `certificate ${certificate} ${args.slice(-2).join(' ')}`,
    script: `${startTls}\n${underTls}`,
    certificate,
    args: ['--tls', 'required', ...args],
    exit: 77,
    code: 'tls-certificate',
    text,
    never: /MAIL|AUTH/,
  })),
  ...['good', 'noSubject'].map((certificate) => ({
    name: `certificate ${certificate} of the given authority`,
    script: `${startTls}\n${underTls}`,
    certificate,
    args: ['--tls', 'required', ...ca],
    exit: 0,
    code: null,
    statuses: ['accepted'],
  })),
  {
    name: 'an untrusted certificate where TLS is opportunistic is told',
    script: `${startTls}\n${underTls}`,
    args: ['--tls', 'opportunistic'],
    exit: 0,
    code: null,
    text: /note: the certificate is not verified: the certificate is self-signed/,
  },
  {
    name: 'extensions told in the clear are forgotten under TLS',
    script: `${offers('STARTTLS', 'PIPELINING', 'SIZE 10')}\nC: STARTTLS\n${underTls}`,
    args: ['--tls', 'required', ...ca],
    certificate: 'good',
    exit: 0,
    code: null,
  },
  {
    name: 'a login refused, with the password in the reply',
    script: `${offers('AUTH PLAIN')}\nC: AUTH PLAIN\nS: 535 5.7.8 no: ${password} ${Buffer.from(`\0alice\0${password}`).toString('base64')}\n${bye}`,
    args: login,
    exit: 77,
    code: 'auth-rejected',
    never: /MAIL/,
    text: /nothing was sent/,
  },
  {
    name: 'the password in a line that is no reply',
    script: `${offers('AUTH PLAIN')}\nC: AUTH PLAIN\nS: what is ${password}?\nW`,
    args: login,
    exit: 76,
    code: 'reply-malformed',
    never: /MAIL/,
  },
  {
    name: 'the password in an extra reply',
    script: `${offers('AUTH PLAIN')}\nC: AUTH PLAIN\nS! 235 hi\\r\\n250 ${password}\\r\\n\nW`,
    args: login,
    exit: 76,
    code: 'reply-out-of-turn',
    never: /MAIL/,
  },
  {
    name: 'a challenge that holds the password by chance is answered all the same',
    script: `${offers('AUTH CRAM-MD5')}\nC: AUTH CRAM-MD5\nS: 334 ${Buffer.from(`<1.2@${password}.test>`).toString('base64')}\nC: YWxpY2Ug\nS: 235 ok\n${takes}\n${bye}`,
    args: login,
    exit: 0,
    code: null,
    sends: /\r\n\.\r\n/,
  },
  {
    name: 'challenges without end',
    script: `${offers('AUTH LOGIN')}\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\nS: 334 UGFzc3dvcmQ6\nC: d29uZGVy\nS: 334 UGFzc3dvcmQ6\nC: *\nW`,
    args: login,
    exit: 76,
    code: 'reply-unexpected',
    never: /MAIL/,
  },
  {
    name: 'a challenge that is not base64',
    script: `${offers('AUTH CRAM-MD5')}\nC: AUTH CRAM-MD5\nS: 334 what?\nC: *\nS: 501 ok\nW`,
    args: login,
    exit: 76,
    code: 'reply-malformed',
    never: /MAIL/,
  },
  {
    name: 'a CRAM-MD5 challenge with a line end in it',
    script: `${offers('AUTH CRAM-MD5')}\nC: AUTH CRAM-MD5\nS: 334 ${Buffer.from('<1@x>\r\nMAIL').toString('base64')}\nC: *\nS: 501 ok\nW`,
    args: login,
    exit: 76,
    code: 'reply-malformed',
    never: /MAIL/,
  },
  {
    name: 'EHLO answered by TLS alone, in the middle of a login',
    script: `${offers('AUTH PLAIN')}\nC: AUTH PLAIN\nR`,
    args: login,
    exit: 75,
    code: 'lost',
    never: /MAIL/,
  },
  {
    name: 'a reply dripping a byte at a time',
    script: 'S! 2\nW',
    args: ['--timeout', '80ms'],
    exit: 75,
    code: 'timeout',
    text: /within 80 ms/,
  },
  {
    name: '421 in the middle of the message, without reading it',
    script: `${offers()}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS! 354 go\\r\\n421 4.3.2 closing\\r\\n\nW`,
    exit: 75,
    code: 'deferred',
    never: /\r\n\.\r\n/,
    statuses: ['deferred'],
  },
  {
    name: '550 in the middle of the message, without reading it',
    script: `${offers()}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS! 354 go\\r\\n550 5.7.1 enough\\r\\n\nW`,
    exit: 69,
    code: 'rejected',
    text: /5\.7\.1 enough/,
    statuses: ['rejected'],
  },
  {
    name: 'one verdict too many, late',
    script: `${offers()}\n${takes}\nC: QUIT\nS: 250 again\nS: 221 bye\nF`,
    exit: 76,
    code: 'reply-out-of-turn',
    statuses: ['unknown'],
    text: /may have been accepted: Message-ID </,
  },
  {
    name: 'lost behind the end of data',
    script: `${offers()}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS! 250 queued as 12\nR`,
    later: [honest],
    exit: 4,
    code: 'outcome-unknown',
    statuses: ['unknown'],
    text: /may have been accepted: Message-ID </,
    connections: 1,
  },
  {
    name: 'LMTP with a verdict each, of which one is missing',
    script: `S: 220 hi\nC: LHLO\nS: 250 hi\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nM\nS: 250 ok\nS: 550 5.2.2 full\nF`,
    args: ['--server', 'lmtp://127.0.0.1:PORT', 'c@y.test', 'd@y.test'],
    exit: 4,
    code: 'outcome-unknown',
    statuses: ['accepted', 'rejected', 'unknown'],
  },
  {
    name: 'a message larger than SIZE',
    script: `${offers('SIZE 10')}\n${bye}`,
    exit: 65,
    code: 'message-too-large',
    never: /MAIL/,
    statuses: ['rejected'],
    text: /nothing was sent/,
  },
  {
    name: 'escape sequences in every reply',
    script: `S! 220 \\x1b]0;owned\\x07 hi\\r\\n\nC: EHLO\nS! 250-\\x1b[31mmx\\r\\n250 X-\\x9b\\r\\n\nC: MAIL\nS! 550 5.7.1 \\x1b[2Jno\\x00\\xe2\\x80\\xae\\r\\n\nC: RSET\nS: 250 ok\n${bye}`,
    args: ['-vv'],
    exit: 69,
    code: 'rejected',
  },
];

describe('send against hostile servers', () => {
  for (const row of rows) {
    test(row.name, async () => {
      const peer = await listen([row.script, ...(row.later ?? [])], row.certificate);
      try {
        const ran = await send(peer.port, [...(row.args ?? []), '--json']);
        const report = JSON.parse(ran.stdout);
        assert.deepEqual(
          { exit: ran.code, inJson: report.exit.code, code: report.error?.code ?? null, ok: report.ok },
          { exit: row.exit, inJson: row.exit, code: row.code, ok: row.exit === 0 },
          JSON.stringify(report.error),
        );
        if (row.statuses) {
          assert.deepEqual(
            report.recipients.map(({ status }: { status: string }) => status),
            row.statuses,
          );
        }
        assert.equal(ran.stderr, '');
        if (row.never) assert.doesNotMatch(peer.received(), row.never);
        if (row.sends) assert.match(peer.received(), row.sends);
        if (row.connections !== undefined) assert.equal(peer.connections(), row.connections);
        harmless(ran);
      } finally {
        peer.close();
      }
      if (!row.text && !row.args?.includes('-vv')) return;
      const again = await listen([row.script, ...(row.later ?? [])], row.certificate);
      try {
        const ran = await send(again.port, [...(row.args ?? []), ...(row.args?.includes('-vv') ? [] : ['-v'])]);
        assert.equal(ran.code, row.exit, ran.stderr);
        if (row.text) assert.match(ran.stderr, row.text);
        harmless(ran);
      } finally {
        again.close();
      }
    });
  }
});

const bareLf = file('bare.eml', 'Subject: x\r\n\r\none\ntwo\r\n');
const badInputs: { name: string; args: string[]; code: string; text: RegExp }[] = [
  ...['\r\nRCPT TO:<evil@x.test>', '\n', '\r', '\u001b', '\u0085', '\u2028'].flatMap((bad) =>
    Object.entries({
      to: 'c@x.test',
      from: 'c@x.test',
      'mail-from': 'c@x.test',
      rcpt: 'c@x.test',
      'reply-to': 'c@x.test',
      subject: 'word',
      header: 'X-A: word',
      'in-reply-to': '<word@x.test>',
      helo: 'word',
      envid: 'word',
      'mail-param': 'X=word',
      'rcpt-param': 'X=word',
    }).map(([option, value]) => ({
      name: `${JSON.stringify(bad)} in --${option}`,
      args: [`--${option}`, `${value}${bad}`],
      code: '(usage|bad-address|bad-message)',
      text: /U\+[0-9A-F]{4}/,
    })),
  ),
  ...['c@x.test d@x.test', 'c@d@x.test', 'c@x.test(c)@evil.test', 'team: c@x.test;', '<@r.test:c@x.test>'].map(
    (to) => ({
      name: `--to ${to}`,
      args: ['--to', to],
      code: 'bad-address',
      text: /./,
    }),
  ),
  { name: 'a header name with a space', args: ['-H', 'X A: b'], code: '(usage|bad-message)', text: /X A/ },
  { name: 'no colon in a header', args: ['-H', 'X-A'], code: 'usage', text: /Name: value/ },
  { name: 'a directory attached', args: ['-a', directory], code: 'io', text: /directory/ },
  { name: 'an endless file attached', args: ['-a', '/dev/zero'], code: 'io', text: /dev\/zero/ },
  { name: 'a missing file attached', args: ['-a', join(directory, 'nothing')], code: 'no-input', text: /nothing/ },
  { name: 'a bad URL', args: ['--server', 'smtp://u:p4ssw0rd@host/x'], code: 'usage', text: /<secret>/ },
  { name: 'a DSN parameter that is none', args: ['--mail-param', 'A B'], code: 'usage', text: /ESMTP parameter/ },
  {
    name: 'all or nobody over domains',
    args: ['--server', 'mx:', '--on-reject', 'abort', 'c@z.test'],
    code: 'usage',
    text: /domains/,
  },
];

describe('send with values that cannot be sent connects to nobody', () => {
  for (const { name, args, code, text } of badInputs) {
    test(name, async () => {
      const peer = await listen([honest]);
      try {
        const { thrown, stdout } = await send(peer.port, [...args, '--json']);
        assert.match(thrown?.code ?? `sent all the same: ${stdout}`, new RegExp(`^${code}$`));
        assert.match(`${thrown?.message}`, text);
        assert.equal(peer.connections(), 0);
      } finally {
        peer.close();
      }
    });
  }

  test('a bare line end in --raw, with its offset', async () => {
    const peer = await listen([honest]);
    const context = await sendRaw(peer.port, bareLf);
    peer.close();
    assert.match(context.thrown?.message ?? '', /bare LF at byte 17/);
    assert.equal(peer.connections(), 0);
  });
});

/** No control byte, no bidi mark and no secret came out, whatever was put in. */
function harmless({ stdout, stderr }: Ran): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
  assert.doesNotMatch(stdout + stderr, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
  for (const form of secretForms) assert.ok(!`${stdout}${stderr}`.includes(form), 'a secret came out');
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  thrown: EhloError | null;
}

/** In this process, with real sockets: a table of children would take its time. */
const send = (port: number, args: readonly string[]): Promise<Ran> => run(port, ['--body', 'hi', ...args]);

const sendRaw = (port: number, path: string): Promise<Ran> => run(port, ['--raw', path]);

async function run(port: number, args: readonly string[]): Promise<Ran> {
  const given = args.map((arg) => arg.replace('PORT', String(port)));
  const server = given.includes('--server') ? [] : ['--server', `127.0.0.1:${port}`];
  const line = ['--from', 'a@x.test', ...server, ...given, 'b@y.test'];
  const parsed = parseLine('send', sendCommand, line, 80);
  if (parsed.kind !== 'run') throw new Error('help?');
  const { signal } = new AbortController();
  const { format, verbosity } = parsed.globals;
  const context = testContext({ env: { PW: password }, format, verbosity, signal });
  context.ports = createPorts({ stdin: () => process.stdin, signal });
  const ran = { code: 0, thrown: null as EhloError | null };
  try {
    ran.code = await sendCommand.run(parsed.args, parsed.options, context);
  } catch (thrown) {
    if (!(thrown instanceof EhloError)) throw thrown;
    ran.thrown = thrown;
    ran.code = exitCodes[thrown.exit];
  }
  return { ...ran, stdout: context.stdout.text, stderr: context.stderr.text };
}

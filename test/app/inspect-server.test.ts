// inspect of a server: what each kind of server says of itself, and what must be said of it; nobody ever logs in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerScheme, TlsMode } from '../../src/app/connection.ts';
import { inspectServer } from '../../src/app/inspect-server.ts';
import { EhloError } from '../../src/base/errors.ts';
import type { FailOn } from '../../src/base/finding.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { plainStyle } from '../../src/render/color.ts';
import { renderServer } from '../../src/render/inspect-server.ts';
import type { TlsFacts } from '../../src/wire/channel.ts';
import { memoryPair } from '../../src/wire/memory.ts';
import { tlsFacts } from '../smtp/dialog.ts';
import { scriptedPeer } from '../support/scripted.ts';
import { mailLab } from './lab.ts';

const selfSigned: TlsFacts = {
  ...tlsFacts,
  authorized: false,
  error: 'the certificate is self-signed',
  cause: 'self-signed',
  subject: 'CN=pop.test \x1b[31m',
  validTo: '2000-01-01T00:00:00.000Z',
};

const popPlain = 'S: +OK hello <1@pop.test>\nC: CAPA\nS: +OK\n';
const popBye = 'C: QUIT\nS: +OK bye\nF';

interface Row {
  name: string;
  scheme: ServerScheme;
  /** For each address in turn; none: connection refused. */
  scripts: (string | undefined)[];
  tls?: TlsFacts;
  mode?: TlsMode;
  failOn?: FailOn;
  exit: number;
  banner: string | null;
  extensions?: string[];
  auth?: { plain: string[] | null; tls: string[] | null };
  findings?: string[];
  error?: string;
}

const rows: Row[] = [
  {
    name: 'POP3 without TLS',
    scheme: 'pop3',
    scripts: [`${popPlain}S: TOP\nS: USER\nS: SASL PLAIN scram-sha-256\nS: .\n${popBye}`],
    exit: 0,
    banner: '+OK hello <1@pop.test>',
    extensions: ['TOP', 'USER', 'SASL PLAIN scram-sha-256'],
    auth: { plain: ['PLAIN', 'SCRAM-SHA-256', 'USER', 'APOP'], tls: null },
    findings: ['TLS-NONE', 'AUTH-PLAINTEXT', 'NO-PIPELINING'],
  },
  {
    name: 'POP3 with STLS and a certificate that nobody trusts: it is looked at, not refused',
    scheme: 'pop3',
    scripts: [
      `${popPlain}S: STLS\nS: PIPELINING\nS: .\nC: STLS\nS: +OK\nT\nC: CAPA\nS: +OK\nS: USER\nS: PIPELINING\nS: .\n${popBye}`,
    ],
    tls: selfSigned,
    failOn: 'warn',
    exit: 1,
    banner: '+OK hello <1@pop.test>',
    extensions: ['USER', 'PIPELINING'],
    auth: { plain: ['APOP'], tls: ['USER', 'APOP'] },
    findings: ['TLS-CERTIFICATE'],
  },
  {
    name: 'POP3 with TLS from the first byte',
    scheme: 'pop3s',
    scripts: [`T\nS: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: SASL PLAIN\nS: .\n${popBye}`],
    tls: tlsFacts,
    failOn: 'warn',
    exit: 0,
    banner: '+OK',
    extensions: ['PIPELINING', 'SASL PLAIN'],
    auth: { plain: null, tls: ['PLAIN'] },
    findings: [],
  },
  {
    name: 'POP3 that does not know CAPA',
    scheme: 'pop3',
    scripts: [`S: +OK hi\nC: CAPA\nS: -ERR what?\n${popBye}`],
    exit: 0,
    banner: '+OK hi',
    extensions: [],
    auth: { plain: null, tls: null },
    findings: [],
  },
  {
    name: 'POP3 that breaks off behind STLS: what was learnt before is still told',
    scheme: 'pop3',
    scripts: [`${popPlain}S: STLS\nS: USER\nS: .\nC: STLS\nF`],
    exit: 75,
    error: 'lost',
    banner: '+OK hello <1@pop.test>',
    extensions: ['STLS', 'USER'],
    auth: { plain: ['USER', 'APOP'], tls: null },
  },
  {
    name: 'SMTP where POP3 was meant',
    scheme: 'pop3',
    scripts: ['S: 220 mx ESMTP\nW'],
    exit: 76,
    error: 'reply-malformed',
    banner: null,
  },
  {
    name: 'SMTP with logins in the clear',
    scheme: 'smtp',
    scripts: ['S: 220 hi\nC: EHLO\nS: 250-hi\nS: 250-PIPELINING\nS: 250 AUTH LOGIN\nC: QUIT\nS: 221 bye\nF'],
    failOn: 'error',
    exit: 0,
    banner: '220 hi',
    extensions: ['PIPELINING', 'AUTH LOGIN'],
    auth: { plain: ['LOGIN'], tls: null },
    findings: ['TLS-NONE', 'AUTH-PLAINTEXT'],
  },
  {
    name: 'SMTP where only the second address answers',
    scheme: 'smtp',
    scripts: [undefined, 'S: 220 second\nC: EHLO\nS: 250-hi\nS: 250 PIPELINING\nC: QUIT\nS: 221 bye\nF'],
    exit: 0,
    banner: '220 second',
    findings: ['TLS-NONE'],
  },
  {
    name: 'a server that nobody answers at',
    scheme: 'pop3',
    scripts: [undefined, undefined],
    exit: 75,
    error: 'connect-failed',
    banner: null,
    findings: [],
  },
];

for (const row of rows) {
  test(`inspect of a server: ${row.name}`, async () => {
    const { ports, connection } = mailLab('', {});
    const addresses = row.scripts.map((_, at) => `127.0.0.${at + 1}`);
    const peers: { received(): string }[] = [];
    const dialled: string[] = [];
    const { report, error } = await inspectServer(
      {
        connection: {
          ...connection,
          ...(row.mode ? { tls: row.mode } : {}),
          credentials: { user: 'me', password: new Secret('hunter2-secret') },
          overrides: addresses.map((address) => ({ host: 'host.test', port: 1, address })),
        },
        server: { scheme: row.scheme, host: 'host.test', port: 1 },
        written: `${row.scheme}://host.test:1`,
        failOn: row.failOn,
      },
      {
        ...ports,
        dial: async ({ address }) => {
          dialled.push(address);
          const script = row.scripts[addresses.indexOf(address)];
          if (script === undefined) throw new EhloError('connect-failed', 'nobody listens', { stage: 'connect' });
          const [ours, theirs] = memoryPair(row.tls ? { tls: row.tls } : {});
          peers.push(scriptedPeer(theirs, script, { role: 'server', cert: Buffer.alloc(0), key: Buffer.alloc(0) }));
          return ours;
        },
      },
      { scrubber: new Scrubber(), signal: new AbortController().signal },
    );
    assert.equal(report.exit.code, row.exit, error?.message);
    assert.equal(error?.code, row.error);
    assert.equal(report.banner, row.banner);
    assert.deepEqual(dialled, addresses.slice(0, dialled.length));
    if (row.extensions) {
      assert.deepEqual(
        report.extensions.map(({ keyword, value }) => `${keyword} ${value}`.trim()),
        row.extensions,
      );
    }
    if (row.auth) assert.deepEqual(report.auth, row.auth);
    if (row.findings)
      assert.deepEqual(
        report.findings.map((finding) => finding.id),
        row.findings,
      );
    for (const peer of peers) assert.doesNotMatch(peer.received(), /hunter2|AUTH|PASS|USER|MAIL/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may reach a terminal
    assert.doesNotMatch(renderServer(report, plainStyle), /[\x00-\x09\x0b-\x1f]/);
  });
}

test('a target that is no single server is refused with what to write', async () => {
  const { ports, connection } = mailLab('', {});
  const request = {
    connection,
    server: { scheme: 'mx' as const, host: 'x.test' },
    written: 'mx:x.test',
    failOn: undefined,
  };
  await assert.rejects(
    inspectServer(request, ports, { scrubber: new Scrubber(), signal: new AbortController().signal }),
    /mx:x\.test does not name one server/,
  );
});

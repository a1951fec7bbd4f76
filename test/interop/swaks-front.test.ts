// The same command line through swaks and through `ehlo swaks`, against the same server: the exit code, everything that the
// server was told, and the lines on standard output must be the same, but for what a row names.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { swaks } from '../../src/cli/front/swaks.ts';
import { createPorts } from '../../src/cli/ports.ts';
import { testContext } from '../support/context.ts';
import { certificate } from './certificate.ts';
import { startServe } from './serve.ts';
import { ehlo, home, tool } from './support.ts';
import { type ServerTable, startTableServer } from './swaks-server.ts';

interface Row {
  what: string;
  args: string[];
  server?: ServerTable;
  input?: string;
  env?: Record<string, string>;
  /** Instead of one recipient at the server of this row. */
  bare?: true;
  /** Where we differ on purpose: what swaks does, and why we do not. */
  swaksExits?: { code: number; why: string };
  /** Only exit code and what the server heard are compared. */
  linesDiffer?: string;
  heardDiffers?: string;
}

const rows: Row[] = [
  // what is sent
  { what: 'the default message', args: [] },
  { what: 'the message summed up', args: ['-n'] },
  { what: 'a body', args: ['--body', 'first\\nsecond'] },
  { what: 'a body that begins with a dot', args: ['--body', '.hidden\\n..\\n.'] },
  { what: 'a body from a file', args: ['--body', '@FILES/body.txt'] },
  { what: 'a body from a file with a line end', args: ['--body', '@FILES/lines.txt'] },
  { what: 'a body with an empty line', args: ['--body', 'one\\n\\ntwo\\n'] },
  { what: 'a body that ends with an empty line', args: ['--body', 'one\\n\\n'] },
  {
    what: 'data that takes a body with an attachment',
    args: ['--data', 'Subject: x\\n\\n%BODY%', '--body', 'a\\n', '--attach-name', 'n', '--attach', 'b'],
  },
  { what: 'HELO from the start', args: ['--protocol', 'SMTP', '-n'] },
  { what: 'TLS and HELO from the start', args: ['--protocol', 'SMTPS', '-n'], server: { tls: 'implicit' } },
  { what: 'HELO refused', args: ['--protocol', 'SMTP'], server: { replies: { HELO: '550 no' } } },
  { what: 'the message that would be sent', args: ['--dump-mail', '--h-Date', 'x', '--body', 'grün'] },
  { what: 'a body from standard input', args: ['--body', '-'], input: 'typed %TO_ADDRESS%\nin' },
  {
    what: 'header options',
    args: ['--header', 'Subject: other', '--h-X-One', '1', '--add-header', 'X-Two: 2\\nX-Three: 3'],
  },
  { what: 'header options without MIME', args: ['--h-To:', 'Somebody <a@b.test>', '--header-From=%FROM_ADDRESS%'] },
  { what: 'the whole data', args: ['--data', 'Subject: mine\\nX-To: %TO_ADDRESS%\\n\\nbody %BODY%\\n.'] },
  { what: 'data from a file', args: ['-d', '@FILES/message.eml'] },
  { what: 'data from a file with its From_ line', args: ['-d', '@FILES/message.eml', '-nsf'] },
  { what: 'data from standard input', args: ['--data', '-'], input: 'Subject: in\n\npiped\n.\n' },
  { what: '-g', args: ['-g'], input: 'Subject: in\n\npiped\n' },
  { what: 'data with no body', args: ['--data', 'Subject: only\\nX-Other: field'] },
  {
    what: 'a header added to data',
    args: ['--data', 'Subject: a\\n\\nb', '--add-header', 'X-New: 1', '--header', 'Subject: c'],
  },
  { what: 'data guessed to be a file', args: ['--data', 'FILES/message.eml'] },
  {
    what: 'an attachment',
    args: ['--attach', 'one\\ntwo', '--body', 'text'],
    linesDiffer: '\\n is content in an attachment',
    heardDiffers: 'the same',
  },
  {
    what: 'attachments with names and types',
    args: ['--attach-name', 'n.txt', '--attach-type', 'text/x', '--attach', 'abc', '--attach', 'def'],
  },
  {
    what: 'an alternative body',
    args: ['--attach-body', 'plain', '--attach-type', 'text/html', '--attach-body', '<b>', '--attach', 'x'],
  },
  { what: 'two bodies alone', args: ['--attach-body', 'plain', '--attach-type', 'text/html', '--attach-body', '<b>'] },
  { what: 'the null sender', args: ['--from', '<>'] },
  { what: 'several recipients', args: ['--to', 'a@b.test,c@d.test'] },
  // options in their spellings and layers
  { what: 'names cut short', args: ['--quit', 'RCPT', '--hide-rec'] },
  { what: 'an option taken back', args: ['-n', '--no-n', '--quit-after', 'MAIL', '--no-quit-after'] },
  { what: 'options in the environment', args: [], env: { SWAKS_OPT_from: 'env@x.test', SWAKS_OPT_h_X_Env: 'yes' } },
  { what: 'options in a file', args: ['--config', 'FILES/swaksrc'] },
  // refusals
  { what: 'a refusing greeting', args: [], server: { banner: '554 no' } },
  { what: 'a greeting in lines', args: ['-n'], server: { banner: '220-one|220 two' } },
  { what: 'EHLO unknown', args: ['-n'], server: { replies: { EHLO: '500 what' } } },
  { what: 'neither EHLO nor HELO', args: [], server: { replies: { EHLO: '500 what', HELO: '500 what' } } },
  { what: 'MAIL refused', args: [], server: { replies: { MAIL: '550 no' } } },
  { what: 'RCPT deferred', args: [], server: { replies: { RCPT: '450 later' } } },
  {
    what: 'one recipient of two refused',
    args: ['--to', 'a@b.test,c@d.test', '-n'],
    server: { replies: { RCPT: ['250 ok', '550 no'] } },
    swaksExits: { code: 0, why: 'a script must hear of a refused recipient' },
  },
  {
    what: 'both recipients refused',
    args: ['--to', 'a@b.test,c@d.test'],
    server: { replies: { RCPT: ['450 later', '550 no'] } },
  },
  { what: 'DATA refused', args: [], server: { replies: { DATA: '451 no' } } },
  { what: 'the message refused', args: ['-n'], server: { replies: { DOT: '554 no' } } },
  { what: 'QUIT refused', args: ['-n'], server: { replies: { QUIT: '500 no' } } },
  { what: 'closed behind MAIL', args: ['-n'], server: { closes: 'MAIL' } },
  { what: 'closed instead of an answer to DATA', args: ['-n'], server: { closes: 'DATA!' } },
  {
    what: 'closed instead of an answer to QUIT',
    args: ['-n'],
    server: { closes: 'DOT' },
    linesDiffer: 'whether QUIT still goes out is chance',
    heardDiffers: 'the same',
  },
  { what: 'nobody listens', args: ['--server', '127.0.0.1:1', '--to', 'a@b.test'], bare: true },
  { what: 'no such host', args: ['--server', 'nosuch.invalid', '--to', 'a@b.test'], bare: true },
  { what: 'no such socket', args: ['--socket', '/nonexistent/socket', '--to', 'a@b.test'], bare: true },
  // where it stops
  ...['CONNECT', 'FIRST-HELO', 'HELO', 'AUTH', 'MAIL', 'RCPT'].map((stage) => ({
    what: `quits after ${stage}`,
    args: ['-q', stage],
  })),
  ...['CONNECT', 'EHLO', 'MAIL', 'DATA', 'DOT'].map((stage) => ({
    what: `drops after ${stage}`,
    args: ['-da', stage, '-n'],
  })),
  ...['MAIL', 'RCPT', 'DATA', 'DOT'].map((stage) => ({
    what: `drops after sending ${stage}`,
    args: ['-das', stage, '-n'],
  })),
  {
    what: 'no recipient is needed to stop early',
    args: ['--server', '127.0.0.1:PORT', '--helo', 'client.test', '-q', 'EHLO'],
    bare: true,
  },
  // extensions
  { what: 'pipelining', args: ['--pipeline', '--to', 'a@b.test,c@d.test', '-n'], server: { offers: ['PIPELINING'] } },
  { what: 'pipelining that is not offered', args: ['--pipeline', '-n'] },
  {
    what: 'PRDR',
    args: ['--prdr', '--to', 'a@b.test,c@d.test', '-n'],
    server: { offers: ['PRDR'], verdicts: ['353 each', '250 one', '250 two', '250 all'] },
  },
  { what: 'PRDR that is not offered', args: ['--prdr'] },
  { what: 'LMTP', args: ['--protocol', 'LMTP', '-n'] },
  {
    what: 'LMTP with a recipient refused at the end',
    args: ['--protocol', 'LMTP', '--to', 'a@b.test,c@d.test', '-n'],
    server: { verdicts: ['250 one', '550 two'] },
    swaksExits: { code: 0, why: 'a script must hear of a refused recipient' },
  },
  {
    what: 'XCLIENT',
    args: ['--xclient-addr', '192.0.2.1', '--xclient-name', 'a b', '-n'],
    server: { offers: ['XCLIENT NAME ADDR'], replies: { XCLIENT: '220 again' } },
  },
  {
    what: 'XCLIENT refused',
    args: ['--xclient-addr', '192.0.2.1'],
    server: { offers: ['XCLIENT NAME ADDR'], replies: { XCLIENT: '550 no' } },
  },
  {
    what: 'an XCLIENT attribute that is not offered',
    args: ['--xclient-addr', '192.0.2.1'],
    server: { offers: ['XCLIENT NAME'] },
  },
  {
    what: 'a PROXY header',
    args: [
      '--proxy-family',
      'TCP4',
      '--proxy-source',
      '192.0.2.1',
      '--proxy-source-port',
      '1',
      '--proxy-dest',
      '192.0.2.2',
      '--proxy-dest-port',
      '25',
      '-n',
    ],
    server: { proxied: true },
  },
  { what: 'a PROXY header that is not complete', args: ['--proxy-family', 'TCP4'] },
  {
    what: 'a command in place of a server',
    args: ['--pipe', 'sh FILES/pipe.sh', '--to', 'a@b.test', '--helo', 'x', '--from', 'f@x.test', '-n'],
    bare: true,
  },
  {
    what: 'a unix socket',
    args: ['--socket', 'FILES/socket', '--to', 'a@b.test', '--helo', 'x', '--from', 'f@x.test', '-n'],
    bare: true,
    server: { path: 'socket' },
  },
  {
    what: 'LMTP over a unix socket',
    args: [
      '--socket',
      'FILES/lmtp',
      '--protocol',
      'LMTP',
      '--to',
      'a@b.test',
      '--helo',
      'x',
      '--from',
      'f@x.test',
      '-n',
    ],
    bare: true,
    server: { path: 'lmtp' },
  },
  {
    what: 'a server that says nothing',
    args: ['--timeout', '1'],
    server: { banner: '220-never' },
    linesDiffer: 'swaks says QUIT to whom it does not hear',
    heardDiffers: 'the same',
  },
  // TLS and login
  { what: 'STARTTLS', args: ['-tls', '-n'], server: { offers: ['STARTTLS'], tls: 'starttls' } },
  {
    what: 'STARTTLS verified',
    args: ['-tls', '--tls-verify', '--tls-ca-path', 'CA', '-n'],
    server: { offers: ['STARTTLS'], tls: 'starttls' },
  },
  {
    what: 'a certificate that is not to be trusted',
    args: ['-tls', '--tls-verify'],
    server: { offers: ['STARTTLS'], tls: 'starttls' },
    linesDiffer: 'we tell what was agreed before we refuse it, and say QUIT',
    heardDiffers: 'the same',
  },
  { what: 'TLS that is not offered', args: ['-tls'] },
  {
    what: 'TLS that is refused',
    args: ['-tls'],
    server: { offers: ['STARTTLS'], replies: { STARTTLS: '454 no' } },
    linesDiffer: 'swaks hangs up, we say QUIT',
    heardDiffers: 'the same',
  },
  { what: 'optional TLS that is not offered', args: ['-tlso', '-n'] },
  {
    what: 'optional TLS that is refused',
    args: ['-tlso', '-n'],
    server: { offers: ['STARTTLS'], replies: { STARTTLS: '454 no' } },
  },
  {
    what: 'strict optional TLS that is refused',
    args: ['-tlsos', '-n'],
    server: { offers: ['STARTTLS'], replies: { STARTTLS: '454 no' } },
  },
  { what: 'TLS from the first byte', args: ['-tlsc', '-n'], server: { tls: 'implicit' } },
  {
    what: 'TLS from the first byte with a server that has none',
    args: ['-tlsc', '--timeout', '5'],
    heardDiffers: 'a TLS greeting',
  },
  {
    what: 'a client certificate',
    args: ['-tls', '--tls-cert', 'CERT', '--tls-key', 'KEY', '-q', 'HELO'],
    server: { offers: ['STARTTLS'], tls: 'starttls' },
  },
  {
    what: 'TLS of one version at least',
    args: ['-tls', '--tls-protocol', 'no_sslv2,no_sslv3,no_tlsv1', '-q', 'HELO'],
    server: { offers: ['STARTTLS'], tls: 'starttls' },
  },
  {
    what: 'the certificate of the server',
    args: ['-tls', '--tls-get-peer-cert', '-q', 'HELO'],
    server: { offers: ['STARTTLS'], tls: 'starttls' },
  },
  {
    what: 'PLAIN',
    args: ['-a', 'PLAIN', '-au', 'user', '-ap', 'secret-word', '-n'],
    server: { offers: ['AUTH PLAIN LOGIN'], login: ['235 ok'] },
  },
  {
    what: 'LOGIN',
    args: ['-a', 'LOGIN', '-au', 'user', '-ap', 'secret-word', '-n'],
    server: { offers: ['AUTH PLAIN LOGIN'], login: ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6', '235 ok'] },
  },
  {
    what: 'CRAM-MD5 before others',
    args: ['-au', 'user', '-ap', 'secret-word', '-n'],
    server: { offers: ['AUTH PLAIN CRAM-MD5'], login: ['334 PDEyMz4=', '235 ok'] },
  },
  {
    what: 'questions decoded',
    args: ['-a', 'LOGIN', '-au', 'user', '-ap', 'secret-word', '-apt', '-q', 'AUTH'],
    server: { offers: ['AUTH LOGIN'], login: ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6', '235 ok'] },
  },
  {
    what: 'a login refused',
    args: ['-a', 'PLAIN', '-au', 'user', '-ap', 'secret-word'],
    server: { offers: ['AUTH PLAIN'], login: ['535 no'] },
  },
  { what: 'a login that is not offered', args: ['-a', '-au', 'user', '-ap', 'secret-word'] },
  {
    what: 'a mechanism that is not offered',
    args: ['-a', 'CRAM-MD5', '-au', 'user', '-ap', 'secret-word'],
    server: { offers: ['AUTH PLAIN'] },
  },
  {
    what: 'an optional login that is not offered',
    args: ['-ao', '-au', 'user', '-ap', 'secret-word', '-n'],
  },
  {
    what: 'an optional login refused',
    args: ['-ao', 'PLAIN', '-au', 'user', '-ap', 'secret-word', '-n'],
    server: { offers: ['AUTH PLAIN'], login: ['535 no'] },
  },
  {
    what: 'a strict optional login that is not offered',
    args: ['-aos', '-au', 'user', '-ap', 'secret-word', '-n'],
  },
  {
    what: 'a strict optional login refused',
    args: ['-aos', 'PLAIN', '-au', 'user', '-ap', 'secret-word'],
    server: { offers: ['AUTH PLAIN'], login: ['535 no'] },
  },
  // output
  { what: 'no received lines', args: ['-hr', '-n'] },
  { what: 'no sent lines', args: ['-hs'] },
  { what: 'no remarks', args: ['-hi', '-n'] },
  { what: 'nothing', args: ['-ha'], server: { replies: { MAIL: '550 no' } } },
  { what: 'no hints', args: ['-nth', '-nih', '-n'] },
  { what: 'silent while all is well', args: ['-S'] },
  { what: 'silent until it goes wrong', args: ['-S', '-n'], server: { replies: { MAIL: '550 no' } } },
  { what: 'only what goes wrong', args: ['-S', '2'], server: { replies: { MAIL: '550 no' } } },
  { what: 'silent for ever', args: ['--silent=3'], server: { replies: { MAIL: '550 no' } } },
  { what: 'time lapse', args: ['-stl', '-n'] },
  { what: 'raw bytes of a short session', args: ['-raw', '-q', 'HELO'] },
  { what: 'errors on standard output', args: ['--output-file-stderr', '&STDOUT', '-q', 'MAIL'] },
  // what the options come to
  ...['TRANSPORT', 'XCLIENT', 'PROXY', 'DATA'].map((section) => ({
    what: `--dump ${section}`,
    args: ['--dump', section],
  })),
  { what: '--dump-mail', args: ['--dump-mail', '--body', '.x\\ny'] },
  { what: 'an unknown option', args: ['--nosuch'] },
  { what: 'an ambiguous option', args: ['--hel', 'x'] },
  { what: 'a word too many', args: ['word'] },
  { what: 'an unknown stage', args: ['-q', 'NOPE'] },
  { what: 'an unknown protocol', args: ['--protocol', 'NOPE'] },
  { what: 'a time that is none', args: ['--timeout', 'abc'] },
  { what: 'two targets', args: ['--socket', '/x'] },
  { what: '-4 and -6', args: ['-4', '-6'] },
  { what: 'a file that is not there', args: ['--body', '@FILES/nosuch'] },
  { what: 'data that is no file', args: ['--data', 'nosuch'] },
  { what: 'a configuration that is not there', args: ['--config', 'FILES/nosuch'] },
  { what: 'a certificate without its key', args: ['-tls', '--tls-cert', 'CERT'] },
];

interface Told {
  code: number | null;
  stdout: string;
  stderr: string;
  heard: string[];
}

type Runner = (args: string[], row: Row) => Promise<Omit<Told, 'heard'>>;

const theirs: Runner = (args, { input = '', env = {} }) => tool('swaks', args, { input, env });

const ours: Runner = async (args, { input = '', env = {} }) => {
  const { signal } = new AbortController();
  const stdin = Readable.from([Buffer.from(input)]);
  const context = testContext({
    env: { HOME: home(), LOGNAME: 'tester', ...env },
    // Only what a stream can do is asked of it.
    stdin: stdin as unknown as NodeJS.ReadStream,
    ports: createPorts({ stdin: () => stdin, signal }),
    signal,
  });
  const code = await swaks(args, context);
  return { code, stdout: context.stdout.text, stderr: context.stderr.text };
};

/** A server on standard input and output. */
const pipeScript = `printf '220 piped\\r\\n'
message=
while read -r line; do
  case "$message$line" in
    1.*) message=; printf '250 taken\\r\\n' ;;
    1*) ;;
    DATA*) message=1; printf '354 go\\r\\n' ;;
    QUIT*) printf '221 bye\\r\\n'; exit 0 ;;
    *) printf '250 ok\\r\\n' ;;
  esac
done
`;

/** What each of the two makes anew: dates, ids, names of itself, ports, boundaries, times; and secrets, which we mask. */
const made: [RegExp, string][] = [
  [/\r/g, ''],
  [/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} [+-]\d{4}/g, 'DATE'],
  [/Message-Id: <.*>/g, 'Message-Id: ID'],
  [/X-Mailer: .*/g, 'X-Mailer: PROGRAM'],
  [/_MIME_BOUNDARY_00(\d)_\w+/g, 'BOUNDARY$1'],
  [/BOUNDARY4/g, 'BOUNDARY1'],
  [/127\.0\.0\.1:\d{2,}/g, '127.0.0.1:PORT'],
  [/( port +=) \d+/g, '$1 PORT'],
  [/response in \d+\.\d{3}s/g, 'response in TIME'],
  [/AHVzZXIAc2VjcmV0LXdvcmQ=|c2VjcmV0LXdvcmQ=|dXNlcg==|(?<=> )user$|secret-word|(?<=> )dXNlciA.*/gm, '<secret>'],
];
const normal = (text: string): string => made.reduce((now, [form, word]) => now.replace(form, word), text);

/** RFC 5321 has RSET for what was begun; swaks goes on to QUIT without it. */
const withoutRset = (lines: string[]): string[] =>
  lines.filter((line, at) => !/^( ->|) ?RSET$/.test(line) && !/^ -> RSET$/.test(lines[at - 1] ?? ''));

async function tell(run: Runner, row: Row, paths: Record<string, string>): Promise<Told> {
  const server = await startTableServer(row.server ?? {}, await certificate(), home());
  try {
    const usual = ['--server', '127.0.0.1:PORT', '--to', 'a@b.test', '--from', 'f@x.test', '--helo', 'client.test'];
    const own = new Set(row.args);
    const from =
      row.env || own.has('--config') ? usual.filter((word) => word !== '--from' && word !== 'f@x.test') : usual;
    const args = (row.bare ? row.args : [...from, ...row.args]).map((word) =>
      Object.entries({ ...paths, ':PORT': `:${server.port}` }).reduce(
        (now, [name, path]) => now.replace(name, path),
        word,
      ),
    );
    const told = await run(args, row);
    await server.close();
    return { ...told, heard: server.heard() };
  } finally {
    await server.close();
  }
}

describe('the same command line through swaks and through ehlo swaks', () => {
  let paths: Record<string, string> = {};

  before(async () => {
    const { ca, cert, key } = await certificate();
    const directory = home();
    writeFileSync(join(directory, 'body.txt'), 'of %TO_ADDRESS%\nin a file');
    writeFileSync(join(directory, 'lines.txt'), 'of\nlines\n');
    writeFileSync(join(directory, 'message.eml'), 'From somebody Mon Nov 23\nSubject: kept\n\nhello\n.dot\n');
    writeFileSync(join(directory, 'swaksrc'), '# a comment\nfrom rc@x.test\n--h-X-Rc: "a b"\n-n\n');
    writeFileSync(join(directory, 'pipe.sh'), pipeScript);
    paths = { FILES: directory, CA: ca, CERT: cert, KEY: key };
  });

  for (const row of rows) {
    test(row.what, async () => {
      const [swaksTold, ehloTold] = [await tell(theirs, row, paths), await tell(ours, row, paths)];
      const say = `swaks:\n${swaksTold.stdout}${swaksTold.stderr}\nehlo:\n${ehloTold.stdout}${ehloTold.stderr}`;
      if (row.swaksExits) {
        assert.equal(swaksTold.code, row.swaksExits.code, say);
        assert.notEqual(ehloTold.code, row.swaksExits.code, row.swaksExits.why);
      } else assert.equal(ehloTold.code, swaksTold.code, say);
      if (!row.heardDiffers) {
        const heard = ({ heard }: Told) => withoutRset(heard).map(normal);
        assert.deepEqual(heard(ehloTold), heard(swaksTold), say);
      }
      if (!row.linesDiffer) {
        const lines = ({ stdout }: Told) => withoutRset(normal(stdout).split('\n'));
        assert.deepEqual(lines(ehloTold), lines(swaksTold), say);
      }
      // Who complains on standard error does so in both, each in its own words.
      if (!row.linesDiffer) assert.equal(ehloTold.stderr !== '', swaksTold.stderr !== '', say);
    });
  }
});

describe('where ehlo swaks is not like swaks', () => {
  test('a file goes out with its own backslashes', async () => {
    const path = join(home(), 'code.c');
    writeFileSync(path, 'printf("a\\n");\n');
    const row: Row = { what: '', args: ['--body', '@CODE'] };
    const told = await tell(ours, row, { CODE: path });
    assert.ok(told.heard.includes('printf("a\\n");'), told.heard.join('\n'));
  });

  test('an escape sequence of a greeting does not reach the terminal', async () => {
    const row: Row = { what: '', args: ['-n'], server: { banner: '220 \u001b[31mred' } };
    const told = await tell(ours, row, {});
    assert.ok(told.stdout.includes('<-  220 \\x1b[31mred\n'), told.stdout);
    assert.ok(!told.stdout.includes('\u001b'));
  });

  test('no form of a password is shown, whatever is asked for', async () => {
    for (const [mechanism, login] of [
      ['PLAIN', ['235 ok']],
      ['LOGIN', ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6', '235 hello secret-word']],
      ['CRAM-MD5', ['334 PDEyMz4=', '235 ok']],
    ] as const) {
      const args = ['-a', mechanism, '-au', 'user', '-ap', 'secret-word', '-apt', '-raw', '-n'];
      const row: Row = { what: '', args, server: { offers: [`AUTH ${mechanism}`], login } };
      const told = await tell(ours, row, {});
      assert.equal(told.code, 0, told.stderr);
      const shown = told.stdout + told.stderr;
      const hex = 'secret-word'.replace(/./g, (char) => `${char.charCodeAt(0).toString(16).toUpperCase()} `);
      for (const form of ['secret-word', 'c2VjcmV0LXdvcmQ', 'AHVzZXIAc2Vj', 'dXNlciA', hex.slice(0, 20)]) {
        assert.ok(!shown.includes(form), `${mechanism}: ${form} in\n${shown}`);
      }
      assert.ok(shown.includes('<secret>'));
    }
    const dumped = await tell(ours, { what: '', args: ['-au', 'user', '-ap', 'secret-word', '--dump'] }, {});
    assert.ok(!dumped.stdout.includes('secret-word'), dumped.stdout);
  });

  test('what was sent in the clear behind STARTTLS is refused', async () => {
    const server: ServerTable = { offers: ['STARTTLS'], replies: { STARTTLS: '220 go|250 injected' } };
    const told = await tell(ours, { what: '', args: ['-tls'], server }, {});
    assert.equal(told.code, 29, told.stderr);
    assert.match(told.stderr, /in the clear|plain text/);
  });
});

describe('ehlo swaks as a program, with ehlo serve', () => {
  test('the same message arrives from both', async (t) => {
    const served = await startServe();
    t.after(() => served.stop());
    const args = [
      '--server',
      `127.0.0.1:${served.smtp}`,
      '--to',
      'one@a.test,two@b.test',
      '--from',
      'me@x.test',
      '--body',
      'hi\\nthere',
      '-n',
    ];
    const [first, second] = [await tool('swaks', args), await ehlo(['swaks', ...args])];
    assert.deepEqual([first.code, second.code], [0, 0], second.stderr);
    const [one, two] = await served.messages(2);
    assert.deepEqual([two?.from, two?.to], [one?.from, one?.to]);
    assert.match(second.stdout, /^=== Connected to 127\.0\.0\.1\.$/m);
  });

  test('--help and a wrong option need no server', async () => {
    const [help, wrong] = [await ehlo(['swaks', '--help']), await ehlo(['swaks', '--nosuch'])];
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^Examples:/m);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^\*\*\* unknown option "nosuch"/);
  });
});

// What the front does with options that swaks has and the engine has not, with routes, questions, secrets and hostile text.
// That it is otherwise as swaks is: test/interop/swaks-front.test.ts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hexDump, renderSwaksLine } from '../../../src/render/swaks.ts';
import { runSwaks, takesAll, usual } from './swaks-lab.ts';

describe('what is not possible yet is refused, before anybody is called', () => {
  const cases: [string[], number, RegExp][] = [
    [['--local-port', '99'], 1, /--local-port is not possible yet/],
    [['--local-interface', '127.0.0.1:99'], 1, /--local-interface .* is not possible yet/],
    [['-a', 'DIGEST-MD5', '-au', 'u', '-ap', 'p'], 10, /DIGEST-MD5/],
    [['-a', 'PLAIN,NTLM', '-au', 'u', '-ap', 'p'], 1, /--auth NTLM is not possible yet/],
    [['-a', '-au', 'u', '-ap', 'p', '-am', 'X=PLAIN'], 1, /--auth-map is not possible yet/],
    [['-a', '-au', 'u', '-ap', 'p', '-ae', 'realm=x'], 1, /--auth-extra is not possible yet/],
    [['--tls-protocol', 'tlsv1_2', '-tls'], 1, /only a least version/],
    [['--tls-protocol', 'sslv3', '-tls'], 1, /SSLv2 and SSLv3/],
    [['--xclient-addr', '192.0.2.1', '--xclient', 'NAME=x'], 1, /more than one XCLIENT/],
    [['--xclient-addr', '192.0.2.1', '--xclient-delim', '--xclient-name', 'x'], 1, /more than one XCLIENT/],
    [['--xclient', 'NAME= BROKEN'], 1, /only NAME=value/],
    [['--xclient-addr', '192.0.2.1', '--xclient-optional'], 1, /--xclient-optional is not possible yet/],
    [['--xclient-addr', '192.0.2.1', '--xclient-before-starttls', '-tls'], 1, /XCLIENT comes after STARTTLS/],
    [['--proxy', 'NONSENSE'], 35, /only a correct header/],
    [['--proxy-version', '3', '--proxy', 'UNKNOWN'], 35, /--proxy-version takes 1 or 2/],
    [['--dump-as-body-shows-password'], 1, /no password is ever shown/],
  ];
  for (const [words, code, expected] of cases) {
    test(words.join(' '), async () => {
      const run = await runSwaks([...usual, ...words]);
      assert.equal(run.code, code, run.stderr);
      assert.match(run.stderr, expected);
      assert.deepEqual([run.dialled, run.stdout], [[], '']);
    });
  }
});

describe('routes', () => {
  const dump = async (...words: string[]): Promise<string> => {
    const run = await runSwaks([...words, '--to', 'a@b.test,c@d.test', '--dump', 'TRANSPORT']);
    assert.equal(run.code, 0, run.stderr);
    const value = (name: string): string => new RegExp(`^  ${name} += (.*)$`, 'm').exec(run.stdout)?.[1] ?? '';
    return `${value('server')} ${value('port')}`;
  };
  const cases: [string[], string][] = [
    [['-s', 'h'], 'h 25'],
    [['-s', 'h:2525'], 'h 2525'],
    [['-s', '[::1]:2525'], '::1 2525'],
    [['-s', '::1/2525'], '::1 2525'],
    [['-s', '::1'], '::1 25'],
    [['-s', 'h', '-p', 'submission'], 'h 587'],
    [['-s', 'h:1', '-p', '2'], 'h 2'],
    [['-s', 'h', '-tlsc'], 'h 465'],
    [['-s', 'h', '--protocol', 'ssmtp'], 'h 465'],
    [['-s', 'h', '--protocol', 'LMTP'], 'h 24'],
    // the domain of the last recipient
    [[], 'd.test 25'],
    [['--copy-routing', 'e.test'], 'e.test 25'],
  ];
  for (const [words, expected] of cases) {
    test(words.join(' ') || 'no target', async () => assert.equal(await dump(...words), expected));
  }

  test('a failing name server is not "no MX"', async () => {
    const run = await runSwaks(['--to', 'a@b.test', '--from', 'f@x.test']);
    assert.equal(run.code, 2);
    assert.deepEqual(run.dialled, []);
    assert.match(run.stdout, /^=== Trying b\.test:25\.\.\.$/m);
    assert.match(run.stderr, /^\*\*\* Error connecting to b\.test:25:\n\*\*\* {5}.*cannot be looked up now/m);
  });

  test('the next address of a server is tried where one does not answer', async () => {
    const words = ['--server', 'two.test', '--to', 'a@b.test', '--from', 'f@x.test', '-n'];
    const refused = await runSwaks(words, { names: { 'two.test': ['192.0.2.1', '192.0.2.2'] } });
    assert.deepEqual([refused.code, refused.dialled], [2, ['192.0.2.1:25', '192.0.2.2:25']]);
  });

  test('SNI of another name goes to the same place', async () => {
    const run = await runSwaks([...usual, '--tls-sni', 'other.test', '-n'], {
      scripts: [takesAll],
      names: { '127.0.0.1': ['127.0.0.1'] },
    });
    assert.deepEqual([run.code, run.dialled], [0, ['127.0.0.1:2525']], run.stderr);
    assert.match(run.stdout, /^=== Trying 127\.0\.0\.1:2525\.\.\.$/m);
  });
});

describe('questions', () => {
  test('are asked on standard output and answered on standard input', async () => {
    const run = await runSwaks(['--to', '--from', '-s', '127.0.0.1', '--dump', 'PROTOCOL'], {
      input: 'you@b.test\nme@x.test\n',
    });
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^To: From: Protocol Info:/);
    assert.match(run.stdout, /^ {2}from +=\s+me@x\.test$/m);
    assert.match(run.stdout, /^ {2}to +=\s+you@b\.test$/m);
  });

  test('what is behind the answers is there for data', async () => {
    const run = await runSwaks(['--to', '-s', '127.0.0.1', '--data', '-', '--dump-mail'], {
      input: 'you@b.test\nSubject: %TO_ADDRESS%\n\nx\n',
    });
    assert.match(run.stdout, /Subject: you@b\.test\n\nx\n/);
  });

  test('without an answer the run ends', async () => {
    const run = await runSwaks(['--to', '-s', '127.0.0.1']);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /no answer to the question "To"/);
  });
});

test('a login over a network that can be read along is made, and said', async () => {
  const script = `
    S: 220 server
    C: EHLO
    S: 250 AUTH PLAIN
    C: AUTH
    S: 250 odd
    C: QUIT
    S: 221 bye`.replace('S: 250 AUTH', 'S: 250-server\n    S: 250 AUTH');
  const words = [
    '--server',
    '192.0.2.1',
    '--to',
    'a@b.test',
    '--from',
    'f@x.test',
    '-au',
    'user',
    '-ap',
    'secret-word',
  ];
  const run = await runSwaks(words, { scripts: [script.replace('250 odd', '535 no')] });
  assert.equal(run.code, 28, run.stderr);
  assert.match(run.stderr, /the login goes to 192\.0\.2\.1 although there is no TLS/);
  assert.ok(!`${run.stdout}${run.stderr}`.includes('secret-word'));
});

test('-ahp says its own word for a password', async () => {
  const script = 'S: 220 server\nC: EHLO\nS: 250-server\nS: 250 AUTH PLAIN\nC: AUTH\nS: 235 ok\nC: QUIT\nS: 221 bye';
  const words = [...usual, '-au', 'user', '-ap', 'secret-word', '-q', 'AUTH'];
  const masked = await runSwaks([...words, '-ahp'], { scripts: [script] });
  assert.match(masked.stdout, /^ -> AUTH PLAIN PROVIDED_BUT_REMOVED$/m);
  const own = await runSwaks([...words, '-ahp', 'XXX'], { scripts: [script] });
  assert.match(own.stdout, /^ -> AUTH PLAIN XXX$/m);
});

test('advice names no option that swaks does not have', async () => {
  const script = 'S: 220 server\nC: EHLO\nS: 250 server\nC: QUIT\nS: 221 bye';
  const run = await runSwaks([...usual, '-tls'], { scripts: [script] });
  assert.equal(run.code, 29);
  assert.match(run.stderr, /does not offer STARTTLS/);
  assert.ok(!run.stderr.includes('--tls off'), run.stderr);
});

describe('lines', () => {
  const cases: [Parameters<typeof renderSwaksLine>[0], string][] = [
    [{ kind: 'info', text: 'x' }, '=== x\n'],
    [{ kind: 'error', text: 'x' }, '*** x\n'],
    [{ kind: 'sent', text: 'x', tls: false, expected: true }, ' -> x\n'],
    [{ kind: 'sent', text: 'x', tls: true, expected: true }, ' ~> x\n'],
    [{ kind: 'sent', text: 'x', tls: false, expected: false }, '**> x\n'],
    [{ kind: 'sent', text: 'x', tls: true, expected: false }, '*~> x\n'],
    [{ kind: 'received', text: 'x', tls: false, expected: true }, '<-  x\n'],
    [{ kind: 'received', text: 'x', tls: true, expected: true }, '<~  x\n'],
    [{ kind: 'received', text: 'x', tls: false, expected: false }, '<** x\n'],
    [{ kind: 'received', text: 'x', tls: true, expected: false }, '<~* x\n'],
    [{ kind: 'raw-sent', text: 'x' }, '  > x\n'],
    [{ kind: 'raw-received', text: 'x' }, '<   x\n'],
  ];
  for (const [line, expected] of cases) {
    test(expected.trimEnd(), () => {
      assert.equal(renderSwaksLine(line, false), expected);
      assert.equal(renderSwaksLine(line, true), 'x\n');
    });
  }

  test('nothing but printable text and the line end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.match(renderSwaksLine({ kind: 'info', text }, false), /^=== [^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*\n$/u);
      }),
    );
  });

  test('a hex dump holds every byte once', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const rows = hexDump(Buffer.from(bytes));
        const hex = rows.map((row) => row.slice(6, 58).replaceAll(' ', '')).join('');
        assert.equal(hex.toLowerCase(), Buffer.from(bytes).toString('hex'));
        for (const [index, row] of rows.entries()) {
          assert.match(row, /^[\x20-\x7e]+$/);
          assert.ok(row.startsWith(`${String(index * 16).padStart(4, '0')}: `));
        }
      }),
    );
  });
});

test('what a server says never reaches the terminal raw', async () => {
  const nasty = fc.array(fc.constantFrom('\u001b[2J', '\u009b', '\u202e', '\0', '\u007f', 'ok', ' '), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(nasty, nasty, async (first, second) => {
      const written = (parts: string[]): string =>
        [...Buffer.from(parts.join(''))].map((octet) => `\\x${octet.toString(16).padStart(2, '0')}`).join('');
      const script = `S! 220 ${written(first)}\\r\\n\nC: EHLO\nS! 550 ${written(second)}\\r\\n\nC: QUIT\nS: 221 bye`;
      const run = await runSwaks([...usual, '-raw'], { scripts: [script] });
      assert.match(run.stdout + run.stderr, /^(?:[^\p{Cc}\p{Cf}\p{Cs}]|\n)*$/u);
    }),
    { numRuns: 30 },
  );
});

describe('--dump and --dump-mail', () => {
  for (const words of [
    ['--auth-pa', 'secret-word'],
    ['+ap=secret-word'],
    ['-ap', 'secret-word', '--no-ap', '-ap=x'],
    ['--auth-password=secret-word'],
  ])
    test(`tell no password: ${words.join(' ')}`, async () => {
      const { stdout, code } = await runSwaks([...usual, '-au', 'u', ...words, '--dump']);
      assert.equal(code, 0);
      assert.match(stdout, /Cmd Line = .*-au 'u' .*<secret>/);
      assert.ok(!stdout.includes('secret-word'));
    });

  test('hold the text of the message as it is', async () => {
    for (const option of ['--dump-mail', '--dump']) {
      const { stdout } = await runSwaks([...usual, '--h-Subject', 'grün', '--body', 'grüße', option]);
      assert.match(stdout, /^Subject: grün$/m);
      assert.match(stdout, /^grüße$/m);
    }
  });

  test('are harmless on a terminal, and exact elsewhere', async () => {
    const words = [...usual, '--body', 'a\u001b[31m', '--dump-mail'];
    assert.match((await runSwaks(words, { isTTY: true })).stdout, /^a\\x1b\[31m$/m);
    assert.ok((await runSwaks(words)).stdout.includes('\na\u001b[31m\n'));
  });
});

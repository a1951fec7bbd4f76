// SMTP commands: a table of lines and what they are, the round trip, and no exception for any bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Command, parseCommand, printCommand, printMail, printRcpt } from '../../src/smtp/command.ts';
import { parseParams, printParams } from '../../src/smtp/params.ts';

const parse = (line: string) => parseCommand(Buffer.from(line));

const a = { local: 'a', domain: 'x.test' };
const taken: [string, Command][] = [
  ['HELO x', { verb: 'helo', domain: 'x' }],
  ['ehlo [127.0.0.1]', { verb: 'ehlo', domain: '[127.0.0.1]' }],
  ['LHLO my_host', { verb: 'lhlo', domain: 'my_host' }],
  ['EHLO x  ', { verb: 'ehlo', domain: 'x' }],
  ['MAIL FROM:<>', { verb: 'mail', path: null, params: [], utf8: false }],
  ['mail from:<a@x.test>', { verb: 'mail', path: a, params: [], utf8: false }],
  ['MAIL FROM:<a@x.test> ', { verb: 'mail', path: a, params: [], utf8: false }],
  [
    'MAIL FROM:<a@x.test> size=12 BODY=8bitmime',
    {
      verb: 'mail',
      path: a,
      params: [
        { keyword: 'SIZE', value: '12' },
        { keyword: 'BODY', value: '8bitmime' },
      ],
      utf8: false,
    },
  ],
  [
    'MAIL FROM:<ü@x.test> SMTPUTF8',
    { verb: 'mail', path: { local: 'ü', domain: 'x.test' }, params: [{ keyword: 'SMTPUTF8' }], utf8: true },
  ],
  ['MAIL FROM:<"a b"@x.test>', { verb: 'mail', path: { local: 'a b', domain: 'x.test' }, params: [], utf8: false }],
  ['MAIL FROM:<"a>b"@x.test>', { verb: 'mail', path: { local: 'a>b', domain: 'x.test' }, params: [], utf8: false }],
  ['MAIL FROM:<a@x.test> AUTH=<>', { verb: 'mail', path: a, params: [{ keyword: 'AUTH', value: '<>' }], utf8: false }],
  ['RCPT TO:<Postmaster>', { verb: 'rcpt', path: { local: 'Postmaster', domain: '' }, params: [], utf8: false }],
  [
    'RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@x.test',
    {
      verb: 'rcpt',
      path: a,
      params: [
        { keyword: 'NOTIFY', value: 'SUCCESS,FAILURE' },
        { keyword: 'ORCPT', value: 'rfc822;a+2Bb@x.test' },
      ],
      utf8: false,
    },
  ],
  ['RCPT TO:<ü@x.test>', { verb: 'rcpt', path: { local: 'ü', domain: 'x.test' }, params: [], utf8: true }],
  ['DATA', { verb: 'data' }],
  ['data   ', { verb: 'data' }],
  ['BDAT 0', { verb: 'bdat', size: 0, last: false }],
  ['bdat 123 last', { verb: 'bdat', size: 123, last: true }],
  ['AUTH plain', { verb: 'auth', mechanism: 'PLAIN', initial: undefined }],
  ['AUTH SCRAM-SHA-256 =', { verb: 'auth', mechanism: 'SCRAM-SHA-256', initial: '=' }],
  ['NOOP', { verb: 'noop', argument: undefined }],
  ['NOOP anything at all', { verb: 'noop', argument: 'anything at all' }],
  ['VRFY bob smith', { verb: 'vrfy', argument: 'bob smith' }],
  ['VRFY bücher', { verb: 'vrfy', argument: 'bücher' }],
  ['EXPN list', { verb: 'expn', argument: 'list' }],
  ['HELP', { verb: 'help', argument: undefined }],
  ['HELP MAIL', { verb: 'help', argument: 'MAIL' }],
  ['RSET', { verb: 'rset' }],
  ['quit', { verb: 'quit' }],
  ['StartTLS', { verb: 'starttls' }],
  ['', { verb: 'unknown', word: '' }],
  [' DATA', { verb: 'unknown', word: '' }],
  ['get / HTTP/1.1', { verb: 'unknown', word: 'GET' }],
  ['DATA\t', { verb: 'unknown', word: 'DATA' }],
  ['DATA1', { verb: 'unknown', word: 'DATA' }],
  ['toString', { verb: 'unknown', word: 'TOSTRING' }],
  ['__proto__', { verb: 'unknown', word: '' }],
];

for (const [line, command] of taken) {
  test(`${JSON.stringify(line)} is ${command.verb}`, () => assert.deepEqual(parse(line), command));
}

const refused: [string, string][] = [
  ['HELO', '501 5.5.4'],
  ['EHLO a b', '501 5.5.4'],
  [`EHLO ${'x'.repeat(256)}`, '501 5.5.4'],
  ['EHLO \x1b[0m', '501 5.5.2'],
  ['EHLO bücher.test', '501 5.5.2'],
  ['MAIL', '501 5.5.4'],
  ['MAIL FROM', '501 5.5.4'],
  ['MAIL FROM <a@x.test>', '501 5.5.4'],
  ['MAIL TO:<a@x.test>', '501 5.5.4'],
  ['MAIL  FROM:<a@x.test>', '501 5.5.4'],
  ['MAIL FROM: <a@x.test>', '501 5.5.4'],
  ['MAIL FROM:a@x.test', '501 5.5.4'],
  ['MAIL FROM:', '501 5.5.4'],
  ['MAIL FROM:<a@x.test', '501 5.1.7'],
  ['MAIL FROM:<a@x.test>junk', '501 5.1.7'],
  ['MAIL FROM:<a@x.test><b@x.test>', '501 5.1.7'],
  ['MAIL FROM:<a b@x.test>', '501 5.1.7'],
  ['MAIL FROM:<a>', '501 5.1.7'],
  ['MAIL FROM:<a@b@c>', '501 5.1.7'],
  ['MAIL FROM:<@r.test:a@x.test>', '501 5.1.7'],
  ['MAIL FROM:<\0@x.test>', '501 5.5.2'],
  ['MAIL FROM:<a@x.test>\r', '501 5.5.2'],
  ['MAIL FROM:<ü@x.test>', '501 5.6.7'],
  ['MAIL FROM:<a@x.test> SIZE', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SIZE=', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SIZE=-1', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SIZE=1e99', '501 5.5.4'],
  [`MAIL FROM:<a@x.test> SIZE=${'9'.repeat(21)}`, '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SIZE=1 size=2', '501 5.5.4'],
  ['MAIL FROM:<a@x.test>  SIZE=1', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SMTPUTF8=yes', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> BODY=BINARYMIME', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> RET=ALL', '501 5.5.4'],
  [`MAIL FROM:<a@x.test> ENVID=${'x'.repeat(101)}`, '501 5.5.4'],
  ['MAIL FROM:<a@x.test> ENVID=+0d', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> NOTIFY=NEVER', '555 5.5.4'],
  ['MAIL FROM:<a@x.test> XFOO=1', '555 5.5.4'],
  ['MAIL FROM:<a@x.test> constructor', '555 5.5.4'],
  ['MAIL FROM:<a@x.test> =x', '501 5.5.4'],
  ['MAIL FROM:<a@x.test> SIZE=1=2', '501 5.5.4'],
  ['RCPT', '501 5.5.4'],
  ['RCPT FROM:<a@x.test>', '501 5.5.4'],
  ['RCPT TO:<>', '501 5.1.3'],
  ['RCPT TO: <a@x.test>', '501 5.5.4'],
  ['RCPT TO:<a@[1.2.3]>', '501 5.1.3'],
  [`RCPT TO:<${'a'.repeat(65)}@x.test>`, '501 5.1.3'],
  ['RCPT TO:<a@x.test> SIZE=1', '555 5.5.4'],
  ['RCPT TO:<a@x.test> NOTIFY=NEVER,SUCCESS', '501 5.5.4'],
  ['RCPT TO:<a@x.test> NOTIFY=SUCCESS,SUCCESS', '501 5.5.4'],
  ['RCPT TO:<a@x.test> ORCPT=nobody', '501 5.5.4'],
  ['DATA now', '501 5.5.4'],
  ['QUIT 1', '501 5.5.4'],
  ['RSET x', '501 5.5.4'],
  ['STARTTLS x', '501 5.5.4'],
  ['BDAT', '501 5.5.4'],
  ['BDAT -1', '501 5.5.4'],
  ['BDAT 1 FIRST', '501 5.5.4'],
  ['BDAT 0x10', '501 5.5.4'],
  [`BDAT ${'9'.repeat(16)}`, '552 5.3.4'],
  ['AUTH', '501 5.5.4'],
  ['AUTH PLAIN a b', '501 5.5.4'],
  ['AUTH PL\x00AIN', '501 5.5.2'],
  ['VRFY', '501 5.5.4'],
  ['NOOP ü', '501 5.5.2'],
];

for (const [line, wanted] of refused) {
  test(`${JSON.stringify(line)} is refused with ${wanted}`, () => {
    const parsed = parse(line);
    assert.ok('refusal' in parsed, JSON.stringify(parsed));
    const { code, enhanced, lines } = parsed.refusal;
    assert.equal(`${code} ${enhanced}`, wanted);
    assert.match(lines.join('\n'), /^[ -~]{1,450}$/);
  });
}

test('bytes that are not UTF-8 are refused, never replaced', () => {
  for (const line of [Buffer.from('MAIL FROM:<\xfc@x.test> SMTPUTF8', 'latin1'), Buffer.from('VRFY \xff', 'latin1')]) {
    const parsed = parseCommand(line);
    assert.equal('refusal' in parsed && parsed.refusal.enhanced, '5.5.2');
  }
});

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const path = fc.record({
  local: fc.oneof(word, fc.stringMatching(/^[ -~]{1,20}$/), fc.constant('ü')),
  domain: fc.oneof(
    word.map((one) => `${one}.test`),
    fc.constantFrom('[127.0.0.1]', '[IPv6:::1]'),
  ),
});
const utf8Of = (value: { local: string } | null) => /[^ -~]/.test(value?.local ?? '');
const command: fc.Arbitrary<Exclude<Command, { verb: 'unknown' }>> = fc.oneof(
  fc.record({ verb: fc.constantFrom('helo' as const, 'ehlo' as const, 'lhlo' as const), domain: word }),
  fc.tuple(fc.option(path), fc.nat()).map(([from, size]) => ({
    verb: 'mail' as const,
    path: from,
    params: [{ keyword: 'SIZE', value: String(size) }, ...(utf8Of(from) ? [{ keyword: 'SMTPUTF8' }] : [])],
    utf8: utf8Of(from),
  })),
  path.map((to) => ({
    verb: 'rcpt' as const,
    path: to,
    params: [{ keyword: 'NOTIFY', value: 'NEVER' }],
    utf8: utf8Of(to),
  })),
  fc.record({ verb: fc.constant('bdat' as const), size: fc.nat(), last: fc.boolean() }),
  fc.record({
    verb: fc.constant('auth' as const),
    mechanism: fc.constantFrom('PLAIN', 'SCRAM-SHA-1'),
    initial: fc.option(fc.base64String({ minLength: 4 }), { nil: undefined }),
  }),
  fc.record({ verb: fc.constantFrom('vrfy' as const, 'expn' as const), argument: word }),
  fc.record({ verb: fc.constantFrom('noop' as const, 'help' as const), argument: fc.option(word, { nil: undefined }) }),
  fc.record({
    verb: fc.constantFrom('data' as const, 'rset' as const, 'quit' as const, 'starttls' as const),
  }),
);

test('what is printed is parsed back as it was', () => {
  fc.assert(
    fc.property(command, (value) => {
      const printed = printCommand(value);
      assert.match(printed, /^[^\r\n]*\r\n$/);
      // fast-check makes objects without a prototype.
      assert.deepEqual(parse(printed.slice(0, -2)), structuredClone(value));
    }),
  );
});

test('any bytes are a command or a refusal in printable ASCII', () => {
  const verbs = fc.constantFrom(
    '',
    'MAIL FROM:<',
    'RCPT TO:<a@x.test> ',
    'BDAT ',
    'AUTH ',
    'EHLO ',
    'VRFY ',
    'MAIL FROM:<a@x.test> ',
  );
  fc.assert(
    fc.property(verbs, fc.uint8Array({ maxLength: 60 }), (verb, bytes) => {
      const parsed = parseCommand(Buffer.concat([Buffer.from(verb), bytes]));
      if ('refusal' in parsed) assert.match(parsed.refusal.lines.join('\n'), /^[ -~]*$/);
      else assert.equal(typeof parsed.verb, 'string');
    }),
    { numRuns: 1000 },
  );
});

test('nothing that could end the line or the path gets out', () => {
  assert.throws(() => printRcpt({ local: 'a\r\nRCPT TO:<b', domain: 'x.test' }), { code: 'bad-address' });
  assert.throws(() => printMail(null, [{ keyword: 'ENVID', value: 'a\r\nDATA' }]), { code: 'usage' });
  assert.throws(() => printParams([{ keyword: 'ENVID', value: 'a b' }]), { code: 'usage' });
  assert.equal(printMail(null), 'MAIL FROM:<>\r\n');
  assert.deepEqual(parseParams('mail', ''), []);
});

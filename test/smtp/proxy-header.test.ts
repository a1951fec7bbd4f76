// The PROXY protocol header: the bytes of the specification, what is refused, and the laws of reader and writer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import {
  type ProxyEnds,
  type ProxyHeader,
  parseProxyHeader,
  parseProxyHeaderOption,
  printProxyHeader,
} from '../../src/smtp/proxy-header.ts';

const ends = (source: string, destination: string, sourcePort = 1025, destinationPort = 25): ProxyEnds => ({
  source: { address: source, port: sourcePort },
  destination: { address: destination, port: destinationPort },
});
const v4 = ends('192.0.2.1', '198.51.100.2');
const v6 = ends('2001:db8::1', '::ffff:192.0.2.7', 65_535, 0);
const signature = '0d0a0d0a000d0a515549540a';

describe('printing', () => {
  const cases: { header: ProxyHeader; ends?: ProxyEnds; text?: string; hex?: string }[] = [
    { header: { version: 'v1', addresses: v4 }, text: 'PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n' },
    {
      header: { version: 'v1', addresses: 'connection' },
      ends: v4,
      text: 'PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n',
    },
    { header: { version: 'v1', addresses: v6 }, text: 'PROXY TCP6 2001:db8::1 ::ffff:c000:207 65535 0\r\n' },
    { header: { version: 'v1', addresses: 'local' }, text: 'PROXY UNKNOWN\r\n' },
    { header: { version: 'v2', addresses: 'local' }, hex: `${signature}20000000` },
    { header: { version: 'v2', addresses: v4 }, hex: `${signature}2111000cc0000201c633640204010019` },
    {
      header: { version: 'v2', addresses: v6 },
      hex: `${signature}2121002420010db8000000000000000000000001${'00'.repeat(10)}ffffc0000207ffff0000`,
    },
  ];
  for (const { header, ends: given, text, hex } of cases) {
    test(`${header.version} ${JSON.stringify(header.addresses)}`, () => {
      const bytes = printProxyHeader(header, given);
      assert.deepEqual(bytes, text === undefined ? Buffer.from(hex ?? '', 'hex') : Buffer.from(text));
    });
  }

  const refused: [string, ProxyHeader, RegExp][] = [
    ['mixed families', { version: 'v1', addresses: ends('192.0.2.1', '::1') }, /different families/],
    ['a name', { version: 'v2', addresses: ends('localhost', '127.0.0.1') }, /not an IP address/],
    ['no port', { version: 'v2', addresses: ends('127.0.0.1', '127.0.0.1', 65_536) }, /not a port/],
    ['a connection without addresses', { version: 'v1', addresses: 'connection' }, /not known/],
  ];
  for (const [name, header, message] of refused) {
    test(`${name} is a usage error`, () => {
      assert.throws(
        () => printProxyHeader(header),
        (error) => error instanceof EhloError && error.code === 'usage' && message.test(error.message),
      );
    });
  }
});

describe('reading', () => {
  const headers: [string, Buffer, unknown][] = [
    ['UNKNOWN with anything behind it', Buffer.from('PROXY UNKNOWN ffff::1 x 1 2\r\n'), 'local'],
    ['v2 LOCAL with addresses, which mean nothing', Buffer.from(`${signature}20110004aabbccdd`, 'hex'), 'local'],
    ['v2 of a unix socket', Buffer.from(`${signature}213100d8${'00'.repeat(216)}`, 'hex'), 'local'],
    ['v2 with TLVs', Buffer.from(`${signature}21110013c0000201c63364020401001904000401020304`, 'hex'), v4],
  ];
  for (const [name, bytes, addresses] of headers) {
    test(name, () => {
      const found = parseProxyHeader(Buffer.concat([bytes, Buffer.from('EHLO x\r\n')]));
      assert.deepEqual(found, {
        kind: 'header',
        length: bytes.length,
        version: name.startsWith('v2') ? 'v2' : 'v1',
        addresses,
      });
    });
  }

  const invalid: [string, Buffer | string, RegExp][] = [
    ['a command', 'EHLO', /does not begin/],
    ['small letters', 'proxy', /does not begin/],
    ['no CRLF in 107 bytes', `PROXY TCP6 ${'f'.repeat(96)}`, /107/],
    ['a line that ends late', `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`, /107/],
    ['a bare LF', `PROXY UNKNOWN\n${'x'.repeat(100)}`, /107/],
    ['two spaces', 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n', /the line is not/],
    ['an address of the other family', 'PROXY TCP4 ::1 192.0.2.2 1 2\r\n', /not both TCP4/],
    ['leading zeros in an address', 'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n', /not both TCP4/],
    ['leading zeros in a port', 'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n', /port/],
    ['a port too large', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n', /port/],
    ['a field too many', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n', /the line is not/],
    ['UDP6', 'PROXY UDP6 ::1 ::1 1 2\r\n', /the line is not/],
    ['version 3', Buffer.from(`${signature}31110000`, 'hex'), /version 3/],
    ['an unknown command', Buffer.from(`${signature}22110000`, 'hex'), /command 2/],
    ['an unknown family', Buffer.from(`${signature}21410000`, 'hex'), /0x41/],
    ['too short for its family', Buffer.from(`${signature}2111000b`, 'hex'), /do not hold/],
    ['too long', Buffer.from(`${signature}21111001`, 'hex'), /4097/],
  ];
  for (const [name, bytes, why] of invalid) {
    test(`${name} is invalid`, () => {
      const found = parseProxyHeader(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
      assert.equal(found.kind, 'invalid');
      if (found.kind === 'invalid') assert.match(found.why, why);
    });
  }
});

const canonical6 = fc.ipV6().map((text) => new URL(`http://[${text}]/`).hostname.slice(1, -1));
const port = fc.integer({ min: 0, max: 65_535 });
const anyEnds = fc
  .oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(canonical6, canonical6))
  .chain(([from, to]) => fc.tuple(port, port).map(([source, destination]) => ends(from, to, source, destination)));
const anyHeader: fc.Arbitrary<ProxyHeader> = fc.record({
  version: fc.constantFrom('v1', 'v2'),
  addresses: fc.oneof(fc.constant('local' as const), anyEnds),
});

test('law: what is printed is read back, whatever follows, and each shorter piece asks for more', () => {
  fc.assert(
    fc.property(anyHeader, fc.uint8Array({ maxLength: 20 }), (header, behind) => {
      const bytes = printProxyHeader(header);
      const found = parseProxyHeader(Buffer.concat([bytes, behind]));
      assert.deepEqual(found, { kind: 'header', length: bytes.length, ...header });
      for (let at = 0; at < bytes.length; at++) {
        assert.equal(parseProxyHeader(bytes.subarray(0, at)).kind, 'need-more');
      }
    }),
  );
});

test('law: no bytes make it throw or ask for more than its limit', () => {
  const start = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', Buffer.from(signature, 'hex').toString('latin1'));
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 6000 }), (head, rest) => {
      const bytes = Buffer.concat([Buffer.from(head, 'latin1'), rest]);
      const { kind } = parseProxyHeader(bytes);
      if (bytes.length >= 16 + 4096) assert.notEqual(kind, 'need-more');
    }),
  );
});

describe('the option', () => {
  const given: [string, ProxyHeader][] = [
    ['v1', { version: 'v1', addresses: 'connection' }],
    ['v2', { version: 'v2', addresses: 'connection' }],
    ['v1:unknown', { version: 'v1', addresses: 'local' }],
    ['v2:local', { version: 'v2', addresses: 'local' }],
    ['v1:192.0.2.1:1025:198.51.100.2:25', { version: 'v1', addresses: v4 }],
    ['v2:[2001:db8::1]:1:[::1]:0', { version: 'v2', addresses: ends('2001:db8::1', '::1', 1, 0) }],
  ];
  for (const [text, header] of given) {
    test(text, () => assert.deepEqual(parseProxyHeaderOption(text), header));
  }
  const refused = [
    ...['', 'v3', 'v1:', 'v1:local', 'v2:unknown', 'v1:192.0.2.1:1:192.0.2.2', 'v1:192.0.2.1:1:[::1]:2'],
    ...['v1:[192.0.2.1]:1:192.0.2.2:2', 'v2:::1:1:::1:2', 'v1:192.0.2.1:1:192.0.2.2:70000', 'v1:a:1:b:2', 'v1\n'],
  ];
  for (const text of refused) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseProxyHeaderOption(text), { name: 'EhloError', code: 'usage' });
    });
  }
});

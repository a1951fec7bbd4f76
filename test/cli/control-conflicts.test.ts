// Options of `send` of which one would be left out in silence: each pair is a usage error, and each of the two alone is fine.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EhloError } from '../../src/base/errors.ts';
import { refuseConflicts } from '../../src/cli/control-conflicts.ts';
import { readControl } from '../../src/cli/control-options.ts';
import { optionValues } from '../../src/cli/option-values.ts';
import { parseConnection } from '../../src/cli/options.ts';
import { testContext } from '../support/context.ts';

type Given = Record<string, string | boolean | string[]>;

async function judge(given: Given): Promise<void> {
  const raw: Given = given['pipe'] === undefined ? { server: '127.0.0.1:25', ...given } : given;
  const options = optionValues(raw);
  const connection = await parseConnection(raw, testContext());
  refuseConflicts({ options, control: await readControl(options), connection });
}

const pairs: [a: Given, b: Given, why: RegExp][] = [
  [{ prdr: true }, { lmtp: true }, /LMTP/],
  [{ prdr: true }, { server: 'lmtp+unix:/run/lmtp' }, /LMTP/],
  [{ bdat: 'auto' }, { rawBytes: 'file' }, /--raw-bytes/],
  [{ bdat: '10k' }, { quitAfter: 'data' }, /no DATA/],
  [{ cmd: ['VRFY bob'] }, { quitAfter: 'auth' }, /--cmd/],
  [{ xclient: ['ADDR=192.0.2.1'] }, { dropAfter: 'tls' }, /--xclient/],
  [{ require: 'dsn' }, { quitAfter: 'ehlo' }, /--require/],
  [{ proxyProtocol: 'v1' }, { pipe: 'cat' }, /--proxy-protocol/],
  [{ proxyProtocol: 'v2' }, { proxy: 'socks5h://127.0.0.1:1080' }, /--proxy-protocol/],
  [{ queue: 'always' }, { retry: '2' }, /--retry/],
];

describe('options that cannot be together', () => {
  for (const [a, b, why] of pairs) {
    test(JSON.stringify({ ...a, ...b }), async () => {
      await judge(a);
      await judge(b);
      await assert.rejects(
        judge({ ...a, ...b }),
        (thrown) => thrown instanceof EhloError && thrown.code === 'usage' && why.test(thrown.message),
      );
    });
  }

  for (const fine of [
    { bdat: 'off', rawBytes: 'file' },
    { cmd: ['VRFY bob'], quitAfter: 'mail' },
    { require: 'dsn', quitAfter: 'auth' },
    { proxyProtocol: 'v2:local', proxy: 'socks5h://127.0.0.1:1080' },
    { queue: 'on-temp', retry: '2' },
  ]) {
    test(`${JSON.stringify(fine)} can`, () => judge(fine));
  }
});

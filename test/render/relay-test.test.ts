// Law: nothing that a server or a zone says reaches the terminal raw, wherever relay-test shows it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relayTest } from '../../src/app/relay-test.ts';
import { Scrubber } from '../../src/base/secret.ts';
import { plainStyle } from '../../src/render/color.ts';
import { jsonDocument } from '../../src/render/json.ts';
import { renderRelayTest } from '../../src/render/relay-test.ts';
import { mailLab } from '../app/lab.ts';

/** ESC, BEL, CSI as C1, a bidi override, a zero-width space and a fake line, each as UTF-8 or raw bytes. */
const nasty = '\\x1b[2J\\x07\\xc2\\x9b31m\\xe2\\x80\\xae\\xe2\\x80\\x8b\\x0b250 fake';

for (const [name, script] of Object.entries({
  'in every reply': `S! 220 ${nasty}\\r\\n\nC: EHLO\nS! 250-${nasty}\\r\\n250 X-${nasty}\\r\\n\nC: MAIL\nS! 250 ${nasty}\\r\\n\nC: RCPT\nS! 550 5.1.1 ${nasty}\\r\\n\nC: RSET\nS! 250 ${nasty}\\r\\n\nC: QUIT\nS: 221 bye\nF`,
  'in a greeting that is none': `S! ${nasty}\\r\\n\nF`,
  'in a refused greeting': `S! 554 ${nasty}\\r\\n\nC: QUIT\nF`,
})) {
  test(`hostile text ${name} is made visible`, async () => {
    const zone = '$ORIGIN y.test.\n@ 60 MX 10 mx\\027[1m\nmx\\027[1m 60 A 127.0.0.2\n';
    const { ports, connection } = mailLab(zone, { '127.0.0.2': [script] });
    const { report } = await relayTest(
      {
        connection,
        target: { kind: 'address', address: 'b@y.test' },
        written: 'b@y.test\u001b[31m',
        from: '',
        stopAt: 'rcpt',
        allHosts: true,
        localDomains: [],
        ignore: [],
        failOn: undefined,
      },
      ports,
      { scrubber: new Scrubber(), signal: new AbortController().signal },
    );
    const shown = renderRelayTest(report, plainStyle, { helo: 'client.test', queries: true });
    assert.equal(report.hops.length, 1);
    assert.match(shown, /\\x1b/);
    assert.doesNotMatch(shown, /[^\P{C}\n]/u);
    assert.doesNotMatch(jsonDocument(report), /[^\x20-\x7e\n]/);
  });
}

// `ehlo relay-test`: names the target, shows the report. The work is in app/relay-test.ts.
import type { Command } from 'commander';
import type { ServerUrl } from '../../app/connection.ts';
import type { RelayTarget, RelayTestRequest } from '../../app/relay-test.ts';
import { parseMailbox } from '../../base/address.ts';
import { parseDomain } from '../../base/domain.ts';
import { EhloError } from '../../base/errors.ts';
import type { OptionCommand } from '../command.ts';
import { introduce } from '../help.ts';
import { optionValues } from '../option-values.ts';
import { addConnectionOptions, collect, parseConnection } from '../options.ts';
import { parseServerUrl, printServerUrl } from '../server-url.ts';

const stops = { ehlo: 'ehlo', tls: 'starttls', mail: 'mail', rcpt: 'rcpt', data: 'data' } as const;

export const relayTestCommand: OptionCommand = {
  define(command: Command): void {
    introduce(
      command,
      'walk DNS, MX and every hop as a sending server would, and say what is wrong; sends no message',
      [
        {
          line: 'ehlo relay-test you@example.org',
          says: 'would mail to this address get through, and by which hosts?',
        },
        {
          line: 'ehlo relay-test --all-hosts example.org',
          says: 'all MX hosts of a domain, not only the first that would take it',
        },
        { line: 'ehlo relay-test smtp://mail.example.org:25', says: 'one server, without DNS' },
      ],
    );
    command.argument('<target>', 'an address, a domain, or a server URL');
    command
      .optionsGroup('Walk:')
      .option('--from <address|<>>', 'the envelope sender to use (default <>)')
      .option('--stop-at <ehlo|tls|mail|rcpt|data>', 'how far to go at each hop (default rcpt)')
      .option('--all-hosts', 'go on to the hosts behind the one that decides')
      .option('--local-domain <domain>', 'a domain that is ours: delivered locally (repeatable)', collect)
      .option('--ignore <rule>', 'leave the findings of a rule out (repeatable)', collect)
      .option('--fail-on <warn|error>', 'exit 1 where a finding reaches this, though mail would get through');
    addConnectionOptions(command, 'relay-test');
  },

  async run([written = ''], raw, context) {
    const options = optionValues(raw);
    const { target, server } = targetOf(written);
    if (server && options.text('server') !== undefined) {
      throw new EhloError('usage', 'the target and --server both name a server', { hint: 'give one of them' });
    }
    const connection = await parseConnection(server ? { ...raw, server: written } : raw, context);
    if (connection.server && !speaksSmtp(connection.server)) throw noSmtp(connection.server);
    const from = options.text('from') ?? '<>';
    if (from !== '<>') options.check('from', from, parseMailbox);
    const request: RelayTestRequest = {
      connection,
      target,
      // A password in the URL is nobody's business.
      written: server?.password ? printServerUrl(server) : written,
      from: from === '<>' ? '' : from,
      stopAt: stops[options.oneOf('stop-at', ['ehlo', 'tls', 'mail', 'rcpt', 'data']) ?? 'rcpt'],
      allHosts: options.flag('all-hosts'),
      localDomains: options.list('local-domain').map((text) => options.check('local-domain', text, parseDomain)),
      ignore: options.list('ignore'),
      failOn: options.oneOf('fail-on', ['warn', 'error']),
    };
    const [{ relayTest }, { jsonDocument, jsonLine }, { renderEvent }, { startProgress }] = await Promise.all([
      import('../../app/relay-test.ts'),
      import('../../render/json.ts'),
      import('../../render/transcript.ts'),
      import('../../render/progress.ts'),
    ]);
    const { format, verbosity, stderr, stdout } = context;
    const progress = await startProgress(`relay-test ${written}`, {
      isTTY: stderr.isTTY,
      format,
      verbosity,
      color: stderr.style('strong', '') !== '',
    });
    const { report } = await relayTest(request, context.ports, {
      scrubber: context.scrubber,
      signal: context.signal,
      onEvent: (event) => {
        if (format === 'ndjson') stdout.write(jsonLine({ event: 'transcript', ...event }));
        else if (format === 'human' && verbosity > 1) stderr.write(renderEvent(event, stderr.style, { times: true }));
      },
      onStep: (step) => progress.update(`${step.stage}: ${step.code} ${step.text}`),
    }).finally(() => progress.stop());
    if (format === 'json') stdout.write(jsonDocument(report));
    else if (format === 'ndjson') stdout.write(jsonLine({ event: 'report', ...report }));
    else {
      const { renderRelayTest } = await import('../../render/relay-test.ts');
      const view = {
        helo: connection.helo ?? context.ports.hostname(),
        queries: verbosity > 0,
      };
      if (verbosity >= 0) stdout.write(renderRelayTest(report, stdout.style, view));
    }
    return report.exit.code;
  },
};

const speaksSmtp = ({ scheme }: ServerUrl): boolean => scheme !== 'pop3' && scheme !== 'pop3s';

const noSmtp = ({ scheme }: ServerUrl): EhloError =>
  new EhloError('usage', `relay-test speaks SMTP and LMTP, not ${scheme}`, {
    hint: 'give an address, a domain, or smtp://host:port',
  });

/** An address may hold a colon too, in its literal: `a@[IPv6:::1]`. */
const serverForm = /^[a-z][a-z0-9+.-]*:\/\/|^lmtp\+unix:|^[^@]+:\d+$|^\[[^@\]]*:[^@\]]*\]$/i;

/** A URL or host:port is a server; with an @ it is an address; anything else a domain. */
function targetOf(written: string): { target: RelayTarget; server?: ServerUrl } {
  if (serverForm.test(written)) {
    const server = parseServerUrl(written, 'smtp');
    if (server.scheme === 'mx' || !speaksSmtp(server)) throw noSmtp(server);
    return { target: { kind: 'server' }, server };
  }
  if (written.includes('@')) {
    parseMailbox(written);
    return { target: { kind: 'address', address: written } };
  }
  parseDomain(written);
  return { target: { kind: 'domain', domain: written } };
}

// What a tester says besides a normal session: the PROXY header before everything, XCLIENT behind EHLO, commands before
// MAIL; and what a server must offer (--require).
import { EhloError } from '../base/errors.ts';
import { ipFamily } from '../base/ip.ts';
import { mask } from '../base/secret.ts';
import { encodeXtext } from '../base/xtext.ts';
import type { SmtpClient } from '../smtp/client.ts';
import { verdictOf } from '../smtp/phases.ts';
import { replyFacts, replyLine } from '../smtp/reply.ts';
import type { Channel, TlsFacts } from '../wire/channel.ts';
import type { Wire } from '../wire/wire.ts';
import type { ProtocolControl, ProxyHeader } from './control.ts';
import { type TlsVerify, tlsVerified } from './tls-policy.ts';

/** Postfix XCLIENT_README: a command line has at most 512 octets. */
const xclientLine = 510;

/** The first bytes of all, also before TLS. Throws 'usage' where the connection has no addresses to tell. */
export async function sayProxyHeader(wire: Wire, channel: Channel, header: ProxyHeader): Promise<void> {
  const { printProxyHeader } = await import('../smtp/proxy-header.ts');
  wire.write(printProxyHeader(header, channel.ends));
  const said = typeof header.addresses === 'string' ? header.addresses : 'as given';
  wire.info(`PROXY protocol ${header.version} header sent (addresses: ${said})`);
}

/** True where the session begins anew: EHLO must be said again. Throws 'missing-extension', 'rejected', 'deferred'. */
export async function sayXclient(client: SmtpClient, { xclient, force }: ProtocolControl): Promise<boolean> {
  if (xclient.length === 0) return false;
  const { wire } = client;
  wire.stage = 'xclient';
  const offered = client.extensions.get('XCLIENT');
  if (!force) {
    const names = new Set(offered?.toUpperCase().split(/\s+/));
    const lacking = xclient.find(({ name }) => !names.has(name));
    if (offered === undefined || lacking) {
      const what = offered === undefined ? 'XCLIENT' : `the XCLIENT attribute ${lacking?.name}`;
      throw wire.error('missing-extension', `${wire.peer} does not offer ${what}`, {
        hint: 'nothing was sent; servers offer XCLIENT only to addresses that they trust; --force says it all the same',
      });
    }
  }
  for (const line of xclientLines(xclient)) {
    const answer = await client.ask('xclient', line);
    if (verdictOf('xclient', answer) === 'yes') continue;
    const code = answer.code >= 500 ? 'rejected' : 'deferred';
    throw wire.error(code, `${wire.peer} refused XCLIENT: ${replyLine(answer)}`, { reply: replyFacts(answer) });
  }
  return true;
}

/** Values in xtext, but for the two that are words of the protocol. */
export function xclientLines(attributes: ProtocolControl['xclient']): string[] {
  const lines: string[] = [];
  for (const { name, value: given } of attributes) {
    // The attribute's own syntax: an IPv6 address has a prefix.
    const value = name.endsWith('ADDR') && ipFamily(given) === 6 ? `IPV6:${given}` : given;
    const word = ` ${name}=${/^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/.test(value) ? value : encodeXtext(value)}`;
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length <= xclientLine) lines[lines.length - 1] = last + word;
    else lines.push(`XCLIENT${word}`);
  }
  return lines;
}

/** The EHLO behind XCLIENT speaks for the other client: with our own name it would undo what XCLIENT said of HELO. */
export const heloOf = ({ xclient }: ProtocolControl): string | undefined =>
  xclient.findLast(({ name, value }) => name === 'HELO' && !value.startsWith('['))?.value;

/** Every reply is taken, and told in the steps and the transcript; what it says is for the user to judge. */
export async function sayCommands(client: SmtpClient, { commands }: ProtocolControl): Promise<void> {
  let asked = false;
  for (const line of commands) {
    const { shown, secret }: HiddenLine = asked ? { shown: mask, secret: line } : loginIn(line);
    if (secret !== undefined) for (const form of formsOf(secret)) client.wire.transcript?.scrubber.add(form);
    asked = (await client.ask('command', line, shown)).code === 334;
  }
}

interface HiddenLine {
  shown?: string;
  secret?: string;
}

/** An AUTH line as it may be shown, and the initial response in it (RFC 4954 4). */
function loginIn(line: string): HiddenLine {
  const [, head, response] = /^(AUTH +\S+ +)(\S.*)$/i.exec(line) ?? [];
  return response === undefined || response === '=' ? {} : { shown: `${head}${mask}`, secret: response };
}

/** A server may repeat the response, or what is in it: PLAIN has its parts behind NULs (RFC 4616 2). */
const formsOf = (response: string): (string | Buffer)[] => {
  const bytes = Buffer.from(response, 'base64');
  return [response, bytes, bytes.toString('latin1').split('\0').at(-1) ?? ''];
};

/** Throws 'missing-extension' (and 'tls-certificate' for REQUIRETLS, RFC 8689 4.1) before a transaction begins. */
export function checkRequired(
  client: SmtpClient,
  tls: TlsFacts | null,
  verify: TlsVerify,
  { require }: ProtocolControl,
): void {
  const lacking = require.filter((keyword) => (keyword === 'STARTTLS' ? !tls : !client.extensions.has(keyword)));
  const facts = { stage: client.wire.stage, peer: client.wire.peer, side: 'remote' as const };
  if (lacking.length > 0) {
    throw new EhloError(
      'missing-extension',
      `${facts.peer} does not offer ${lacking.join(', ')}, which --require names`,
      {
        ...facts,
        hint: 'nothing was sent; leave it out of --require to send without it',
      },
    );
  }
  if (require.includes('REQUIRETLS') && !(tls && tlsVerified(tls, verify))) {
    const why = tls ? `its certificate is not verified (${tls.error ?? 'not accepted'})` : 'TLS is not in use';
    throw new EhloError('tls-certificate', `REQUIRETLS needs verified TLS to ${facts.peer}: ${why}`, {
      ...facts,
      hint: 'nothing was sent; use --tls required, with --ca where the authority is a private one',
    });
  }
}

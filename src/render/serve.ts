// What `serve` tells a person: a short banner for stderr, one line a message for stdout. All of a message is untrusted.
import type { ServeMessage, ServeReady } from '../app/serve-events.ts';
import { clip, safe } from './safe.ts';
import type { Style } from './style.ts';
import { printSize } from './units.ts';

const subjectMax = 60;
const addressesShown = 3;

export interface BannerFacts {
  /** `memory`, or where the Maildirs are. */
  store: string;
  /** Local domains; empty: all. */
  domains: readonly string[];
  /** Who may log in; whether TLS must be there. */
  logins: 'any' | 'named';
  tls: 'optional' | 'required';
  /** The child's command; undefined: it runs until it is ended. */
  command: string | undefined;
}

export function renderBanner(ready: ServeReady, facts: BannerFacts, style: Style): string {
  const rows: [string, string][] = [];
  if (ready.smtp) rows.push(['smtp', ready.smtp.url]);
  if (ready.pop3) rows.push(['pop3', `${ready.pop3.url}  (user: a mailbox, or "all")`]);
  if (ready.dns) rows.push(['dns', ready.dns.server]);
  rows.push(['store', safe(facts.store)]);
  const domains = facts.domains.length === 0 ? 'every domain' : facts.domains.map(safe).join(', ');
  rows.push(['takes', `mail for ${domains}, and never sends any on`]);
  const who = facts.logins === 'any' ? 'any user, any password' : 'the users of --auth';
  rows.push(['logins', `${who}${facts.tls === 'required' ? ', under TLS' : '; from this machine also without TLS'}`]);
  const lines = rows.map(([name, text]) => `  ${style('accent', name.padEnd(6))} ${text}\n`);
  const end = facts.command === undefined ? 'Ctrl-C ends it' : `it ends with: ${safe(clip(facts.command, 200))}`;
  return `${style('strong', 'ehlo serve')} is ready; ${end}\n${lines.join('')}`;
}

/** `12:30:45  a@x -> b@y  "Subject"  1.2 kB  id`. */
export function renderMessage(message: ServeMessage, style: Style): string {
  const from = message.from === '' ? '<>' : safe(message.from);
  const more = message.to.length - addressesShown;
  const to = message.to.slice(0, addressesShown).map(safe).join(', ') + (more > 0 ? ` and ${more} more` : '');
  const subject =
    message.subject === null ? style('dim', '(no subject)') : `"${safe(clip(message.subject, subjectMax))}"`;
  const time = style('dim', message.receivedAt.slice(11, 19));
  return `${time}  ${from} -> ${to}  ${subject}  ${printSize(message.size)}  ${style('dim', message.id)}\n`;
}

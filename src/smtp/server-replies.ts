// The fixed replies of a server session, by what they say. Codes are RFC 5321 4.2.3's, enhanced codes RFC 3463's.
import { type Reply, reply } from './reply.ts';

export const replies = {
  ok: reply(250, '2.0.0', 'Ok'),
  sender: reply(250, '2.1.0', 'Ok'),
  recipient: reply(250, '2.1.5', 'Ok'),
  goOn: reply(354, null, 'send the message; end with CRLF.CRLF'),
  help: reply(
    214,
    '2.0.0',
    'commands: EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH',
    'see RFC 5321; this is a throwaway server of ehlo',
  ),
  vrfy: reply(252, '2.0.0', 'cannot verify; send the message and it will be taken'),
  expn: reply(502, '5.5.1', 'EXPN is not implemented'),
  startTls: reply(220, '2.0.0', 'go ahead with TLS'),
  authDone: reply(235, '2.7.0', 'authenticated'),

  earlyTalker: reply(421, '4.7.0', 'wait for the greeting'),
  shutdown: reply(421, '4.3.2', 'this server is shutting down'),
  timeout: reply(421, '4.4.2', 'timeout; closing the connection'),
  tooManyErrors: reply(421, '4.7.0', 'too many errors; closing the connection'),
  tooManyConnections: reply(421, '4.3.2', 'too many connections; try again later'),
  internal: reply(421, '4.3.0', 'an error on this side; closing the connection'),

  unknown: reply(500, '5.5.1', 'command not recognized'),
  notOffered: reply(502, '5.5.1', 'not offered here'),
  wrongHello: reply(500, '5.5.1', 'LMTP begins with LHLO, SMTP with EHLO or HELO'),
  helloFirst: reply(503, '5.5.1', 'say EHLO first'),
  mailFirst: reply(503, '5.5.1', 'MAIL first'),
  rcptFirst: reply(503, '5.5.1', 'RCPT first'),
  nestedMail: reply(503, '5.5.1', 'a transaction is open already; RSET ends it'),
  notInTransaction: reply(503, '5.5.1', 'not within a transaction'),
  afterChunks: reply(503, '5.5.1', 'a message is coming in by BDAT'),
  noRecipients: reply(554, '5.5.1', 'no valid recipients'),
  tlsFirst: reply(530, '5.7.0', 'STARTTLS first'),
  tlsTwice: reply(503, '5.5.1', 'TLS is on already'),
  authFirst: reply(530, '5.7.0', 'authentication required'),
  authTwice: reply(503, '5.5.1', 'authenticated already'),
  authInClear: reply(538, '5.7.11', 'this mechanism needs TLS; say STARTTLS first'),
  unknownMechanism: reply(504, '5.5.4', 'this mechanism is not offered'),
  tooLarge: reply(552, '5.3.4', 'the message is larger than this server takes'),
  tooManyRecipients: reply(452, '4.5.3', 'too many recipients; send the message to the others separately'),
  notUtf8: reply(501, '5.6.7', 'an address that is not ASCII needs SMTPUTF8 in MAIL'),
} satisfies Record<string, Reply>;

export const lineVerdicts = {
  bareLf: reply(500, '5.5.2', 'commands end in CRLF; this line ended in a bare LF'),
  tooLong: reply(421, '4.7.0', 'the line is too long; closing the connection'),
} satisfies Record<string, Reply>;

const http = reply(421, '4.7.0', 'this is a mail server and does not speak HTTP; closing the connection');
const untrusted = reply(550, '5.7.0', 'not allowed from here');

/** Words of other protocols, and commands for trusted neighbours only. A web page must get no second line (cross-protocol requests). */
export const strangers: Readonly<Record<string, Reply>> = Object.assign(Object.create(null), {
  GET: http,
  POST: http,
  PUT: http,
  HEAD: http,
  OPTIONS: http,
  DELETE: http,
  PATCH: http,
  CONNECT: http,
  TRACE: http,
  PRI: http,
  XCLIENT: untrusted,
  XFORWARD: untrusted,
  PROXY: untrusted,
});

// The capabilities of POP3 that ehlo knows (RFC 2449 and its registry), for telling people what a server can do.

export const capabilityTable: Record<string, { rfc: string; means: string }> = {
  TOP: { rfc: 'RFC 1939 7', means: 'headers without whole messages' },
  UIDL: { rfc: 'RFC 1939 7', means: 'ids that stay the same' },
  USER: { rfc: 'RFC 1939 7', means: 'logging in with USER and PASS' },
  SASL: { rfc: 'RFC 5034', means: 'logging in with AUTH' },
  STLS: { rfc: 'RFC 2595 4', means: 'TLS on the same port' },
  PIPELINING: { rfc: 'RFC 2449 6.6', means: 'several commands in one write' },
  'RESP-CODES': { rfc: 'RFC 2449 6.4', means: 'codes like [IN-USE] in responses' },
  'AUTH-RESP-CODE': { rfc: 'RFC 3206', means: 'says why a login failed' },
  'LOGIN-DELAY': { rfc: 'RFC 2449 6.5', means: 'seconds to wait between logins' },
  EXPIRE: { rfc: 'RFC 2449 6.7', means: 'days that messages are kept' },
  IMPLEMENTATION: { rfc: 'RFC 2449 6.9', means: 'what it is' },
  UTF8: { rfc: 'RFC 6856', means: 'UTF-8 in user names and headers' },
  LANG: { rfc: 'RFC 6856 3', means: 'texts in other languages' },
};

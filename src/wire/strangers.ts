// What else listens on a port, told from its first bytes: for the error that a person gets who dialled the wrong one.

export type Protocol = 'SMTP' | 'POP3' | 'IMAP' | 'HTTP' | 'SSH' | 'TLS';

const firstBytes: [Protocol, RegExp][] = [
  ['SMTP', /^[2-5]\d\d[ -]/],
  ['POP3', /^\+OK/],
  ['IMAP', /^\* (?:OK|PREAUTH|BYE)/],
  ['HTTP', /^HTTP\//],
  ['SSH', /^SSH-/],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a TLS record's type and version (RFC 8446 5.1)
  ['TLS', /^[\x14-\x17]\x03[\x00-\x04]/],
];

/** The protocol that begins like this (latin1 text); undefined for anything unknown. */
export const protocolOf = (text: string): Protocol | undefined => firstBytes.find(([, form]) => form.test(text))?.[0];

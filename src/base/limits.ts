// Every size and deadline in one table, with where it comes from. Sizes in bytes, times in milliseconds.

const KB = 1024;
const MB = 1024 * KB;
const second = 1000;
const minute = 60 * second;

/** The client's deadlines. RFC 5321 4.5.3.2 allows minutes; a person at a terminal and a CI job want to know sooner. */
export const clientDeadlines = {
  connect: 30 * second,
  /** The 220 greeting. RFC 5321 4.5.3.2.1 gives 5 min; tarpits stay under one. */
  greeting: 60 * second,
  /** One reply to one command, absolute: a peer that drips a byte a second still times out. */
  reply: 60 * second,
  tlsHandshake: 30 * second,
  /** No progress in writing the body. RFC 5321 4.5.3.2.5: 3 min per block. */
  writeStall: 3 * minute,
  /** The verdict after the end of data. RFC 5321 4.5.3.2.6: 10 min, and being early means duplicates. */
  dataVerdict: 10 * minute,
  quit: 5 * second,
  /** One DNS question to one server. */
  dns: 5 * second,
};
export type ClientDeadlines = typeof clientDeadlines;

export const replyLimits = {
  /** RFC 5321 4.5.3.1.5 says 512; some servers put whole URLs in. */
  line: 4 * KB,
  bytes: 64 * KB,
  lines: 100,
  /** EHLO answers only. */
  ehloLines: 200,
};

export const smtpServerLimits = {
  /** RFC 5321 4.5.3.1.4 says 512 plus what extensions add; SASL answers (RFC 4954 4) up to 12288. */
  commandLine: 4 * KB,
  authLine: 12 * KB + 2,
  recipients: 1000,
  messageBytes: 50 * MB,
  errors: 20,
  connections: 100,
  /** Waiting for one command. */
  command: 60 * second,
  /** No byte of the body at all. */
  bodyStall: 60 * second,
  /** Below this rate, once bodyGrace has passed, the body is a drip. */
  bodyRate: 100,
  bodyGrace: 5 * minute,
  tlsHandshake: 30 * second,
};
export type SmtpServerLimits = typeof smtpServerLimits;

export const pop3Limits = {
  /** RFC 2449 4: a command is at most 255 octets with its CRLF; we answer -ERR above, and close at the hard limit. */
  commandLine: 255,
  commandLineHard: 4 * KB,
  /** RFC 1939 3: 512 octets; be generous to servers that talk. */
  responseLine: 4 * KB,
  messages: 10_000,
  messageBytes: 100 * MB,
  errors: 20,
  badPasswords: 3,
  command: 10 * minute,
};

export const saslLimits = {
  /** RFC 4954 4: one decoded challenge or response. */
  message: 12 * KB,
  /** RFC 7677 4: fewer rounds make a stolen exchange cheap to search; more than this only burns our CPU. */
  minIterations: 4096,
  maxIterations: 1_000_000,
};

export const mimeLimits = {
  depth: 100,
  parts: 10_000,
  headerBytes: 1 * MB,
  /** Received fields looked at. */
  hops: 1000,
  /** `inspect` holds the whole message in memory. */
  messageBytes: 256 * MB,
};

export const dnsLimits = {
  /** EDNS UDP payload (DNS flag day 2020): does not fragment. */
  udpPayload: 1232,
  tcpMessage: 65_535,
  cnames: 16,
  label: 63,
  name: 255,
  tries: 2,
};

/** Bytes kept in memory before a stream goes to a temporary file. */
export const spoolThreshold = 1 * MB;
/** Unsent bytes at which a sender waits for the peer to read. */
export const writeHighWater = 256 * KB;
/** Unread bytes at which we stop reading from the peer. */
export const readHighWater = 256 * KB;
/** Transcript events kept for one session; later ones are counted, not kept. */
export const transcriptEvents = 10_000;
/** A configuration file; more is some other file given by mistake. */
export const configFileLimit = 1 * MB;

/** Templates and mail merge. Sizes of text are in UTF-16 units. */
export const mergeLimits = {
  /** What one template may become for one row. */
  expanded: 16 * MB,
  /** Parts that are looked at for one row: nested lists multiply. */
  steps: 2_000_000,
  /** Blocks in blocks. */
  depth: 32,
  templateBytes: 8 * MB,
  dataBytes: 64 * MB,
  /** One row of a CSV file. */
  rowBytes: 1 * MB,
  columns: 1000,
  jobs: 64,
  /** Rows in one JSON document; NDJSON has no bound. */
  jsonRows: 10_000,
};

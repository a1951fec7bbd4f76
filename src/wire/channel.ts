// The contract between a conversation and whatever carries its bytes: a socket, a TLS stream, a child process, memory.
// Drivers live in net/ and in memory.ts; nothing here knows SMTP.

/** What a driver calls. Never called before attach(). */
export interface ChannelSink {
  /** Bytes arrived. The driver gives the buffer away: it must not change later. */
  data(chunk: Buffer): void;
  /** The peer will send no more. Called once, also after an error (then with the cause). */
  end(cause?: Error): void;
}

export interface ChannelEnds {
  source: { address: string; port: number };
  destination: { address: string; port: number };
}

export interface Channel {
  /** For messages: `127.0.0.1:25`, `/run/lmtp`, `memory`. */
  readonly peer: string;
  /** Of a TCP connection without a proxy: ours and theirs. */
  readonly ends?: ChannelEnds;
  /** The one listener; a second call replaces the first (used by a TLS upgrade). */
  attach(sink: ChannelSink): void;
  /** Queues bytes; `done` runs once they were handed on (for a socket: to the kernel) or can no longer be. */
  write(bytes: Buffer, done: (failure?: Error) => void): void;
  /** Back-pressure on reading. */
  pause(): void;
  resume(): void;
  /** Turns the byte stream into TLS in place. Rejects with one of our errors when the handshake fails or is too late. */
  startTls(options: TlsOptions, deadlineMs: number): Promise<TlsFacts>;
  /** Flush what is queued, then say goodbye (FIN). */
  end(): void;
  /** Now, without a goodbye; unsent bytes are dropped. */
  destroy(): void;
}

/** TLS as the client wants it. `servername` is what goes into SNI and, unless `name` says otherwise, what is verified. */
export interface TlsClientOptions {
  role: 'client';
  servername: string;
  /** The name to verify instead of `servername` (--tls-name). */
  name?: string;
  /** PEM; replaces the built-in roots. */
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
  /** SHA-256 of the leaf certificate, lower-case hex; replaces chain and name verification. */
  pin?: string;
  minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  ciphers?: string;
}

export interface TlsServerOptions {
  role: 'server';
  cert: Buffer;
  key: Buffer;
  minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
}

export type TlsOptions = TlsClientOptions | TlsServerOptions;

/** Bytes that both ends of one TLS connection know, and nobody in between (RFC 5056). */
export interface ChannelBinding {
  /** RFC 9266, only for TLS 1.3; RFC 5929 4, by the server's certificate. */
  type: 'tls-exporter' | 'tls-server-end-point';
  bytes: Buffer;
}

/** What is known of an established TLS layer. */
export interface TlsFacts {
  /** `TLSv1.3` ... */
  protocol: string;
  cipher: string;
  /** Chain and name verified, or the pin matched; whether that is needed is the caller's policy. Always true for a server. */
  authorized: boolean;
  /** Why not, in words; null when authorized. */
  error: string | null;
  /** Which of the usual causes, for exit code and hint. */
  cause: 'expired' | 'not-yet-valid' | 'self-signed' | 'unknown-ca' | 'name' | 'pin' | 'other' | null;
  subject: string | null;
  issuer: string | null;
  /** ISO 8601 */
  validFrom: string | null;
  validTo: string | null;
  altNames: string[];
  /** SHA-256 of the leaf, lower-case hex without colons. */
  fingerprint: string | null;
  /** The certificates that were shown, as PEM, the leaf first. */
  chain?: readonly string[];
  /** What the key of the leaf is: `RSA 2048 bit`, `EC prime256v1`, `ED25519`. */
  key?: string | null;
  /** For SCRAM-PLUS, the preferred first; empty where this layer has none. Absent where the driver cannot tell. */
  channelBindings?: () => readonly ChannelBinding[];
}

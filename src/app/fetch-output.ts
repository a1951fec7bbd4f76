// Where fetched messages go, as the use case sees it. store/output.ts writes folders and files; cli/ has standard output.

export interface FetchOutput {
  /** What was committed and settled survives a power cut: only then may the server's copy be deleted. */
  readonly durable: boolean;
  begin(message: { number: number; uid: string | null }): MessageOutput;
  /** After the last commit, whatever happened: makes durable what was committed and lets go. False: nothing of it was kept. */
  settle(): Promise<boolean>;
}

/** One message on its way. Exactly one of commit and abort is called, after all writes. */
export interface MessageOutput {
  /** Byte for byte. The chunk stays unchanged until the commit. A promise holds the reading back. */
  write(chunk: Buffer): void | Promise<void>;
  /** Where it is now: a path, or null for a stream. Errors: 'io', 'cannot-create'. */
  commit(): Promise<{ file: string | null; note?: string }>;
  /** Leaves nothing behind, where that is possible. Never throws. */
  abort(): Promise<void>;
}

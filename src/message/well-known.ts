// Submission servers of well-known services, by the short name that people use (gmail, outlook365): nodemailer's table. Names
// with a dot are host names to us, and are never looked up here.
export interface ServiceServer {
  host: string;
  port?: number;
  /** TLS from the first byte. */
  implicitTls: boolean;
}

/** Undefined for words that are no service with a server of its own. */
export async function findService(word: string): Promise<ServiceServer | undefined> {
  if (!/^[a-z0-9-]+$/i.test(word)) return undefined;
  const { default: wellKnown } = await import('nodemailer/lib/well-known');
  // For a word such as "constructor" the table's prototype answers; and Maildev is wherever it was started.
  const row = wellKnown(word);
  if (!row || typeof row.host !== 'string') return undefined;
  return {
    host: row.host,
    ...(typeof row.port === 'number' && { port: row.port }),
    implicitTls: row.secure === true || row.port === 465,
  };
}

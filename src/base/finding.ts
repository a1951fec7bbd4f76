// What a judge of something tells people: one rule that was broken, how bad that is, and what to do. The same shape for
// messages, servers, domains and walks. Not an error: errors end a command, findings are its result.

export type Severity = 'error' | 'warning' | 'info';

export interface Finding {
  /** The rule, upper case with dashes: what --ignore names. */
  id: string;
  severity: Severity;
  /** One sentence; what it quotes of a peer or a message is untrusted. */
  message: string;
  rfc: string | null;
  fix: string | null;
}

/** The values of --fail-on. */
export const failOnWords = ['warn', 'error'] as const;
export type FailOn = (typeof failOnWords)[number];

/** Whether any of them is as bad as --fail-on says; never without --fail-on. */
export const reaches = (findings: readonly Finding[], failOn: FailOn | undefined): boolean =>
  failOn !== undefined &&
  findings.some(({ severity }) => severity === 'error' || (severity === 'warning' && failOn === 'warn'));

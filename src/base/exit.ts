// The exit codes of the whole tool: sysexits(3) where a number exists there, so that mail programs read them right.

export const exitCodes = {
  OK: 0,
  NO: 1,
  PARTIAL: 3,
  UNKNOWN: 4,
  USAGE: 64,
  DATA: 65,
  NOINPUT: 66,
  NOHOST: 68,
  REJECTED: 69,
  INTERNAL: 70,
  CANTCREATE: 73,
  IO: 74,
  TEMP: 75,
  PROTO: 76,
  NOPERM: 77,
  CONFIG: 78,
  /** 128 and the number of the signal that ended the run, as shells have it. */
  SIGINT: 130,
  SIGTERM: 143,
} as const;

export type ExitName = keyof typeof exitCodes;

export interface Exit {
  code: number;
  name: ExitName;
}

export const exitOf = (name: ExitName): Exit => ({ code: exitCodes[name], name });

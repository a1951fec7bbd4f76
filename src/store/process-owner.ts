// Who holds something in a directory that several processes share: a process named so that a later one can tell whether it
// still runs. A pid alone is not enough: pids come again, machines start again, containers count their own.
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** `pid-start-boot-namespace-host`: letters, digits and '-', fit for a file name. */
export type Owner = string;

export type OwnerState = 'running' | 'gone' | 'elsewhere';

const ownerForm = /^(\d{1,10})-(\d{1,20})-([0-9a-f]{8})-(\d{1,20})-([0-9a-f]{8})$/;

export const isOwner = (text: string): boolean => ownerForm.test(text);

/** Of the process `pid`; where the system tells nothing (no /proc) the parts are 0, and the pid alone decides. */
export function ownerOf(pid: number): Owner {
  return [pid, startOf(pid) ?? '0', bootId(), namespaceId(), digest(hostname())].join('-');
}

export function ownerState(owner: Owner): OwnerState {
  const [, pid = '', start = '', boot, namespace, host] = ownerForm.exec(owner) ?? [];
  if (host !== digest(hostname())) return 'elsewhere';
  if (boot !== bootId()) return 'gone';
  if (namespace !== namespaceId()) return 'elsewhere';
  const number = Number(pid);
  if (start !== '0') return startOf(number) === start ? 'running' : 'gone';
  try {
    process.kill(number, 0);
    return 'running';
  } catch (failure) {
    return (failure as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'running';
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Clock ticks from the start of the machine (proc(5), field 22); undefined where there is no such process. */
function startOf(pid: number): string | undefined {
  // The name in field 2 may hold anything, blanks and parentheses too.
  const fields = read(() => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' '));
  // Field 3 is the first of these. A zombie runs no more.
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19];
}

const bootId = (): string => digest(read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')) ?? '');

const namespaceId = (): string => read(() => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]) ?? '0';

function read<T>(from: () => T): T | undefined {
  try {
    return from();
  } catch {
    return undefined;
  }
}

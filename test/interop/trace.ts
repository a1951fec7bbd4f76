// What strace -f wrote, as calls that can be put in order.

/** One system call: where in the trace it began and where it had returned. */
export interface Call {
  name: string;
  text: string;
  began: number;
  ended: number;
}

/** Calls of several threads overlap: strace then prints a call in two halves. */
export function parseTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, Call>();
  for (const [at, line] of trace.split('\n').entries()) {
    const [, pid = '', resumed, name = '', rest = ''] = /^(\d+) +(<\.\.\. )?(\w+)(.*)$/.exec(line) ?? [];
    if (resumed) {
      const call = open.get(pid);
      if (call?.name === name) Object.assign(call, { ended: at, text: call.text + rest });
      open.delete(pid);
    } else if (name !== '') {
      const unfinished = rest.endsWith('<unfinished ...>');
      const call = { name, text: rest, began: at, ended: unfinished ? Number.POSITIVE_INFINITY : at };
      if (unfinished) open.set(pid, call);
      calls.push(call);
    }
  }
  return calls;
}

// When a run is ended from outside, the sends that are on their way end with it, except between the end of data and its
// verdict: there it would turn a message that may be accepted into one that nobody knows about.
import { EhloError } from '../base/errors.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';

export interface Watch {
  signal: AbortSignal;
  onEvent(event: TranscriptEvent): void;
  release(): void;
}

/** Of one send; `verdicts`: one for the message, or one for each recipient that was taken. The time limit of the whole run (--max-time) waits for nothing. */
export function watchEnding(outer: AbortSignal, verdicts: 'one' | 'each'): Watch {
  const inner = new AbortController();
  let awaitsVerdict = false;
  /** Recipients that were taken, then verdicts that are still to come. */
  let open = 0;
  const pass = (): void => {
    const isTimeUp = outer.reason instanceof EhloError && outer.reason.code === 'timeout';
    if (!awaitsVerdict || isTimeUp) inner.abort(outer.reason);
  };
  if (outer.aborted) pass();
  else outer.addEventListener('abort', pass, { once: true });
  return {
    signal: inner.signal,
    onEvent({ dir, stage, text }) {
      if (dir === 'out' && stage === 'mail') open = 0;
      if (dir === 'in' && stage === 'rcpt' && /^2\d\d(?!-)/.test(text)) open++;
      // The one remark while the body goes out is that its end follows.
      if (dir === 'info' && stage === 'body') awaitsVerdict = true;
      // Another host, or another message to the same one.
      else if (awaitsVerdict && (stage === 'connect' || (dir === 'out' && stage === 'mail'))) {
        awaitsVerdict = false;
        if (outer.aborted) pass();
      }
      if (!awaitsVerdict || dir !== 'in' || stage !== 'dot' || !/^\d{3}(?!-)/.test(text)) return;
      if (verdicts === 'each' && --open > 0) return;
      awaitsVerdict = false;
      // The verdict goes to its reader first; then nothing (such as the wait before --retry) holds the end up.
      if (outer.aborted) setImmediate(pass);
    },
    release: () => outer.removeEventListener('abort', pass),
  };
}

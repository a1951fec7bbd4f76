// --expect: whether the replies were those that a tester expects. An expected refusal is then no failure.
import { EhloError } from '../base/errors.ts';
import type { Step } from '../smtp/client.ts';
import type { Attempt } from './attempt.ts';
import type { Expectation } from './control.ts';

/** Of these the last reply counts: a session says EHLO twice, a login goes through 334. Elsewhere every reply does. */
const lastCounts: ReadonlySet<Step['stage']> = new Set(['ehlo', 'auth']);

/** What the outcome is once the expectations have been looked at: `error` itself, none, or 'answer-no'. */
export function judgeExpectations(
  expect: readonly Expectation[],
  attempt: Attempt | undefined,
  error: EhloError | null,
): EhloError | null {
  const failed = expect
    .map((one) => ({ one, steps: stepsAt(one, attempt) }))
    .find(({ one, steps }) => steps.length === 0 || !steps.every(({ code }) => matches(one.codes, code)));
  if (failed) {
    const { one, steps } = failed;
    // What never came to be said was kept away by something else, and that is the news.
    if (steps.length === 0 && error && !error.reply) return error;
    const got = steps.map(({ code, text }) => `${code} ${text}`).join('; ');
    const peer = attempt?.host;
    return new EhloError(
      'answer-no',
      `expected ${one.codes} at ${one.stage}, ${got === '' ? 'and no reply came at that stage' : `got ${got}`}`,
      { stage: one.stage, peer, side: 'remote', ...(error ? { cause: error, hint: error.message } : {}) },
    );
  }
  const awaited =
    error?.reply && expect.some((one) => one.stage === error.stage && matches(one.codes, error.reply?.code ?? 0));
  return awaited ? null : error;
}

const stepsAt = ({ stage }: Expectation, attempt: Attempt | undefined): Step[] => {
  const all = attempt?.steps.filter((step) => step.stage === stage) ?? [];
  return lastCounts.has(stage) ? all.slice(-1) : all;
};

const matches = (codes: string, code: number): boolean =>
  codes.split(',').some((one) => new RegExp(`^${one.replaceAll('x', '\\d')}$`).test(String(code)));

// --expect: whether the replies were those that a tester expects. An expected refusal is then no failure.
import { EhloError, type ErrorFacts } from '../base/errors.ts';
import type { Step } from '../smtp/client.ts';
import type { Attempt } from './attempt.ts';
import type { Expectation } from './control.ts';
import type { DeliveredRecipient } from './delivery-outcome.ts';

/** Of these the last reply counts: a session says EHLO twice, a login goes through 334. Elsewhere every reply does. */
const lastCounts: ReadonlySet<Step['stage']> = new Set(['ehlo', 'auth']);

/** Up to here a session can still end without a message: what is not as expected ends it at once. */
const before: ReadonlySet<Step['stage']> = new Set([
  'banner',
  'ehlo',
  'starttls',
  'xclient',
  'auth',
  'command',
  'mail',
  'rcpt',
  'data',
]);

/** For SmtpClient: 'answer-no' where this reply settles that an expectation is not met, and nothing has been sent yet. */
export function unmetBy(expect: readonly Expectation[], step: Step): EhloError | null {
  const one = expect.find(({ stage }) => stage === step.stage);
  if (!one || !before.has(step.stage) || matches(one.codes, step.code)) return null;
  // HELO may follow; a login goes on.
  if ((step.stage === 'ehlo' && step.code >= 500) || step.code === 334) return null;
  return notMet(one, `${step.code} ${step.text}`, {});
}

/** What the outcome is once the expectations have been looked at: `error` itself, none, or 'answer-no'. `open` is whose outcome counts. */
export function judgeExpectations(
  expect: readonly Expectation[],
  attempt: Attempt | undefined,
  error: EhloError | null,
  open: readonly DeliveredRecipient[],
): EhloError | null {
  const failed = expect
    .map((one) => ({ one, steps: stepsAt(one, attempt) }))
    .find(({ one, steps }) => steps.length === 0 || !steps.every(({ code }) => matches(one.codes, code)));
  if (failed) {
    const { one, steps } = failed;
    if (error?.code === 'answer-no') return error;
    // What never came to be said was kept away by something else, and that is the news.
    if (steps.length === 0 && error && !error.reply) return error;
    const got = steps.map(({ code, text }) => `${code} ${text}`).join('; ');
    const behind = error && { cause: error, hint: error.message, mayDuplicate: error.mayDuplicate };
    return notMet(one, got, { peer: attempt?.host, ...behind });
  }
  return error && isRefusal(error) && open.every((one) => wasExpected(expect, one)) ? null : error;
}

/** Replies that are out of step are nobody's answer, however well their codes fit; and no expectation turns doubt into a yes. */
const isRefusal = ({ reply, kind, mayDuplicate }: EhloError): boolean =>
  reply !== undefined && kind !== 'protocol' && !mayDuplicate;

/** Of somebody who was not refused but held back (--on-reject abort) no reply says anything. */
function wasExpected(expect: readonly Expectation[], { status, reply, stage, error }: DeliveredRecipient): boolean {
  if (status === 'accepted') return true;
  const said = reply ? { stage, code: reply.code } : error?.reply && { stage: error.stage, code: error.reply.code };
  if (!said) return status !== 'unknown' && error === null;
  return expect.some((one) => one.stage === said.stage && matches(one.codes, said.code));
}

const notMet = ({ codes, stage }: Expectation, got: string, facts: ErrorFacts): EhloError =>
  new EhloError(
    'answer-no',
    `expected ${codes} at ${stage}, ${got === '' ? 'and no reply came at that stage' : `got ${got}`}`,
    { stage, side: 'remote', ...facts },
  );

const stepsAt = ({ stage }: Expectation, attempt: Attempt | undefined): Step[] => {
  const all = attempt?.steps.filter((step) => step.stage === stage) ?? [];
  return lastCounts.has(stage) ? all.slice(-1) : all;
};

const matches = (codes: string, code: number): boolean =>
  codes.split(',').some((one) => new RegExp(`^${one.replaceAll('x', '\\d')}$`).test(String(code)));

// When a run that is ended from outside ends a send: never between the end of data and the last verdict.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchEnding } from '../../src/app/merge-watch.ts';
import { EhloError } from '../../src/base/errors.ts';
import type { TranscriptEvent } from '../../src/wire/transcript.ts';
import { settled } from '../support/clock.ts';

type Said = [dir: TranscriptEvent['dir'], stage: TranscriptEvent['stage'], text: string];

const event = ([dir, stage, text]: Said): TranscriptEvent => ({ t: 0, dir, stage, text, tls: false });

/** The end comes behind `before`; which of the events that follow, if any, the send was ended by. */
async function endedBy(verdicts: 'one' | 'each', before: Said[], then: Said[], reason: unknown = 'SIGINT') {
  const outer = new AbortController();
  const watch = watchEnding(outer.signal, verdicts);
  for (const one of before) watch.onEvent(event(one));
  outer.abort(reason);
  await settled(2);
  if (watch.signal.aborted) return 'at once';
  for (const one of then) {
    watch.onEvent(event(one));
    const early = watch.signal.aborted;
    await settled(2);
    if (watch.signal.aborted) return `${early ? 'in' : 'behind'} ${one[2]}`;
  }
  return 'not';
}

const taken: Said[] = [
  ['out', 'mail', 'MAIL FROM:<a@x.test>'],
  ['in', 'mail', '250 ok'],
  ['in', 'rcpt', '250-ok'],
  ['in', 'rcpt', '250 ok'],
  ['in', 'rcpt', '550 no'],
  ['in', 'rcpt', '250 ok'],
];
const sent: Said[] = [...taken, ['in', 'data', '354 go'], ['info', 'body', '100 bytes']];

const cases: [what: string, expected: string, ...Parameters<typeof endedBy>][] = [
  ['before the end of data', 'at once', 'one', taken, []],
  ['with the verdict still out', 'not', 'one', sent, []],
  [
    'behind a verdict of several lines',
    'behind 451 b',
    'one',
    sent,
    [
      ['in', 'dot', '451-a'],
      ['in', 'dot', '451 b'],
    ],
  ],
  [
    'behind the last of many verdicts',
    'behind 250 b',
    'each',
    sent,
    [
      ['in', 'dot', '450 a'],
      ['in', 'dot', '250 b'],
    ],
  ],
  ['at another host', 'in a', 'one', sent, [['info', 'connect', 'a']]],
  ['where the time is up', 'at once', 'one', sent, [], new EhloError('timeout', 'late')],
];

for (const [what, expected, ...given] of cases)
  test(`a send is ended ${what}`, async () => assert.equal(await endedBy(...given), expected));

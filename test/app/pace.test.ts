// The rate of a merge, over all who ask together.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Pace, parseRate } from '../../src/app/pace.ts';
import { fakeClock } from '../support/clock.ts';

const never = new AbortController().signal;

describe('a rate', () => {
  const good: [text: string, ms: number][] = [
    ['10/s', 100],
    ['100/m', 600],
    ['3600/h', 1000],
    ['0.5/s', 2000],
  ];
  for (const [text, ms] of good) test(`${text} is one every ${ms} ms`, () => assert.equal(parseRate(text), ms));
  for (const text of ['', '10', '0/s', '10/d', '-1/s', '1e3/s', '10 / s', '/s']) {
    test(`${JSON.stringify(text)} is none`, () => assert.throws(() => parseRate(text), { code: 'usage' }));
  }
});

describe('turns', () => {
  test('come evenly, in the order in which they were asked for, and no pause is made up for', async () => {
    const clock = fakeClock();
    const pace = new Pace(clock, 100);
    const turns: string[] = [];
    const ask = (name: string) => pace.turn(never).then((go) => turns.push(`${name} ${go} ${clock.now()}`));
    for (const name of ['a', 'b', 'c']) void ask(name);
    await clock.advance(1000);
    void ask('d');
    void ask('e');
    await clock.advance(1000);
    assert.deepEqual(turns, ['a true 0', 'b true 100', 'c true 200', 'd true 1000', 'e true 1100']);
  });

  test('end with the run', async () => {
    const clock = fakeClock();
    const pace = new Pace(clock, 100);
    const ending = new AbortController();
    await pace.turn(ending.signal);
    const waiting = pace.turn(ending.signal);
    ending.abort();
    assert.deepEqual([await waiting, await pace.turn(ending.signal)], [false, false]);
    assert.equal(await new Pace(clock, 0).turn(never), true);
  });
});

// What a mail merge shows: the bar in any width, and lines that nothing of a peer or a table can break out of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MergeCounts, RowResult } from '../../src/app/merge-report.ts';
import { plainStyle } from '../../src/render/color.ts';
import { renderBar, renderMerge, renderRow } from '../../src/render/merge.ts';

const counts = (given: Partial<MergeCounts>): MergeCounts => ({
  rows: 0,
  accepted: 0,
  partial: 0,
  rejected: 0,
  deferred: 0,
  unknown: 0,
  failed: 0,
  skipped: 0,
  notSent: 0,
  ms: 0,
  ...given,
});

test('the bar: how far, how fast, how long, how many not', () => {
  const half = counts({ rows: 1000, accepted: 490, deferred: 10, notSent: 500 });
  assert.equal(
    renderBar(half, 76, 10_000),
    '[############............]  500/1000  50%  50/s  10 s left  10 not accepted',
  );
  assert.equal(renderBar(half, 40, 10_000), '[###...]  500/1000  50%  50/s  10 s left');
  assert.equal(renderBar(half, 30, 10_000), '500/1000  50%  50/s  10 s left');
  assert.equal(renderBar(half, 25, 10_000), '500/1000  50%  50/s');
  assert.equal(renderBar(counts({ rows: 10, notSent: 10 }), 70, 0), '[........................]  0/10  0%');
  // Rows of earlier runs cost no time, so they say nothing of the speed.
  assert.match(
    renderBar(counts({ rows: 100, skipped: 50, accepted: 10, notSent: 40 }), 70, 10_000),
    / 60% {2}1\.0\/s {2}40 s left$/,
  );
});

test('law: the bar is never wider than it may be, unless the numbers alone are', () => {
  const some = fc.nat({ max: 1_000_000 });
  fc.assert(
    fc.property(
      some,
      some,
      some,
      fc.integer({ min: 25, max: 200 }),
      fc.nat(),
      (accepted, failed, notSent, width, ms) => {
        const bar = renderBar(counts({ rows: accepted + failed + notSent, accepted, failed, notSent }), width, ms);
        assert.ok(bar.length <= width, bar);
      },
    ),
  );
});

test('law: whatever stands in a row, its line is one line of printable text', () => {
  const text = fc.string({ unit: 'binary' });
  const row = fc.record<RowResult>({
    row: fc.constant(7),
    line: fc.constant(9),
    key: fc.option(text),
    to: fc.array(text),
    status: fc.constantFrom('rejected', 'unknown', 'failed'),
    messageId: fc.option(text),
    code: fc.option(fc.integer({ min: 400, max: 599 })),
    enhanced: fc.option(text),
    text: fc.option(text),
    queueId: fc.option(text),
    attempts: fc.constant(1),
    ms: fc.constant(1),
  });
  fc.assert(
    fc.property(row, (one) => {
      const line = renderRow(one, plainStyle);
      assert.match(line, /^\w+ +row 7 \(line 9\)/);
      assert.match(line.slice(0, -1), /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u);
      assert.ok(line.endsWith('\n'));
    }),
  );
});

test('the sum names what there is and nothing else', () => {
  const report = {
    command: 'send' as const,
    ok: false,
    exit: { code: 3, name: 'PARTIAL' as const },
    error: null,
    dryRun: false,
    notes: [],
    merge: counts({ rows: 4, accepted: 1, skipped: 1, unknown: 1, notSent: 1, ms: 2100 }),
  };
  assert.equal(
    renderMerge(report, plainStyle),
    '4 rows: 1 accepted, 1 accepted before, 1 unknown, 1 not sent  in 2.1 s\n',
  );
});

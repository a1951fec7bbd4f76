// The lanes of a merge with sends that a test decides: when a run stops by itself, and what it never does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Journal, type Lane, merge, type RowFate } from '../../src/app/merge.ts';
import { inputTemplate } from '../../src/app/merge-input.ts';
import type { RowDone } from '../../src/app/merge-report.ts';
import { type MergeRow, mergeRows } from '../../src/app/merge-rows.ts';
import { emptyInput } from '../../src/app/message-input.ts';
import { Pace } from '../../src/app/pace.ts';
import { systemClock } from '../../src/base/clock.ts';
import { EhloError } from '../../src/base/errors.ts';
import { testContext } from '../support/context.ts';

const { ports } = testContext();
const template = await inputTemplate({ ...emptyInput, from: 'me@sender.test', to: ['{{email}}'] }, ports);

interface Run {
  done: RowDone[];
  taken: number;
  most: number;
  code: string | null;
  exit: number;
}

/** `send` decides by the row's number; rows r1 to rN. */
async function runMerge(
  count: number,
  jobs: number,
  send: (row: number) => Promise<EhloError>,
  options: { journal?: Journal; stopAfter?: number } = {},
): Promise<Run> {
  const run: Run = { done: [], taken: 0, most: 0, code: null, exit: 0 };
  const table = {
    columns: ['email'],
    async *rows() {
      for (let row = 1; row <= count; row++) yield { row, line: row + 1, values: [`r${row}@x.test`] };
    },
  };
  const source = mergeRows(table, {}, { by: 'values' });
  async function* counted(): AsyncGenerator<MergeRow> {
    for await (const row of source()) {
      run.taken++;
      run.most = Math.max(run.most, run.taken - run.done.length);
      yield row;
    }
  }
  const lane: Lane = {
    send: async (input) => {
      throw await send(Number(/\d+/.exec(input.to[0] ?? '')?.[0]));
    },
    close: async () => undefined,
  };
  const { report, error } = await merge(
    {
      rows: counted(),
      count,
      template,
      verdicts: 'one',
      jobs,
      pace: new Pace(systemClock, 0),
      stopAfter: options.stopAfter,
      journal: options.journal,
      resend: { unknown: false, rejected: false },
      dryRun: false,
      notes: [],
    },
    systemClock,
    { openLane: () => lane, signal: new AbortController().signal, onRow: (done) => void run.done.push(done) },
  );
  return Object.assign(run, { code: error?.code ?? null, exit: report.exit.code });
}

const later = async (): Promise<EhloError> => new EhloError('connect-failed', 'connection refused');

/** Records in memory; `fail` says which of them the disk does not take. */
function memoryJournal(fail: (what: 'begin' | 'end', count: number) => boolean = () => false) {
  const written: string[] = [];
  const write = async (what: 'begin' | 'end', facts: Record<string, unknown>): Promise<void> => {
    if (fail(what, written.length)) throw new EhloError('io', 'the disk is full');
    written.push(`${what} ${String(facts['row'])}`);
  };
  const journal: Journal = {
    fate: () => 'new' satisfies RowFate,
    begin: (_id, facts) => write('begin', facts),
    end: (_id, _status, facts) => write('end', facts),
  };
  return { journal, written };
}

test('rows are taken as lanes get free, never ahead of them', async () => {
  const run = await runMerge(200, 4, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return later();
  });
  assert.equal(run.done.length, 200);
  assert.ok(run.most <= 4, `${run.most} rows at the same time`);
});

test('a login that is refused ends the run: a thousand of them lock an account', async () => {
  const run = await runMerge(1000, 2, async () => new EhloError('auth-rejected', 'the login was refused'));
  assert.equal(run.exit, 77);
  assert.ok(run.done.length <= 2, `${run.done.length} logins`);
});

test('nothing is sent that the journal does not hold', async () => {
  const { journal, written } = memoryJournal((what, count) => what === 'begin' && count >= 4);
  const sent: number[] = [];
  const run = await runMerge(
    10,
    1,
    async (row) => {
      sent.push(row);
      assert.ok(written.includes(`begin ${row}`));
      return later();
    },
    { journal },
  );
  assert.deepEqual(sent, [1, 2]);
  assert.deepEqual([run.code, run.exit], ['io', 74]);
});

test('an end that cannot be written ends the run too', async () => {
  const { journal } = memoryJournal((what) => what === 'end');
  const sent: number[] = [];
  const run = await runMerge(
    10,
    1,
    async (row) => {
      sent.push(row);
      return later();
    },
    { journal },
  );
  assert.deepEqual(sent, [1]);
  assert.equal(run.code, 'io');
});

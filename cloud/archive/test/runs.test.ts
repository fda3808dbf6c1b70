import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoredRecord } from '../../../log/event-log.ts';
import { markRecord, recordBytes } from '../../../log/record.ts';
import { type Run, RunCutter, type RunLimits } from '../runs.ts';

const limits: RunLimits = { maxRecords: 5, maxBytes: 200, windowMs: 1000 };

function recordAt(offset: number, timeMs: number, bytes: number): StoredRecord {
  return { key: 'k', headers: {}, payload: new Uint8Array(bytes), offset: BigInt(offset), timeMs };
}

function markAt(offset: number, timeMs: number): StoredRecord {
  return { ...markRecord('test'), offset: BigInt(offset), timeMs };
}

/** A log: steps of time forwards and (as Kafka's may) backwards, records up to the largest run, and marks. */
const logs = fc
  .array(
    fc.record({
      stepMs: fc.integer({ min: -50, max: 700 }),
      bytes: fc.integer({ min: 0, max: 250 }),
      mark: fc.boolean(),
    }),
    {
      maxLength: 60,
    },
  )
  .map(steps => {
    let timeMs = 10_000;
    return steps.map(({ stepMs, bytes, mark }, offset) => {
      timeMs += stepMs;
      return mark && bytes % 3 === 0 ? markAt(offset, timeMs) : recordAt(offset, timeMs, bytes);
    });
  });

function cut(log: readonly StoredRecord[], timeMs = 0): Run[] {
  const cutter = new RunCutter(limits, timeMs);
  return log.map(record => cutter.add(record)).filter(run => run !== undefined);
}

test('A1: a restart at any run’s end cuts the rest as an undisturbed archiver does', () => {
  fc.assert(
    fc.property(logs, log => {
      const runs = cut(log);
      runs.forEach((run, index) => {
        const rest = log.filter(({ offset }) => offset >= run.next);
        assert.deepEqual(cut(rest, run.timeMs), runs.slice(index + 1));
      });
    }),
  );
});

test('A1: runs hold every record that is no mark once, keep the limits, and never cross a window', () => {
  fc.assert(
    fc.property(logs, log => {
      const runs = cut(log);
      const inRuns = runs.map(run => log.filter(({ offset }) => offset >= run.from && offset < run.next));
      let timeMs = 0;
      const greatest = new Map(
        log.map(record => {
          timeMs = Math.max(timeMs, record.timeMs);
          return [record.offset, timeMs] as const;
        }),
      );
      inRuns.forEach((records, index) => {
        const rows = records.filter(({ headers }) => headers.mark === undefined);
        const run = runs[index]!;
        assert.equal(rows.length, run.count);
        assert.ok(rows.length >= 1 && rows.length <= limits.maxRecords);
        assert.ok(rows.length === 1 || rows.reduce((sum, row) => sum + recordBytes(row), 0) <= limits.maxBytes);
        assert.equal(new Set(rows.map(({ offset }) => Math.floor(greatest.get(offset)! / limits.windowMs))).size, 1);
        assert.equal(run.timeMs, greatest.get(run.next - 1n));
        assert.equal(run.firstTimeMs, greatest.get(run.from));
      });
      const archived = new Set(inRuns.flat().map(({ offset }) => offset));
      const open = new RunCutter(limits, 0);
      for (const record of log) open.add(record);
      const expected = log.filter(
        ({ headers, offset }) => headers.mark === undefined && !(open.open && offset >= open.open.from),
      );
      assert.deepEqual(
        expected.filter(({ offset }) => !archived.has(offset)),
        [],
      );
    }),
  );
});

test('A1: each limit by itself ends a run, and so does a mark', () => {
  const ends = (log: StoredRecord[]) => cut(log).map(({ from, next, count }) => [Number(from), Number(next), count]);
  const small = (count: number) => Array.from({ length: count }, (_, offset) => recordAt(offset, 10_000, 1));
  assert.deepEqual(ends(small(6)), [[0, 5, 5]]);
  assert.deepEqual(ends([recordAt(0, 10_000, 120), recordAt(1, 10_000, 78)]), []);
  assert.deepEqual(ends([recordAt(0, 10_000, 120), recordAt(1, 10_000, 79)]), [[0, 1, 1]]);
  assert.deepEqual(ends([recordAt(0, 10_999, 1), recordAt(1, 11_000, 1)]), [[0, 1, 1]]);
  assert.deepEqual(ends([recordAt(0, 10_000, 1), recordAt(1, 10_999, 1)]), []);
  assert.deepEqual(ends([recordAt(0, 10_000, 1), markAt(1, 10_001)]), [[0, 2, 1]]);
  assert.deepEqual(ends([markAt(0, 10_000), markAt(1, 10_001)]), []);
});

test('A1: a log time that runs backwards opens no window again', () => {
  const log = [recordAt(0, 11_000, 1), recordAt(1, 10_999, 1), recordAt(2, 11_001, 1), markAt(3, 11_001)];
  assert.deepEqual(
    cut(log).map(({ from, next }) => [Number(from), Number(next)]),
    [[0, 4]],
  );
});

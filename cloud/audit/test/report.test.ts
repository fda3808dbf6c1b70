import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeqRanges } from '../../../core/seq-ranges.ts';
import { type Account, balance, judge } from '../report.ts';
import { Sightings } from '../sightings.ts';

const series = { droneId: 'nyc-0001', epoch: '01K0N1V7Z0J8Q4S6T2W9X3Y5AB', kind: 'telemetry' };
const seqs = fc.uniqueArray(fc.integer({ min: 1, max: 40 }));

function rangesOf(numbers: Iterable<number>): SeqRanges {
  return SeqRanges.from([...numbers].map(seq => [seq, seq]));
}

test('P1: the balance sheet counts what sets of numbers count, and names exactly the gaps', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      seqs,
      seqs,
      seqs,
      seqs,
      seqs,
      (made, acked, waits, stored, tail, bad) => {
        const sightings = new Sightings();
        for (const seq of stored)
          sightings.addArchived({ ...series, redelivery: false, first: seq, last: seq, rows: 1 });
        for (const seq of tail) sightings.addLogged(series, seq, { partition: 0, offset: BigInt(seq) });
        for (const seq of bad) sightings.addRejected(series, seq, seq);
        const account: Account = {
          ...series,
          fleet: 'nyc',
          basis: 'ledger',
          made,
          refused: 7,
          acknowledged: rangesOf(acked),
          waiting: rangesOf(waits),
        };

        const upTo = (numbers: readonly number[]) => numbers.filter(seq => seq <= made);
        const acknowledged = upTo(acked);
        const inFlight = upTo(waits).filter(seq => !acked.includes(seq));
        const all = Array.from({ length: made }, (_, index) => index + 1);
        const lost = all.filter(seq => !acknowledged.includes(seq) && !inFlight.includes(seq));
        const missing = acknowledged.filter(seq => ![...stored, ...tail, ...bad].includes(seq));

        const { lines, gaps, unjudged } = judge([account], sightings);
        const { total } = balance(lines);
        assert.deepEqual(total, {
          made,
          refused: 7,
          lostAtDrone: lost.length,
          acknowledged: acknowledged.length,
          inLog: upTo(tail).filter(seq => !stored.includes(seq)).length,
          archived: upTo(stored).length,
          redelivered: tail.filter(seq => stored.includes(seq)).length,
          rejected: upTo(bad).length,
          inFlight: inFlight.length,
          missing: missing.length,
          newer: new Set([...stored, ...tail].filter(seq => seq > made)).size,
          doubled: 0,
        });
        assert.equal(total.made, total.acknowledged + total.inFlight + total.lostAtDrone);
        const named = (what: string) =>
          gaps
            .filter(gap => gap.what === what)
            .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
        assert.deepEqual(
          named('missing'),
          missing.toSorted((a, b) => a - b),
        );
        assert.deepEqual(named('lost'), lost);
        assert.deepEqual(unjudged, []);
      },
    ),
  );
});

test('a number that stands twice in the archive is doubled without the redelivery flag and redelivered with it', () => {
  const sightings = new Sightings();
  sightings.addArchived({ ...series, redelivery: false, first: 1, last: 10, rows: 11 });
  sightings.addArchived({ ...series, redelivery: false, first: 10, last: 12, rows: 3 });
  sightings.addArchived({ ...series, redelivery: true, first: 3, last: 5, rows: 4 });
  const { doubled, redelivered, archived } = sightings.of(series);
  assert.deepEqual([doubled, redelivered, archived.ranges], [2, 4, [[1, 12]]]);
});

test('numbers of a drone without ledger and state are shown as unjudged, not as balanced', () => {
  const sightings = new Sightings();
  sightings.addLogged(series, 5, { partition: 0, offset: 0n });
  const { lines, unjudged } = judge([], sightings);
  assert.deepEqual(lines, []);
  assert.deepEqual(unjudged, [{ ...series, seen: 1 }]);
});

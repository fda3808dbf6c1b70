import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeqRanges } from '../seq-ranges.ts';

const numbers = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 });

test('a set of ranges holds what a Set of numbers holds, in ascending ranges that do not touch', () => {
  fc.assert(
    fc.property(numbers, numbers, (left, right) => {
      const [a, b] = [new SeqRanges(), new SeqRanges()];
      const model = new Set<number>();
      for (const seq of left) {
        assert.equal(a.add(seq), !model.has(seq));
        model.add(seq);
      }
      for (const seq of right) b.addRange(seq, seq + 2);
      const other = new Set(right.flatMap(seq => [seq, seq + 1, seq + 2]));

      assert.equal(a.count, model.size);
      a.ranges.forEach(([first, last], index) => {
        assert.ok(first <= last && (index === 0 || a.ranges[index - 1]![1] + 1 < first));
      });
      const difference = a.minus(b);
      for (let seq = 0; seq <= 65; seq++) {
        assert.equal(a.has(seq), model.has(seq));
        assert.equal(difference.has(seq), model.has(seq) && !other.has(seq));
      }
    }),
  );
});
